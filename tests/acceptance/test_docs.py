"""The docs keep their word: what they name exists, what exists is named, and what they tell one to type works."""

import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults.chaos.controls import CONTROLS
from rabbitmq import RabbitServer
from servers import RedisServer, need_program
from workers import WorkerProcess, eventually, python_env, workers

from predictq_broker import (
    Capacity,
    Code,
    Delivery,
    Outcome,
    Priority,
    QueueStats,
    Request,
    Result,
    Survives,
    connect,
    failpoints,
)
from predictq_broker.wire import request_fields, result_fields
from predictq_cli.__main__ import run
from predictq_registry import Content
from predictq_registry.runtimes.known import _OURS, runtime_named
from predictq_worker import WorkerSettings
from predictq_worker.metrics import Gauges, Metrics

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
PROTOCOL = TOP / "docs/protocol.md"
OPERATIONS = TOP / "docs/operations.md"
RELIABILITY = TOP / "docs/reliability.md"
SEMANTICS = TOP / "docs/semantics.md"
RELEASES = TOP / "docs/releases.md"
NAMED_BY = re.compile(r"`([^`]+)`")


def section(page: Path, heading: str) -> str:
    """What stands between a heading and the next of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{page.name} has no section {heading!r}"
    return found[1]


def table(text: str) -> list[list[str]]:
    """The cells of the first table in a text, without its head."""
    first = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert first, "there is no table"
    lines = [line.strip().removeprefix("|").removesuffix("|") for line in first[0].splitlines()]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)] for line in lines[2:]]


def names(text: str) -> list[str]:
    """What the first column of a section's first table names."""
    return [name for row in table(text) for name in NAMED_BY.findall(row[0])]


def runnable(page: Path, name: str) -> str:
    """The code block under the mark `<!-- run: name -->`."""
    found = re.search(rf"<!-- run: {name} -->\n```\w+\n(.*?)```", page.read_text(), re.DOTALL)
    assert found, f"{page.name} has no block {name!r} to run"
    return found[1]


# ── what the docs name exists, and what exists is named ──


def test_every_worker_variable_is_documented_with_its_default() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in table(section(OPERATIONS, "Worker"))}
    told |= {row[0].strip("`"): row[1].strip("`") for row in table(section(OPERATIONS, "Everybody"))}
    fields = WorkerSettings.model_fields
    defaults = {f"PREDICTQ_{name.upper()}": field.default for name, field in fields.items()}
    shown = {name: str(value + 0 if isinstance(value, int) else value) for name, value in defaults.items()}
    assert told == shown | {"PREDICTQ_MODELS": "", "PREDICTQ_TRUST": "", "PREDICTQ_NAME": "<host>-<pid>"}


