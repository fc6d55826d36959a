"""What a runner process does: take releases, answer batches for them, and end when the parent says so or is gone."""

import gc
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from predictq_broker.failpoints import reached
from predictq_registry import InvalidRelease, Loaded
from predictq_sandbox import be_alone, deny_writing
from predictq_worker.inference import Answer, Limits, predict_batch
from predictq_worker.runner.errors import ReleaseRefused
from predictq_worker.runner.frames import Buffer, Frame, read_frame, write_buffers
from predictq_worker.runner.linux import (
    arm_lifeline,
    die_before_the_parent,
    give_memory_back,
    keep_freed_memory,
    set_name,
)
from predictq_worker.runner.loading import load_release, measured
from predictq_worker.runner.messages import (
    FORGET,
    LOAD,
    PREDICT,
    SEVERAL,
    forgotten_reply,
    load_reply,
    operation,
    predict_reply,
    read_load,
    read_several,
    refusal_reply,
    several_reply,
)
from predictq_worker.runner.scratch import own_folder

__all__ = ["run"]

_ELSEWHERE: Final = ("/dev/null", "/dev/zero", "/dev/shm")  # noqa: S108  shared memory of joblib is no file of ours
_NOWHERE: Final = "/dev/null"
_ANY_NUMBER: Final = 1 << 32
_ANY_SIZE: Final = 1 << 48


class _Holding(NamedTuple):
    """A release this process holds."""

    loaded: Loaded
    limits: Limits


_Held = dict[int, _Holding]
"""By the number that the parent gave them."""


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
    """Answer each frame, until one asks for an end."""
    held: _Held = {}
    while True:
        frame = _receive(connection)
        answer = _ANSWERS.get(operation(frame))
        if answer is None:
            return
        reply = answer(frame, held)
        write_buffers(connection.sendmsg, reply)
        del frame, reply  # so that they need not be held beside the next


def _load(frame: Frame, held: _Held) -> list[Buffer]:
    """Take the release the parent sends, or say why not."""
    try:
        load = read_load(frame)
        loaded, report = load_release(load.package, load.limits, load.trust)
    except (InvalidRelease, ReleaseRefused) as error:
        return refusal_reply(str(error))
    held[frame.header["release"]] = _Holding(loaded, load.limits)
    shared = load.shared
    frame.parts.clear()
    del load  # the files are as large as the model, and would be counted as its memory
    if shared:
        set_name("pq shared")
    else:
        set_name(f"pq {loaded.manifest.version} {loaded.manifest.model}")
        gc.collect()
        gc.freeze()  # the model lives as long as this process: the collector need not walk it again
        give_memory_back()  # of small ones, a thousand of which may come while others are asked, it is not worth it
    return load_reply(measured(report))


def _forget(frame: Frame, held: _Held) -> list[Buffer]:
    for number in frame.header["releases"]:
        held.pop(number, None)
    gc.collect()
    give_memory_back()
    return forgotten_reply()


def _predict(frame: Frame, held: _Held) -> list[Buffer]:
    """Answer one batch."""
    return predict_reply(*_answers(frame, held))


def _several(frame: Frame, held: _Held) -> list[Buffer]:
    """Answer a batch of each of several releases."""
    return several_reply([_answers(question, held) for question in read_several(frame)])


def _answers(question: Frame, held: _Held) -> tuple[list[Answer], float]:
    start = time.perf_counter()
    loaded, limits = held[question.header["release"]]
    method, content_type = question.header["method"], question.header["content_type"]
    answers = predict_batch(loaded, method, content_type, question.parts, limits)
    reached("in_predict")
    return answers, time.perf_counter() - start


_ANSWERS: Final[Mapping[str, Callable[[Frame, _Held], list[Buffer]]]] = {
    LOAD: _load,
    PREDICT: _predict,
    SEVERAL: _several,
    FORGET: _forget,
}


def _receive(connection: socket.socket) -> Frame:
    return read_frame(_receiver(connection), _ANY_NUMBER, _ANY_SIZE)


def _receiver(connection: socket.socket) -> Callable[[memoryview], int]:
    def receive(view: memoryview) -> int:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        return count

    return receive
