"""A runner in this process: the same answers without the child. For notebooks, tests and models one trusts."""

import os
import threading
import time
from collections.abc import Sequence
from typing import Final, Self

from predictq_registry import Loaded, Package, Trust
from predictq_worker.inference import Limits, predict_batch
from predictq_worker.runner.linux import private_of
from predictq_worker.runner.loading import load_release, measured
from predictq_worker.runner.messages import LoadReport, Predicted

__all__ = ["LocalRunner"]


class LocalRunner:
    """One release in this process. A model that crashes or hangs takes this process with it.

    Attributes:
        loaded: What loading the release showed.
        shared: False: a process of its own would be no other than this one.
        outstayed: False, for the same reason.
    """

    shared: Final = False
    outstayed: Final = False

    def __init__(self, loaded: Loaded, report: LoadReport, limits: Limits) -> None:
        """A runner of what `load_release` gave; `start` does both."""
        self.loaded: Final = report
        self._release: Final = loaded
        self._limits: Final = limits
        self._lock: Final = threading.Lock()

    @classmethod
    def start(cls, package: Package, limits: Limits, trust: Trust | None = None) -> Self:
        """A runner in which the release in `package` is loaded, checked and warm. `trust`: as `predictq_registry.load`.

        Raises:
            ReleaseRefused: if the release must not serve.
        """
        loaded, report = load_release(package, limits, trust)
        return cls(loaded, measured(report), limits)

    def predict(
        self, method: str, content_type: str, bodies: Sequence[bytes], timeout: float | None = None
    ) -> Predicted:
        """One answer for each body, in order. `timeout` is not kept: nothing can stop a thread."""
        del timeout
        with self._lock:
            start = time.perf_counter()
            answers = predict_batch(self._release, method, content_type, bodies, self._limits)
            return Predicted.of(answers, time.perf_counter() - start)

    @property
    def alive(self) -> bool:
        """Whether it can answer: as long as this process can."""
        return True

    def memory(self) -> int:
        """Bytes that this process shares with nobody."""
        return private_of(os.getpid()) or 0

    def close(self, grace: float = 1.0) -> None:
        """Nothing to end; there so that it can stand in for a `Runner`."""
        del grace
