"""The least that could answer a request through RabbitMQ by py-amqp: durable queue, persistent messages, no confirms.

The worker takes what has come, at most 512 at once, predicts, replies to each, and acknowledges all with one frame.
"""

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
import orjson
from load.client import Answer, Asked
from load.models import predict
from load.place import broker, the_model

BATCH = 512
REQUESTS, REPLIES = "bare.requests", "bare.replies"


class Link:
    """A connection that collects what is delivered."""

    def __init__(self, queue: str, prefetch: int) -> None:
        url = urlsplit(broker())
        self._connection = amqp.Connection(
            f"{url.hostname}:{url.port}",
            userid=url.username,
            password=url.password,
            virtual_host=unquote(url.path[1:]) or "/",
        )
        self._connection.connect()
        self.channel: Any = self._connection.channel()
        for name in (REQUESTS, REPLIES):
            self.channel.queue_declare(name, durable=True, auto_delete=False)
        self.channel.basic_qos(0, prefetch, a_global=False)
        self.come: list[Any] = []
        self.channel.basic_consume(queue, callback=self.come.append, no_ack=prefetch == 0)

    def wait(self, seconds: float) -> None:
        """Until something has come, and then for what has come with it."""
        end = time.perf_counter() + seconds
        while not self.come:
            if not self._step(max(0.0, end - time.perf_counter())):
                return
        while len(self.come) < BATCH and self._step(0.0):
            pass

    def _step(self, seconds: float) -> bool:
        """Read one frame; False if none came."""
        try:
            self._connection.drain_events(timeout=max(seconds, 0.0001))
        except (TimeoutError, BlockingIOError):
            return False
        return True

    def publish(self, queue: str, name: str, body: bytes) -> None:
        """Persistent, through the default exchange."""
        self.channel.basic_publish(amqp.Message(body, delivery_mode=2, correlation_id=name), "", queue)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def work() -> None:
    """Take, predict, answer, acknowledge, for ever."""
    link, model = Link(REQUESTS, 2 * BATCH), the_model()
    while True:
        link.wait(1.0)
        taken, link.come[:] = link.come[:BATCH], link.come[BATCH:]
        if not taken:
            continue
        labels = predict(model, [orjson.loads(message.body)[0] for message in taken])
        for message, label in zip(taken, labels, strict=True):
            link.publish(REPLIES, message.properties["correlation_id"], orjson.dumps([label]))
        link.channel.basic_ack(taken[-1].delivery_tag, multiple=True)


class Bare:
    """The asker's side."""

    async def open(self) -> None:
        """Connect."""
        self._link = Link(REPLIES, 0)

    async def send(self, asked: Sequence[Asked]) -> None:
        """One message for each."""
        for number, row in asked:
            self._link.publish(REQUESTS, str(number), orjson.dumps([row]))

    async def receive(self, wait: float) -> Sequence[Answer]:
        """What has come."""
        self._link.wait(wait)
        come, self._link.come[:] = self._link.come[:], []
        return [(int(message.properties["correlation_id"]), orjson.loads(message.body)[0]) for message in come]

    async def close(self) -> None:
        """Disconnect."""
        self._link.close()


if __name__ == "__main__":
    work()
