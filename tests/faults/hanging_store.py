"""`predictq worker` on a store that hangs, as a dead file server does: `python -m faults.hanging_store`.

Whoever reads the alias table of a model in whose folder lies a pipe named `hangs` waits until somebody writes to it.
"""

from pathlib import Path

from predictq_cli.__main__ import main
from predictq_registry import storage

__all__: list[str] = []


def hang_where_told() -> None:
    read = storage._LocalStorage._read

    def slow_read(self: storage._LocalStorage, full: str) -> bytes:
        pipe = Path(full).parents[1] / "hangs"
        if pipe.is_fifo():
            pipe.read_bytes()
        return read(self, full)

    storage._LocalStorage._read = slow_read  # type: ignore[method-assign]  # that is the point


if __name__ == "__main__":
    hang_where_told()
    main(["worker"])
