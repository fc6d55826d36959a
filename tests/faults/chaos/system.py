"""All of it, running: a broker, workers, producers, subscribers, releases; each can be found, killed and replaced."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from faults.chaos.actors import QUEUE, Asker, Reader, Worker
from faults.chaos.books import Books
from faults.chaos.clock import Clock, build_shim
from faults.chaos.engines import start_engine
from faults.chaos.hand import Hand
from faults.chaos.models import Moody, Touchy
from models import Iris, iris

from predictq_registry import Registry

__all__ = ["Size", "System"]


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        workers, runners, subscribers: Processes; runners of each worker.
        share_below: Releases of up to so many bytes share a process.
        rate: Requests a second, of all producers together.
        kinds: Which producers there are, and each one's share of the rate.
    """

    workers: int = 3
    runners: int = 2
    share_below: int = 0
    subscribers: int = 2
    rate: float = 1000.0
    kinds: Mapping[str, float] = field(
        default_factory=lambda: {"single": 0.1, "bulk": 0.3, "durable": 0.3, "port": 0.3}
    )


class System:
    """The whole of it. `start` before, `close` after."""

    def __init__(self, engine: str, directory: Path, size: Size, seed: int, control: str = "") -> None:
        self.directory = directory
        self.size = size
        self.books = Books()
        self.shim = build_shim(directory)
        self.engine = start_engine(engine, directory, self.shim)
        self.trained: Iris = iris()
        self.registry = Registry(str(directory / "models"))
        self.releases: dict[int, str] = {}
        self.publish("good", alias=True)
        self.publish("other")
        self._control = control
        self.workers: list[Worker] = []
        self.former: list[Worker] = []
        url = self.engine.url
        self.askers = [Asker(k, directory, url, size.rate * share, seed * 1000) for k, share in size.kinds.items()]
        self.readers = [Reader(number, directory, url) for number in range(size.subscribers)]
        for actor in (*self.askers, *self.readers):
            self.books.follow(actor.journal)
        self.hand = Hand(self.engine, directory / "hand.journal", QUEUE)
        self.books.follow(directory / "hand.journal")
        self.abandoned: set[str] = set()

    def publish(self, kind: str, *, alias: bool = False) -> int:
        """Publish a release: `good`, `other` (whose every answer differs), or `bad`; returns its version."""
        bad = kind == "bad"
        model: Any = Moody() if bad else Touchy(self.trained.good if kind == "good" else self.trained.other)
        version = self.registry.publish("iris", model, sample=self.trained.rows).version
        self.releases[version] = kind
        if alias:
            self.registry.set_alias("iris", "production", version)
        return version

    def start(self) -> None:
        """Begin everything; returns when all workers are ready."""
        for _ in range(self.size.workers):
            self.workers.append(self._worker())
        for worker in self.workers:
            worker.wait_ready(timeout=120)
        for actor in (*self.readers, *self.askers):
            actor.start()

    def _worker(self) -> Worker:
        clock = Clock(self.directory / f"worker-{len(self.workers) + len(self.former)}.clock", self.shim)
        worker = Worker(
            self.engine.url,
            self.registry.url,
            models="iris",
            module="faults.chaos.worker",
            environment={**clock.environment, "CHAOS_CONTROL": self._control},
            lease=self.engine.lease,
            runners=self.size.runners,
            share_below=self.size.share_below,
            max_batch_rows=64,  # what a worker holds runs one by one when it has died: not too much of it
            predict_timeout=2.0,
            grace=5.0,
        )
        worker.clock = clock
        return worker

    def replace(self, worker: Worker) -> Worker:
        """Put a new worker in the place of one that ended, unless another fault did so already."""
        worker.close()
        if worker not in self.workers:
            return self.workers[0]
        self.former.append(worker)
        place = self.workers.index(worker)
        self.workers[place] = self._worker()
        return self.workers[place]

    def forsake(self, asker: Asker) -> None:
        """It was killed; whoever cannot be answered any more has no claim to an answer."""
        if asker.kind != "durable":
            self.abandoned.add(asker.prefix)

    def stands(self) -> bool:
        """Whether all workers have runners: what was killed before has been replaced."""
        return all(worker.code() is None and worker.runners() for worker in self.workers)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Within the block, the books are read on by a thread."""
        done = threading.Event()

        def follow() -> None:
            while not done.wait(0.05):
                self.books.poll()

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def pick(self, dice: Random) -> Worker:
        """Any worker that runs and has runners, so that harming it harms something."""
        able = [worker for worker in self.workers if worker.code() is None and worker.runners()]
        if not able:
            raise LookupError("no worker stands")
        return dice.choice(able)

    def close(self) -> None:
        """End everything."""
        for actor in (*self.askers, *self.readers):
            actor.close()
        for worker in self.workers:
            if worker.code() is None:
                os.kill(worker.pid, signal.SIGCONT)
            worker.close()
        self.hand.close()
        self.engine.close()
