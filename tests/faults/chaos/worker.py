"""`predictq worker`, made unsafe first if the driver says so: `python -m faults.chaos.worker`."""

import os

from faults.chaos.controls import CONTROLS

from predictq_cli.__main__ import main

__all__: list[str] = []

if __name__ == "__main__":
    if control := os.environ.get("CHAOS_CONTROL"):
        CONTROLS[control].break_it()
    main(["worker"])
