"""One requester in a process of its own: `python -m faults.chaos.producer KIND URL JOURNAL PREFIX SEED RATE QUEUE`.

It asks until it gets SIGTERM, then waits for what is outstanding. A request whose fate is unknown is asked again with
the same id, as the documentation says. Kinds:

    single   threads with a `predictq.Client`, each with one request at a time
    bulk     an `AsyncClient` with many at once, and little patience
    durable  an `AsyncClient` whose answers go to a durable result queue; begun anew, it asks again what was unknown
    port     the bare port, which does not drop a repeated answer as the clients do
"""

import asyncio
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from faults.chaos.books import Books
from faults.chaos.journal import Journal, outputs_text
from faults.chaos.questions import Question, questions

from predictq import AsyncClient, Client, Prediction, PredictqError, QueueFull, Refused, Settings, Unavailable
from predictq_broker import BrokerError, Request, Result, Verdict, connect

__all__ = ["main"]

MODEL = "iris"
_THREADS = 4
_WINDOW = 50


class Producer:
    """What all kinds share: the questions, the pace, the journal, and the end."""

    def __init__(  # noqa: PLR0917  in the order of the command line
        self, kind: str, url: str, journal: Path, prefix: str, seed: int, rate: float, queue: str
    ) -> None:
        self.url = url
        self.queue = queue
        left = _unknown(journal, prefix) if kind == "durable" else ()
        self.journal = Journal(journal)
        self.stopping = threading.Event()
        self._questions = itertools.chain(list(left), questions(prefix, seed))
        self._pause = 1.0 / rate
        self._due = time.monotonic()

    def next(self, count: int) -> list[Question]:
        """So many more questions, in the journal before they are sent; waits for their time first."""
        self._due = max(self._due, time.monotonic() - 1.0) + count * self._pause
        self.stopping.wait(max(self._due - time.monotonic(), 0.0))
        taken = list(itertools.islice(self._questions, count))
        self.journal.asked(taken)
        return taken

    def told(self, question: Question, error: PredictqError) -> bool:
        """Write down an error; True if it leaves the request's fate open, and it is to be asked again."""
        match error:
            case QueueFull():
                self.journal.verdict([question.id], "refused", error)
            case Unavailable():
                self.journal.verdict([question.id], "unknown", error)
                return not isinstance(error, Refused)
            case _:
                self.journal.failed(question.id, str(error.code), error.version, error)
        return False

    def answered(self, question: Question, prediction: Prediction) -> None:
        """Write down an answer."""
        self.journal.answer(question.id, "ok", prediction.version, outputs_text(prediction.outputs))


def _unknown(journal: Path, prefix: str) -> Iterator[Question]:
    """What an earlier life asked and was not told of."""
    if not journal.exists():
        return
    books = Books()
    books.follow(journal)
    books.poll()
    for id_, entry in books.entries.items():
        if entry.accepted is None and not entry.refused and id_.startswith(prefix.rpartition(".")[0]):
            yield Question(id_, entry.what)


# ── the kinds ──


