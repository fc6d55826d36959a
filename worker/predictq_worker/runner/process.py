"""What a runner process does: take one release, answer batches for it, and end when the parent says so or is gone."""

import gc
import os
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from predictq_broker.failpoints import reached
from predictq_registry import InvalidRelease, Loaded
from predictq_sandbox import be_alone, deny_writing
from predictq_worker.inference import Limits, predict_batch
from predictq_worker.runner.errors import ReleaseRefused
from predictq_worker.runner.frames import Buffer, Frame, read_frame, write_buffers
from predictq_worker.runner.linux import arm_lifeline, die_before_the_parent, keep_freed_memory, set_name
from predictq_worker.runner.loading import load_release
from predictq_worker.runner.messages import (
    LOAD,
    PREDICT,
    load_reply,
    operation,
    predict_reply,
    read_load,
    refusal_reply,
)
from predictq_worker.runner.scratch import own_folder

__all__ = ["run"]

_ELSEWHERE: Final = ("/dev/null", "/dev/zero", "/dev/shm")  # noqa: S108  shared memory of joblib is no file of ours
_NOWHERE: Final = "/dev/null"
_ANY_NUMBER: Final = 1 << 32
_ANY_SIZE: Final = 1 << 48


class _Holding(NamedTuple):
    """The one release this process holds."""

    loaded: Loaded
    limits: Limits


def run(channel: int, lifeline: int) -> int:
    """Serve the parent on the socket `channel` until it stops or is gone; the exit code."""
    os.setpgid(0, 0)
    arm_lifeline(lifeline)
    die_before_the_parent()
    be_alone()
    deny_writing(but=[own_folder(os.getpid()) or _NOWHERE, *_ELSEWHERE])
    set_name("pq-runner")
    keep_freed_memory()
    np.random.seed()  # noqa: NPY002  the global state that models use must not be the same in every runner
    with socket.socket(fileno=channel) as connection:
        try:
            _serve(connection)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return 0  # the parent is gone
    return 0


def _serve(connection: socket.socket) -> None:
    holding = _load(connection)
    while holding is not None and _answer(connection, holding):
        pass


def _load(connection: socket.socket) -> _Holding | None:
    """Take the release the parent sends, or say why not."""
    frame = _receive(connection)
    if operation(frame) != LOAD:
        return None
    try:
        package, limits, trust = read_load(frame)
        loaded, report = load_release(package, limits, trust)
    except (InvalidRelease, ReleaseRefused) as error:
        _send(connection, refusal_reply(str(error)))
        return None
    set_name(f"pq {package.manifest.version} {package.manifest.model}")
    del frame, package
    gc.collect()
    gc.freeze()  # the model lives as long as this process: the collector need not walk it again
    _send(connection, load_reply(report))
    return _Holding(loaded, limits)


def _answer(connection: socket.socket, holding: _Holding) -> bool:
    """Answer one batch; False if the parent wants an end."""
    frame = _receive(connection)
    if operation(frame) != PREDICT:
        return False
    start = time.perf_counter()
    method, content_type = frame.header["method"], frame.header["content_type"]
    answers = predict_batch(holding.loaded, method, content_type, frame.parts, holding.limits)
    reached("in_predict")
    _send(connection, predict_reply(answers, time.perf_counter() - start))
    return True


def _receive(connection: socket.socket) -> Frame:
    return read_frame(_receiver(connection), _ANY_NUMBER, _ANY_SIZE)


def _receiver(connection: socket.socket) -> Callable[[memoryview], int]:
    def receive(view: memoryview) -> int:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        return count

    return receive


def _send(connection: socket.socket, buffers: list[Buffer]) -> None:
    write_buffers(connection.sendmsg, buffers)
