"""How a command ends: exit codes that scripts can rely on, and the one exception that carries one."""

from enum import IntEnum

__all__ = ["EXIT_CODES", "Exit", "ReaderGone", "Stop"]


class Exit(IntEnum):
    """Exit codes; stable, and printed by `predictq --help`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    PREDICTION = 4
    INTERRUPTED = 130
    READER_GONE = 141


EXIT_CODES = (
    "Exit codes: 0 done; 1 what was asked for failed; 2 wrong usage; 3 broker or registry unreachable; "
    "4 a prediction ended in an error."
)


class Stop(Exception):
    """End the command with `code`, and tell the user `sentence`: what is wrong, where, what to do."""

    def __init__(self, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ReaderGone(Exception):
    """Whoever read our output has closed it, as `| head -1` does. No mistake, and nothing more to do."""
