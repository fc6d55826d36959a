"""A process gives up what a model does not need: the network, rights, other processes. It cannot take it back.

    report = confine()

Called first thing in a process, before anything has started a thread. It imports the standard library only, and
nothing fails where the kernel refuses: the report says what could be had.
"""

from predictq_sandbox.confine import Confinement, be_alone, confine
from predictq_sandbox.landlock import deny_writing
from predictq_sandbox.restrict import restrict
from predictq_sandbox.rights import hide

__all__ = ["Confinement", "be_alone", "confine", "deny_writing", "hide", "restrict"]
