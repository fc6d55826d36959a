"""From a release in the registry to replicas that serve it: fetch, verify, load, check, warm."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from predictq_registry import InvalidRelease, Package, RegistryError
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.deployment import Deployment
from predictq_worker.feeder import Feeder
from predictq_worker.inference import Limits
from predictq_worker.metrics import Metrics
from predictq_worker.replica import Replica, Settle
from predictq_worker.runner import Nursery, ReleaseRefused, Runner, RunnerDied, RunnerKilled, Sharing
from predictq_worker.settings import WorkerSettings

__all__ = ["Launcher"]

_TRIES: Final = 3

_logger = logging.getLogger(__name__)


class Launcher:
    """Starts runners. Everything it needs to know is fixed when the worker starts."""

    def __init__(
        self, settings: WorkerSettings, registry: BoundedRegistry, nursery: Nursery, settle: Settle, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._settle = settle
        self._metrics = metrics
        self._feeders = [Feeder(settle) for _ in range(settings.runners)] if settings.share_below else []
        self._runners = Sharing(
            nursery,
            Limits(max_body_bytes=settings.max_body_bytes, max_rows=settings.max_rows),
            largest=settings.share_below,
            load_timeout=settings.load_timeout,
        )

    def launch(self, deployment: Deployment) -> None:
        """Bring `deployment` to serving.

        Raises:
            ReleaseRefused, RunnerDied, RegistryError, OSError: it cannot serve, and why.
        """
        try:
            self._launch(deployment)
        except (ReleaseRefused, RunnerDied, InvalidRelease) as error:
            self._write_down(deployment, str(error))
            raise

    def _launch(self, deployment: Deployment) -> None:
        package = self._registry.fetch(deployment.model, deployment.version)
        start_runner = partial(self._start_runner, package, deployment.alone)
        deployment.serve(self._replicas(deployment, package, start_runner), kept=package.size)

    def _start_runner(self, package: Package, alone: bool, place: int) -> Runner:  # noqa: FBT001  the same each time
        """One that dies while it loads may have been killed by others, so it is started again before that counts."""
        for _ in range(_TRIES - 1):
            try:
                return self._runners.start(package, place, alone=alone)
            except RunnerKilled:
                raise
            except RunnerDied:
                continue
        return self._runners.start(package, place, alone=alone)

    def _write_down(self, deployment: Deployment, why: str) -> None:
        """Where whoever published it looks; a registry that takes no notes leaves it at the log and the metrics."""
        try:
            self._registry.refuse(deployment.model, deployment.version, why, self._settings.name)
        except (RegistryError, OSError) as error:
            about = {"model": deployment.model, "version": deployment.version, "why": str(error)}
            _logger.info("the registry does not take the reason", extra=about)

    def _replicas(
        self, deployment: Deployment, package: Package, start_runner: Callable[[int], Runner]
    ) -> list[Replica]:
        runners: list[Runner] = []
        try:
            while len(runners) < self._settings.runners:
                runners.append(start_runner(len(runners)))
        except BaseException:
            for runner in runners:
                runner.close(grace=0.0)
            raise
        self._report(package, runners[0])
        return [
            self._replica(deployment, package, runner, place, partial(start_runner, place))
            for place, runner in enumerate(runners)
        ]

    def _report(self, package: Package, runner: Runner) -> None:
        report, manifest = runner.loaded, package.manifest
        about = {"model": manifest.model, "version": manifest.version}
        for remark in (*report.differences, *report.warnings):
            _logger.warning("loaded all the same, the golden rows agree", extra={**about, "remark": remark})
        _logger.info("release loaded", extra={**about, "seconds": round(report.seconds, 3), "memory": report.memory})

    def _replica(
        self,
        deployment: Deployment,
        package: Package,
        runner: Runner,
        place: int,
        start_runner: Callable[[], Runner],
    ) -> Replica:
        return Replica(
            package.manifest,
            runner,
            start_runner=start_runner,
            batcher=deployment.batcher,
            settle=self._settle,
            observe=self._metrics.predicted,
            restarted=self._metrics.restarted,
            max_losses=self._settings.max_deliveries,
            predict_timeout=self._settings.predict_timeout,
            feeder=self._feeders[place] if self._feeders else None,
        )
