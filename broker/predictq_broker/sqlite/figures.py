"""What an operator asks: how full, how safe."""

from pathlib import Path
from typing import Final

from predictq_broker.capabilities import Durability, Survives
from predictq_broker.messages import QueueStats
from predictq_broker.sqlite.database import Database, now_ms

__all__ = ["ask_durability", "count"]

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def count(database: Database, model: str) -> QueueStats:
    """The figures of one queue."""
    now = now_ms()
    rows = database.read("count_queue", {"model": model, "now": now})
    if not rows:
        return QueueStats(queued=0, in_flight=0, oldest=0.0, dead=0, consumers=0)
    requests, held, accepted, dead, consumers = rows[0]
    oldest = 0.0 if accepted is None else max(0.0, (now - accepted) / 1000)
    return QueueStats(queued=requests - held, in_flight=held, oldest=oldest, dead=dead, consumers=consumers)


def ask_durability(database: Database) -> Durability:
    """What the file survives, by its settings and by where it lies."""
    journal = database.pragma("journal_mode")
    path = database.address.path
    if _filesystem(path) in _IN_MEMORY:
        return Durability(Survives.PROCESS_CRASH, f"{path} lies in memory, on a {_filesystem(path)}")
    if database.address.synchronous == "full":
        return Durability(
            Survives.POWER_LOSS, f"journal_mode={journal}, synchronous=full: each commit waits for the disk"
        )
    return Durability(
        Survives.PROCESS_CRASH, f"journal_mode={journal}, synchronous=normal: a loss of power may undo the last commits"
    )


def _filesystem(path: Path) -> str:
    """The kind of file system `path` lies on, where the system tells; else empty."""
    try:
        device = path.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    wanted = f"{device >> 8 & 0xFFF}:{device & 0xFF}"
    return next((line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == wanted), "")