def ask_singly(producer: Producer) -> None:
    """Threads, each of which asks, waits, and asks again."""
    with Client(producer.url) as client:
        threads = [threading.Thread(target=_ask_and_wait, args=(producer, client)) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


_one_at_a_time = threading.Lock()


def _ask_and_wait(producer: Producer, client: Client) -> None:
    while not producer.stopping.is_set():
        with _one_at_a_time:
            (question,) = producer.next(1)
        again = True
        while again:
            again = False
            try:
                future = client.submit(MODEL, question.rows, id=question.id)
                producer.journal.verdict([question.id], "accepted")
                producer.answered(question, future.result())
            except PredictqError as error:
                again = producer.told(question, error)


def ask_in_bulk(producer: Producer) -> None:
    """Many at once; what cannot be sent within two seconds is unknown, and asked again."""
    asyncio.run(_bulk(producer, Settings(retry_for=2.0), durable=False))


def ask_durably(producer: Producer) -> None:
    """As in bulk, but the answers are for whoever reads the queue."""
    asyncio.run(_bulk(producer, Settings(), durable=True))


async def _bulk(producer: Producer, settings: Settings, *, durable: bool) -> None:
    outstanding: set[asyncio.Task[None]] = set()
    async with AsyncClient(producer.url, settings=settings) as client:
        while not producer.stopping.is_set():
            for question in await asyncio.to_thread(producer.next, _WINDOW):
                task = asyncio.create_task((_send if durable else _submit)(producer, client, question))
                outstanding.add(task)
                task.add_done_callback(outstanding.discard)
            while len(outstanding) > 20 * _WINDOW:
                await asyncio.wait(outstanding, return_when=asyncio.FIRST_COMPLETED)
        while outstanding:
            await asyncio.wait(outstanding)


async def _submit(producer: Producer, client: AsyncClient, question: Question) -> None:
    again = True
    while again:
        again = False
        try:
            future = await client.submit(MODEL, question.rows, id=question.id)
            producer.journal.verdict([question.id], "accepted")
            producer.answered(question, await future)
        except PredictqError as error:
            again = producer.told(question, error)


async def _send(producer: Producer, client: AsyncClient, question: Question) -> None:
    again = True
    while again:
        again = False
        try:
            await client.send(MODEL, question.rows, reply_to=producer.queue, id=question.id)
            producer.journal.verdict([question.id], "accepted")
        except PredictqError as error:
            again = producer.told(question, error)


def ask_at_the_port(producer: Producer) -> None:
    """`send` and an inbox, and every answer that comes is written down."""
    with connect(producer.url) as broker:
        inbox = broker.inbox()
        _insist(lambda: inbox.expect(MODEL))
        open_: set[str] = set()
        reader = threading.Thread(target=_read, args=(producer, inbox, open_), daemon=True)
        reader.start()
        while not producer.stopping.is_set():
            while len(open_) > 20 * _WINDOW and not producer.stopping.is_set():
                time.sleep(0.02)
            asked = producer.next(_WINDOW)
            open_.update(question.id for question in asked)
            _offer(producer, broker, inbox.name, asked)
        while open_:
            time.sleep(0.05)
        time.sleep(1.0)  # one that comes twice comes soon


def _insist(action: Callable[[], object]) -> None:
    """Do it, however long the broker is away."""
    while True:
        try:
            action()
        except BrokerError:
            time.sleep(0.2)
        else:
            return


def _offer(producer: Producer, broker: Any, reply_to: str, asked: list[Question]) -> None:
    asked = sorted(asked, key=lambda question: len(question.rows))  # those alike may then be stored together
    requests = [Request(MODEL, orjson.dumps(q.rows), id=q.id, reply_to=reply_to, rows=len(q.rows)) for q in asked]
    times = 0
    while requests:
        times += 1
        try:
            verdicts = broker.send(requests, first=times == 1)
        except BrokerError as error:
            producer.journal.verdict((request.id for request in requests), "unknown", error)
            time.sleep(0.2)
            continue
        taken = {Verdict.ACCEPTED, Verdict.DUPLICATE}
        producer.journal.verdict((r.id for r, v in zip(requests, verdicts, strict=True) if v in taken), "accepted")
        requests = [request for request, verdict in zip(requests, verdicts, strict=True) if verdict not in taken]
        time.sleep(0.2 if requests else 0.0)


def _read(producer: Producer, inbox: Any, open_: set[str]) -> None:
    while True:
        try:
            results: list[Result] = inbox.receive(0.5)
        except BrokerError:
            time.sleep(0.1)
            continue
        for result in results:
            if result.status == "ok":
                producer.journal.answer(result.id, "ok", result.version, outputs_text(orjson.loads(result.body)))
            else:
                producer.journal.failed(result.id, result.status.value, result.version, result.body.decode())
            open_.discard(result.id)


KINDS = {"single": ask_singly, "bulk": ask_in_bulk, "durable": ask_durably, "port": ask_at_the_port}


def main(arguments: list[str]) -> None:
    """Ask until told to stop."""
    kind, url, journal, prefix, seed, rate, queue = arguments
    producer = Producer(kind, url, Path(journal), prefix, int(seed), float(rate), queue)
    signal.signal(signal.SIGTERM, lambda *_: producer.stopping.set())
    KINDS[kind](producer)


if __name__ == "__main__":
    main(sys.argv[1:])
