"""One suite for all engines: each test gets a broker of each, on an empty store."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contract.engines import ENGINES, Engine, InParcels, Tidy

from predictq_broker.connect import connect
from predictq_broker.port import Broker, Consumer, Inbox, Limits

MakeBroker = Callable[..., Broker]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param](request)


@pytest.fixture
def make_broker(engine: Engine) -> Iterator[MakeBroker]:
    """Connects once more to the same store, as another process would; with `limits` by name."""
    seen = set[tuple[str, str]]()
    with contextlib.ExitStack() as opened:

        def make(**limits: float) -> Broker:
            broker = connect(engine.url, Limits(**limits))
            tidy = InParcels(broker, seen) if engine.parcels else Tidy(broker)
            opened.callback(tidy.close)
            return tidy

        yield make


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    return make_broker()


def _promise(name: str) -> Any:
    @pytest.fixture(name=name)
    def promise(broker: Broker) -> None:
        if not getattr(broker.capabilities, name):
            pytest.skip(f"{broker.capabilities.engine} does not promise {name}")

    return promise


dedup, cancel, figures, lists_models, on_demand, attempts, expires = map(
    _promise, ("dedup", "cancel", "figures", "lists_models", "on_demand", "attempts", "expires")
)
"""Leave out a test of a promise that an engine does not give, by `@pytest.mark.usefixtures`."""


@pytest.fixture
def one_by_one(engine: Engine) -> None:
    """Leave out a test of a capacity that is not crossed."""
    if engine.parcels:
        pytest.skip("what was stored together comes together")


@pytest.fixture
def asked_twice(engine: Engine) -> None:
    """Leave out a test whose ids are asked for by several at once: what is offered as new, nobody else asks for."""
    if engine.parcels:
        pytest.skip("an id that several ask for is not new")


@pytest.fixture
def consumer(broker: Broker) -> Iterator[Consumer]:
    consumer = broker.consumer("worker", lease=60.0)  # nobody renews it, and a busy machine takes its time
    yield consumer
    consumer.close()


@pytest.fixture
def inbox(broker: Broker) -> Iterator[Inbox]:
    inbox = broker.inbox()
    inbox.expect("iris")
    yield inbox
    inbox.close()
