"""How much memory there is for releases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["default_budget"]

_LIMITS: Final = {
    "": ("/sys/fs/cgroup", "memory.max"),
    "memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
}
"""Where the kernel keeps them, by controller: version 2 of cgroups has one hierarchy, which has no name."""


def default_budget() -> int:
    """Half of what this machine, or this container, may use; in bytes."""
    return min([_machine(), *_containers()]) // 2


def _machine() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return 1 << 40


def _containers(root: Path = Path("/"), groups: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """The limits of our control group and of each above it: a service's, a container's, a slice's."""
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        for controller in {"", "memory"} & {*controllers.split(",")}:
            folder, name = _LIMITS[controller]
            top = root / folder.lstrip("/")
            group = top / path.lstrip("/")
            for place in (group, *group.parents):
                if place.is_relative_to(top) and (limit := _limit(place / name)) is not None:
                    yield limit


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
