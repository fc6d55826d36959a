"""Structured logs: one event a line, as JSON for machines or as text for people."""

import json
import logging
import sys
import time
from collections.abc import Mapping

__all__ = ["configure"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(form: str, level: int = logging.INFO) -> None:
    """Send the logs of our packages to standard error; `form` is `json`, `text`, or `auto`."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Text() if as_text else _Json())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _extras(record: logging.LogRecord) -> Mapping[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _stamp(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {"time": _stamp(record), "level": record.levelname.lower()}
        event["event"] = record.getMessage()
        event |= {"logger": record.name, **_extras(record)}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{name}={_plain(value)}" for name, value in _extras(record).items())
        line = f"{_stamp(record)[11:23]} {record.levelname.lower():7} {record.getMessage():40} {extras}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _plain(value: object) -> str:
    """On one line, without control characters: what a request holds must not be able to forge a line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
