"""A service that asks: an asyncio loop that has flowers classified until it is told to stop.

It imports `predictq` alone, so its image needs no NumPy and no scikit-learn. The broker is PREDICTQ_BROKER_URL.
"""

import asyncio
import signal
from collections import Counter
from contextlib import suppress

from predictq import AsyncClient, PredictqError

FLOWERS = {(5.1, 3.5, 1.4, 0.2): 0, (7.0, 3.2, 4.7, 1.4): 1, (6.3, 3.3, 6.0, 2.5): 2}
"""A setosa, a versicolor and a virginica; what the model says of them is known."""
RESULTS = "flowers"
"""The durable result queue that `service_subscribes.py` reads."""
PAUSE = 0.05
PATIENCE = 1.0
REPORT_EVERY = 200


async def ask(client: AsyncClient, flower: tuple[float, ...], species: int, tally: Counter[str]) -> None:
    """Ask about one flower and wait for the answer."""
    try:
        prediction = await client.predict("iris", [flower], timeout=60)
    except PredictqError as error:
        tally["failed"] += 1
        print(f"{error.code}: {error}", flush=True)
    else:
        tally["right" if prediction.outputs == [species] else "wrong"] += 1


async def hand_on(client: AsyncClient, tally: Counter[str]) -> None:
    """Ask about all flowers, and let somebody else have the answer."""
    try:
        await client.send("iris", list(FLOWERS), reply_to=RESULTS)
    except PredictqError as error:  # queue_full, for one, if nobody reads the results
        tally["not sent"] += 1
        print(f"{error.code}: {error}", flush=True)
    else:
        tally["sent"] += 1


async def ask_until(stop: asyncio.Event, client: AsyncClient, tally: Counter[str]) -> None:
    """Ask about all flowers at once, look at the answers, and so on."""
    rounds = 0
    while not stop.is_set():
        await asyncio.gather(hand_on(client, tally), *(ask(client, *pair, tally) for pair in FLOWERS.items()))
        rounds += 1
        if rounds == 1 or rounds % REPORT_EVERY == 0:
            print(f"asked: {dict(tally)}", flush=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PAUSE)


async def main() -> None:
    """Ask until SIGTERM or SIGINT; the last answers are waited for a little, then the questions are withdrawn."""
    tally: Counter[str] = Counter()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        stop.set()
        loop.call_later(PATIENCE, asking.cancel)

    async with AsyncClient() as client:
        asking = asyncio.create_task(ask_until(stop, client, tally))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        try:
            await asking
        except asyncio.CancelledError:
            tally["rounds withdrawn"] += 1
    print(f"asker stopped: {dict(tally)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
