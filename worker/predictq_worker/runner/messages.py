"""What parent and runner say to each other, and how each reads the other. The parent believes nothing unchecked."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Code
from predictq_registry import Manifest, Package, ReleaseSignature, Trust
from predictq_worker.inference import Answer, Failed, Limits, Ok, Predicted
from predictq_worker.runner.frames import BadFrame, Buffer, Frame, pack

__all__ = [
    "FORGET",
    "LOAD",
    "MAX_CONTROL_BYTES",
    "OUT_OF_MEMORY",
    "PREDICT",
    "SEVERAL",
    "STOP",
    "Load",
    "LoadReport",
    "Predicted",
    "Question",
    "forget_frame",
    "forgotten_reply",
    "load_frame",
    "load_reply",
    "operation",
    "predict_frame",
    "predict_reply",
    "read_load",
    "read_load_reply",
    "read_predict_reply",
    "read_replies",
    "read_several",
    "refusal_reply",
    "several_reply",
    "stop_frame",
]

MAX_CONTROL_BYTES: Final = 4096
"""No message between the parent and the nursery is longer."""
OUT_OF_MEMORY: Final = 12
"""A runner's exit code when what its parent sends does not fit into the memory it may have."""
FORGET: Final = "forget"
LOAD: Final = "load"
PREDICT: Final = "predict"
SEVERAL: Final = "several"
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


class Question(NamedTuple):
    """A batch for one of the releases that a process holds.

    Attributes:
        number: Which of them.
        method: As it was asked for.
        content_type: Of the bodies.
        bodies: One for each request.
        most_bytes: That all answers together may have.
        timeout: Seconds until the process is killed if it has not answered; None: never.
    """

    number: int
    method: str
    content_type: str
    bodies: Sequence[bytes]
    most_bytes: int
    timeout: float | None = None

    @property
    def size(self) -> int:
        """Bytes of the bodies."""
        return sum(map(len, self.bodies))


class Load(NamedTuple):
    """What a runner is asked to take.

    Attributes:
        package: The release, not yet verified.
        limits: Of requests and answers.
        trust: Whose signature counts.
        shared: Whether others may be in the same process, before it and after it.
    """

    package: Package
    limits: Limits
    trust: Trust
    shared: bool = False


def load_frame(number: int, load: Load) -> list[Buffer]:
    """Ask a process to take this release, and to know it by that number."""
    package = load.package
    header = {
        "op": LOAD,
        "release": number,
        "shared": load.shared,
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
    return Load(package, Limits(**header["limits"]), Trust.from_json(header["trust"]), header["shared"])


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


def predict_frame(questions: Sequence[Question]) -> list[Buffer]:
    """Ask for the answers to these; each is answered for itself."""
    if len(questions) == 1:
        number, method, content_type, bodies, *_ = questions[0]
        return pack({"op": PREDICT, "release": number, "method": method, "content_type": content_type}, bodies)
    told = [[*question[:3], len(question.bodies)] for question in questions]
    return pack({"op": SEVERAL, "questions": told}, [body for question in questions for body in question.bodies])


def read_several(frame: Frame) -> list[Frame]:
    """What several questions carry, as if each had come alone."""
    parts = iter(frame.parts)
    return [
        Frame({"release": number, "method": method, "content_type": content_type}, list(itertools.islice(parts, count)))
        for number, method, content_type, count in frame.header["questions"]
    ]


def several_reply(replies: Sequence[tuple[Sequence[Answer], float]]) -> list[Buffer]:
    """The answers to several questions, and how many seconds each took."""
    told = [_told(answers, seconds) for answers, seconds in replies]
    return pack({"replies": told}, [body for answers, _ in replies for body in map(_body, answers)])


def predict_reply(answers: Sequence[Answer], seconds: float) -> list[Buffer]:
    """The answers: a part each, empty for those that failed, whose reasons are in the header."""
    return pack(_told(answers, seconds), list(map(_body, answers)))


def _told(answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    failed = [
        (index, answer.code, answer.message) for index, answer in enumerate(answers) if isinstance(answer, Failed)
    ]
    return {"seconds": seconds, "failed": failed}


def _body(answer: Answer) -> bytes:
    return answer.body if isinstance(answer, Ok) else b""


def read_replies(frame: Frame, counts: Sequence[int]) -> list[Predicted]:
    """The answers to questions of so many bodies each.

    Raises:
        BadFrame: if they are not that many, or not answers.
    """
    if len(counts) == 1:
        return [read_predict_reply(frame, counts[0])]
    match frame.header:
        case {"replies": list(replies)} if len(replies) == len(counts) and len(frame.parts) == sum(counts):
            parts = iter(frame.parts)
            return [
                read_predict_reply(_as_frame(reply, list(itertools.islice(parts, count))), count)
                for reply, count in zip(replies, counts, strict=True)
            ]
        case _:
            raise BadFrame(f"the reply to {len(counts)} questions does not answer them")


def _as_frame(header: object, parts: list[bytes]) -> Frame:
    if not isinstance(header, dict):
        raise BadFrame("the reply holds one that is none")
    return Frame(header, parts)


def read_predict_reply(frame: Frame, count: int) -> Predicted:
    """The answers to `count` bodies.

    Raises:
        BadFrame: if they are not that many, or not answers.
    """
    match frame.header:
        case {"seconds": float(seconds), "failed": list(failed)} if len(frame.parts) == count:
            return Predicted(frame.parts, dict(_read_failure(entry, count) for entry in failed), seconds)
        case _:
            raise BadFrame(f"the reply to {count} requests does not hold {count} answers")


def _read_failure(entry: object, count: int) -> tuple[int, Failed]:
    match entry:
        case [int(index), str(code), str(message)] if 0 <= index < count and code in _CODES:
            return index, Failed(_CODES[code], message[:_LONGEST_MESSAGE])
        case _:
            raise BadFrame("the reply holds a failure that is none")


_CODES: Final[Mapping[str, Code]] = {code.value: code for code in Code if code is not Code.OK}


def forget_frame(numbers: Sequence[int]) -> list[Buffer]:
    """Ask a process to give back the memory of these releases."""
    return pack({"op": FORGET, "releases": numbers})


def forgotten_reply() -> list[Buffer]:
    """Say that it is given back."""
    return pack({})


def stop_frame() -> list[Buffer]:
    """Ask a process to end."""
    return pack({"op": STOP})


def operation(frame: Frame) -> Any:  # noqa: ANN401  compared with the four there are
    """What a frame from the parent asks for."""
    return frame.header.get("op")
