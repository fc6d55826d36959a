"""What the kernel denies a model here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from predictq_cli.doctor.finding import Finding, fine, remarkable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["look_at_runners"]

_PART: Final = "runners"
_PROGRAM: Final = "import json; from predictq_sandbox import confine; print(json.dumps(confine()._asdict()))"
_WAYS: Final = {"network": "a network of its own", "calls": "refused calls"}


def look_at_runners() -> Iterator[Finding]:
    """Confine a process as a runner is, and tell what could be had."""
    asked = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)  # noqa: S603
    if asked.returncode:
        yield remarkable(_PART, "cannot be confined: " + asked.stderr.strip().rpartition("\n")[2], "report it")
        return
    had: dict[str, Any] = json.loads(asked.stdout)
    ways = [
        way for way, there in (("a network of their own", had["network"]), ("refused calls", had["calls"])) if there
    ]
    if ways:
        yield fine(_PART, f"a model reaches nobody: {' and '.join(ways)}")
        if had["files"]:
            yield fine(_PART, "a model writes no file but temporary ones of its own")
        if had["secrets"]:
            yield fine(_PART, "a model reads no files of credentials in their usual places")
    else:
        do = "give workers a container without a way out, or a kernel with user namespaces or seccomp"
        yield remarkable(_PART, "a model can reach the network: this kernel refuses every way to deny it", do)
