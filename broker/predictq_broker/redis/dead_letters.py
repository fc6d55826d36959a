"""The dead-letter queue of one model: a stream that only an operator empties."""

import re
from collections.abc import Collection, Sequence

from redis import Redis

from predictq_broker.messages import DeadLetter, Priority
from predictq_broker.redis.connection import command, translated
from predictq_broker.redis.entries import Fields, accepted, as_map
from predictq_broker.redis.keys import Keys
from predictq_broker.redis.scripts import Scripts
from predictq_broker.wire import read_request

__all__ = ["RedisDeadLetters"]

_is_tag = re.compile(r"\d{1,19}-\d{1,19}").fullmatch
"""Whether the server would take this for the name of an entry."""


class RedisDeadLetters:
    """Implements `predictq_broker.DeadLetters`."""

    def __init__(self, redis: Redis, scripts: Scripts, model: str) -> None:
        self._redis = redis
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
        with translated("read the dead letters"):
            entries = command(self._redis, "XRANGE", self._keys.dead, first, last, "COUNT", limit)
        return [self._letter(name, fields) for name, fields in entries]

    def _letter(self, name: bytes, flat: Fields) -> DeadLetter:
        fields = as_map(flat)
        request, _ = read_request(self._model, Priority(fields.get(b"dead.priority", b"normal").decode()), fields)
        return DeadLetter(
            tag=name.decode(),
            request=request,
            reason=fields.get(b"dead.reason", b"").decode(errors="replace"),
            attempts=int(fields.get(b"dead.attempts", b"0")),
            died=accepted(name),
        )

    def replay(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.replay`."""
        keys = [*self._keys.streams, self._keys.dead, self._keys.size]
        with translated("replay dead letters"):
            return sum(int(self._scripts.replay(keys=keys, args=[self._keys.prefix, tag])) for tag in self._tags(tags))

    def purge(self, tags: Collection[str] | None = None) -> int:
        """As `DeadLetters.purge`."""
        with translated("purge dead letters"):
            chosen = self._tags(tags)
            return int(self._redis.xdel(self._keys.dead, *chosen)) if chosen else 0

    def _tags(self, tags: Collection[str] | None) -> Collection[str]:
        if tags is not None:
            return [tag for tag in tags if _is_tag(tag)]
        return [name.decode() for name, _ in command(self._redis, "XRANGE", self._keys.dead, "-", "+")]
