"""Requests whose release is not known yet, and the threads that find it out, so that reading never waits for that."""

import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from predictq_worker.work import Work

__all__ = ["ColdRoutes", "Target"]

_AT_ONCE: Final = 4
"""A store answers each question after a while, and several as soon as one."""


class Target(NamedTuple):
    """What a request asks for."""

    model: str
    ref: str


class ColdRoutes:
    """Work waits here, by target, while a few threads ask the registry for one target after the other."""

    def __init__(self, open_route: Callable[[Target], None]) -> None:
        """`open_route` finds out what a target means, takes its work from here, and sees to it."""
        self._open_route: Final = open_route
        self._changed: Final = threading.Condition()
        self._waiting: dict[Target, list[Work]] = {}
        self._opening: set[Target] = set()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"cold-routes-{n}", daemon=True) for n in range(_AT_ONCE)
        ]

    def start(self) -> None:
        """Begin to open routes."""
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether routes are still opened."""
        return all(thread.is_alive() for thread in self._threads)

    def put(self, target: Target, works: list[Work]) -> None:
        """Let these wait for `target`."""
        with self._changed:
            self._waiting.setdefault(target, []).extend(works)
            self._changed.notify()

    def take(self, target: Target) -> list[Work]:
        """What waits for `target`; nobody else gets it then."""
        with self._changed:
            return self._waiting.pop(target, [])

    def close(self) -> list[Work]:
        """Open no more routes, and hand back all that waits; does not wait for a question that hangs."""
        with self._changed:
            self._closed = True
            works = [work for group in self._waiting.values() for work in group]
            self._waiting.clear()
            self._changed.notify_all()
            return works

    def _run(self) -> None:
        while (target := self._next()) is not None:
            try:
                self._open_route(target)
            finally:
                self._opened(target)

    def _next(self) -> Target | None:
        with self._changed:
            while not self._closed:
                target = next((target for target in self._waiting if target not in self._opening), None)
                if target is not None:
                    self._opening.add(target)
                    return target
                self._changed.wait()
            return None

    def _opened(self, target: Target) -> None:
        with self._changed:
            self._opening.discard(target)
            self._changed.notify()
