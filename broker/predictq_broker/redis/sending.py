"""How requests come into their queues: many at once, of many models."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from predictq_broker.alike import Alike, checked_model, in_runs
from predictq_broker.errors import BrokerError
from predictq_broker.messages import Request, Verdict
from predictq_broker.port import Limits
from predictq_broker.redis.keys import Keys, Known
from predictq_broker.redis.offering import fit_in_parcels, parcel_words, parcels, send_words
from predictq_broker.redis.scripts import Call, Script, Scripts, Step, raised, run
from predictq_broker.redis.server import Server

__all__ = ["Sending"]

_VERDICTS = {
    "A": Verdict.ACCEPTED,
    "D": Verdict.DUPLICATE,
    "C": Verdict.CONFLICT,
    "F": Verdict.QUEUE_FULL,
    "U": Verdict.RESULTS_FULL,
}
_Told = Sequence[Verdict] | BrokerError


class _Batch(NamedTuple):
    """Requests for one model."""

    model: str
    requests: Sequence[Request]
    runs: Sequence[Alike]


class Sending:
    """Offers requests; what each model's queue said is told apart, for a trouble of one is none of the others'."""

    def __init__(self, where: Server, scripts: Scripts, limits: Limits) -> None:
        self._where = where
        self._scripts = scripts
        self._limits = limits
        self._known = Known(where)

    def each(self, batches: Sequence[Sequence[Request]], *, first: bool) -> list[_Told]:
        """As `Broker.send_each`."""
        read = [_read(requests) for requests in batches]
        sound = [batch for batch in read if isinstance(batch, _Batch)]
        try:
            with self._where.trying("send"):
                self._known.announce([batch.model for batch in sound])
                told = iter(self._send(sound, first=first))
        except BrokerError as error:
            return [batch if isinstance(batch, BrokerError) else error for batch in read]
        return [batch if isinstance(batch, BrokerError) else next(told) for batch in read]

    def _send(self, batches: Sequence[_Batch], *, first: bool) -> list[_Told]:
        stored = self._send_parcels(batches) if first else [0] * len(batches)
        rest = [
            _rest(batch, count)
            for batch, count in zip(batches, stored, strict=True)
            if not isinstance(count, BrokerError) and count < len(batch.requests)
        ]
        told = iter(
            self._asked([self._step(self._scripts.send, batch.model, send_words(batch.runs)) for batch in rest])
        )
        return [
            count if isinstance(count, BrokerError) else _verdicts(batch, count, told)
            for batch, count in zip(batches, stored, strict=True)
        ]

    def _send_parcels(self, batches: Sequence[_Batch]) -> list[int | BrokerError]:
        """How many requests of each were stored; the others, which do not fit, are to be judged one by one."""
        sent = {n: parcels(batch.runs) for n, batch in enumerate(batches) if fit_in_parcels(batch.runs)}
        told = self._asked(
            [
                self._step(self._scripts.send_parcels, batches[n].model, [w for p in some for w in parcel_words(p)])
                for n, some in sent.items()
            ]
        )
        stored: list[int | BrokerError] = [0] * len(batches)
        for (n, some), count in zip(sent.items(), told, strict=True):
            stored[n] = count if isinstance(count, BrokerError) else sum(map(len, some[: int(count)]))
        return stored

    def _step(self, script: Script, model: str, words: Sequence[Any]) -> Step:
        keys, limits = Keys.of(model), self._limits
        room = (limits.queue_requests, limits.queue_bytes, limits.unread_results, round(limits.dedup * 1000))
        return Step(script, Call(keys.held, [keys.prefix, *room, *words]))

    def _asked(self, steps: Sequence[Step]) -> list[Any]:
        """What the server said to each; errors as our own."""
        return [self._ours(reply) if isinstance(reply, Exception) else reply for reply in run(self._where, steps)]

    def _ours(self, error: Exception) -> BrokerError:
        try:
            with self._where.trying("send"):
                raised(error)
        except BrokerError as ours:
            return ours
        raise error


def _read(requests: Sequence[Request]) -> _Batch | BrokerError:
    runs = in_runs(requests)
    try:
        return _Batch(checked_model(runs), requests, runs)
    except BrokerError as error:
        return error


def _rest(batch: _Batch, stored: int) -> _Batch:
    return batch._replace(runs=in_runs(batch.requests[stored:])) if stored else batch


def _verdicts(batch: _Batch, stored: int, told: Any) -> _Told:
    if stored == len(batch.requests):
        return [Verdict.ACCEPTED] * stored
    letters = next(told)
    if isinstance(letters, BrokerError):
        return letters
    return [Verdict.ACCEPTED] * stored + [_VERDICTS[letter] for letter in letters.decode()]
