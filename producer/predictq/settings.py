"""How a client behaves: one frozen object, and the one function that reads the environment."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from predictq_broker import DEFAULT_URL

__all__ = ["BROKER_URL", "Settings", "broker_url"]

BROKER_URL = "PREDICTQ_BROKER_URL"


@dataclass(frozen=True)
class Settings:
    """Limits and patience of one client; the defaults suit most.

    Attributes:
        retry_for: Seconds to go on offering a request to a broker that cannot be reached.
        max_body: Bytes one request's encoded rows may have.
        max_rows: Rows one request may have.
        waiting_requests: Requests that may wait in this process to be sent; more wait to be let in.
        waiting_bytes: Bytes of bodies that may wait in this process to be sent.
        send_requests: Requests sent in one call to the broker at most.
        send_bytes: Bytes sent in one call to the broker; the request that crosses it is the last.
        window: Chunks that `map` keeps in flight.
    """

    retry_for: float = 30.0
    max_body: int = 16 << 20
    max_rows: int = 100_000
    waiting_requests: int = 16_384
    waiting_bytes: int = 64 << 20
    send_requests: int = 512
    send_bytes: int = 4 << 20
    window: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"settings: {field.name} must be a positive number, not {value!r}")


def broker_url(url: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The broker to use: `url` if given, else `PREDICTQ_BROKER_URL`, else the embedded default."""
    return url or environment.get(BROKER_URL) or DEFAULT_URL
