"""The `predictq` command as it is typed: a real broker, a real worker, real models, and where it matters a process."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from models import Iris
from servers import RedisServer, free_port
from workers import children, eventually, python_env, workers

from predictq import Client
from predictq_broker import Capacity, Code, Outcome, Request, Result, connect
from predictq_cli.__main__ import run
from predictq_cli.demo.load import Plan

Told = subprocess.CompletedProcess[str]


class Site:
    """A folder with a broker, a registry and some files, and the command to use them with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = f"sqlite:///{folder}/broker.db"
        self.registry = str(folder / "models")

    def env(self) -> dict[str, str]:
        return python_env(PREDICTQ_BROKER_URL=self.broker, PREDICTQ_REGISTRY_URL=self.registry)

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "predictq_cli", *map(str, arguments)]

    def run(self, *arguments: object, piped: str | None = None) -> Told:
        """Run it: in a process of its own if that matters, else here, where everything is imported already."""
        if piped is None and arguments[0] not in {"worker", "demo"}:
            return self._run_here(list(map(str, arguments)))
        return subprocess.run(
            self.command(*arguments),
            env=self.env(),
            cwd=self.folder,
            input=piped,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def _run_here(self, arguments: list[str]) -> Told:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.folder)
            for name, value in self.env().items():
                patch.setenv(name, value)
            code = run(arguments)
        return Told(arguments, code, *(stream.detach().getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]

    def done(self, *arguments: object, piped: str | None = None) -> str:
        """What a command that must succeed printed."""
        told = self.run(*arguments, piped=piped)
        assert told.returncode == 0, told.stderr
        return told.stdout

    def json(self, *arguments: object) -> Any:
        return json.loads(self.done(*arguments, "--json"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> Iterator[Site]:
    """A site whose model `iris` has two releases, the first one live, and a worker."""
    site = Site(tmp_path_factory.mktemp("served"))
    frame(trained).to_csv(site.folder / "rows.csv", index=False)
    for name, estimator in (("good", trained.good), ("other", trained.other)):
        joblib.dump(estimator, site.folder / f"{name}.joblib")
    site.done("publish", "iris", "good.joblib", "--sample", "rows.csv", "--alias", "production")
    site.done("publish", "iris", "other.joblib", "--sample", "rows.csv")
    with workers(1, site.broker, site.registry, models="iris"):
        yield site


def frame(trained: Iris) -> pd.DataFrame:
    return pd.DataFrame(trained.rows, columns=["a", "b", "c", "d"])


def failing(told: Told, code: int) -> str:
    """The one line on stderr of a command that failed with `code`."""
    assert told.returncode == code, told.stderr
    assert "Traceback" not in told.stderr
    assert told.stderr.count("\n") == 1
    return told.stderr


# ── releases ──


def test_publishing_tells_what_was_learnt_and_how_to_make_it_live(site: Site, trained: Iris) -> None:
    joblib.dump(trained.good, site.folder / "iris.joblib")
    frame(trained).to_csv(site.folder / "rows.csv", index=False)
    told = site.done("publish", "iris", "iris.joblib", "--sample", "rows.csv", "--metric", "accuracy=0.97")
    for part in ("iris version 1", "sha256:", "predict_proba", "a (number)", "8 rows", "accuracy 0.97"):
        assert part in told
    assert "predictq models alias iris production 1" in told
    assert "nothing: give it an alias" in site.done("models")
    assert "production is version 1 now" in site.done("models", "alias", "iris", "production", 1)


def test_a_release_is_listed_shown_moved_and_rolled_back(served: Site) -> None:
    assert served.json("models") == served.json("models", "list")
    (listed,) = served.json("models")
    assert (listed["model"], listed["versions"], listed["aliases"]) == ("iris", [1, 2], {"production": 1})
    shown = served.json("models", "show", "iris", 2)
    assert (shown["version"], shown["signature"]["kind"], len(shown["golden"]["rows"])) == (2, "table", 8)
    moved = served.json("models", "alias", "iris", "candidate", 2)
    assert (moved["alias"], moved["version"], moved["previous"]) == ("candidate", 2, None)
    served.done("models", "alias", "iris", "candidate", 1, "--note", "too early")
    assert served.json("models", "rollback", "iris", "candidate")["version"] == 2
    text = served.done("models", "show", "iris", "candidate")
    assert "iris version 2" in text
    assert "candidate  1 -> 2  (rollback" in text
    assert "too early" in text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("models", "show", "nope"), 1, "no model 'nope' in the registry"),
        (("models", "show", "iris", "9"), 1, "no alias or version '9'"),
        (("models", "alias", "iris", "production", "9"), 1, "no alias or version '9'"),
        (("models", "rollback", "iris", "production"), 1, "named nothing before version 1"),
        (("publish", "iris", "rows.csv"), 1, "rows.csv"),
        (("publish", "iris", "good.joblib", "--sample", "no.csv"), 2, "there is no file 'no.csv'"),
        (("publish", "iris", "good.joblib", "--metric", "high"), 2, "write NAME=VALUE"),
        (("publish", "iris", "good.joblib", "--metric", "high=nan"), 2, "write NAME=VALUE"),
        (("publish", "iris", "good.joblib", "--metric", "hi\udcffgh=1"), 2, "write NAME=VALUE"),
        (("publish", "../iris", "good.joblib"), 2, "is not a name"),
        (("publish", "iris", "good.joblib", "--key", "typo.key"), 1, "there is no signing key 'typo.key'"),
        (("models", "sign", "iris", "1", "--key", "typo.key"), 1, "predictq keys new"),
        (("rollout", "canary", "iris", "2", "--pause", "inf"), 2, "--pause inf: Input should be a finite number"),
        (("rollout", "canary", "iris", "2", "--errors", "7"), 2, "--errors 7.0: Input should be less than"),
        (("rollout", "ab", "iris", "2", "--share", "7"), 2, "--share 7.0: Input should be less than"),
        (("rollout", "shadow", "iris", "2", "--share", "-1"), 2, "--share -1.0: Input should be greater than"),
        (("rollout", "compare", "nope"), 1, "no model 'nope' in the registry"),
        (("experiment", "report", "nope"), 1, "no model 'nope' in the registry"),
        (("worker", "--memory", "4x"), 2, "'4x': write bytes, or a number and a unit, such as 512m or 4g (--memory"),
        (("worker", "--http", "here"), 2, "'here': write host:port"),
        (("dead", "show", "iris", "12-0"), 1, "no dead letter '12-0'"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    served: Site, arguments: Sequence[str], code: int, sentence: str
) -> None:
    assert sentence in failing(served.run(*arguments), code)


# ── predictions ──


def test_rows_on_the_command_line_are_answered(served: Site, trained: Iris) -> None:
    told = served.run("predict", "iris", json.dumps(trained.rows[:2].tolist()))
    assert [int(line) for line in told.stdout.split()] == trained.good_answers[:2]
    assert "2 rows answered by version 1 (sha256:" in told.stderr


def test_a_file_comes_back_whole_and_in_order(served: Site, trained: Iris) -> None:
    for name in ("out.csv", "out.json", "out.jsonl"):
        served.done("predict", "iris", "rows.csv", "--chunk", 7, "--output", name)
    assert pd.read_csv(served.folder / "out.csv")["output"].tolist() == trained.good_answers
    document = json.loads((served.folder / "out.json").read_text())
    assert (document["rows"], document["outputs"]) == (150, trained.good_answers)
    assert list(document["releases"]) == ["1"]
    lines = [json.loads(line) for line in (served.folder / "out.jsonl").read_text().splitlines()]
    assert lines == [{"row": row, "output": output, "version": 1} for row, output in enumerate(trained.good_answers)]
    assert not list(served.folder.glob("*.part"))


def test_a_ref_and_a_method_are_what_is_called(served: Site, trained: Iris) -> None:
    told = served.done("predict", "iris", "rows.csv", "--ref", 2, "--json")
    assert [json.loads(line)["output"] for line in told.splitlines()] == trained.other_answers
    first = json.loads(served.done("predict", "iris", "rows.csv", "--method", "predict_proba").splitlines()[0])
    assert first == pytest.approx(trained.good.predict_proba(trained.rows[:1])[0].tolist())


def test_a_pipe_is_read_and_columns_can_be_chosen(served: Site, trained: Iris) -> None:
    rows = frame(trained).assign(label="x").to_csv(index=False)
    told = served.done("predict", "iris", "-", "--columns", "a,b,c,d", piped=rows)
    assert [int(line) for line in told.split()] == trained.good_answers


def test_a_row_that_does_not_fit_is_named_by_its_place_in_the_file(served: Site, trained: Iris) -> None:
    rows = [dict(zip("abcd", row, strict=True)) for row in trained.rows[:50].tolist()]
    rows[37]["c"] = "wide"
    (served.folder / "bad.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = ("predict", "iris", "bad.jsonl", "--chunk", 10, "--output", "bad.csv")
    told = served.run(*command, piped="")  # a process, at whose end the part is closed and whole
    line = failing(told, 4)
    assert "invalid_input: row 37, column 'c'" in line
    assert "the 30 rows before it were answered" in line
    assert not (served.folder / "bad.csv").exists()
    assert len((served.folder / "bad.csv.part").read_text().splitlines()) == 31


def test_a_prediction_that_ends_in_an_error_is_exit_code_4(served: Site) -> None:
    assert "expected 4" in failing(served.run("predict", "iris", "[[1]]"), 4)
    assert "unknown_model" in failing(served.run("predict", "iris", "[[1, 2, 3, 4]]", "--ref", "nope"), 4)


def test_with_no_worker_it_says_so_and_gives_up_in_time(site: Site) -> None:
    told = site.run("predict", "iris", "[[1]]", "--timeout", 0.5)
    assert told.returncode == 4
    assert "no worker reads the queue of iris yet; start one: predictq worker --model iris" in told.stderr
    assert "deadline_exceeded" in told.stderr


def test_a_reader_that_leaves_ends_the_command_quietly(served: Site, trained: Iris) -> None:
    pd.concat([frame(trained)] * 100).to_csv(served.folder / "long.csv", index=False)
    line = f"{' '.join(served.command('predict', 'iris', 'long.csv', '--json'))} | head -1; echo ${{PIPESTATUS[0]}}"
    told = subprocess.run(
        ["/bin/bash", "-c", line], env=served.env(), cwd=served.folder, capture_output=True, text=True, check=False
    )
    first, status = told.stdout.splitlines()
    assert json.loads(first)["row"] == 0
    assert (status, told.stderr) == ("141", "")


# ── queues ──


def test_a_result_queue_is_listened_to_and_what_was_printed_is_gone(served: Site, trained: Iris) -> None:
    with Client(served.broker) as client:
        ids = [client.send("iris", [row], reply_to="nightly") for row in trained.rows[:3].tolist()]
        client.send("iris", [[1]], reply_to="nightly", id="misfit")
    told = served.done("listen", "nightly", "--limit", 4, "--json")
    results = {found["id"]: found for found in map(json.loads, told.splitlines())}
    assert [results[name]["outputs"] for name in ids] == [[answer] for answer in trained.good_answers[:3]]
    assert results["misfit"]["status"] == "invalid_input"
    assert "expected 4" in results["misfit"]["error"]
    assert served.done("listen", "nightly", "--idle", 0.2) == ""


def test_queues_tell_what_waits_and_who_works(served: Site) -> None:
    found = {queue["model"]: queue for queue in served.json("queues")}
    assert found["iris"]["consumers"] == 1
    assert "consumers" in served.done("queues")


def bury(site: Site, count: int) -> list[str]:
    """Put requests into the dead-letter queue; returns their tags."""
    with connect(site.broker) as broker:
        broker.send([Request("iris", b"[[1]]", id=f"dead-{number}") for number in range(count)])
        consumer = broker.consumer("test")
        held = consumer.receive({"iris": Capacity(count)}, 5)
        results = [Result(one.request.id, Code.DEAD_LETTERED, b"killed\x1b[2J three workers", "iris") for one in held]
        consumer.bury([Outcome(one, result) for one, result in zip(held, results, strict=True)])
        consumer.close()
        return [letter.tag for letter in broker.dead("iris").list()]


def test_dead_letters_are_listed_shown_replayed_and_purged(site: Site) -> None:
    first, second, _ = bury(site, 3)
    listed = site.done("dead", "list", "iris")
    assert first in listed
    assert "\x1b" not in listed
    assert [letter["id"] for letter in site.json("dead", "list", "iris")] == ["dead-0", "dead-1", "dead-2"]
    assert site.json("dead", "show", "iris", first)["body"] == "[[1]]"
    assert "dead-0" in site.done("dead", "show", "iris", first)
    assert site.json("dead", "replay", "iris", first) == {"model": "iris", "replayed": 1}
    assert site.json("queues")[0]["queued"] == 1
    assert site.json("dead", "purge", "iris", second) == {"model": "iris", "purged": 1}
    assert "1 of the tags are not there" in failing(site.run("dead", "purge", "iris", second), 1)
    assert site.json("dead", "purge", "iris", "--all") == {"model": "iris", "purged": 1}
    assert "no dead letters of iris" in site.done("dead", "list", "iris")


@pytest.mark.parametrize("command", ["queues", "predict iris [[1]]", "listen nightly", "dead list iris", "demo"])
def test_a_broker_that_is_away_is_exit_code_3_and_does_not_take_long(site: Site, command: str) -> None:
    site.broker = f"redis://127.0.0.1:{free_port()}/0"
    began = time.monotonic()
    assert "broker: " in failing(site.run(*command.split()), 3)
    assert time.monotonic() - began < 15


# ── doctor ──


def test_the_doctor_finds_nothing_wrong_where_nothing_is(served: Site) -> None:
    report = served.json("doctor")
    assert report["ok"], report
    assert "nothing is wrong" in served.done("doctor")


def wrongs(site: Site) -> list[str]:
    """What the doctor finds wrong."""
    told = site.run("doctor", "--json")
    report = json.loads(told.stdout)
    assert told.returncode == (0 if report["ok"] else 1)
    return [finding["what"] for finding in report["findings"] if finding["state"] == "wrong"]


def test_the_doctor_finds_an_altered_artefact(site: Site, trained: Iris) -> None:
    joblib.dump(trained.good, site.folder / "iris.joblib")
    site.done("publish", "iris", "iris.joblib", "--alias", "production")
    assert wrongs(site) == []
    (artefact,) = (site.folder / "models" / "iris" / "files").iterdir()
    artefact.chmod(0o600)
    artefact.write_bytes(artefact.read_bytes() + b"x")
    (found,) = wrongs(site)
    assert "is not what was published" in found


def test_the_doctor_finds_an_alias_that_points_nowhere(site: Site, trained: Iris) -> None:
    joblib.dump(trained.good, site.folder / "iris.joblib")
    for _ in range(2):
        site.done("publish", "iris", "iris.joblib", "--alias", "production")
    (site.folder / "models" / "iris" / "releases" / "2" / "manifest.json").unlink()
    assert wrongs(site) == ["iris: production names version 2, which is not there"]


def test_the_doctor_finds_requests_that_nobody_reads(site: Site) -> None:
    with connect(site.broker) as broker:
        broker.send([Request("iris", b"[[1]]", id="lonely")])
    assert wrongs(site) == ["1 requests to iris wait, and no worker reads them"]


def test_the_doctor_finds_a_redis_that_would_evict_requests(site: Site, tmp_path: Path) -> None:
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with RedisServer(tmp_path, options=options) as server:
        site.broker = server.url
        (found,) = wrongs(site)
    assert "maxmemory-policy is allkeys-lru" in found


def test_the_doctor_finds_a_broker_that_is_away_and_looks_at_the_rest_all_the_same(site: Site) -> None:
    site.broker = f"redis://127.0.0.1:{free_port()}/0"
    report = json.loads(site.run("doctor", "--json").stdout)
    assert {finding["part"] for finding in report["findings"]} == {"versions", "runners", "broker", "registry"}
    (found,) = wrongs(site)
    assert "cannot be reached" in found


# ── worker ──


def test_a_worker_that_requires_more_than_the_broker_gives_does_not_start(site: Site, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        told = site.run("worker", "--broker", server.url, "--require-durability", "power-loss", "--log-format", "json")
    *events, complaint = told.stderr.splitlines()
    assert told.returncode == 1
    assert "worker started" not in [json.loads(line)["event"] for line in events]
    assert complaint.startswith("predictq: power_loss must be survived, but appendonly is off")


def test_the_workers_flags_reach_it_and_win_over_the_environment(site: Site) -> None:
    command = site.command("worker", "--name", "from-flag", "--http", "127.0.0.1:0", "--log-format", "json")
    environment = {**site.env(), "PREDICTQ_NAME": "from-environment"}
    with subprocess.Popen(command, env=environment, cwd=site.folder, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        events = map(json.loads, worker.stderr)
        started = next(event for event in events if event["event"] == "worker started")
        worker.terminate()
        worker.stderr.read()
    assert started["worker"] == "from-flag"
    assert worker.returncode == 0


# ── demo ──

FAST = ("demo", "--seconds", 1, "--in-flight", 256)


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_the_demo_swaps_releases_under_load_and_leaves_nothing(
    engine: str, site: Site, request: pytest.FixtureRequest
) -> None:
    options: list[str] = []
    if engine == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.flush()
        options = ["--broker", server.url]
    told = site.run(*FAST, *options, "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert (report["ok"], report["failed"], report["wrong"]) == (True, 0, 0)
    assert report["requests"] == sum(report["by_version"].values())
    assert all(report["by_version"].values())
    assert report["accuracy"]["1"] < report["accuracy"]["2"]
    assert report["phases"]["steady"]["versions"].keys() == {"1"}
    assert sum(bucket["batches"] for bucket in report["batch_rows"]) > 0
    assert list(site.folder.iterdir()) == []
    if engine == "redis":
        with connect(server.url) as broker:
            assert broker.models() == []


def test_the_load_generator_sees_an_answer_that_is_not_what_the_release_predicts(served: Site, trained: Iris) -> None:
    right = list(trained.good_answers)
    right[3] += 1
    plan = Plan(served.broker, "iris", trained.rows.tolist(), {"1": right}, in_flight=150)  # type: ignore[dict-item]  labels of this model are numbers
    (served.folder / "plan.json").write_text(json.dumps(plan._asdict()))
    command = [sys.executable, "-m", "predictq_cli.demo.load", str(served.folder / "plan.json")]
    with subprocess.Popen(command, env=served.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        load.stdin.write(b"steady\n")
        load.stdin.flush()
        seen = next(figures for figures in map(json.loads, load.stdout) if figures["wrong"])
        load.stdin.close()
        load.stdout.read()
    assert load.returncode == 0
    assert seen["complaint"] == "version 1 answered what it does not predict"
    assert seen["wrong"] < seen["answered"] / 50  # only the one row of 150
    assert seen["failed"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_what_it_started_and_removes_what_it_made(number: int, site: Site) -> None:
    site.folder.joinpath("tmp").mkdir()
    environment = {**site.env(), "TMPDIR": str(site.folder / "tmp")}
    command = site.command("demo", "--seconds", 60, "--in-flight", 64)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        while "load" not in demo.stdout.readline():
            assert demo.poll() is None
        started = children(demo.pid)
        assert len(started) >= 3  # the worker, its runner, the load generator
        demo.send_signal(number)
        demo.stdout.read()
        complaints = demo.stderr.read()
    assert (demo.returncode, complaints) == (130, "")
    eventually(lambda: not any(alive(pid) for pid in started), "every process is gone")
    assert list(site.folder.joinpath("tmp").iterdir()) == []


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and was not asked for its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_on_a_terminal_there_is_a_living_line_and_a_table(site: Site) -> None:
    shown = on_a_terminal(site.command(*FAST), site)
    for part in ("train", "publish", "swap", "requests a second", "one at a time", "try next"):
        assert part in shown
    assert "\x1b[2K" in shown  # a line that is drawn again


def test_a_long_input_shows_its_progress_on_a_terminal_only(served: Site, trained: Iris) -> None:
    pd.concat([frame(trained)] * 200).to_csv(served.folder / "longer.csv", index=False)
    command = served.command("predict", "iris", "longer.csv", "--output", "longer.jsonl")
    shown = on_a_terminal(command, served)
    assert "30000 rows answered" in shown
    assert "\x1b[2K" in shown
    assert "\x1b" not in served.run("predict", "iris", "longer.csv", "--output", "longer.jsonl").stderr


def on_a_terminal(command: Sequence[str], site: Site) -> str:
    """What a command shows on a terminal, escapes and all."""
    ours, its = pty.openpty()
    with subprocess.Popen(command, env={**site.env(), "TERM": "xterm"}, cwd=site.folder, stdout=its, stderr=its) as run:
        os.close(its)
        shown = b"".join(iter(lambda: _read(lambda: os.read(ours, 65536)), b""))
        os.close(ours)
    assert run.returncode == 0, shown.decode()
    return shown.decode()


def _read(read: Callable[[], bytes]) -> bytes:
    """Linux says EIO when the other side of a terminal is closed."""
    try:
        return read()
    except OSError:
        return b""
