"""FastStream with batches built by hand of what it offers: batch subscribers, `publish_batch`, ids in the bodies.

The strongest that can be made of it in a page: one push for up to 512 requests, one pop, one push for the answers.
What a list's subscriber has popped is lost if its process dies.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from faststream import FastStream
from faststream.redis import ListSub, RedisBroker
from load.client import Answer, Asked
from load.models import predict as labels_of
from load.place import broker as url
from load.place import the_model

BATCH = 512
broker = RedisBroker(url(), logger=None, apply_types=False)
app = FastStream(broker, logger=None)
_kept: list[Any] = []


@broker.subscriber(list=ListSub("requests", batch=True, max_records=BATCH, polling_interval=0.001))
async def predict(asked: list[Any]) -> None:
    """All rows at once."""
    if not _kept:
        _kept.append(the_model())
    labels = labels_of(_kept[0], [row for _, row in asked])
    answers = [(number, label) for (number, _), label in zip(asked, labels, strict=True)]
    await broker.publish_batch(*answers, list="replies")


class Asker:
    """Publishes in batches, and subscribes to the replies."""

    async def open(self) -> None:
        """Connect and subscribe."""
        self._broker = RedisBroker(url(), logger=None, apply_types=False)
        self._come: list[Answer] = []
        self._wake = asyncio.Event()
        self._broker.subscriber(list=ListSub("replies", batch=True, max_records=4096, polling_interval=0.001))(
            self._replied
        )
        await self._broker.start()

    async def _replied(self, answers: list[Any]) -> None:
        self._come += ((number, label) for number, label in answers)
        self._wake.set()

    async def send(self, asked: Sequence[Asked]) -> None:
        """One push for at most 512."""
        for place in range(0, len(asked), BATCH):
            await self._broker.publish_batch(*asked[place : place + BATCH], list="requests")

    async def receive(self, wait: float) -> Sequence[Answer]:
        """What has come."""
        if not self._come:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                return ()
        come, self._come = self._come, []
        return come

    async def close(self) -> None:
        """Disconnect."""
        await self._broker.stop()
