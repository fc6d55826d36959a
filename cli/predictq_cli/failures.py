"""From an exception to what the user is told: one line and an exit code."""

import sys
from typing import Any, NamedTuple

from predictq_cli.exits import Exit, Stop

__all__ = ["Failure", "explain"]


class Failure(NamedTuple):
    """How a command ends that could not do what it was asked for."""

    code: Exit
    sentence: str


def explain(error: BaseException) -> Failure | None:
    """What to tell the user about `error`; None if nobody foresaw it, so that its traceback is needed."""
    match error:
        case Stop():
            return Failure(error.code, str(error))
        case ModuleNotFoundError():
            return _missing_package(error)
        case _:
            return _of_broker(error) or _of_client(error) or _of_registry(error) or _of_usage(error) or _of_file(error)


_EXTRAS = {
    "pyarrow": "arrow",
    "fakeredis": "memory",
    "lupa": "memory",
    "prometheus_client": "worker",
    **dict.fromkeys(("fsspec", "joblib", "numpy", "pandas", "pydantic", "sklearn"), "worker"),
    **dict.fromkeys(("onnx", "onnxruntime", "skl2onnx"), "onnx"),
    **{name: name for name in ("catboost", "lightgbm", "mlflow", "skops", "xgboost")},
}


def _missing_package(error: ModuleNotFoundError) -> Failure | None:
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        return None
    return Failure(Exit.FAILED, f"this needs the package {package!r}: pip install 'predictq[{extra}]'")


def _of_broker(error: BaseException) -> Failure | None:
    from predictq_broker import BrokerError, BrokerFull, InvalidName, UnsupportedBroker

    match error:
        case InvalidName() | UnsupportedBroker():
            return Failure(Exit.USAGE, str(error))
        case BrokerFull():
            return Failure(Exit.FAILED, f"broker: {error}")
        case BrokerError():
            return Failure(Exit.UNREACHABLE, f"broker: {error}; `predictq doctor` tells more")
        case _:
            return None


def _of_client(error: BaseException) -> Failure | None:
    from predictq.errors import InvalidInput, PredictqError, QueueFull, Unavailable

    match error:
        case Unavailable():
            return Failure(Exit.UNREACHABLE, f"broker: {error}; `predictq doctor` tells more")
        case QueueFull():
            return Failure(Exit.FAILED, str(error))
        case InvalidInput() if not error.request_id:
            return Failure(Exit.USAGE, str(error))
        case PredictqError():
            return Failure(Exit.PREDICTION, f"{error.code}: {error}")
        case _:
            return None


def _of_registry(error: BaseException) -> Failure | None:
    if "predictq_registry" not in sys.modules:  # then none of its errors can have been raised
        return None
    from predictq_registry import InvalidName, RegistryError, StoreError

    match error:
        case InvalidName():
            return Failure(Exit.USAGE, str(error))
        case StoreError():
            return Failure(Exit.UNREACHABLE, f"registry: {error}")
        case RegistryError():
            return Failure(Exit.FAILED, str(error))
        case _:
            return None


def _of_usage(error: BaseException) -> Failure | None:
    """Wrong arguments, as the command parser tells them. Its exceptions are known by what they offer:
    some versions of typer bring click, others a copy of it.
    """
    told: Any = error
    if not hasattr(error, "format_message"):
        return None
    context = getattr(told, "ctx", None)
    command = getattr(context, "command_path", "predictq")
    sentence = " ".join(str(told.format_message()).split()).rstrip(".")
    return Failure(Exit.USAGE, f"{sentence}; see: {command} --help")


def _of_file(error: BaseException) -> Failure | None:
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename else ""
    return Failure(Exit.FAILED, f"{where}{error.strerror or error}")
