"""What a process of the run did, line by line, in a file that survives its being killed.

Every line is `<monotonic seconds>\t<event>\t<id>\t…`; the clock is one for all processes of a machine. Events:

    asked    id what                                 before anything is sent
    verdict  id accepted|unknown|refused why         what the caller was told
    answer   id code version outputs attempt         each time one came; of an error its sentence
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["Journal", "outputs_text"]


class Journal:
    """Appends to one file; a line is whole or not there, and there before the next thing happens."""

    def __init__(self, path: Path) -> None:
        self._file: Final = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def asked(self, questions: Iterable[tuple[str, str]]) -> None:
        """These (id, what) are about to be sent."""
        self._write(f"asked\t{id_}\t{what}" for id_, what in questions)

    def verdict(self, ids: Iterable[str], verdict: str, why: object = "") -> None:
        """What was said of these."""
        reason = _sentence(why)
        self._write(f"verdict\t{id_}\t{verdict}\t{reason}" for id_ in ids)

    def answer(self, id_: str, code: str, version: int, outputs: str, attempt: int = 1) -> None:
        """One came."""
        self._write([f"answer\t{id_}\t{code}\t{version}\t{outputs}\t{attempt}"])

    def failed(self, id_: str, code: str, version: int, why: object, attempt: int = 1) -> None:
        """An error came; its sentence stands where outputs would."""
        self.answer(id_, code, version, _sentence(why), attempt)

    def _write(self, entries: Iterable[str]) -> None:
        now = time.monotonic()
        os.write(self._file, "".join(f"{now:.6f}\t{entry}\n" for entry in entries).encode())


def _sentence(why: object) -> str:
    return " ".join(str(why).split())[:200]


def outputs_text(outputs: Iterable[object]) -> str:
    """Outputs as the books compare them."""
    return ",".join(map(str, outputs))
