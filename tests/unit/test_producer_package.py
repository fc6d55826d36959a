"""What a service gets with `import predictq`: a light, closed, documented package that survives fork and exit."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from echo_worker import echo
from fakes import FakeBroker

import predictq
from predictq import Client, DeadlineExceeded, Prediction, PredictqError, QueueFull, Settings, Unavailable
from predictq.settings import broker_url
from predictq_broker import Request

HEAVY = {"numpy", "pandas", "polars", "pyarrow", "sklearn", "prometheus_client", "pydantic", "fakeredis", "redis"}
ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    """What a fresh Python prints for `code`."""
    path = os.pathsep.join(str(ROOT / part) for part in ("broker", "producer", "tests"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_brings_nothing_heavy_and_asking_with_lists_neither() -> None:
    loaded = run(
        "import sys, predictq; from fakes import FakeBroker\n"
        "with predictq.Client(broker=FakeBroker()) as client:\n"
        "    client.send('iris', [[1.0]])\n"
        "    try: client.send('iris', [[object()]])\n"
        "    except predictq.InvalidInput: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert HEAVY & set(loaded.split()) == set()
    assert "predictq" in loaded.split()


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(predictq.__all__) == predictq.__all__
    public = {name for name, value in vars(predictq).items() if not name.startswith("_") and isinstance(value, type)}
    assert public == set(predictq.__all__)


def test_every_error_is_below_one_root_and_can_be_sent_between_processes() -> None:
    for name in predictq.__all__:
        kind = getattr(predictq, name)
        if not issubclass(kind, PredictqError):
            continue
        back = pickle.loads(pickle.dumps(kind("why", request_id="a", model="iris", retry_after=2.0)))  # noqa: S301  ours
        assert (type(back), str(back), back.request_id, back.retry_after) == (kind, "why", "a", 2.0)


def test_errors_are_what_python_programs_expect_them_to_be() -> None:
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(Unavailable, ConnectionError)
    assert QueueFull("full").code == "queue_full"


def test_a_prediction_can_be_sent_between_processes() -> None:
    prediction = Prediction(echo(Request("iris", b"[[1]]", id="a")))
    back = pickle.loads(pickle.dumps(prediction))  # noqa: S301  ours
    assert (back.outputs, back.id, repr(back)) == ([[1]], "a", repr(prediction))


def test_the_url_given_comes_before_the_environment_and_that_before_the_default() -> None:
    environment = {"PREDICTQ_BROKER_URL": "redis://there"}
    assert broker_url("redis://here", environment) == "redis://here"
    assert broker_url(None, environment) == "redis://there"
    assert broker_url(None, {}) == "sqlite:///predictq.db"


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_settings_that_make_no_sense_are_refused_by_name(value: float) -> None:
    with pytest.raises(ValueError, match="retry_for"):
        Settings(retry_for=value)


def test_a_process_that_forgets_to_close_ends_all_the_same() -> None:
    said = run(
        "from predictq import *; from fakes import FakeBroker\n"
        "client = Client(broker=FakeBroker())\n"
        "client.submit('iris', [[1]], deadline=60)\n"
        "results = Subscriber(None, 'nightly', broker=FakeBroker())\n"
        "print('done')"
    )
    assert said == "done\n"


def test_a_client_with_a_url_works_in_a_forked_child_too() -> None:
    said = run(
        "import os, predictq.connection as c\n"
        "from predictq import Client; from fakes import FakeBroker; from echo_worker import EchoWorker\n"
        "made = []\n"
        "def connect(url):\n"
        "    made.append(FakeBroker()); return made[-1]\n"
        "c.connect = connect\n"
        "client = Client('redis://any')\n"
        "def ask():\n"
        "    client.send('other', [[0]])\n"
        "    with EchoWorker(made[-1], 'iris'): return client.predict('iris', [[1]]).outputs\n"
        "assert ask() == [[1]]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert ask() == [[1]] and len(made) == 2\n"
        "    client.close(); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert ask() == [[1]] and len(made) == 1\n"
        "client.close(); print('both')"
    )
    assert said == "both\n"


def test_a_fork_while_a_caller_reads_harms_neither_process() -> None:
    said = run(
        "import os, threading, predictq.connection as c\n"
        "from predictq import Client; from fakes import FakeBroker; from echo_worker import EchoWorker, until\n"
        "made = []\n"
        "def connect(url):\n"
        "    made.append(FakeBroker()); return made[-1]\n"
        "c.connect = connect\n"
        "client = Client('redis://any')\n"
        "def ask():\n"
        "    with EchoWorker(made[-1], 'iris'): return client.predict('iris', [[1]]).outputs\n"
        "assert ask() == [[1]]\n"
        "turn = client._connection.opened._inbox._turn\n"
        "until(lambda: not turn.locked())\n"
        "found = []\n"
        "reader = threading.Thread(target=lambda: found.append(client.predict('slow', [[2]]).outputs))\n"
        "reader.start(); until(lambda: made[0].stats('slow').queued and turn.locked())\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    client.send('other', [[0]])\n"
        "    assert ask() == [[1]] and ask() == [[1]] and len(made) == 2\n"
        "    client.close(); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "with EchoWorker(made[0], 'slow'): reader.join(10)\n"
        "assert found == [[[2]]] and ask() == [[1]]\n"
        "client.close(); print('both')"
    )
    assert said == "both\n"


def test_a_broker_that_was_given_cannot_be_used_in_a_forked_child() -> None:
    with Client(broker=FakeBroker()) as client:
        client.send("iris", [[1]])
        client._connection._process += 1  # as the child sees it
        with pytest.raises(PredictqError, match="make both anew"):
            client.send("iris", [[1]])
        client._connection._process -= 1
