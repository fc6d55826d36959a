"""The nursery: one clean process that holds the libraries and no secrets, and forks runners when asked.

Started by `Nursery`, with a Unix SEQPACKET socket as its standard input, and confined before it imports anything that
starts threads. It begins by saying what it was denied, a `Confinement`. Each message is a JSON object:

    {"op": "fork"} with two descriptors, the runner's socket and lifeline    →  {"pid": 4711}
    {"op": "reap", "pid": 4711}, once it has ended                          →  {"status": 9} as of waitpid, or null
    anything that cannot be done                                            →  {"error": "why"}

When the parent is gone it kills every runner that is left, and ends.
"""

import contextlib
import io
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import orjson

from predictq_sandbox import Confinement
from predictq_worker.runner.linux import kill_group, set_name
from predictq_worker.runner.messages import MAX_CONTROL_BYTES, OUT_OF_MEMORY
from predictq_worker.runner.preload import preload

__all__ = ["main"]


def main(confinement: Confinement) -> None:
    """Serve the parent until it is gone."""
    control = _take_control()
    os.setsid()
    with contextlib.suppress(OSError):  # the parent is gone, as we shall see soon enough
        control.send(orjson.dumps(confinement._asdict()))
    _settle_in()
    preload()
    children: set[int] = set()
    try:
        while _serve_one(control, children):
            pass
    finally:
        for pid in children:
            kill_group(pid)


def _settle_in() -> None:
    """What every runner inherits: deaf to the terminal's signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides who ends when, and tells by its sockets
    set_name("pq-nursery")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a model prints is seen even if it is killed


def _take_control() -> socket.socket:
    """The parent's socket, moved away from standard input so that no model reads from it."""
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return control


def _serve_one(control: socket.socket, children: set[int]) -> bool:
    """Answer one message; False when the parent is gone."""
    try:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_CONTROL_BYTES, 2)
        if not message:
            return False
        control.send(orjson.dumps(_answer(control, orjson.loads(message), descriptors, children)))
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _answer(
    control: socket.socket, request: object, descriptors: Sequence[int], children: set[int]
) -> dict[str, object]:
    match request:
        case {"op": "fork"} if len(descriptors) == 2:
            return _fork(control, descriptors, children)
        case {"op": "reap", "pid": int(pid)}:
            return {"status": _reap(pid, children)}
        case _:
            return {"error": "this nursery forks and reaps, nothing else"}


def _fork(control: socket.socket, descriptors: Sequence[int], children: set[int]) -> dict[str, object]:
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": f"no process could be started: {error}"}
    else:
        if pid == 0:
            control.close()
            _become_runner(*descriptors)
        children.add(pid)
        return {"pid": pid}
    finally:
        for descriptor in descriptors:  # only in the nursery: the child never comes here
            os.close(descriptor)


def _become_runner(channel: int, lifeline: int) -> NoReturn:
    """Run, and end without going back into the nursery's own code."""
    code = 1
    try:
        from predictq_worker.runner.process import run  # `preload` did it, for every runner at once

        code = run(channel, lifeline)
    except MemoryError:
        code = OUT_OF_MEMORY
    except BaseException:  # noqa: BLE001  whatever it is, it is told on stderr and by the exit code
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _reap(pid: int, children: set[int]) -> int | None:
    """The wait status of a child that has ended; None if it has not, or is none of ours."""
    if pid not in children:
        return None
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    children.discard(pid)
    return status
