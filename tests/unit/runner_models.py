"""Models that do what models do when things go wrong. Runners import this module to unpickle them."""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np

FINE = 0.0
RAISES = 101.0
SEGFAULTS = 102.0
HANGS = 103.0
LEAVES = 104.0
KILLS_ITSELF = 105.0
SYS_EXIT = 106.0
INTERRUPT = 107.0
RECURSES = 108.0
NO_MEMORY = 109.0
ENVIRONMENT = 110.0
HOLDS_THE_GIL = 111.0
STARTS_A_CHILD = 113.0
GARBLES_THE_CHANNEL = 114.0
GROWS = 115.0
CONNECTS = 116.0
TAKES_MUCH_MEMORY = 117.0
TELLS_ITS_LIMITS = 118.0
LOOKS_INTO_ITS_NEIGHBOURS = 119.0
MULTIPLIES = 120.0
WRITES = 121.0
SIGNALS = 122.0
FAULTS = 123.0
READS = 124.0


class TrapModel:
    """Answers a row with its sum, unless its first value asks for trouble."""

    def __init__(self) -> None:
        self.ballast = []

    def predict(self, rows: np.ndarray) -> np.ndarray:
        for first in rows[:, 0]:
            self._act(float(first))
        return rows.sum(axis=1)

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows.sum(axis=1), rows[:, 0]])

    def _act(self, code: float) -> None:
        if code == GROWS:
            self.ballast.append(np.ones(8 << 20))
        elif code == RECURSES:
            self._act(code)
        elif code in TROUBLE:
            TROUBLE[code]()


def _raise(error: BaseException) -> NoReturn:
    raise error


def _hold_the_gil() -> None:
    print("holding", flush=True)  # noqa: T201  tells the test that it may begin
    ctypes.PyDLL(None).sleep(3600)


def _tell_environment() -> NoReturn:
    raise LookupError(" ".join(sorted(os.environ)) + " | " + " ".join(os.environ.values()))


def _start_a_child() -> NoReturn:
    raise LookupError(f"{subprocess.Popen(['/bin/sleep', '3600'], close_fds=False).pid}")


def _write_to_every_socket(text: bytes) -> None:
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and str(entry.readlink()).startswith("socket:"):
            os.write(int(entry.name), text)


def _connect() -> NoReturn:
    """Try every way out of this machine and this process; tell which one there is."""
    told: list[str] = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", 9)), (socket.AF_INET6, ("::1", 9)), (socket.AF_UNIX, "/x")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as out:
                out.connect(address)
        except OSError as error:
            told.append(errno.errorcode[error.errno or 0])
        else:
            told.append("went out")
    with Path("/proc/net/dev").open() as devices:
        told += [line.partition(":")[0].strip() for line in devices if ":" in line]
    raise LookupError(" ".join(told))


def _tell_limits() -> NoReturn:
    """Which limits hold, and that they cannot be lifted again."""
    memory, processes = resource.getrlimit(resource.RLIMIT_DATA)[1], resource.getrlimit(resource.RLIMIT_NPROC)[1]
    told = [memory, processes, resource.getrlimit(resource.RLIMIT_CORE)[1], len(os.sched_getaffinity(0))]
    for lift in (
        lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory * 2, memory * 2)),
        lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1)),
    ):
        try:
            lift()
        except (OSError, ValueError):
            told.append("kept")
    raise LookupError(" ".join(map(str, told)))


def _look_at_neighbours() -> NoReturn:
    """Whose memory, among the processes of this machine, may be read."""
    seen: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError), (entry / "mem").open("rb"):
                seen.append(entry.name)
    raise LookupError(" ".join(seen) or "nobody")


def _write() -> NoReturn:
    """Where a model can write, if anywhere: into files of its worker's user, and where it may."""
    there = Path(__file__)
    ways = {
        "append": lambda: there.open("a").close(),
        "truncate": lambda: os.truncate(there, there.stat().st_size),
        "make": lambda: Path("made-by-a-model").touch(),
        "folder": lambda: Path.home().joinpath("made-by-a-model").mkdir(),
        "rename": lambda: there.rename(there),  # onto itself: where it may, it changes nothing
        "beside": lambda: Path(tempfile.gettempdir()).with_name("made-by-a-model").touch(),
        "link": lambda: Path("made-by-a-model").symlink_to("x"),
        "temporary": lambda: tempfile.NamedTemporaryFile(dir=tempfile.gettempdir()).close(),
        "null": lambda: Path(os.devnull).write_text("x"),
    }
    told: list[str] = []
    for name, way in ways.items():
        with contextlib.suppress(PermissionError):
            way()
            told.append(name)
    raise LookupError(" ".join([*told, tempfile.gettempdir()]))


def _signal() -> NoReturn:
    """Whom a model can signal."""
    reached = []
    for pid in map(int, (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())):
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.kill(pid, 0)
            reached.append(pid)
    raise LookupError(" ".join(str(pid) for pid in reached if pid != os.getpid()) or "nobody")


def _read() -> NoReturn:
    """Which of the files at home it can read something from."""
    files = sorted(path for path in Path.home().rglob("*") if path.is_file())
    raise LookupError(" ".join(path.name for path in files if path.read_bytes()) or "nothing")


def _multiply() -> NoReturn:
    """BLAS in as many threads as there may be, on more than fits a cache."""
    side = np.ones((1500, 1500))
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda factor: float((side * factor @ side).sum()), range(8)))
    raise LookupError(str(sum(sums)))


TROUBLE = {
    WRITES: _write,
    SIGNALS: _signal,
    READS: _read,
    RAISES: lambda: _raise(ValueError("this row is bad\nand this line is not told")),
    SEGFAULTS: lambda: ctypes.string_at(0),
    HANGS: lambda: time.sleep(3600),
    LEAVES: lambda: os._exit(7),
    KILLS_ITSELF: lambda: os.kill(os.getpid(), signal.SIGKILL),
    SYS_EXIT: lambda: sys.exit(3),
    INTERRUPT: lambda: _raise(KeyboardInterrupt()),
    NO_MEMORY: lambda: _raise(MemoryError()),
    ENVIRONMENT: _tell_environment,
    HOLDS_THE_GIL: _hold_the_gil,
    STARTS_A_CHILD: _start_a_child,
    CONNECTS: _connect,
    TAKES_MUCH_MEMORY: lambda: np.ones(1 << 28).sum(),
    TELLS_ITS_LIMITS: _tell_limits,
    LOOKS_INTO_ITS_NEIGHBOURS: _look_at_neighbours,
    MULTIPLIES: _multiply,
    GARBLES_THE_CHANNEL: lambda: _write_to_every_socket(b"\x93 this is no frame " * 64),
}


class SlowToUnpickle(TrapModel):
    """Takes an hour to load, in a runner."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if os.environ.get("OMP_NUM_THREADS") == SLOW_THREADS:
            time.sleep(3600)


class DiesOnUnpickle(TrapModel):
    """Segfaults when it is loaded, in a runner."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        if os.environ.get("OMP_NUM_THREADS") == SLOW_THREADS:
            ctypes.string_at(0)


SLOW_THREADS = "13"
"""How these two know that they are in a runner, rather than in the process that publishes them."""


class FaultCounter:
    """Needs sixteen megabytes for a moment; asked with `FAULTS`, it answers with how many page faults that took."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        [np.ones(1 << 18) for _ in range(8)]
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        return np.full(len(rows), faults if rows[0, 0] == FAULTS else 0)
