"""Keeps a runner of one release standing: one that dies, or had better have a process of its own, is replaced."""

import logging
import threading
from collections.abc import Callable

from predictq_registry import Manifest
from predictq_worker.runner import ReleaseRefused, Runner, RunnerDied, give_way

__all__ = ["StartRunner", "Supervisor"]

_logger = logging.getLogger(__name__)

StartRunner = Callable[[], Runner]


class Supervisor:
    """The runner that stands now, if one does. One thread at a time asks it; `kill` may come from any.

    Attributes:
        runner: It; None from the death of one until the next is asked for.
    """

    def __init__(
        self, manifest: Manifest, runner: Runner, start_runner: StartRunner, restarted: Callable[[str], None]
    ) -> None:
        """`restarted` is told the model of each runner that died."""
        self._manifest = manifest
        self.runner: Runner | None = runner
        self._start_runner = start_runner
        self._restarted = restarted
        self._killed = threading.Event()

    @property
    def killed(self) -> bool:
        """Whether `kill` was called: then its end is nobody's fault."""
        return self._killed.is_set()

    @property
    def alive(self) -> bool:
        """Whether there is a runner that can answer."""
        runner = self.runner
        return runner is not None and runner.alive

    @property
    def shared(self) -> bool:
        """Whether the runner may have other releases beside it in its process."""
        runner = self.runner
        return runner is not None and runner.shared

    @property
    def may_join(self) -> bool:
        """Whether the runner may be asked together with others."""
        runner = self.runner
        return runner is not None and runner.may_join and not self.killed

    def memory(self) -> int:
        """Bytes the runner shares with nobody."""
        runner = self.runner
        return runner.memory() if runner is not None and runner.alive else 0

    def give_way(self) -> None:
        """Let the runner use only such time of the processors as nobody else wants; it can never be taken back.

        One that shares its process goes on as the others there do.
        """
        runner = self.runner
        if runner is not None and runner.alive and not runner.shared:
            give_way(runner.pid)

    def living(self) -> Runner:
        """The runner, or a new one.

        Raises:
            RunnerDied, ReleaseRefused: if none can be started.
        """
        self.runner = self.runner or self._start_runner()
        return self.runner

    def replace_if_dead(self) -> None:
        """A runner that died while it was idle is replaced before anybody misses it, and nobody is suspected."""
        if self.killed or self.alive:
            return
        if self.runner is not None:
            self.mourn("it died while it was idle", held=0)
        try:
            self.living()
        except (RunnerDied, ReleaseRefused) as trouble:
            _logger.warning("cannot start a runner yet", extra=self._about("why", str(trouble)))

    def mourn(self, why: str, held: int) -> None:
        """It died, while it held so many requests; the next one that is asked for is new."""
        _logger.warning("a runner died", extra={**self._about("why", why), "held": held})
        self._restarted(self._manifest.model)
        if self.runner is not None:
            self.runner.close(grace=0.0)
            self.runner = None

    def move_out(self) -> None:
        """The next runner has a process of its own."""
        _logger.info("a release gets a process of its own", extra=self._about("why", "it kept others waiting"))
        if self.runner is not None:
            self.runner.close()
            self.runner = None

    def _about(self, name: str, what: str) -> dict[str, object]:
        return {"model": self._manifest.model, "version": self._manifest.version, name: what}

    def kill(self) -> None:
        """End the runner now; whoever it was working for is not answered by it, and not suspected either."""
        self._killed.set()
        self.close(grace=0.0)

    def close(self, grace: float) -> None:
        """End the runner; what runs may finish within `grace` seconds."""
        runner = self.runner
        if runner is not None:
            runner.close(grace=grace)
