"""The event processor: all its parts, how they are wired, and how it starts and stops.

broker ──receive──▶ Intake ──▶ Catalog ──▶ Batcher ──▶ Replica ⇄ runner (child) ──▶ Settler ──settle──▶ broker
│                                                               │
└────────────── Ledger: what is held, and the room left ◀───────┘
Keeper: the lease.   Follower: the registry's aliases.   HttpServer: probes and metrics.
"""

import logging
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from predictq_broker import Broker, BrokerError, Capacity, Delivery, Survives, connect, masked
from predictq_registry import Registry
from predictq_worker.batcher import BatchLimits
from predictq_worker.bounded_registry import BoundedRegistry
from predictq_worker.catalog import Catalog
from predictq_worker.fetching import make_cache
from predictq_worker.follower import Follower
from predictq_worker.http import HttpServer, Page
from predictq_worker.intake import Intake
from predictq_worker.interpreter import tune
from predictq_worker.keeper import Keeper
from predictq_worker.launcher import Launcher
from predictq_worker.ledger import Ledger
from predictq_worker.memory import default_budget
from predictq_worker.metrics import Gauges, Metrics
from predictq_worker.rollouts import Rollouts
from predictq_worker.rules import make_nursery
from predictq_worker.settings import WorkerSettings
from predictq_worker.settler import Settler
from predictq_worker.turns import Turns

__all__ = ["NotDurable", "Worker"]

_logger = logging.getLogger(__name__)

_SUSPECTS = 64
"""How many requests of a model are held that outlived a worker: they run alone, and if we die we harm no more."""

_LOOK = 0.25
"""Seconds until a signal is noticed that the kernel gave to another thread: it does not wake the main one, which is
the only one to run Python's handlers."""


class NotDurable(Exception):
    """The broker survives less than `require_durability` demands."""


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")


