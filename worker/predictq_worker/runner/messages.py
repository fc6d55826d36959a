"""What parent and runner say to each other, and how each reads the other. The parent believes nothing unchecked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Code
from predictq_registry import Manifest, Package, ReleaseSignature, Trust
from predictq_worker.inference import Answer, Failed, Limits, Ok
from predictq_worker.runner.frames import BadFrame, Buffer, Frame, pack

__all__ = [
    "LOAD",
    "MAX_CONTROL_BYTES",
    "OUT_OF_MEMORY",
    "PREDICT",
    "STOP",
    "Load",
    "LoadReport",
    "Predicted",
    "load_frame",
    "load_reply",
    "operation",
    "predict_frame",
    "predict_reply",
    "read_load",
    "read_load_reply",
    "read_predict_reply",
    "refusal_reply",
    "stop_frame",
]

MAX_CONTROL_BYTES: Final = 4096
"""No message between the parent and the nursery is longer."""
OUT_OF_MEMORY: Final = 12
"""A runner's exit code when what its parent sends does not fit into the memory it may have."""
LOAD: Final = "load"
PREDICT: Final = "predict"
STOP: Final = "stop"
_LONGEST_MESSAGE: Final = 2000


class LoadReport(NamedTuple):
    """What loading a release showed.

    Attributes:
        seconds: How long it took to verify, load, check and warm up.
        rss: Resident bytes of the process that holds it, right after.
        memory: Those of them that it shares with nobody.
        warnings: What the libraries warned of.
        differences: Library versions that are not those it was published with.
    """

    seconds: float
    rss: int
    memory: int = 0
    warnings: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()


class Predicted(NamedTuple):
    """One answer a body, in order, and the seconds the runner took for all of them."""

    answers: list[Answer]
    seconds: float


class Load(NamedTuple):
    """What a runner is asked to take.

    Attributes:
        package: The release, not yet verified.
        limits: Of requests and answers.
        trust: Whose signature counts.
    """

    package: Package
    limits: Limits
    trust: Trust


def load_frame(load: Load) -> list[Buffer]:
    """Ask a runner to take this release."""
    package = load.package
    header = {
        "op": LOAD,
        "files": list(package.files),
        "signers": [signature.key_id for signature in package.signatures],
        "limits": load.limits._asdict(),
        "trust": load.trust.to_json(),
    }
    signatures = [signature.value for signature in package.signatures]
    return pack(header, [package.manifest_bytes, *package.files.values(), *signatures])


def read_load(frame: Frame) -> Load:
    """What a `load_frame` carries.

    Raises:
        InvalidRelease: if its manifest is none.
    """
    header, (manifest_bytes, *parts) = frame.header, frame.parts
    files = dict(zip(header["files"], parts, strict=False))
    signatures = tuple(map(ReleaseSignature, header["signers"], parts[len(files) :]))
    package = Package(Manifest.read(manifest_bytes), manifest_bytes, files, signatures)
    return Load(package, Limits(**header["limits"]), Trust.from_json(header["trust"]))


def load_reply(report: LoadReport) -> list[Buffer]:
    """Say that the release stands."""
    return pack({"report": report._asdict()})


def refusal_reply(reason: str) -> list[Buffer]:
    """Say that the release must not serve."""
    return pack({"refused": reason})


def read_load_reply(frame: Frame) -> LoadReport | str:
    """The runner's report, or the reason for its refusal.

    Raises:
        BadFrame: if it is neither.
    """
    match frame.header:
        case {"refused": str(reason)}:
            return reason[:_LONGEST_MESSAGE]
        case {
            "report": {
                "seconds": float(seconds),
                "rss": int(rss),
                "memory": int(memory),
                "warnings": list(warned),
                "differences": list(found),
            }
        }:
            return LoadReport(seconds, rss, memory, tuple(map(str, warned)), tuple(map(str, found)))
        case _:
            raise BadFrame("the reply to a load is neither a report nor a refusal")


def predict_frame(method: str, content_type: str, bodies: Sequence[bytes]) -> list[Buffer]:
    """Ask a runner for the answers to `bodies`."""
    return pack({"op": PREDICT, "method": method, "content_type": content_type}, bodies)


def predict_reply(answers: Sequence[Answer], seconds: float) -> list[Buffer]:
    """The answers: a part each, empty for those that failed, whose reasons are in the header."""
    failed = [
        (index, answer.code, answer.message) for index, answer in enumerate(answers) if isinstance(answer, Failed)
    ]
    bodies = [answer.body if isinstance(answer, Ok) else b"" for answer in answers]
    return pack({"seconds": seconds, "failed": failed}, bodies)


def read_predict_reply(frame: Frame, count: int) -> Predicted:
    """The answers to `count` bodies.

    Raises:
        BadFrame: if they are not that many, or not answers.
    """
    match frame.header:
        case {"seconds": float(seconds), "failed": list(failed)} if len(frame.parts) == count:
            answers: list[Answer] = [Ok(body) for body in frame.parts]
            for entry in failed:
                index, failure = _read_failure(entry, count)
                answers[index] = failure
            return Predicted(answers, seconds)
        case _:
            raise BadFrame(f"the reply to {count} requests does not hold {count} answers")


def _read_failure(entry: object, count: int) -> tuple[int, Failed]:
    match entry:
        case [int(index), str(code), str(message)] if 0 <= index < count and code in _CODES:
            return index, Failed(_CODES[code], message[:_LONGEST_MESSAGE])
        case _:
            raise BadFrame("the reply holds a failure that is none")


_CODES: Final[Mapping[str, Code]] = {code.value: code for code in Code if code is not Code.OK}


def stop_frame() -> list[Buffer]:
    """Ask a runner to end."""
    return pack({"op": STOP})


def operation(frame: Frame) -> Any:  # noqa: ANN401  compared with the three there are
    """What a frame from the parent asks for."""
    return frame.header.get("op")
