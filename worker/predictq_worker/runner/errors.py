"""What can go wrong with a runner as a whole; what goes wrong with one request is its `Failed`.

RunnerError
├── RunnerDied        the process is gone
│   ├── RunnerGone    nobody can tell who was the cause, or it was not this one
│   └── RunnerKilled  we killed it, because it hung or broke the protocol
└── ReleaseRefused    the release must not serve: its bytes, its signature or its golden rows are wrong
"""

__all__ = ["ReleaseRefused", "RunnerDied", "RunnerError", "RunnerGone", "RunnerKilled"]


class RunnerError(Exception):
    """Anything that went wrong with a runner as a whole.

    Attributes:
        reason: Why, as a sentence for logs and for whoever asked.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RunnerDied(RunnerError):
    """The runner's process is gone; what it held was not answered. Another one may be started."""


class RunnerGone(RunnerDied):
    """It ended before this was asked of it, or while others asked at the same time: ask again, of another one."""


class RunnerKilled(RunnerDied):
    """It did not answer in time, or not as was agreed. Another one would do the same."""


class ReleaseRefused(RunnerError):
    """The release failed a step of loading and would fail it again."""
