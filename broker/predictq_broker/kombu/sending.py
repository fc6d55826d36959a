"""A producer's side: which requests find room, and what became of those published."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from predictq_broker.kombu.fields import request_letter
from predictq_broker.kombu.link import Fate, Link
from predictq_broker.kombu.queues import Queues
from predictq_broker.messages import Request, Verdict
from predictq_broker.names import check_name
from predictq_broker.port import Limits

__all__ = ["Sender", "checked"]


class _Fill:
    """How full some queues are at most, as far as we know: what was seen last, and what we have sent since."""

    def __init__(self) -> None:
        self.count = 0
        self.size = 0

    def seen(self, waiting: int) -> None:
        """So many messages wait. Their bytes nobody tells: they are reckoned as the average of ours."""
        self.size = self.size * waiting // self.count if self.count > waiting else self.size
        self.count = waiting


class Sender:
    """Publishes requests. It looks how full a queue is only when, by what it knows, a limit may have been reached."""

    def __init__(self, link: Callable[[], Link], queues: Queues, limits: Limits) -> None:
        self._link = link
        self._queues = queues
        self._limits = limits
        self._fills: dict[tuple[str, ...], _Fill] = {}
        self._sending = threading.Lock()

    def send(self, requests: Sequence[Request]) -> list[Verdict]:
        """As `Broker.send`, of requests that were `checked`.

        A request that the server refuses because the queue is full may be followed by some that it takes.
        """
        with self._sending:
            link = self._link()
            verdicts = self._judge(link, requests)
            accepted = [n for n, verdict in enumerate(verdicts) if verdict is Verdict.ACCEPTED]
            now = time.time_ns() // 1_000_000
            fates = self._publish(link, [requests[n] for n in accepted], now)
            for n, fate in zip(accepted, fates, strict=True):
                if fate is not Fate.STORED:
                    verdicts[n] = Verdict.QUEUE_FULL
            return verdicts

    def _publish(self, link: Link, requests: Sequence[Request], now: int) -> list[Fate]:
        if not requests:
            return []
        queues = [self._queues.requests(request.model, request.priority.value) for request in requests]
        fates = link.publish([request_letter(q, request, now) for q, request in zip(queues, requests, strict=True)])
        missing = [n for n, fate in enumerate(fates) if fate is Fate.NOWHERE]
        if missing:
            link.declare(self._queues.dead(requests[0].model))
            for queue in {queues[n].name: queues[n] for n in missing}.values():
                link.declare(queue)
            again = link.publish([request_letter(queues[n], requests[n], now) for n in missing])
            for n, fate in zip(missing, again, strict=True):
                fates[n] = fate
        return fates

    def _judge(self, link: Link, requests: Sequence[Request]) -> list[Verdict]:
        limits = self._limits
        names = tuple(queue.name for queue in self._queues.lanes(requests[0].model))
        size = sum(len(request.body) for request in requests)
        queue = self._fill(link, names, len(requests), size, (limits.queue_requests, limits.queue_bytes))
        unread = self._unread(link, requests)
        verdicts: list[Verdict] = []
        full = False
        for request in requests:
            full = full or queue.count >= limits.queue_requests or queue.size + len(request.body) > limits.queue_bytes
            if full:
                verdicts.append(Verdict.QUEUE_FULL)
            elif request.reply_to in unread:
                verdicts.append(Verdict.RESULTS_FULL)
            else:
                verdicts.append(Verdict.ACCEPTED)
                queue.count += 1
                queue.size += len(request.body)
        return verdicts

    def _unread(self, link: Link, requests: Sequence[Request]) -> set[str]:
        """The reply-tos that hold as many results as they may. Answers still to come do not count."""
        most = (self._limits.unread_results, 0)
        wanted: dict[str, int] = {}
        for request in requests:
            if request.reply_to:
                wanted[request.reply_to] = wanted.get(request.reply_to, 0) + 1
        full: set[str] = set()
        for reply_to, count in wanted.items():
            fill = self._fill(link, (self._queues.results(reply_to).name,), count, 0, most)
            if fill.count >= most[0]:
                full.add(reply_to)
            fill.count += count
        return full

    def _fill(self, link: Link, names: tuple[str, ...], count: int, size: int, most: tuple[int, int]) -> _Fill:
        """How full these queues are; looked up only if so much more could be too much."""
        fill = self._fills.setdefault(names, _Fill())
        if fill.count + count > most[0] or fill.size + size > most[1]:
            fill.seen(sum(found.waiting for name in names if (found := link.count(name))))
        return fill


def checked(requests: Sequence[Request]) -> Sequence[Request]:
    """These, if all are for one model and every name is one."""
    models = {request.model for request in requests}
    if len(models) > 1:
        raise ValueError(f"one send is for one model, not for {', '.join(sorted(models))}")
    _check("model", models)
    _check("reply-to", {request.reply_to for request in requests} - {""})
    _check("request id", (request.id for request in requests))
    return requests


def _check(kind: str, names: Iterable[str]) -> None:
    for name in names:
        check_name(kind, name)
