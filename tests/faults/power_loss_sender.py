"""A program that sends requests, settles half of them, and says on its standard output what the broker acknowledged."""

import os
import sys
from collections.abc import Iterable

from predictq_broker import Capacity, Code, Outcome, Request, Result, connect, new_id

BATCH = 50
QUEUE = "audit"


def send_until_killed(url: str) -> None:
    """Lines `accepted id…` and `settled id…`, each written when the broker has said so."""
    with connect(url) as broker:
        consumer = broker.consumer("sender", lease=0.5)
        while True:
            requests = [Request("iris", b"[[5.1,3.5,1.4,0.2]]", id=new_id(), reply_to=QUEUE) for _ in range(BATCH)]
            verdicts = broker.send(requests)
            say("accepted", [r.id for r, verdict in zip(requests, verdicts, strict=True) if verdict == "accepted"])
            consumer.renew()
            deliveries = consumer.receive({"iris": Capacity(BATCH // 2)}, 0)
            answers = [Outcome(d, Result(d.request.id, Code.OK, b"[0]", "iris", 1)) for d in deliveries]
            say("settled", [outcome.result.id for outcome in consumer.settle(answers)])


def say(what: str, ids: Iterable[str]) -> None:
    """One whole line in one write."""
    os.write(1, f"{what} {' '.join(ids)}\n".encode())


if __name__ == "__main__":
    send_until_killed(sys.argv[1])
