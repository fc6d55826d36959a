"""predictq itself: `python -m peers.own` publishes; the worker is `predictq worker`."""

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from load.client import Answer, Asked, Failed
from load.place import broker, kept, model_name, models, the_model
from load.tasks import Tasks

from predictq import AsyncClient, Client, Prediction, PredictqError

MODEL = "bench"


class Asynchronous:
    """`AsyncClient.ask`, a future for each request; the oldest is awaited, and with it come those behind it."""

    async def open(self) -> None:
        """It connects when it is first used."""
        self._client = AsyncClient(broker())
        self._asked: deque[tuple[int, asyncio.Future[Prediction]]] = deque()

    async def send(self, asked: Sequence[Asked]) -> None:
        """Ask for each."""
        self._asked.extend([(number, self._client.ask(MODEL, [row], timeout=120.0)) for number, row in asked])
        await asyncio.sleep(0)

    async def receive(self, wait: float) -> Sequence[Answer]:
        """What has come up to the first that has not."""
        asked = self._asked
        if not asked:
            await asyncio.sleep(wait)
        elif not asked[0][1].done():
            await asyncio.wait((asked[0][1],), timeout=wait)
        answers: list[Answer] = []
        while asked and asked[0][1].done():
            number, future = asked.popleft()
            answers.append((number, _label(future)))
        return answers

    async def more(self, count: int) -> int:
        """Connect so many clients more, each with an inbox of its own; for what they cost."""
        self._others = [AsyncClient(broker()) for _ in range(count)]
        row = [[5.1, 3.5, 1.4, 0.2]]
        return len([await client.predict(MODEL, row) for client in self._others])

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()


class Popular(Tasks):
    """Each request is for one of many models: the n-th 1/n as often as the first. They end in any order."""

    async def open(self) -> None:
        """As many models as have been published."""
        self._client = AsyncClient(broker())
        count = models()
        weights = list(itertools.accumulate(1 / (place + 1) for place in range(count)))
        chance = random.Random(11)  # noqa: S311  no secret
        names = [f"{MODEL}-{place}" for place in range(count)]
        self._names = itertools.cycle(chance.choices(names, cum_weights=weights, k=100_000))

    async def send(self, asked: Sequence[Asked]) -> None:
        """Ask for each; who receives is woken when the first has been answered."""
        for number, row in asked:
            future = self._client.ask(next(self._names), [row], timeout=120.0)
            future.add_done_callback(partial(self._ended, number))
        await asyncio.sleep(0)

    def _ended(self, number: int, future: "asyncio.Future[Prediction]") -> None:
        self.done(number, _label(future))

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await self._client.close()


def _label(future: "asyncio.Future[Prediction]") -> Any:  # noqa: ANN401  as `load.client.Answer` has it
    error = future.exception()
    return Failed(f"{type(error).__name__}: {error}") if error else future.result().outputs[0]


class Blocking:
    """`Client.predict` from the thread that needs the answer: for one request at a time, and for bulk."""

    async def open(self) -> None:
        """It connects when it is first used."""
        self._client = Client(broker())
        self._asked: deque[Asked] = deque()

    async def send(self, asked: Sequence[Asked]) -> None:
        """To be asked by `receive`."""
        self._asked.extend(asked)

    async def receive(self, wait: float) -> Sequence[Answer]:
        """Ask one, and wait for its answer."""
        if not self._asked:
            await asyncio.sleep(wait)
            return ()
        number, row = self._asked.popleft()
        try:
            return ((number, self._client.predict(MODEL, [row]).outputs[0]),)
        except PredictqError as error:
            return ((number, Failed(f"{error.code}: {error}")),)

    def map(self, rows: Any, chunk: int) -> Iterator[Any]:  # noqa: ANN401  NumPy, or lists
        """The outputs of each chunk, in order."""
        return (answer.outputs for answer in self._client.map(MODEL, rows, chunk=chunk))

    async def bulk(self, **told: Any) -> Any:  # noqa: ANN401  JSON
        """See `load.bulk`."""
        from load.bulk import measure

        return measure(self.map, **told)

    async def close(self) -> None:
        """Disconnect."""
        self._client.close()


class Port:
    """The broker's port, without a client's bookkeeping: for a million requests on their way."""

    async def open(self) -> None:
        """Connect; nothing limits how much may wait."""
        from predictq_broker import Limits, connect

        self._broker = connect(broker(), Limits(queue_requests=1 << 40, queue_bytes=1 << 50, unread_results=1 << 40))
        self._inbox = self._broker.inbox()
        self._inbox.expect(MODEL)

    async def send(self, asked: Sequence[Asked]) -> None:
        """Up to 512 in one call."""
        import orjson

        from predictq_broker import Request

        name = self._inbox.name
        for place in range(0, len(asked), 512):
            part = asked[place : place + 512]
            requests = [Request(MODEL, orjson.dumps([row]), f"{n:032d}", reply_to=name) for n, row in part]
            self._broker.send(requests, first=True)  # as a client does, whose ids nobody else can know

    async def receive(self, wait: float) -> Sequence[Answer]:
        """What the inbox holds."""
        import orjson

        results = self._inbox.receive(wait)
        return [
            (int(result.id), orjson.loads(result.body)[0] if result.status == "ok" else Failed(result.body.decode()))
            for result in results
        ]

    async def close(self) -> None:
        """Disconnect."""
        self._inbox.close()
        self._broker.close()


def publish() -> None:
    """One model, or the same one under many names: `bench-0`, `bench-1` and so on."""
    from load.models import rows

    from predictq_registry import Registry

    registry = Registry(kept())
    model, sample = the_model(), rows(model_name())[:150]
    for name in [f"{MODEL}-{place}" for place in range(models())] or [MODEL]:
        registry.publish(name, model, sample=sample, alias="production")


if __name__ == "__main__":
    publish()
