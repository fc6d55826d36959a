"""What stops one request inside the inference library. None of these leaves it: each becomes a `Failed`.

Exception
├── BadBody      the body cannot be decoded, or is too large
└── BadOutput    the model returned something that is not one output for each row
"""

from predictq_broker.messages import Code

__all__ = ["BadBody", "BadOutput", "describe", "one_line"]

_LONGEST = 300


class BadBody(Exception):
    """A body that cannot become rows.

    Attributes:
        code: `invalid_input` or `too_large`.
        message: What is wrong, where, and what to do.
    """

    def __init__(self, message: str, code: Code = Code.INVALID_INPUT) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadOutput(Exception):
    """Outputs that cannot be handed to those who asked.

    Attributes:
        code: `model_error`, or `too_large` where fewer rows would do.
        message: Why, and what to do.
    """

    def __init__(self, message: str, code: Code = Code.MODEL_ERROR) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def describe(error: BaseException) -> str:
    """The exception's type and the first line of its message, as one printable line of at most 300 characters."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  a model's exception may raise anything while it is printed
        text = ""
    return one_line(f"{type(error).__name__}: {text}" if text.strip() else type(error).__name__)


def one_line(text: str) -> str:
    """The first line of `text`, cut to 300 characters, with everything unprintable shown as `?`."""
    first = text.strip().partition("\n")[0].strip()
    shown = "".join(c if c.isprintable() else "?" for c in first[:_LONGEST])
    return f"{shown[: _LONGEST - 1]}…" if len(first) > _LONGEST else shown
