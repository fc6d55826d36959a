"""The demo, step by step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from predictq_cli.demo.batches import read_batches
from predictq_cli.demo.load import ALONE, Plan
from predictq_cli.demo.processes import Asker, Server
from predictq_cli.demo.releases import Flowers, Trained, flowers, train_better, train_weak
from predictq_cli.demo.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from predictq_cli.demo.phase import Figures
    from predictq_cli.demo.place import Place
    from predictq_cli.demo.screen import Screen
    from predictq_registry import Registry, SigningKey

__all__ = ["Pace", "tell"]

_SWAP: Final = 20.0
"""Seconds that a swap may take before the demo gives up on it."""


class Pace(NamedTuple):
    """How much, and how long.

    Attributes:
        seconds: How long the steady load lasts.
        in_flight: Requests on their way at any moment.
    """

    seconds: float
    in_flight: int


class _Cast(NamedTuple):
    """Who plays."""

    place: Place
    screen: Screen
    registry: Registry
    data: Flowers
    weak: Trained
    better: Trained
    signer: SigningKey


class _Stage(NamedTuple):
    """The processes, and where they are watched."""

    screen: Screen
    server: Server
    asker: Asker


def tell(place: Place, screen: Screen, pace: Pace) -> Report:
    """Play the demo at `place`, and say what was found."""
    cast = _prepare(place, screen)
    _publish(cast, cast.weak, "the weak one")
    screen.step("publish", "release 1 of it, live under the alias production: requests name the alias, not the release")
    screen.step("serve", f"one worker process with one runner, on {place.about}")
    with Server(place) as server:
        server.wait_ready()
        with Asker(place, _plan(cast, pace)) as asker:
            stage = _Stage(screen, server, asker)
            _ask_alone(stage)
            before = server.metrics()
            _ask_steadily(stage, pace)
            swap = _swap(cast, stage)
            asker.finish()
            screen.quiet()
        batches = read_batches(before, server.metrics())
        screen.step("stop", "the load ends, and every request that was sent has been answered")
    accuracy = {"1": cast.weak.accuracy, "2": cast.better.accuracy}
    return Report(place.about, pace.in_flight, asker.phases, accuracy, batches, swap)


def _prepare(place: Place, screen: Screen) -> _Cast:
    from predictq_registry import Registry, SigningKey

    screen.step("train", "two classifiers of iris flowers: a weak one that sees the sepals only, and a better one")
    data = flowers()
    weak, better = train_weak(data), train_better(data)
    screen.detail(f"right on {weak.accuracy:.1%} and on {better.accuracy:.1%} of {len(data.rows)} flowers")
    return _Cast(place, screen, Registry(place.registry), data, weak, better, SigningKey.ensure(place.signing_key))


def _publish(cast: _Cast, trained: Trained, note: str) -> None:
    about: dict[str, Any] = {"metrics": {"accuracy": trained.accuracy}, "note": note, "alias": "production"}
    cast.registry.publish(cast.place.model, trained.estimator, sample=cast.data.frame, signer=cast.signer, **about)


def _plan(cast: _Cast, pace: Pace) -> Plan:
    right = {"1": cast.weak.predicts, "2": cast.better.predicts}
    return Plan(cast.place.broker, cast.place.model, cast.data.rows, right, pace.in_flight)


def _ask_alone(stage: _Stage) -> None:
    stage.screen.step("ask", "another process asks about one flower at a time, and checks each answer")
    stage.asker.wait_ready()
    stage.asker.turn_to(ALONE)  # whatever is slow only once has been done
    _watch(stage, 1.0)
    stage.asker.turn_to("warm-up")
    _watch(stage, 5.0, until=lambda _: ALONE in stage.asker.phases)
    figures = stage.asker.phases[ALONE]
    stage.screen.detail(f"answered in {figures['p50']:.2f} ms (median of {figures['answered']:,})")


def _ask_steadily(stage: _Stage, pace: Pace) -> None:
    text = f"the same with {pace.in_flight:,} requests in flight, one flower each; the worker makes batches of them"
    stage.screen.step("load", text)
    _watch(stage, 0.7)
    stage.asker.turn_to("steady")
    _watch(stage, pace.seconds)


def _swap(cast: _Cast, stage: _Stage) -> float | None:
    """Move the alias under load; returns the seconds until version 2 answered, None if it never did."""
    stage.asker.turn_to("swap")
    stage.screen.step("swap", "release 2, the better one, is published and made live while the requests fly")
    _publish(cast, cast.better, "the better one")
    moved = time.monotonic()
    if not _watch(stage, _SWAP, until=lambda figures: figures["versions"].get("2", 0) > 0):
        stage.screen.detail(f"version 2 did not answer within {_SWAP:.0f} s", good=False)
        return None
    seconds = time.monotonic() - moved
    stage.screen.detail(f"{seconds:.1f} s later version 2 answers; version 1 finished what it had begun")
    stage.asker.turn_to("after")
    _watch(stage, 1.5)
    return seconds


def _watch(stage: _Stage, seconds: float, until: Callable[[Figures], bool] = lambda _: False) -> bool:
    """Show how the load goes for so long; returns True as soon as it is as `until` wants it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        figures = stage.asker.latest
        if figures is not None:
            stage.screen.show(figures)
            if until(figures):
                return True
        stage.server.check()
        stage.asker.check()
        time.sleep(0.05)
    return False
