"""Redis Cluster: which node has which key, asked for again whenever something went wrong.

We keep our own map rather than redis-py's cluster client, which repeats commands by itself: what we send must
happen once, or be known to be unknown.
"""

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, NamedTuple

from redis import Redis
from redis import exceptions as server
from redis.crc import key_slot

from predictq_broker.errors import BrokerUnavailable
from predictq_broker.redis.address import Address, Place
from predictq_broker.redis.connection import Connections, command, open_node
from predictq_broker.redis.refusals import translated

__all__ = ["Cluster"]


class _Range(NamedTuple):
    """Consecutive slots that one node has."""

    first: int
    last: int
    place: Place


class Cluster:
    """Implements `Server`."""

    def __init__(self, address: Address) -> None:
        self.wait_replicas = address.wait_replicas
        self.connections = Connections()
        self._address = address
        self._lock = threading.Lock()
        self._known = deque(address.places)  # whom to ask for the map; whoever was asked goes to the end
        self._nodes: dict[Place, Redis] = {}
        self._map: list[_Range] = []  # by first slot; empty when it is to be asked for

    def at(self, key: str) -> Redis:
        """As `Server.at`."""
        slot = key_slot(key.encode())
        with self._lock:
            ranges = self._ranges()
            found = ranges[max(bisect_right(ranges, slot, key=itemgetter(0)) - 1, 0)]
            if not found.first <= slot <= found.last:
                self._map = []
                raise server.ConnectionError(f"no node of the cluster has slot {slot}, where {key} belongs")
            return self._node(found.place)

    def together(self, keys: Sequence[str]) -> list[list[str]]:
        """As `Server.together`: the keys of one slot. A command may not name two, not even of one node."""
        groups: dict[int, list[str]] = {}
        for key in keys:
            groups.setdefault(key_slot(key.encode()), []).append(key)
        return list(groups.values())

    def primaries(self) -> list[Redis]:
        """As `Server.primaries`."""
        with self._lock:
            return [self._node(place) for place in dict.fromkeys(owned.place for owned in self._ranges())]

    @contextmanager
    def trying(self, what: str) -> Generator[None]:
        """As `Server.trying`. After a failure the map is asked for again: another node may have the keys now."""
        try:
            with translated(what):
                yield
        except BrokerUnavailable:
            self.moved()
            raise

    def moved(self) -> None:
        """As `Server.moved`."""
        with self._lock:
            self._map = []

    def _ranges(self) -> list[_Range]:
        if not self._map:
            self._map = self._ask()
        return self._map

    def _ask(self) -> list[_Range]:
        """The map, from the first node that tells it, beginning with another one each time: one that was cut off
        from the others would tell us what is no longer so for ever.
        """
        why: Exception | None = None
        for place in list(self._known):
            self._known.remove(place)
            self._known.append(place)
            try:
                ranges = _read(place, command(self._node(place), "CLUSTER", "SLOTS"))
            except (server.ConnectionError, server.TimeoutError, OSError) as error:
                why = error
                continue
            if ranges:
                self._known.extend({owned.place: None for owned in ranges if owned.place not in self._known})
                return ranges
        raise why or server.ConnectionError("this cluster has no slots yet")

    def _node(self, place: Place) -> Redis:
        if place not in self._nodes:
            self._nodes[place] = open_node(place, self._address, self.connections)
        return self._nodes[place]

    def close(self) -> None:
        """As `Server.close`."""
        with self._lock:
            for node in self._nodes.values():
                node.close()


def _read(asked: Place, reply: Any) -> list[_Range]:
    """What CLUSTER SLOTS said; a node that does not know its own name is where we asked."""
    return sorted(
        _Range(int(first), int(last), (primary[0].decode() if primary[0] else asked[0], int(primary[1])))
        for first, last, primary, *_ in reply
    )
