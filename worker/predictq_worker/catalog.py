"""Which release answers which request: the one place where that is decided.

A request names a model and a ref. The registry says which version a ref means; the catalog keeps a *route*
from each ref that was asked for to the deployment that serves it, and moves it to another only when that one
is loaded, checked and warm.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Final

from predictq_broker import Code, Outcome
from predictq_registry import FEEDBACK, InvalidName, RegistryError, Route, UnknownModel, UnknownRef
from predictq_worker.batcher import BatchLimits
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.cold_routes import ColdRoutes, Target
from predictq_worker.complaints import trouble
from predictq_worker.deployment import Deployment, State
from predictq_worker.deployments import Deployments
from predictq_worker.metrics import Metrics
from predictq_worker.predecessors import Predecessors
from predictq_worker.rollouts import Recreations, Rollouts
from predictq_worker.runner import ReleaseRefused
from predictq_worker.work import Work, by, failure

__all__ = ["Catalog"]

_logger = logging.getLogger(__name__)
_target: Final = attrgetter("delivery.request.model", "delivery.request.ref")


class Catalog:
    """Routes work to deployments, and follows the registry's aliases."""

    def __init__(  # noqa: PLR0913  everything it is connected to, in one visible place
        self,
        registry: BoundedRegistry,
        launch: Callable[[Deployment], None],
        rollouts: Rollouts,
        *,
        batch_limits: BatchLimits,
        settle: Callable[[Sequence[Outcome]], None],
        metrics: Metrics,
        memory_budget: int,
        keep_previous: bool,
        fixed: Collection[str] = (),
    ) -> None:
        self._registry = registry
        self._rollouts = rollouts
        self._recreations = Recreations(registry, rollouts.worker)
        self._settle = settle
        self._metrics = metrics
        self._lock = threading.RLock()
        self._routes: dict[Target, Deployment] = {}
        self._predecessors = Predecessors(keep=keep_previous)
        self._not_preloaded: dict[Target, str] = {}
        self._cold = ColdRoutes(self._open_route)
        self._deployments = Deployments(
            self,
            launch,
            self._lock,
            batch_limits=batch_limits,
            metrics=metrics,
            memory_budget=memory_budget,
            fixed=fixed,
        )

    def start(self) -> None:
        """Begin to open routes to what was not asked for before."""
        self._cold.start()

    @property
    def alive(self) -> bool:
        """Whether it still opens routes."""
        return self._cold.alive

    # ── requests ──

    def route(self, works: list[Work]) -> None:
        """Queue each with the release it asks for, or answer why that cannot be."""
        for target, alike in by(_target, works).items():
            self._route(Target(*target), alike)

    def _route(self, target: Target, works: list[Work]) -> None:
        if self._recreations.park(target.model, works):
            return
        works = self._rollouts.divert(target, works)
        deployment = self._routes.get(target)
        if works and (deployment is None or not deployment.put(works)):
            self._cold.put(target, works)

    def _open_route(self, target: Target) -> None:
        """Find out what `target` means, and see to the work that waits for it; a registry may take its time here."""
        if target.ref == FEEDBACK:
            self._rollouts.feedback.take(self._cold.take(target))
            return
        try:
            route = self._registry.route(*target)
            if target.model in self.halted:
                self.route(self._cold.take(target))  # to be parked, or to come back here
                return
            may_serve = self._may_serve(target, route.version)
            with self._lock:
                deployment = self._routes[target] = self._deployments.get_first(target.model, may_serve)
                works = self._cold.take(target)
                queued = deployment.put(works)
        except (UnknownModel, UnknownRef, InvalidName) as error:
            self.refuse(self._cold.take(target), Code.UNKNOWN_MODEL, str(error))
        except Exception as error:  # noqa: BLE001  whatever it was, those who wait for it must not wait for ever
            sentence = f"{target.model}@{target.ref} cannot be served: {error}"
            self.refuse(self._cold.take(target), Code.MODEL_UNAVAILABLE, sentence)
        else:
            if not queued:
                self.refuse(works, Code.MODEL_UNAVAILABLE, "the release was just unloaded; ask again")

    def _may_serve(self, target: Target, version: int) -> list[int]:
        """The version that a ref names; and if that one was refused here, those that it named before: a worker that
        starts then serves what those serve that were there.
        """
        refused = self._deployments.refusals.reason(target.model, version)
        if not refused or not (earlier := self._registry.earlier(*target)):
            return [version]
        about = {**target._asdict(), "version": version, "why": refused}
        _logger.warning("an earlier release serves in its place", extra=about)
        return [version, *earlier]

    def refused(self, deployment: Deployment, works: list[Work], reason: str) -> None:
        """As `Owner.refused`. What asked for an alias is routed once more, to what that named before."""
        once_more: list[Work] = []
        rest: list[Work] = []
        for work in works:
            chosen = work.route or work.delivery.request.ref.isdecimal()  # by a rollout, or as a version
            (rest if chosen else once_more).append(work)
        self.refuse(rest, Code.MODEL_UNAVAILABLE, f"version {deployment.version} does not serve: {reason}")
        self.route(once_more)

    def refuse(self, works: Iterable[Work], code: Code, message: str) -> None:
        """As `Owner.refuse`."""
        self._settle([failure(work.delivery, code, message, route=work.route) for work in works])

    # ── releases ──

    def preload(self, models: Iterable[str], ref: str = "production") -> None:
        """Load what `ref` means for each of `models` before anybody asks."""
        for model in models:
            open_one = self._routes.get(Target(model, ref))
            if model in self.halted or (open_one is not None and open_one.state in (State.LOADING, State.SERVING)):
                continue  # only `follow` moves a route that is open, and only to what is loaded
            try:
                route = self._registry.route(model, ref)
                may_serve = self._may_serve(Target(model, ref), route.version)
                with self._lock:
                    self._routes[Target(model, ref)] = self._deployments.get_first(model, may_serve)
                self._not_preloaded.pop(Target(model, ref), None)
            except (RegistryError, OSError, ReleaseRefused) as error:
                self._tell_of(Target(model, ref), str(error))

    def _tell_of(self, target: Target, why: str) -> None:
        """Once, and not twice a second until it is mended."""
        if self._not_preloaded.get(target) != why:
            self._not_preloaded[target] = why
            _logger.warning("nothing to preload yet", extra={**target._asdict(), "why": why})

    def follow(self) -> None:
        """Look where each ref points now, and begin to move the routes that point elsewhere."""
        wanted: set[tuple[str, int]] = set()
        led = list(self._routes.items())
        for (target, current), route in zip(led, self._registry.routes([target for target, _ in led]), strict=True):
            if not isinstance(route, Exception):  # one that is away, or an alias that was removed, stops nothing
                wanted.update(self._follow(target, current, route))
        with self._lock:
            wanted.update(deployment.key for deployment in self._routes.values())
            wanted.update(self._predecessors.releases)
            self._deployments.drop_all_but(wanted)
        self._deployments.look()

    def _follow(self, target: Target, current: Deployment, route: Route) -> Collection[tuple[str, int]]:
        """Begin to move one route, or move it, if it points elsewhere; the versions it needs."""
        wanted = [(target.model, route.version), *self._rollouts.follow(target, route, self)]
        self._move(target, current, route)
        return wanted

    def loaded(self, model: str) -> None:
        """As `Owner.loaded`: whoever waits for it need not wait for the next look."""
        for target, current in list(self._routes.items()):
            if target.model == model:
                with suppress(RegistryError, OSError):
                    self._move(target, current, self._registry.route(*target))

    def _move(self, target: Target, current: Deployment, route: Route) -> None:
        version, rollout = route
        if version == current.version or current.state is State.LOADING:
            return
        if rollout is not None and rollout.strategy == "recreate":
            if not self._deployments.refusals.reason(target.model, version):
                self._recreations.begin(target, rollout, self)
            return
        with self._lock:
            try:
                successor = self._deployments.get(target.model, version)
            except ReleaseRefused:
                return  # it was tried, and said why; what serves goes on
            if successor.state is State.SERVING and self._routes.get(target) is current:
                self._lead(target, successor, current.version)  # otherwise when it has loaded, if it does

    @property
    def halted(self) -> frozenset[str]:
        """The models that stand still while a release of theirs is replaced: not to be read from."""
        return self._recreations.held

    def forget(self, deployment: Deployment) -> None:
        """As `Owner.forget`."""
        for target in [target for target, route in self._routes.items() if route is deployment]:
            del self._routes[target]

    def spare(self, deployment: Deployment) -> bool:
        """As `Owner.spare`."""
        if deployment.key not in self._predecessors.releases or self._rollouts.tries(*deployment.key):
            return False
        with self._lock:
            return all(route is not deployment for route in self._routes.values())

    def hold(self, model: str, version: int) -> Deployment:
        """As `Releases.hold`: on trial, so where it harms no other."""
        return self._deployments.get(model, version, alone=True)

    def drop(self, deployment: Deployment) -> None:
        """As `Releases.drop`."""
        self._deployments.drop(deployment)

    def memory_of(self, model: str, version: int) -> int:
        """As `Releases.memory_of`."""
        return self._deployments.memory_of(model, version)

    def unload(self, model: str) -> None:
        """As `Memory.unload`."""
        self._deployments.unload(model)

    def serve(self, target: Target, version: int) -> str:
        """As `Memory.serve`."""
        try:
            with self._lock:
                deployment = self._deployments.get(target.model, version)
                self._lead(target, deployment)  # already now, so that nobody takes it for unused
        except ReleaseRefused as error:
            return str(error)
        deployment.decided.wait()
        return self._deployments.refusals.reason(target.model, version) if deployment.state is State.FAILED else ""

    def _lead(self, target: Target, deployment: Deployment, old: int = 0) -> None:
        self._routes[target] = deployment
        self._predecessors.moved(target, old, deployment.version)
        self._metrics.swapped(target.model)
        _logger.info("swapped", extra={**target._asdict(), "old": old, "version": deployment.version})

    # ── the whole ──

    def held(self) -> set[str]:
        """The models that are in memory, or about to be."""
        return self._deployments.models()

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be loaded that more had better go to other workers."""
        return self._deployments.crowded

    def resident(self) -> dict[str, int]:
        """The models in memory, with the bytes their runners hold."""
        return self._deployments.resident()

    def ailing(self, models: Iterable[str], ref: str = "production") -> list[str]:
        """Why the worker cannot answer for `models`, if it cannot; one sentence for each reason."""
        wanted = [Target(model, ref) for model in models]
        return [
            why for target in wanted if (why := trouble(target, self._routes.get(target), self._deployments.refusals))
        ]

    def stop(self) -> list[Work]:
        """Take no more work; returns what was queued and has not begun."""
        works = self._cold.close() + self._deployments.stop() + self._recreations.clear()
        return works + self._rollouts.feedback.close()

    def join(self, timeout: float) -> None:
        """Wait for the batches that run, at most `timeout` seconds; then end their runners."""
        self._deployments.join(timeout)