class Worker:
    """Reads requests in batches, has them predicted, and publishes one result for each."""

    def __init__(self, settings: WorkerSettings, broker: Broker | None = None) -> None:
        """Wire everything; nothing runs yet. `broker`: one that is shared with the caller, as in a notebook."""
        self._settings = settings
        self._own_broker = broker is None
        self._broker = broker or connect(settings.broker_url)
        registry = BoundedRegistry(
            Registry(settings.registry_url, make_cache(settings)), fetch_within=settings.load_timeout
        )
        self.metrics = Metrics()
        # two batches a runner: one that runs, one that gathers; twice that, so that reading never waits for settling
        rows = 4 * settings.max_batch_rows * settings.runners
        self._ledger = Ledger(Capacity(rows, max(rows, settings.max_rows), 8 * settings.max_batch_bytes, _SUSPECTS))
        self._consumer = self._broker.consumer(settings.name, settings.lease)
        self._settler = Settler(self._consumer, self._ledger, self.metrics)
        self._keeper = Keeper(self._consumer, settings.lease, self.metrics)
        self._nursery = make_nursery(settings)
        run = _file_name(f"{settings.name}.{secrets.token_hex(3)}")  # names need not be unique
        self._rollouts = Rollouts(registry, run, self._settler.settle, room=rows, patience=settings.load_timeout)
        launcher = Launcher(settings, registry, self._nursery, self._rollouts.settle, self.metrics)
        self._catalog = Catalog(
            registry,
            launcher.launch,
            self._rollouts,
            batch_limits=BatchLimits(
                settings.max_batch_rows,
                settings.max_batch_bytes,
                settings.max_wait,
                settings.target_batch_seconds,
            ),
            settle=self._settler.put,
            metrics=self.metrics,
            memory_budget=settings.memory_budget or default_budget(),
            keep_previous=settings.keep_previous,
            fixed=settings.models,
        )
        self._follower = Follower(registry, self._broker, self._catalog, settings.models, settings.follow_interval)
        self._intake = Intake(
            self._consumer,
            self._ledger,
            turns=self._turns(),
            route=self._catalog.route,
            settle=self._settler.put,
            max_losses=settings.max_deliveries,
            max_body_bytes=settings.max_body_bytes,
        )
        self.metrics.registry.register(Gauges(self._follower.releases, self._catalog.resident, self._broker.stats))
        self._http: HttpServer | None = None
        self._stopping = threading.Event()
        self._hurry = threading.Event()

    def _turns(self) -> Turns:
        return Turns(
            self._follower.models,
            lambda: self._settings.models or self._catalog.held(),
            lambda: self._catalog.crowded,
            preferring=self._broker.capabilities.on_demand,
        )

    # ── life ──

    def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop without harm to any request; a second signal hurries."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        tune()
        self.start()
        while not self._stopping.wait(_LOOK):
            pass
        self.stop()

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    def start(self) -> None:
        """Begin to serve; returns at once, `complaints` tells when it is ready.

        Raises:
            NotDurable: if the broker survives less than it must.
            BrokerError: if durability is required and the broker cannot be asked.
        """
        if self._settings.http:
            self._http = HttpServer(self._settings.http, self._pages())
        self._check_durability()
        self._nursery.start()
        self._settler.start()
        self._catalog.start()
        self._follower.start()
        self._rollouts.start()
        self._keeper.start()
        self._intake.start()
        about = {"worker": self._settings.name, "broker": masked(self._settings.broker_url)}
        _logger.info(
            "worker started", extra={**about, "registry": masked(self._settings.registry_url), "http": self.url}
        )

    def _check_durability(self) -> None:
        """Ask the broker what it survives and say it; refuse to start if that is too little."""
        required = self._settings.require_durability
        try:
            survives, because = self._broker.durability()
        except BrokerError as error:
            if required is not Survives.NOTHING:
                raise
            _logger.warning("cannot ask the broker what it survives", extra={"why": str(error)})
            return
        _logger.info("the broker survives", extra={"survives": survives.name.lower(), "because": because})
        if survives < required:
            raise NotDurable(f"{required.name.lower()} must be survived, but {because}")

    def stop(self) -> None:
        """Stop reading, finish what runs, give the rest back, settle, leave."""
        _logger.info("worker stops", extra={"held": len(self._ledger)})
        self._stopping.set()
        self._intake.stop(timeout=1.0 + self._settings.grace / 2)
        waiting = [work.delivery for work in self._catalog.stop()]
        returned = self._give_back(waiting)
        self._finish_running(but=0 if returned else len(waiting))
        self._settler.close(timeout=1.0 if self._hurry.is_set() else 10.0)
        self._leave()
        _logger.info("worker stopped", extra={"given_back": len(waiting)})

    def _give_back(self, deliveries: Sequence[Delivery]) -> bool:
        """Release these; False if the broker is away, which gets them back when our lease runs out."""
        try:
            self._consumer.release(deliveries)
        except BrokerError as error:
            _logger.warning("cannot give back yet", extra={"requests": len(deliveries), "why": str(error)})
            return False
        self._ledger.leave(deliveries)
        return True

    def _finish_running(self, but: int) -> None:
        """Wait for batches that run, for as long as the grace lasts and nobody hurries us; `but` so many never ran."""
        end = time.monotonic() + self._settings.grace
        while len(self._ledger) > but and time.monotonic() < end and not self._hurry.is_set():
            self._ledger.wait_for_change(0.1)
        self._catalog.join(timeout=0.0 if len(self._ledger) > but else 2.0)

    def _leave(self) -> None:
        self._keeper.stop()
        self._follower.stop(timeout=1.0)
        self._rollouts.stop(timeout=1.0)
        if rest := self._ledger.held():
            self._give_back(rest)
        try:
            self._consumer.close()
        except BrokerError as error:
            _logger.warning("left without a word; our lease will run out", extra={"why": str(error)})
        self._nursery.close()
        if self._http is not None:
            self._http.close()
        if self._own_broker:
            self._broker.close()

    # ── what it tells ──

    @property
    def url(self) -> str:
        """Where probes and metrics are served; empty if nowhere."""
        return self._http.url if self._http is not None else ""

    def complaints(self) -> list[str]:
        """Why it is not ready to answer; empty if it is."""
        reasons = self.dead_parts() + self._catalog.ailing(self._settings.models) + self._follower.complaints()
        if self._stopping.is_set():
            reasons.append("the worker is stopping")
        troubles = (self._intake.trouble, self._settler.trouble, self._keeper.trouble)
        return reasons + [trouble for trouble in troubles if trouble]

    def dead_parts(self) -> list[str]:
        """The threads that should run and do not; such a worker must be replaced."""
        parts = {
            "intake": self._intake.alive,
            "settler": self._settler.alive,
            "keeper": self._keeper.alive,
            "follower": self._follower.alive,
            "catalog": self._catalog.alive,
            "rollouts": self._rollouts.alive,
        }
        return [f"the {name} has died" for name, alive in parts.items() if not alive]

    def _pages(self) -> dict[str, Callable[[], Page]]:
        return {
            "/metrics": lambda: Page.text(self.metrics.page()),
            "/livez": lambda: Page.verdict([] if self._stopping.is_set() else self.dead_parts()),
            "/readyz": lambda: Page.verdict(self.complaints()),
        }
