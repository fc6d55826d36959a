"""The releases in this worker's memory: loaded in turns, kept within a budget, given back when nobody needs them."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from predictq_broker import Code
from predictq_registry import InvalidRelease
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.deployment import Deployment, State
from predictq_worker.loads import Loads
from predictq_worker.metrics import Metrics
from predictq_worker.refusals import Refusals
from predictq_worker.residency import Residency
from predictq_worker.runner import ReleaseRefused
from predictq_worker.work import Work

__all__ = ["Deployments", "Owner"]

_logger = logging.getLogger(__name__)


class Owner(Protocol):
    """What is to be told of them: the catalog."""

    def refuse(self, works: Iterable[Work], code: Code, message: str) -> None:
        """Answer each with that error."""
        ...

    def refused(self, deployment: Deployment, works: list[Work], reason: str) -> None:
        """It does not serve, and these waited for it."""
        ...

    def loaded(self, model: str) -> None:
        """A release of this model serves from now on."""
        ...

    def forget(self, deployment: Deployment) -> None:
        """Let nothing lead to it any more. Called under the lock."""
        ...

    def spare(self, deployment: Deployment) -> bool:
        """Whether nothing leads to it: it is kept only in case somebody goes back to it."""
        ...


class Deployments:
    """Those that load, serve or answer their last requests, by model and version."""

    def __init__(  # noqa: PLR0913  everything it is connected to, in one visible place
        self,
        owner: Owner,
        launch: Callable[[Deployment], None],
        lock: AbstractContextManager[object],
        *,
        batch_limits: BatchLimits,
        metrics: Metrics,
        memory_budget: int,
        fixed: Collection[str],
    ) -> None:
        """`lock`: reentrant, held where what is here, and what leads to it, change together."""
        self.refusals: Final = Refusals()
        self._owner: Final = owner
        self._launch: Final = launch
        self._lock: Final = lock
        self._batch_limits: Final = batch_limits
        self._metrics: Final = metrics
        self._all: Final[dict[tuple[str, int], Deployment]] = {}
        self._loads: Final = Loads(self._load)
        self._residency: Final = Residency(
            memory_budget,
            deployments=self._known,
            forget=self._give_up,
            spare=owner.spare,
            fixed=fixed,
            metrics=metrics,
        )
        self._stopped = False

    def get(self, model: str, version: int, *, alone: bool = False) -> Deployment:
        """That release, which begins to load if it is not there; then, if that is wanted, in processes of its own.

        Raises:
            ReleaseRefused: if it did not load, and may not be tried again yet.
        """
        with self._lock:
            deployment = self._all.get((model, version))
            if deployment is not None and deployment.state in (State.LOADING, State.SERVING):
                return deployment
            if reason := self.refusals.reason(model, version):
                raise ReleaseRefused(reason)
            deployment = Deployment(model, version, Batcher(self._batch_limits), alone=alone)
            self._loads.put(deployment)
            self._all[deployment.key] = deployment  # not before it loads: there may be no thread to be had
            return deployment

    def get_first(self, model: str, versions: Sequence[int]) -> Deployment:
        """As `get`, the first of these that may be tried; raises for the first if none may."""
        with self._lock:
            free = (version for version in versions if not self.refusals.reason(model, version))
            return self.get(model, next(free, versions[0]))

    # ── loading ──

    def _load(self, deployment: Deployment) -> None:
        started = time.monotonic()
        if self._too_late(deployment):
            return
        try:
            self._residency.expect(deployment)
            self._launch(deployment)
        except (ReleaseRefused, InvalidRelease) as error:
            self._failed_to_load(deployment, str(error), to_blame=True)
            return
        except Exception as error:  # noqa: BLE001  whatever it was, those who wait for it must not wait for ever
            self._failed_to_load(deployment, str(error) or type(error).__name__)
            return
        self._metrics.loaded(deployment.model, "ok", time.monotonic() - started)
        self.refusals.forget(*deployment.key)
        with self._lock:
            stopped = self._stopped
        if stopped:
            deployment.drain()
        self._owner.loaded(deployment.model)
        self._residency.loaded(deployment)

    def _too_late(self, deployment: Deployment) -> bool:
        """Whether all who waited for its turn to load have given up meanwhile; they are told, and it is forgotten."""
        waits_until = deployment.batcher.waits_until
        if waits_until is None or waits_until > time.monotonic():
            return False
        waiting = self._fail(deployment)
        message = "its deadline passed while other models were being loaded"
        self._owner.refuse(waiting, Code.DEADLINE_EXCEEDED, message)
        return True

    def _failed_to_load(self, deployment: Deployment, reason: str, *, to_blame: bool = False) -> None:
        with self._lock:
            self.refusals.add(*deployment.key, reason, to_blame=to_blame)
            waiting = self._fail(deployment)
        self._metrics.loaded(deployment.model, "failed")
        about = {"model": deployment.model, "version": deployment.version, "why": reason}
        _logger.error("release does not serve; what served before goes on", extra=about)
        self._owner.refused(deployment, waiting, reason)

    def _fail(self, deployment: Deployment) -> list[Work]:
        with self._lock:
            self._forget(deployment)
            return deployment.fail()

    # ── giving back ──

    def _forget(self, deployment: Deployment) -> None:
        if self._all.get(deployment.key) is deployment:
            del self._all[deployment.key]
        self._owner.forget(deployment)

    def _give_up(self, deployment: Deployment) -> bool:
        """Let no more work come to it; False if it was given up before."""
        with self._lock:
            there = self._all.get(deployment.key) is deployment
            self._forget(deployment)
        return there

    def drop(self, deployment: Deployment) -> None:
        """Let it answer what it has, then give its memory back."""
        with self._lock:
            self._forget(deployment)
        deployment.drain()

    def drop_all_but(self, used: Collection[tuple[str, int]]) -> None:
        """Drop what serves and is not among these."""
        with self._lock:
            for deployment in self._known():
                if deployment.state is State.SERVING and deployment.key not in used:
                    self.drop(deployment)

    def unload(self, model: str) -> None:
        """Drop all of the model, and wait until they are gone."""
        for deployment in [deployment for deployment in self._known() if deployment.model == model]:
            deployment.decided.wait()
            self.drop(deployment)
            deployment.join(timeout=60.0)
            deployment.kill()

    # ── what there is ──

    def _known(self) -> list[Deployment]:
        return list(self._all.values())

    def models(self) -> set[str]:
        """The models that are in memory, or about to be."""
        return {deployment.model for deployment in self._known()}

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be loaded that more had better go to other workers."""
        return self._loads.crowded

    def memory_of(self, model: str, version: int) -> int:
        """Bytes that the runners of that release hold; 0 if it is not in memory."""
        deployment = self._all.get((model, version))
        return deployment.measure() if deployment is not None else 0

    def resident(self) -> dict[str, int]:
        """The models in memory, with the bytes their runners hold."""
        return self._residency.resident()

    def look(self) -> None:
        """Measure some, and make room if they have grown."""
        self._residency.look()

    # ── the end ──

    def stop(self) -> list[Work]:
        """Load no more; returns what was queued and has not begun."""
        self._loads.clear()
        with self._lock:
            self._stopped = True
            deployments = self._known()
        return [work for deployment in deployments for work in deployment.batcher.clear()]

    def join(self, timeout: float) -> None:
        """Wait for the batches that run, at most `timeout` seconds; then end their runners."""
        deadline = time.monotonic() + timeout
        for deployment in self._known():
            deployment.join(max(deadline - time.monotonic(), 0.0))
            deployment.kill()
