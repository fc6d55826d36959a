"""The process that asks: `python -m load.asker MODULE:CLASS PLAN [precise]`.

Each line on stdin is a phase as JSON, such as `{"do": "closed", "in_flight": 16, "seconds": 5, "warm_up": 1}`; each
line on stdout is what it came to. `call` is a method that only some clients have. It ends when stdin does. `precise`
waits to the microsecond, where asyncio's usual selector rounds up to the millisecond; it holds fewer than a thousand
connections.
"""

import asyncio
import gc
import importlib
import json
import selectors
import sys
from pathlib import Path
from typing import Any

from load.client import Client
from load.loop import Loop

__all__ = ["main"]


async def phase(loop: Loop, client: Any, told: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Do what one line says."""
    match told.pop("do"):
        case "ready":
            return await loop.ready(**told)
        case "fill":
            return await loop.fill(**told)
        case "first":
            return await loop.first(**told)
        case "closed":
            return await loop.closed(**told)
        case "open":
            return await loop.open(**told)
        case "call":
            return await getattr(client, told.pop("method"))(**told)
        case unknown:
            raise ValueError(f"no such phase: {unknown}")


async def run(client: Client, plan: dict[str, Any]) -> None:
    """Follow stdin."""
    await client.open()
    loop = Loop(client, plan["rows"], plan["right"])
    events = asyncio.get_running_loop()
    while line := await events.run_in_executor(None, sys.stdin.readline):
        found = await phase(loop, client, json.loads(line))
        print(json.dumps(found), flush=True)
    await client.close()


def main() -> None:
    """Read the plan, and go."""
    module, _, name = sys.argv[1].partition(":")
    client: Client = getattr(importlib.import_module(module), name)()
    plan = json.loads(Path(sys.argv[2]).read_bytes())
    # As a busy service would: thousands of live requests make every collection long, and none of them is garbage.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    selector = selectors.SelectSelector() if "precise" in sys.argv else selectors.DefaultSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(run(client, plan))


if __name__ == "__main__":
    main()
