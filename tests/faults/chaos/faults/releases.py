"""Releases that come and go under load."""

from random import Random

from faults.chaos.faults import Fault, Harm
from faults.chaos.system import System
from workers import eventually

__all__ = ["FAULTS"]


def swap(system: System, _: Random) -> Harm:
    """A new release whose every answer differs from the last one's."""
    kind = "other" if system.releases[_serving(system)] == "good" else "good"
    version = system.publish(kind, alias=True)
    yield 0.0
    eventually(lambda: system.books.versions[version], "the new release answers", 40)
    return f"version {version} answers"


def rollback(system: System, _: Random) -> Harm:
    """Forward to a release that exists, and back again."""
    before = _serving(system)
    other = next(v for v, kind in system.releases.items() if kind not in {"bad", system.releases[before]})
    seen = system.books.versions[other]
    system.registry.set_alias("iris", "production", other)
    yield 1.0
    eventually(lambda: system.books.versions[other] > seen, "the other release answers", 40)
    seen = system.books.versions[before]
    system.registry.rollback("iris", "production")
    eventually(lambda: system.books.versions[before] > seen, "the one before answers again", 40)
    return f"version {other} answered, then {before} again"


def bad_release(system: System, _: Random) -> Harm:
    """Its golden rows disagree: no worker may serve it, and what served before goes on."""
    refused = _refused(system)
    version = system.publish("bad", alias=True)
    yield 0.5
    eventually(lambda: _refused(system) > refused, "a worker refuses it", 40)
    system.registry.rollback("iris", "production")
    return f"version {version} was refused by {_refused(system) - refused} workers"


def _serving(system: System) -> int:
    return system.registry.resolve("iris", "production")


def _refused(system: System) -> int:
    return sum(w.count("release does not serve; what served before goes on") for w in (*system.workers, *system.former))


FAULTS = (
    Fault("release swapped", swap, waits=True),
    Fault("release rolled back", rollback, waits=True),
    Fault("bad release published", bad_release, waits=True),
)
