"""How much memory there is for releases."""

from pathlib import Path

__all__ = ["default_budget"]

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def default_budget() -> int:
    """Half of what this machine, or this container, may use; in bytes."""
    return min([_machine(), *_containers()]) // 2


def _machine() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return 1 << 40


def _containers() -> list[int]:
    limits: list[int] = []
    for path in map(Path, _CGROUP_LIMITS):
        text = path.read_text().strip() if path.exists() else "max"
        if text.isdigit():
            limits.append(int(text))
    return limits
