"""What to measure, and for how long: from `NAME=VALUE` on the command line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """How one run of the benchmark is done.

    Attributes:
        only: Parts to run, by name; empty: all.
        who: Contenders to run: those whose name contains one of these; empty: all.
        seconds: Of each measurement, after its warm-up.
        rounds: How many turns each contender gets.
        quick: One round of one second, fewer sizes: to see that everything works, not to quote.
        fresh: Forget the turns that an interrupted run has left.
    """

    only: tuple[str, ...] = ()
    who: tuple[str, ...] = ()
    seconds: float = 2.0
    rounds: int = 3
    quick: bool = False
    fresh: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """From `ONLY=peers,latency SECONDS=5 ROUNDS=3 QUICK=1`.

        Raises:
            SystemExit: naming the word that is not understood.
        """
        given = dict(word.partition("=")[::2] for word in words)
        quick = given.get("QUICK", "") not in {"", "0"}
        found: dict[str, Any] = {"quick": quick, "seconds": 1.0 if quick else 2.0, "rounds": 1 if quick else 3}
        for name, value in given.items():
            try:
                found |= _understood(name, value)
            except ValueError:
                raise SystemExit(f"{name}={value}: not understood; see benchmarks/README.md") from None
        return cls(**found)

    @property
    def warm_up(self) -> float:
        """Seconds before each measurement that are not counted."""
        return self.seconds / 2

    @property
    def widths(self) -> tuple[int, ...]:
        """How many requests are kept on their way."""
        return (1, 256, 4096) if self.quick else (1, 16, 256, 4096)

    def wants(self, name: str) -> bool:
        """Whether this contender is to be measured."""
        return not self.who or any(part.lower() in name.lower() for part in self.who)

    def told(self) -> dict[str, Any]:
        """What a turn's figures depend on: turns of another run with the same are taken over."""
        return {name: value for name, value in asdict(self).items() if name in {"seconds", "quick"}}


def _understood(name: str, value: str) -> dict[str, Any]:
    names = tuple(filter(None, (part.strip() for part in value.split(","))))
    match name:
        case "ONLY" | "WHO":
            return {name.lower(): names}
        case "SECONDS" if value:
            return {"seconds": float(value)}
        case "ROUNDS" if value:
            return {"rounds": int(value)}
        case "QUICK" | "FRESH":
            return {name.lower(): value not in {"", "0"}}
        case "SECONDS" | "ROUNDS":
            return {}
        case _:
            raise ValueError(name)
