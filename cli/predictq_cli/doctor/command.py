"""`predictq doctor`: the command."""

from predictq_cli.doctor.finding import Finding, State
from predictq_cli.exits import Exit
from predictq_cli.options import DEFAULT_BROKER, DEFAULT_REGISTRY, BrokerUrl, Json, RegistryUrl
from predictq_cli.output import plain, write, write_json

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = "Example: predictq doctor --broker redis://localhost:6379/0 --registry s3://models"

_MARKS = {State.FINE: "ok   ", State.REMARKABLE: "note ", State.WRONG: "WRONG"}


def doctor(*, broker: BrokerUrl = DEFAULT_BROKER, registry: RegistryUrl = DEFAULT_REGISTRY, json: Json = False) -> int:
    """Look at versions, at what models are denied, at the broker and the registry; say what is wrong and what to do.

    The exit code is 1 if something is wrong, 0 if there are only notes.
    """
    from predictq_cli.doctor.broker import look_at_broker
    from predictq_cli.doctor.registry import look_at_registry
    from predictq_cli.doctor.runners import look_at_runners
    from predictq_cli.doctor.versions import look_at_versions

    findings = [*look_at_versions(), *look_at_runners(), *look_at_broker(broker, registry), *look_at_registry(registry)]
    ill = any(finding.state is State.WRONG for finding in findings)
    if json:
        write_json({"ok": not ill, "findings": [finding._asdict() for finding in findings]})
    else:
        write("\n".join(map(_told, findings)))
        write("something is wrong; see above" if ill else "nothing is wrong")
    return Exit.FAILED if ill else Exit.OK


def _told(finding: Finding) -> str:
    line = f"{_MARKS[finding.state]}  {finding.part:<9} {plain(finding.what)}"
    return f"{line}\n{'':17} -> {plain(finding.do)}" if finding.do else line
