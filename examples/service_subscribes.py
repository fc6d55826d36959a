"""A service that reads what others asked for it: the answers on a durable result queue, until it is told to stop.

While it is away its results wait; what it had read but not acknowledged comes again. The broker is PREDICTQ_BROKER_URL.
"""

import signal
from collections import Counter

from predictq import Subscriber

RESULTS = "flowers"
"""Where `service_asks.py` has results put."""
EXPECTED = [0, 1, 2]
REPORT_EVERY = 200


def main() -> None:
    """Read, check and acknowledge results until SIGTERM or SIGINT."""
    tally: Counter[str] = Counter()
    with Subscriber(queue=RESULTS) as subscriber:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: subscriber.close())
        for message in subscriber:
            if message.ok:
                tally["right" if message.outputs == EXPECTED else "wrong"] += 1
            else:
                tally["failed"] += 1
                print(f"{message.status}: {message.error}", flush=True)
            message.ack()  # only now: had we died before, it would come again
            if tally.total() == 1 or tally.total() % REPORT_EVERY == 0:
                print(f"received: {dict(tally)} (the last by {message.model} version {message.version})", flush=True)
    print(f"subscriber stopped: {dict(tally)}", flush=True)


if __name__ == "__main__":
    main()
