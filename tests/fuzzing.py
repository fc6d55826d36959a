"""How hard generated cases try: a fixed, bounded number for everybody's test run, many random ones on demand."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

__all__ = ["THOROUGH", "effort", "flipped", "soon"]

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
"""`HYPOTHESIS_PROFILE=thorough`, as `make fuzz` sets it."""


def effort(examples: int, thorough: int, **more: Any) -> settings:
    """The same `examples` cases in every run, so that no run fails by chance; `thorough` random ones if asked for."""
    return settings(
        max_examples=thorough if THOROUGH else examples,
        derandomize=not THOROUGH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        **more,
    )


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """What stands inside takes less than a second of this thread's own time, however busy the machine is."""
    began = time.thread_time()
    yield
    took = time.thread_time() - began
    assert took < 1.0, f"it took {took:.1f} s"


def flipped(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Sound bytes that were harmed: bits flipped, bytes replaced, cut off, doubled, or with others put between."""
    harm = st.tuples(
        st.integers(0, 1 << 16),
        st.sampled_from(["bit", "byte", "cut", "insert", "double", "number"]),
        st.binary(max_size=9),
    )
    return st.builds(_harmed, whole, st.lists(harm, min_size=1, max_size=4))


def _harmed(data: bytes, harms: list[tuple[int, str, bytes]]) -> bytes:
    for number, how, other in harms:
        if not data:
            break
        place = number % len(data)
        match how:
            case "bit":
                data = data[:place] + bytes([data[place] ^ (1 << number % 8)]) + data[place + 1 :]
            case "byte":
                data = data[:place] + other[:1] + data[place + 1 :]
            case "cut":
                data = data[:place]
            case "insert":
                data = data[:place] + other + data[place:]
            case "double":
                data = data[:place] + data[place:] * 2
            case _:  # a length that lies: the largest, the smallest, or one off
                lie = [b"\xff" * 4, b"\xff" * 7 + b"\x7f", b"\0" * 4, b"\x80\0\0\0", b"99999999999999999999"][
                    number % 5
                ]
                data = data[:place] + lie + data[place + len(lie) :]
    return data
