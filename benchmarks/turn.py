"""One contender's turn: its server, its workers, and a process that asks; all new, and gone afterwards."""

import hashlib
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from contenders import Contender
from environments import OWN, ROOT, WORKSHOP, python_of
from load.models import predict, rows, train
from machine import PRODUCT, digest
from processes import Child, cpu_seconds, family, memory_bytes
from servers import Served, serve
from servers.served import Missing, free_port

__all__ = ["Asker", "Turn", "begin"]

_START = 90.0
_PATIENCE = 900.0


class Asker:
    """The process that asks."""

    def __init__(self, turn: "Turn", child: Child) -> None:
        self._turn = turn
        self._child = child

    @property
    def pid(self) -> int:
        """Its id."""
        return self._child.pid

    def do(self, phase: str, **told: Any) -> Any:  # noqa: ANN401  JSON
        """Have one phase done; see `load.asker`."""
        stdin, stdout = self._child.process.stdin, self._child.process.stdout
        assert stdin is not None and stdout is not None  # noqa: PT018, S101  it talks
        try:
            stdin.write(json.dumps({"do": phase, **told}).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            line = b""
        else:
            if not select.select([stdout], [], [], _PATIENCE)[0]:
                raise Missing(f"{phase} did not come to an end within {_PATIENCE:.0f} s")
            line = stdout.readline()
        if not line:
            raise Missing(f"the asking process ended: {self._child.last_words()}")
        return json.loads(line)

    def measured(self, phase: str, **told: Any) -> Any:  # noqa: ANN401  JSON
        """As `do`; the figures get `cpu`, seconds of processor time by role."""
        before = self._turn.cpu(self.pid)
        figures = self.do(phase, **told)
        figures["cpu"] = {role: used - before.get(role, 0.0) for role, used in self._turn.cpu(self.pid).items()}
        return figures


class Turn:
    """What runs now."""

    def __init__(self, contender: Contender, model: str, folder: Path, served: Served, stack: ExitStack) -> None:
        self.contender = contender
        self.served = served
        self._model = model
        self._folder = folder
        self._stack = stack
        self._environment = _environment(contender, model, served)
        self._workers: list[Child] = []

    @property
    def port(self) -> int:
        """Free for the worker: `{port}` in its command."""
        return int(self._environment["BENCH_PORT"])

    def prepare(self) -> None:
        """What has to be made before a worker starts: once, since it is the same in every turn."""
        kept = Path(self._environment["BENCH_KEPT"])
        if not self.contender.prepare or kept.exists():
            return
        made = self._folder / "made"
        made.mkdir()
        environment = {**self._environment, "BENCH_KEPT": str(made)}
        command = self._command(self.contender.prepare)
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own
        if done.returncode:
            raise Missing(f"cannot be prepared: {done.stderr[-300:]}")
        kept.parent.mkdir(exist_ok=True)
        made.rename(kept)

    def start_workers(self) -> None:
        """All of them; whether they are ready, an asker will see."""
        for number in range(self.contender.workers if self.contender.worker else 0):
            command = self._command(self.contender.worker)
            child = Child(command, self._environment, self._folder / f"worker-{number}.log", ROOT)
            self._workers.append(self._stack.enter_context(child))

    @contextmanager
    def asker(self, client: str = "", *, precise: bool = False, ready: bool = True) -> Generator[Asker]:
        """A process that asks, once a right answer has come."""
        plan = self._folder / "plan.json"
        plan.write_text(json.dumps(_plan(self._model)))
        command = ("python", "-m", "load.asker", client or self.contender.client, str(plan))
        options = ("precise",) if precise else ()
        log = self._folder / "asker.log"
        with Child(self._command((*command, *options)), self._environment, log, ROOT, talks=True) as child:
            asker = Asker(self, child)
            if ready and not asker.do("ready", within=_START):
                raise Missing(f"no right answer within {_START:.0f} s: {self.last_words()}")
            yield asker

    def _command(self, words: tuple[str, ...]) -> list[str]:
        """With the interpreter of the contender's environment, or the program beside it."""
        python = python_of(self.contender.environment)
        places = {name.removeprefix("BENCH_").lower(): value for name, value in self._environment.items()}
        program = python if words[0] == "python" else str(Path(python).with_name(words[0]))
        return [program, *(word.format_map(places) for word in words[1:])]

    def last_words(self) -> str:
        """Of the first worker."""
        return self._workers[0].last_words() if self._workers else "it has no worker"

    def pids(self, asker: int | None = None) -> dict[str, list[int]]:
        """The processes by role: a worker, and what workers have started, apart."""
        roles = {"worker": [child.pid for child in self._workers]}
        roles["its children"] = [pid for child in self._workers for pid in family(child.pid) if pid != child.pid]
        if self.served.pid is not None:
            roles["server"] = list(family(self.served.pid))
        if asker is not None:
            roles["asker"] = list(family(asker))
        return {role: pids for role, pids in roles.items() if pids}

    def cpu(self, asker: int) -> dict[str, float]:
        """Seconds of processor time by role, since each began."""
        return {role: cpu_seconds(pids) for role, pids in self.pids(asker).items()}

    def memory(self, asker: int | None = None) -> dict[str, int]:
        """Bytes by role; a server that is a file has the file's size."""
        found = {role: memory_bytes(pids) for role, pids in self.pids(asker).items()}
        files = [file.stat().st_size for file in self.served.files if file.exists()]
        return {**found, "server": sum(files)} if files else found


def _environment(contender: Contender, model: str, served: Served) -> dict[str, str]:
    """Ours without what would configure a worker otherwise; one thread for each process's arithmetic."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PREDICTQ_")}
    inherited = ours.pop("PYTHONPATH", "") if contender.environment == OWN else ""
    return {
        **ours,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), _absolute(inherited)))),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "BENCH_BROKER": served.url,
        "BENCH_PORT": str(free_port(together=3)),
        "BENCH_KEPT": str(_kept(contender, model)),
        "BENCH_MODEL": model,
        **contender.settings,
    }


def _kept(contender: Contender, model: str) -> Path:
    """A folder for what is made once, by whatever it is made of."""
    made_of = repr((digest(PRODUCT), contender.prepare, sorted(contender.settings.items()), model))
    return WORKSHOP / "kept" / hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _absolute(paths: str) -> str:
    return os.pathsep.join(str(Path(path).resolve()) for path in paths.split(os.pathsep) if path)


@cache
def _plan(model: str) -> Mapping[str, Any]:
    asked = rows(model)
    return {"rows": asked, "right": predict(train(model), asked)}


@contextmanager
def begin(contender: Contender, model: str) -> Generator[Turn]:
    """The server runs and everything is prepared; workers are started by whoever measures.

    Raises:
        Missing: if something it needs is not there.
    """
    python_of(contender.environment)
    WORKSHOP.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="turn-", dir=WORKSHOP) as name, ExitStack() as stack:
        folder = Path(name)
        served = stack.enter_context(serve(contender.server, folder))
        turn = Turn(contender, model, folder, served, stack)
        turn.prepare()
        yield turn
