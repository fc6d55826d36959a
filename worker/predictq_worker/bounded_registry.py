"""The registry as a worker asks it: every answer comes in time, or the registry counts as away."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, Literal, TypeVar

from predictq_registry import (
    ExperimentStore,
    Package,
    Registry,
    RegistryError,
    Report,
    Rollout,
    Route,
    Segment,
    StoreError,
)

__all__ = ["BoundedRegistry"]

T = TypeVar("T")

_ANSWER: Final = 10.0
"""Seconds for what is small: a list of names, an alias table."""
_HANGING_AT_MOST: Final = 4
"""How many questions may hang at once; until one of them ends, no other is asked."""
_NO_ANSWER: Final = (
    "the registry does not answer within {}; is its store reachable?",
    "the registry still does not answer an earlier question; is its store reachable?",
)
_NO_FILES: Final = (
    "its files are not here after {} (PREDICTQ_LOAD_TIMEOUT), and are still being fetched; is the store slow, or away?",
    "its files are still being fetched; is the store slow, or away?",
)
_TOGETHER: Final = 50
"""Routes that one question asks for: of a thousand models each would cost a thread."""


class BoundedRegistry:
    """Asks each question on a thread of its own and waits only so long, since no store bounds its own answers.

    Every method may raise `StoreError` instead of waiting on. The thread that hangs is left behind, and until it
    ends nothing is asked about the same model, so that threads do not pile up. But while its files are on their way,
    which may take long and be in order, its aliases are followed all the same.
    """

    def __init__(self, registry: Registry, fetch_within: float, answer_within: float = _ANSWER) -> None:
        """`fetch_within` and `answer_within`: seconds for a release's bytes, and for everything else."""
        self._registry: Final = registry
        self._answers: Final = _Bounded(answer_within, *_NO_ANSWER)
        self._files: Final = _Bounded(fetch_within, *_NO_FILES)
        self._experiments: dict[tuple[str, int], ExperimentStore] = {}

    def listed(self) -> list[str]:
        """As `Registry.listed`."""
        return self._answers.ask("", self._registry.listed)

    def route(self, model: str, ref: str) -> Route:
        """As `Registry.route`."""
        return self._answers.ask(model, partial(self._registry.route, model, ref))

    def routes(self, asked: Sequence[tuple[str, str]]) -> list[Route | Exception]:
        """As `route`, for each of these models and refs; or why there is none."""
        found: list[Route | Exception] = []
        for first in range(0, len(asked), _TOGETHER):
            some = asked[first : first + _TOGETHER]
            try:
                found += self._answers.ask(f"{some[0][0]} and others", partial(self._routes, some))
            except (RegistryError, OSError) as error:
                found += [error] * len(some)
        return found

    def _routes(self, asked: Sequence[tuple[str, str]]) -> list[Route | Exception]:
        return [self._route_or_why(model, ref) for model, ref in asked]

    def _route_or_why(self, model: str, ref: str) -> Route | Exception:
        try:
            return self._registry.route(model, ref)
        except (RegistryError, OSError) as error:
            return error

    def earlier(self, model: str, ref: str) -> list[int]:
        """As `Registry.earlier`."""
        return self._answers.ask(model, partial(self._registry.earlier, model, ref))

    def observe(self, model: str, began: int, report: Report) -> list[Report]:
        """Keep what this worker saw of the rollout that began with that revision; returns what all saw."""
        store = self._registry.observations(model, began)
        self._answers.ask(model, partial(store.write, report))
        return self._answers.ask(model, store.read)

    def newest_experiment(self, model: str) -> int:
        """As `Registry.newest_experiment`."""
        return self._answers.ask(model, partial(self._registry.newest_experiment, model))

    def record(self, model: str, began: int, worker: str, segment: Segment) -> None:
        """Write that down of the experiment that began with that revision, as `ExperimentStore.add`."""
        if (model, began) not in self._experiments:
            self._experiments[model, began] = self._registry.experiment(model, began, worker)
        self._answers.ask(model, partial(self._experiments[model, began].add, segment))

    def carry_on(  # noqa: PLR0913  as `Registry.carry_on`
        self,
        model: str,
        alias: str,
        seen: Rollout,
        then: Rollout | Literal["promote", "stop"],
        *,
        author: str,
        note: str,
    ) -> bool:
        """As `Registry.carry_on`; whether it was as it was seen."""
        change = partial(self._registry.carry_on, model, alias, seen, then, author=author, note=note)
        return self._answers.ask(model, change) is not None

    def fetch(self, model: str, version: int) -> Package:
        """As `Registry.fetch`."""
        return self._files.ask(model, partial(self._registry.fetch, model, version))

    def refuse(self, model: str, version: int, why: str, worker: str) -> None:
        """As `RefusalStore.add`."""
        self._answers.ask(model, lambda: self._registry.refusals(model, version).add(why, worker))


class _Bounded:
    """Questions of one kind: what a model's hangs keeps waiting is the model's others of that kind, and no more."""

    def __init__(self, within: float, too_late: str, still: str) -> None:
        """`within`: seconds. `too_late`, `still`: what to say of one that takes longer, and of the next meanwhile."""
        self._within: Final = within
        self._too_late: Final = too_late
        self._still: Final = still
        self._lock: Final = threading.Lock()
        self.hanging: Final[set[str]] = set()

    def ask(self, model: str, question: Callable[[], T]) -> T:
        """The answer; raises what `question` raises, or `StoreError` if there is none in time."""
        with self._lock:
            if model in self.hanging or len(self.hanging) >= _HANGING_AT_MOST:
                raise StoreError(self._still)
        answer: Future[T] = Future()
        try:
            threading.Thread(target=_ask, args=(question, answer), name="registry", daemon=True).start()
        except RuntimeError as error:  # no thread to be had
            raise StoreError(f"the registry cannot be asked: {error}") from error
        try:
            return answer.result(self._within)
        except TimeoutError:
            if answer.done():  # the store's own
                raise
        self._hangs(model, answer)
        raise StoreError(self._too_late.format(f"{self._within:g} s"))

    def _hangs(self, model: str, answer: "Future[T]") -> None:
        with self._lock:
            self.hanging.add(model)
        answer.add_done_callback(lambda _: self._ended(model))

    def _ended(self, model: str) -> None:
        with self._lock:
            self.hanging.discard(model)


def _ask(question: Callable[[], T], answer: "Future[T]") -> None:
    try:
        answer.set_result(question())
    except BaseException as error:  # noqa: BLE001  raised again by whoever waits for the answer
        answer.set_exception(error)
