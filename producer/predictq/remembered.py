"""Answers that came when nobody waited for them, kept a while for who asks again under the same id."""

from collections import OrderedDict

from predictq_broker import Request, Result

__all__ = ["Remembered"]


class Remembered:
    """A small memory of results; the oldest go first when it holds too many or too much.

    Kept are results of ids that a caller may use again: those it chose, and those whose submission ended
    without a verdict. Not thread-safe: `Pending` guards it.
    """

    def __init__(self, most: int = 1024, most_bytes: int = 16 << 20) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._size = 0
        self._watched: OrderedDict[str, None] = OrderedDict()

    def watch(self, id_: str) -> None:
        """Keep the answer to this id, should it still come."""
        self._watched[id_] = None
        if len(self._watched) > 4 * self._most:
            self._watched.popitem(last=False)

    def offer(self, result: Result) -> None:
        """Keep the result if its id is watched."""
        if result.id in self._watched:
            del self._watched[result.id]
            self.keep(result)

    def keep(self, result: Result) -> None:
        """Keep the result, unless it alone is too much."""
        if len(result.body) > self._most_bytes:
            return
        self._forget(result.id)
        self._results[result.id] = result
        self._size += len(result.body)
        while len(self._results) > self._most or self._size > self._most_bytes:
            self._forget(next(iter(self._results)))

    def _forget(self, id_: str) -> None:
        result = self._results.pop(id_, None)
        if result is not None:
            self._size -= len(result.body)

    def find(self, request: Request) -> Result | None:
        """The answer to this request, if it is remembered."""
        result = self._results.get(request.id)
        return result if result is not None and result.model == request.model else None
