"""A reader of the durable result queue, in a process of its own: `python -m faults.chaos.subscriber URL QUEUE JOURNAL`.

A result is acknowledged when it is in the journal, so that a killed subscriber loses none; it may see one again.
"""

import signal
import sys
from pathlib import Path

from faults.chaos.journal import Journal, outputs_text

from predictq import Subscriber

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Read until told to stop."""
    url, queue, path = arguments
    journal = Journal(Path(path))
    with Subscriber(url, queue, lease=2.0) as subscriber:
        signal.signal(signal.SIGTERM, lambda *_: subscriber.close())
        for message in subscriber:
            if message.ok:
                outputs = outputs_text(message.outputs)  # type: ignore[arg-type]  # it is a list
                journal.answer(message.id, "ok", message.version, outputs, message.attempt)
            else:
                journal.failed(message.id, message.status.value, message.version, message.error, message.attempt)
            message.ack()


if __name__ == "__main__":
    main(sys.argv[1:])
