"""What could be had of all that a process may give up."""

import resource
from typing import Final, NamedTuple

from predictq_sandbox.landlock import landlock_version
from predictq_sandbox.namespaces import drop_capabilities, leave_mounts, leave_neighbours, leave_network
from predictq_sandbox.rights import gain_no_privileges, hide
from predictq_sandbox.seccomp import refuse_calls
from predictq_sandbox.secrets import hide_secrets

__all__ = ["Confinement", "be_alone", "confine"]

_OPEN_FILES: Final = 4096
_PROCESSES: Final = 1024


class Confinement(NamedTuple):
    """What this process and its children can no longer do.

    Attributes:
        network: It is in a network of its own, without a way out.
        calls: The kernel refuses it sockets to anywhere, other processes' memory, and calls no model needs.
        privileges: No program it starts has more rights than itself.
        capabilities: It has none of root's.
        files: It can be denied to write any, see `deny_writing`.
        secrets: The places where programs keep credentials are empty for it.
        processes: How many there may be at once with its children, or 0 where they cannot be counted apart.
    """

    network: bool
    calls: bool
    privileges: bool
    capabilities: bool
    files: bool
    secrets: bool
    processes: int

    @property
    def offline(self) -> bool:
        """Whether it can reach nobody outside this machine, for one reason or another."""
        return self.network or self.calls


def confine() -> Confinement:
    """Give up what can be given up. The process must have one thread only."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    network = leave_network()
    # Only in a user namespace of its own does it not count what else this user runs.
    processes = _lower(resource.RLIMIT_NPROC, _PROCESSES) if network else 0
    secrets = network and leave_mounts() and hide_secrets()  # without a namespace of its own it would be for all
    privileges = gain_no_privileges()
    calls, capabilities, files = refuse_calls(), drop_capabilities(), landlock_version() > 0
    return Confinement(network, calls, privileges, capabilities, files, secrets, processes)


def be_alone() -> None:
    """Let no other confined process look into this one, which was forked from one and has no thread yet."""
    if not (leave_neighbours() and drop_capabilities()):
        hide()


def _lower(limit: int, most: int) -> int:
    _, hard = resource.getrlimit(limit)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (value, value))
    return value