def test_every_compose_variable_is_documented_with_its_default() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in table(section(OPERATIONS, "docker-compose.yml"))}
    assert told == dict(re.findall(r"\$\{(PREDICTQ_\w+):-([^}]*)\}", (TOP / "docker-compose.yml").read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_variable_that_nothing_reads(page: Path) -> None:
    known = {*names(section(OPERATIONS, "Worker")), *names(section(OPERATIONS, "Everybody"))}
    known |= {*names(section(OPERATIONS, "docker-compose.yml")), *names(section(OPERATIONS, "Whoever publishes"))}
    known.add(failpoints.VARIABLE)
    assert set(re.findall(r"PREDICTQ_[A-Z_]+[A-Z]", page.read_text())) <= known


def test_the_documented_failpoints_and_controls_are_those_there_are() -> None:
    assert names(section(RELIABILITY, "Failpoints")) == list(failpoints.POINTS)
    assert names(section(RELIABILITY, "The same with a safeguard less")) == list(CONTROLS)


def test_the_documented_codes_are_the_codes() -> None:
    assert names(section(PROTOCOL, "Result codes")) == [code.value for code in Code]


def test_the_documented_fields_are_those_that_travel() -> None:
    request = Request("iris", b"", "a", "2", "q", "transform", "text/x", 2, 1.0, Priority.LOW, "k", "t")
    assert {*names(section(PROTOCOL, "Request fields"))} == {*map(str, request_fields(request)[::2]), "v"}
    result = Result("a", Code.OK, b"", "iris", 1, "sha256:0", "arm", "text/x", retry_after=1.0)
    assert {*names(section(PROTOCOL, "Result fields"))} == {*map(str, result_fields(result)[::2])}


Figure = tuple[str, str, frozenset[str]]
"""A metric's name, type and labels."""


def test_the_documented_metrics_are_those_exposed_with_their_labels() -> None:
    told = {
        (row[0].strip("`"), row[1], frozenset(NAMED_BY.findall(row[2])))
        for row in table(section(OPERATIONS, "Metrics"))
    }
    assert told == set(exposed(exercised()))


def exercised() -> Metrics:
    metrics = Metrics()
    release: Any = SimpleNamespace(model="iris", version=1)
    delivery = Delivery(Request("iris", b"", "a"), None, 1, 0.0, 0.0, 0.0)
    metrics.settled([Outcome(delivery, Result("a", Code.DEAD_LETTERED, b"", version=1))], lost=1)
    metrics.predicted(release, 1, 0.1)
    metrics.loaded("iris", "ok")
    for count in (metrics.swapped, metrics.evicted, metrics.restarted):
        count("iris")
    metrics.registry.register(Gauges(lambda: ["iris"], lambda: {"iris": 1}, lambda _: QueueStats(1, 1, 1.0, 1, 1)))
    return metrics


def exposed(metrics: Metrics) -> Iterator[Figure]:
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield name, family.type, frozenset(label for s in family.samples for label in s.labels) - {"le"}


def test_the_documented_log_events_are_those_of_the_worker() -> None:
    source = "\n".join(path.read_text() for path in (TOP / "worker").rglob("*.py"))
    logged = set(re.findall(r'_logger\.(?:info|warning|error|exception)\(\s*"([^"]+)"', source))
    assert set(names(section(OPERATIONS, "Logs"))) == logged


def test_the_documented_capabilities_are_those_of_the_engines() -> None:
    rows = {NAMED_BY.findall(row[0])[0]: row[1:] for row in table(section(SEMANTICS, "What each engine gives"))[2:-1]}
    urls = {"sqlite": "sqlite:///unused.db", "redis": "redis://127.0.0.1:1/0", "memory": "memory://docs"}
    for column, (engine, url) in enumerate((urls | {"rabbitmq": "amqp://127.0.0.1:1"}).items()):
        with connect(url) as broker:
            given = broker.capabilities._asdict()
        assert given.pop("engine") == engine
        assert {name: cells[column].startswith("yes") for name, cells in rows.items()} == given


def test_the_documented_classes_of_durability_are_those_there_are() -> None:
    told = [row[0] for row in table(section(SEMANTICS, "10. Durability is stated"))]
    assert [int(text[0]) for text in told] == list(Survives)


def test_the_install_commands_name_extras_that_exist() -> None:
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {
        e for page in PAGES for found in re.findall(r"predictq\[([\w,]+)\]", page.read_text()) for e in found.split(",")
    }
    assert asked <= set(extras)


def test_every_command_in_the_docs_exists() -> None:
    blocks = [block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)]
    typed = {
        line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.startswith("predictq ")
    }
    assert typed
    for command in {
        tuple(re.findall(r"^predictq ((?:models|dead|keys|rollout|experiment) (?:[a-z]+)|\w+)", line)[0].split())
        for line in typed
    }:
        assert run([*command, "--help"]) == 0, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} leads to {target}, which is not there"
        assert not anchor or anchor in anchors(there), f"{page.name} leads to {target}: no such heading"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ── what the docs tell one to type works ──


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("docs-redis")) as running:
        yield running


def typed(server: RedisServer, folder: Path, block: str) -> str:
    """What a shell prints for a block of the docs, where `redis-cli` means our server."""
    shim = folder / "redis-cli"
    shim.write_text(f'#!/bin/sh\nexec {need_program("redis-cli")} -p {server.port} "$@"\n')
    shim.chmod(0o755)
    variables = python_env()
    variables["PATH"] = f"{folder}:{Path(sys.executable).parent}:{variables['PATH']}"
    return shell(folder, block, **variables)


