"""Named columns, several methods and tomorrow's protocol, through real workers: each request gets its own answer."""

import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import redis
from models import Iris
from servers import RedisServer
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from workers import eventually, workers

from predictq import Client, InvalidInput, Prediction, PredictqError, TooLarge
from predictq_broker import connect
from predictq_registry import Registry

NURSE = {"age": 41.0, "smokes": False, "job": "nurse"}


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def broker_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("columns")
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/predictq.db"
    else:
        with RedisServer(folder) as server:
            yield server.url


@pytest.fixture(scope="module")
def client(broker_url: str, tmp_path_factory: pytest.TempPathFactory, trained: Iris) -> Iterator[Client]:
    registry = Registry(str(tmp_path_factory.mktemp("columns-models")))
    registry.publish("iris", trained.good, sample=trained.rows, alias="production")
    model, sample = risk()
    registry.publish("risk", model, sample=sample, alias="production")
    with workers(1, broker_url, registry.url), Client(broker_url) as client:
        yield client


def risk() -> tuple[Any, pd.DataFrame]:
    """A model over columns of three types."""
    frame = pd.DataFrame(
        {
            "age": [30.0, 41.5, 55.0, 62.0],
            "smokes": [False, True, True, False],
            "job": ["nurse", "miner", "miner", "clerk"],
        }
    )
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["job"]))
    return make_pipeline(columns, LogisticRegression()).fit(frame, ["low", "high", "high", "low"]), frame


def refusal(client: Client, rows: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        client.predict("risk", rows, timeout=30)
    return str(refused.value)


def test_records_and_a_frame_get_the_same_answers(client: Client) -> None:
    frame = risk()[1]
    from_frame = client.predict("risk", frame, timeout=30).outputs
    from_records = client.predict("risk", frame.to_dict("records"), timeout=30).outputs
    assert from_frame == from_records == ["low", "high", "high", "low"]


def test_a_column_that_is_missing_unknown_or_of_another_type_is_named(client: Client) -> None:
    missing = {name: value for name, value in NURSE.items() if name != "job"}
    assert "job" in refusal(client, [missing])
    assert "jobs" in refusal(client, [{**NURSE, "jobs": "nurse"}])
    assert "age" in refusal(client, [{**NURSE, "age": "41"}])
    assert "smokes" in refusal(client, [{**NURSE, "smokes": "no"}])
    assert client.predict("risk", [NURSE], timeout=30).outputs == ["low"]


def test_asking_for_probabilities_never_returns_labels(client: Client, trained: Iris) -> None:
    shares = trained.good.predict_proba(trained.rows)
    futures = [
        (row, method, client.submit("iris", [trained.rows[row].tolist()], method=method))
        for row in range(150)
        for method in ("predict", "predict_proba", "decision_function")
    ]
    for row, method, future in futures:
        outputs = future.result(timeout=30).outputs
        if method == "predict":
            assert outputs == [trained.good_answers[row]]
        elif method == "predict_proba":
            assert outputs[0] == pytest.approx(shares[row])
        else:
            assert len(outputs[0]) == 3
            assert sum(outputs[0]) != pytest.approx(1.0)


def test_rows_of_two_widths_that_would_add_up_never_mix(client: Client, trained: Iris) -> None:
    futures: list[tuple[int, Any]] = []
    for row in range(150):
        values = trained.rows[row].tolist()
        futures.append((row, client.submit("iris", [values])))
        futures.append((-1, client.submit("iris", [values[:2]])))
        futures.append((-1, client.submit("iris", [values + values[:2]])))
    for row, future in futures:
        ended = end_of(future)
        if row < 0:
            assert isinstance(ended, InvalidInput)
        else:
            assert isinstance(ended, Prediction)
            assert ended.outputs == [trained.good_answers[row]]


def end_of(future: Any) -> Prediction | PredictqError:
    try:
        prediction: Prediction = future.result(timeout=30)
    except PredictqError as error:
        return error
    return prediction


def test_a_million_rows_in_one_request_are_refused_before_they_are_sent(client: Client) -> None:
    with pytest.raises(TooLarge, match="map"):
        client.predict("iris", np.zeros((1_000_000, 4)), timeout=30)


def test_a_message_of_a_protocol_of_tomorrow_is_answered(client: Client, broker_url: str) -> None:
    body = b"[[5.1,3.5,1.4,0.2]]"
    with connect(broker_url) as broker:
        inbox = broker.inbox()
        inbox.expect("iris")
        write_raw(broker_url, {"v": "2", "id": "tomorrow", "reply_to": inbox.name, "body": body})
        (result,) = eventually(lambda: inbox.receive(5), "an answer")
        inbox.close()
    assert (result.id, result.status) == ("tomorrow", "unsupported_protocol")
    assert b"version 1" in result.body
    assert client.predict("iris", [[5.1, 3.5, 1.4, 0.2]], timeout=30).outputs == [0]


def write_raw(broker_url: str, fields: dict[str, str | bytes]) -> None:
    """Into the queue of `iris`, as a program without our library would."""
    if broker_url.startswith("redis"):
        with redis.Redis.from_url(broker_url) as server:
            server.xadd("predictq:{iris}:requests:normal", dict(fields))
        return
    connection = sqlite3.connect(urlsplit(broker_url).path.removeprefix("/"), timeout=5)
    with connection:
        marks = ", ".join("?" * (len(fields) + 1))
        statement = f"INSERT INTO send (model, {', '.join(fields)}) VALUES ({marks})"  # noqa: S608  our own names
        connection.execute(statement, ["iris", *fields.values()])
    connection.close()
