"""File systems of our own for tests: small ones, read-only ones, and the right to mount them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import need_program

__all__ = ["command", "mounted", "need_mounts", "small_disk"]


def command(program: str, *arguments: object) -> None:
    """Run a system's program; it must succeed."""
    done = subprocess.run([need_program(program), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"


def need_mounts(*, loop: bool = False) -> None:
    """Skip the test where nothing can be mounted: that takes root, which not every machine for tests gives."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    if loop and not Path("/dev/loop-control").exists():
        pytest.skip("there are no loop devices on this machine")
    try:
        command("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")
    except AssertionError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@contextmanager
def mounted(directory: Path, *arguments: object) -> Iterator[Path]:
    """`mount` with these arguments at `directory`, until the block ends."""
    directory.mkdir(exist_ok=True)
    command("mount", *arguments, directory)
    try:
        yield directory
    finally:
        command("umount", "--lazy", directory)


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """An empty disk of so many megabytes."""
    with mounted(directory, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs") as disk:
        yield disk
