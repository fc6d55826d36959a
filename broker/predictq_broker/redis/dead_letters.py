"""The dead-letter queue of one model: a stream that only an operator empties."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from predictq_broker.messages import DeadLetter, Priority
from predictq_broker.redis.entries import Fields, accepted, as_map
from predictq_broker.redis.keys import Keys
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server, ask
from predictq_broker.wire import read_request

__all__ = ["RedisDeadLetters"]

_PRIORITY = {priority.encode(): priority for priority in Priority}
_is_tag = re.compile(r"\d{1,19}-\d{1,19}").fullmatch
"""Whether the server would take this for the name of an entry."""


class RedisDeadLetters:
    """Implements `predictq_broker.DeadLetters`."""

    def __init__(self, where: Server, scripts: Scripts, model: str) -> None:
        self._where = where
        self._scripts = scripts
        self._model = model
        self._keys = Keys.of(model)

    def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """As `DeadLetters.list`."""
        return self._range("-", "+", limit)

    def show(self, tag: str) -> DeadLetter | None:
        """As `DeadLetters.show`."""
        found = self._range(tag, tag, 1) if _is_tag(tag) else []
        return found[0] if found else None

    def _range(self, first: str, last: str, limit: int) -> Sequence[DeadLetter]:
        with self._where.trying("read the dead letters"):
            entries = self._ask("XRANGE", first, last, "COUNT", limit)
        return [self._letter(name, fields) for name, fields in entries]

    def _letter(self, name: bytes, flat: Fields) -> DeadLetter:
        fields = as_map(flat)
        priority = _PRIORITY.get(fields.get(b"dead.priority", b""), Priority.NORMAL)
        attempts = fields.get(b"dead.attempts", b"")
        request, _ = read_request(self._model, priority, fields)
        return DeadLetter(
            tag=name.decode(),
            request=request,
            reason=fields.get(b"dead.reason", b"").decode(errors="replace"),
            attempts=int(attempts) if attempts.isdigit() and len(attempts) <= 9 else 0,
            died=accepted(name),
        )

    def replay(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.replay`."""
        keys = [*self._keys.streams, self._keys.dead, self._keys.size]
        with self._where.trying("replay dead letters"):
            return sum(int(self._scripts.replay(keys=keys, args=[self._keys.prefix, tag])) for tag in self._tags(tags))

    def purge(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.purge`."""
        with self._where.trying("purge dead letters"):
            chosen = self._tags(tags)
            return int(self._ask("XDEL", *chosen)) if chosen else 0

    def _tags(self, tags: Collection[str] | None) -> Collection[str]:
        if tags is not None:
            return [tag for tag in tags if _is_tag(tag)]
        return [name.decode() for name, _ in self._ask("XRANGE", "-", "+")]

    def _ask(self, name: str, *words: str | int) -> Any:
        return ask(self._where, self._keys.dead, name, self._keys.dead, *words)
