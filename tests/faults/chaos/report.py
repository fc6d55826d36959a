"""What a run came to, for people, for machines, and as rows of docs/reliability.md."""

import json
import math
import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults.chaos.outcome import Event, Outcome

__all__ = ["as_json", "as_markdown", "as_text"]


def as_text(outcome: Outcome) -> str:
    """For people."""
    audit, lines = outcome.audit, []
    lines.append(f"{outcome.broker}; seed {outcome.plan.seed}; {outcome.seconds:.0f} s; {machine()}")
    lines += [f"  control: {outcome.plan.control}"] if outcome.plan.control else []
    figures = audit._asdict()
    figures["codes"] = ", ".join(f"{count} {code}" for code, count in sorted(audit.codes.items()))
    reasons = figures.pop("reasons")
    figures["longest_silence"] = f"{audit.longest_silence:.1f} s"
    lines += [f"  {name.replace('_', ' '):18} {value}" for name, value in figures.items()]
    lines += [f"    {count:6} times {reason}" for reason, count in reasons.items()]
    lines += [f"  {'faults':18} {outcome.happened}", *_by_fault(outcome)]
    lines += [f"  left out: {what}" for what in outcome.left_out]
    lines += [f"  not counted, no proof: {why}" for event in outcome.events for why in event.troubles]
    lines += [f"  FAILED: {what}" for what in outcome.failures] or ["  good"]
    return "\n".join(lines)


def _by_fault(outcome: Outcome) -> Iterator[str]:
    for name, times in sorted(recoveries(outcome).items()):
        yield f"    {len(times):3} {name:42} recovered in {_median(times)}, at most {_felt(max(times))}"


def recoveries(outcome: Outcome) -> dict[str, list[float]]:
    """Seconds, by single fault, and of all pairs together; infinite where the driver did not wait for the end."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for event in outcome.events:
        if event.proofs:
            found[_kind(event)].append(math.inf if event.recovery is None else event.recovery)
    return found


def _median(times: Sequence[float]) -> str:
    return _felt(sorted(times)[len(times) // 2])


def _felt(seconds: float) -> str:
    return "longer than was waited" if math.isinf(seconds) else f"{seconds:.1f} s"


def _kind(event: Event) -> str:
    return "two at a time" if len(event.names) > 1 else event.names[0]


def as_json(outcome: Outcome) -> str:
    """For machines: everything."""
    plan: dict[str, Any] = asdict(outcome.plan)
    whole = {
        "plan": plan,
        "broker": outcome.broker,
        "machine": machine(),
        "seconds": round(outcome.seconds, 1),
        "audit": outcome.audit._asdict(),
        "failures": outcome.failures,
        "left_out": list(outcome.left_out),
        "events": [asdict(event) for event in outcome.events],
    }
    return json.dumps(whole, indent=1)


def as_markdown(outcome: Outcome) -> str:
    """The rows of docs/reliability.md: the figures of this run, and how long each fault was felt."""
    a = outcome.audit
    names = ["engine", "seed", "accepted", "faults", "lost", "wrong", "doubled at client", "at port", "in queue"]
    head = f"| {' | '.join([*names, 'longest silence'])} |\n|---{'|--:' * len(names)}|\n"
    figures = [outcome.plan.seed, _n(a.accepted), outcome.happened, a.lost, a.wrong, a.doubled_at_client]
    figures += [a.doubled_at_port, a.doubled_in_queue, f"{a.longest_silence:.1f} s"]
    row = f"| {outcome.broker} | {' | '.join(map(str, figures))} |\n\n"
    table = "| fault | times | recovered in, median | at most |\n|---|--:|--:|--:|\n"
    for name, times in sorted(recoveries(outcome).items()):
        table += f"| {name} | {len(times)} | {_median(times)} | {_felt(max(times))} |\n"
    return head + row + table


def _n(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def machine() -> str:
    """What it ran on."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gigabytes = round(int(memory.split()[1]) / (1 << 20))
    linux = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} cores, {gigabytes} GiB, Linux {linux}, Python {platform.python_version()}"