def shell(folder: Path, block: str, **variables: str) -> str:
    """What a shell prints for a block of the docs in `folder`."""
    env = python_env(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}") | variables
    ran = subprocess.run(
        ["/bin/bash", "-euc", block], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_request_typed_with_redis_cli_is_answered(server: RedisServer, registry_url: str, tmp_path: Path) -> None:
    with workers(1, server.url, registry_url, models="iris"):
        typed(server, tmp_path, "redis-cli XADD 'predictq:{iris}:requests:normal' '*' body from-nobody")
        first = typed(server, tmp_path, runnable(PROTOCOL, "redis-cli")).split("\n")
        shown = section(PROTOCOL, "Ask and read the answer").split("```text\n")[1]
        documented = re.findall(r"^(\w+)  ", shown, re.MULTILINE)
        assert [first[first.index(name) + 1] for name in ("id", "status", "version", "body")] == [
            "demo-1",
            "ok",
            "1",
            "[0]",
        ]
        assert set(documented) <= set(first)
        assert typed(server, tmp_path, runnable(PROTOCOL, "send")) == "A\n"
        assert typed(server, tmp_path, runnable(PROTOCOL, "send")) == "D\n"
        assert typed(server, tmp_path, runnable(PROTOCOL, "send").replace("5f3a1c", "another")) == "C\n"
        read = "redis-cli XRANGE 'predictq:{iris}:results:my-results' - +"
        eventually(lambda: "demo-2" in typed(server, tmp_path, read), "the second request is answered")
        keys = typed(server, tmp_path, "redis-cli --scan").split()
    told = [key.replace("…:", "predictq:{M}:requests:") for key in names(section(PROTOCOL, "Keys"))]
    patterns = [re.sub(r"<[^>]+>", "*", key.replace("{M}", "{iris}")) for key in told]
    assert "predictq:{iris}:dead" in keys
    assert not [key for key in keys if not any(Path(key).match(pattern) for pattern in patterns)]


def test_a_name_nobody_knows_is_answered_once_it_is_listed(
    server: RedisServer, registry_url: str, tmp_path: Path
) -> None:
    with workers(1, server.url, registry_url):
        typed(server, tmp_path, "redis-cli XADD 'predictq:{irsi}:requests:low' '*' id a reply_to q body '[[1]]'")
        typed(server, tmp_path, "redis-cli SADD predictq:models irsi")
        read = "redis-cli XREAD BLOCK 10000 STREAMS 'predictq:{irsi}:results:q' 0"
        assert "unknown_model" in typed(server, tmp_path, read).split("\n")


def test_the_documented_rights_are_enough_for_everything(server: RedisServer, tmp_path: Path) -> None:
    typed(server, tmp_path, runnable(OPERATIONS, "acl"))
    requests = [Request("rights", b"[1]", name, reply_to="rights") for name in "abc"]
    with connect(server.url.replace("redis://", "redis://predictq:secret@")) as broker:
        broker.send(requests)
        assert broker.cancel("rights", ["c"]) == ["c"]
        inbox, consumer, subscription = broker.inbox(), broker.consumer("w"), broker.subscription("rights")
        inbox.expect("rights")
        assert inbox.receive(0.01) == []
        first, second = consumer.receive({"rights": Capacity(10)}, 1.0)
        assert (consumer.renew(), consumer.reclaim()) == (0, 0)
        consumer.release([first])
        (first,) = consumer.receive({"rights": Capacity(10)}, 1.0)
        assert consumer.settle([Outcome(first, Result("a", Code.OK, b"[]"))])
        assert consumer.bury([Outcome(second, Result("b", Code.DEAD_LETTERED, b"why"))])
        letters = broker.dead("rights")
        assert (len(letters.list()), letters.replay(), letters.purge()) == (1, 1, 0)
        assert subscription.ack(subscription.receive(10, 1.0)) == 3
        assert "does not tell" not in broker.durability().because
        assert broker.stats("rights").queued == 1
        for opened in (inbox, consumer, subscription):
            opened.close()


def test_a_request_typed_in_sql_is_answered(registry_url: str, tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    insert, select = (part for part in runnable(PROTOCOL, "sqlite").split(";") if part.strip())
    with workers(1, f"sqlite:///{file}", registry_url, models="iris"):
        database = sqlite3.connect(file, timeout=10)
        with database:
            database.execute(insert)
        assert eventually(lambda: database.execute(select).fetchall(), "the answer") == [("demo-3", "ok", "[0]")]
        database.close()


def test_a_request_sent_with_nothing_but_an_amqp_library_is_answered(
    rabbitmq_server: RabbitServer, registry_url: str, tmp_path: Path
) -> None:
    with workers(1, rabbitmq_server.url, registry_url, models="iris") as (worker,):
        worker.wait_ready()
        asking = runnable(PROTOCOL, "amqp")
        place = f"127.0.0.1:{rabbitmq_server.port}"
        assert run_python(asking, tmp_path, RABBITMQ=place) == "demo-4 ok [0]\n"


def test_the_readme_s_first_screen_runs(tmp_path: Path) -> None:
    publish, ask = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL)
    run_python(publish, tmp_path)
    with_worker = WorkerProcess(f"sqlite:///{tmp_path}/predictq.db", str(tmp_path / "predictq-models"))
    try:
        with_worker.wait_ready()
        assert run_python(ask, tmp_path) == "[0] 1\n"
    finally:
        with_worker.close()


def test_the_pages_commands_on_releases_run_one_after_another_and_say_what_the_page_says(tmp_path: Path) -> None:
    for package in ("skl2onnx", "skops"):
        pytest.importorskip(package)

    def run(name: str) -> str:
        return shell(tmp_path, runnable(RELEASES, name), PREDICTQ_REGISTRY_URL="models")

    blocks = re.findall(r"<!-- run: (\w+) -->", RELEASES.read_text())
    assert blocks[:7] == ["fit", "publish", "convert", "fallback", "trust", "countersign", "challenger"]
    blocks = blocks[:6]
    told = {name: run(name) for name in blocks}
    assert "golden     8 rows" in told["publish"]
    assert re.search(r"format     onnx; .* on 150 rows: the same labels, numbers at most \S+ apart", told["convert"])
    assert "format     skops" in told["fallback"]
    assert "ok     registry  iris version 3: joblib, signed by" in told["trust"]
    assert "WRONG" not in told["trust"]
    assert "iris version 4 is signed by" in told["countersign"]
    shell(tmp_path, "predictq models alias iris production 4", PREDICTQ_REGISTRY_URL="models")
    worker = WorkerProcess(
        f"sqlite:///{tmp_path}/q.db", f"{tmp_path}/models", models="iris", trust=tmp_path / "team.pub"
    )
    try:
        worker.wait_ready()
        assert worker.saw("every release must be signed")
    finally:
        worker.close()


@pytest.mark.timeout(300)
def test_the_pages_commands_on_rollouts_run_one_after_another_and_say_what_the_page_says(tmp_path: Path) -> None:
    def run(name: str) -> str:
        return shell(tmp_path, runnable(RELEASES, name), PREDICTQ_REGISTRY_URL="models")

    blocks = re.findall(r"<!-- run: (\w+) -->", RELEASES.read_text())
    rollouts = blocks[blocks.index("challenger") + 1 :]
    assert rollouts == ["recreate", "shadow", "canary", "experiment", "rolling"]
    run("fit")
    run("challenger")
    worker = WorkerProcess(f"sqlite:///{tmp_path}/predictq.db", f"{tmp_path}/models", models="flowers")
    try:
        worker.wait_ready()
        told = {name: run(name) for name in rollouts}
    finally:
        worker.close()
    assert "'version 2'" in told["recreate"]
    assert "version 1 champion" in told["shadow"]
    assert "challenger" not in told["shadow"].split("rollout compare")[0].splitlines()[1]
    assert re.search(r"they agree in \d+ of \d+ requests", told["shadow"])
    assert (tmp_path / "flowers.svg").read_text().startswith("<svg")
    assert re.search(r"promote by \S+: no guard objects after \d+ answers of version 2", told["canary"])
    assert "version 2 challenger" in told["experiment"]
    assert re.search(r"challenger - champion: [+-]\S+, 95% interval \S+ to ", told["experiment"])
    assert "promote by" in told["rolling"]
    assert "workers have changed over" in told["rolling"]


def test_the_documented_formats_are_the_runtimes_and_what_they_say_of_themselves() -> None:
    told = table(section(RELEASES, "Formats"))
    assert [row[0].strip("`") for row in told] == list(_OURS)
    for row in told:
        runtime = runtime_named(row[0].strip("`"))
        assert set(runtime.endings) <= set(NAMED_BY.findall(row[1])), runtime.name
        assert row[2].startswith("yes") == runtime.runs_code(Content({"model": b""})), runtime.name


def run_python(code: str, folder: Path, **variables: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=python_env(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_readme_states_the_command_that_ci_runs() -> None:
    assert re.findall(r"^ *make test *$", (TOP / "README.md").read_text(), re.MULTILINE) == ["make test"]
