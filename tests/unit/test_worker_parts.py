import errno
import json
import logging
import socket
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError
from workers import eventually

from predictq_broker import Capacity, Code, Delivery, Outcome, Request, Result
from predictq_worker.histogram import BatchHistogram
from predictq_worker.http import HttpServer, Page
from predictq_worker.ledger import Ledger
from predictq_worker.logs import _Json, _Text
from predictq_worker.metrics import Metrics
from predictq_worker.settings import WorkerSettings
from predictq_worker.work import failure


def delivery(tag: object = 1, model: str = "iris", rows: int = 1, body: bytes = b"12345") -> Delivery:
    return Delivery(Request(model, body, id=f"r{tag}", rows=rows), tag, 1, 0.25, 0.0, float("inf"))


# ── the ledger ──


def test_the_ledger_tells_the_room_that_is_left_for_each_model() -> None:
    ledger = Ledger(Capacity(3, 10, 100, 2))
    ledger.enter([delivery(1, rows=4), delivery(2, "other")])
    assert ledger.room(["iris", "other"]) == {"iris": Capacity(2, 6, 95, 2), "other": Capacity(2, 9, 95, 2)}


def test_a_model_without_room_is_left_out_until_something_leaves() -> None:
    ledger = Ledger(Capacity(3, 4, 100))
    held = delivery(1, rows=4)
    ledger.enter([held])
    assert ledger.room(["iris"]) == {}
    ledger.leave([held, held])
    assert ledger.room(["iris"]) == {"iris": Capacity(3, 4, 100)}
    assert len(ledger) == 0


# ── settings ──


def test_settings_are_read_from_the_environment_and_arguments_win() -> None:
    environ = {"PREDICTQ_RUNNERS": "3", "PREDICTQ_MODELS": "iris, wine", "PREDICTQ_LEASE": "2.5", "OTHER": "x"}
    settings = WorkerSettings.from_env(environ, runners=2, name=None)
    assert (settings.runners, settings.models, settings.lease) == (2, ("iris", "wine"), 2.5)


def test_a_star_means_every_model() -> None:
    assert WorkerSettings.from_env({"PREDICTQ_MODELS": "*"}).models == ()


def test_models_that_have_no_possible_name_are_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match=r"'iris,wine' is not a name: .*give each model by itself"):
        WorkerSettings.from_env({}, models=("iris,wine",))


def test_a_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(ValidationError, match="runners"):
        WorkerSettings.from_env({"PREDICTQ_RUNNERS": "none"})


# ── metrics ──


def test_a_histogram_counts_each_value_in_the_bucket_that_holds_it() -> None:
    histogram = BatchHistogram("wait_seconds", "Waiting.", ["model"], [0.1, 1.0])
    histogram.observe(("iris",), [(0.05, 1), (0.1, 1), (0.5, 1), (7.0, 2)])
    registry = CollectorRegistry()
    registry.register(histogram)
    page = generate_latest(registry).decode()
    assert 'wait_seconds_bucket{le="0.1",model="iris"} 2.0' in page
    assert 'wait_seconds_bucket{le="1.0",model="iris"} 3.0' in page
    assert 'wait_seconds_bucket{le="+Inf",model="iris"} 5.0' in page
    assert 'wait_seconds_count{model="iris"} 5.0' in page
    assert 'wait_seconds_sum{model="iris"} 14.65' in page


def test_requests_are_counted_by_model_version_and_outcome() -> None:
    metrics = Metrics()
    answered = Outcome(delivery(), Result("r1", Code.OK, b"[0]", "iris", 2, "sha256:f"))
    failed = failure(delivery(2), Code.INVALID_INPUT, "too wide", version=2)
    metrics.settled([answered, failed], lost=1)
    page = metrics.page().decode()
    assert 'predictq_requests_total{model="iris",outcome="ok",version="2"} 1.0' in page
    assert 'predictq_requests_total{model="iris",outcome="invalid_input",version="2"} 1.0' in page
    assert 'predictq_queue_wait_seconds_bucket{le="0.25",model="iris"} 2.0' in page
    assert "predictq_leases_lost_total 1.0" in page


def test_outcomes_of_one_batch_are_timed_by_when_each_was_accepted() -> None:
    metrics = Metrics()
    deliveries = [delivery(n)._replace(queued=queued) for n, queued in enumerate((0.25, 0.25, 7.0, 0.25))]
    metrics.settled([Outcome(held, Result("r", Code.OK, b"[0]", "iris", 2)) for held in deliveries], lost=0)
    page = metrics.page().decode()
    assert 'predictq_requests_total{model="iris",outcome="ok",version="2"} 4.0' in page
    assert 'predictq_queue_wait_seconds_bucket{le="0.25",model="iris"} 3.0' in page
    assert 'predictq_queue_wait_seconds_bucket{le="10.0",model="iris"} 4.0' in page
    assert 'predictq_queue_wait_seconds_sum{model="iris"} 7.75' in page


def test_the_name_of_an_unknown_model_never_becomes_a_label() -> None:
    metrics = Metrics()
    metrics.settled([failure(delivery(model="made-up"), Code.UNKNOWN_MODEL, "there is no such model")], lost=0)
    assert "made-up" not in metrics.page().decode()


# ── HTTP ──


def test_a_probe_says_why_it_fails() -> None:
    complaints = ["the broker does not answer"]
    server = HttpServer("127.0.0.1:0", {"/readyz": lambda: Page.verdict(complaints)})
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}/readyz", timeout=5)
        with refused.value as answer:
            assert (answer.code, json.load(answer)) == (503, {"ok": False, "reasons": complaints})
        complaints.clear()
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=5) as answer:
            assert answer.status == 200
    finally:
        server.close()


def test_a_second_worker_on_the_machine_gets_a_free_port() -> None:
    first = HttpServer("127.0.0.1:0", {})
    second = HttpServer(first.url.removeprefix("http://"), {})
    try:
        assert first.url != second.url
    finally:
        first.close()
        second.close()


def test_without_a_descriptor_for_a_connection_the_probe_server_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def accept(_: socket.socket) -> None:
        tries.append(time.monotonic())
        raise OSError(errno.EMFILE, "Too many open files")

    server = HttpServer("127.0.0.1:0", {})
    try:
        monkeypatch.setattr(socket.socket, "accept", accept)
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))):
            eventually(lambda: len(tries) >= 4, "it looks again and again")
        assert tries[3] - tries[0] >= 0.3
    finally:
        monkeypatch.undo()
        server.close()


# ── logs ──


def record(**extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": "release loaded", "levelname": "INFO", "name": "x", **extra})


def test_a_json_log_line_carries_the_fields_of_its_event() -> None:
    event = json.loads(_Json().format(record(model="iris", version=3)))
    assert (event["event"], event["model"], event["version"], event["level"]) == ("release loaded", "iris", 3, "info")


def test_a_request_cannot_forge_a_log_line() -> None:
    line = _Text().format(record(why="x\nERROR all is lost \x1b[31m"))
    assert "\n" not in line
    assert "\x1b" not in line
