"""A release on its way to an alias: what share of the requests it answers, and what ends that."""

from hashlib import blake2b
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CHALLENGER", "CHAMPION", "Guards", "Rollout", "Route", "point"]

CHAMPION: Final = "champion"
"""The arm of the version that the alias names."""
CHALLENGER: Final = "challenger"
"""The arm of the version that is being rolled out."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Guards(BaseModel):
    """How much worse than the champion the challenger may be; None: not looked at.

    Attributes:
        errors: By how much its share of errors may be larger: 0.02 is two of a hundred.
        slower: How many times as long its batches may take.
        outputs: How far the distributions of the two arms' outputs may lie apart, as a difference of shares.
        disagreement: In what share of the requests that both were asked they may differ.
        memory: How many times as much memory its runners may hold.
        alpha: How likely, at most, a challenger that keeps within all of these is stopped all the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)  # JSON has neither

    errors: Share | None = 0.02
    slower: Positive | None = 2.0
    outputs: Share | None = 0.25
    disagreement: Share | None = None
    memory: Positive | None = 3.0
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01


class Rollout(BaseModel):
    """How far a rollout is. It is replaced as a whole, by the next revision of the aliases.

    Attributes:
        strategy: How the version comes to be served.
        version: The challenger. The champion is what the alias names.
        replaces: The version that the alias named when it began.
        began: The revision with which it began: it salts the hash and names the observations.
        share: The share of keys that the challenger answers, 0 to 1.
        mirror: The share of the champion's requests of which the challenger gets a copy, 0 to 1.
        step: The number of the present step, from 1.
        steps: The shares that are still to come.
        pause: Seconds that each step lasts at least; of a rolling one, that pass between two workers.
        least: How many answers of the challenger each step needs at least.
        guards: When to stop it; None: never by itself.
        moved: Of a rolling one: the workers that have changed over.
        turn: Of a rolling one: the worker that is changing over now.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    strategy: Literal["recreate", "rolling", "canary", "ab", "shadow"]
    version: Annotated[int, Field(ge=1)]
    replaces: Annotated[int, Field(ge=0)] = 0
    began: Annotated[int, Field(ge=0)] = 0
    share: Share = 0.0
    mirror: Share = 0.0
    step: Annotated[int, Field(ge=1)] = 1
    steps: tuple[Share, ...] = ()
    pause: Annotated[float, Field(ge=0)] = 0.0
    least: Annotated[int, Field(ge=0)] = 0
    guards: Guards | None = None
    moved: tuple[str, ...] = ()
    turn: str = ""

    def share_of(self, worker: str) -> float:
        """The share of requests that the challenger answers on that worker."""
        if self.strategy == "rolling":
            return 1.0 if worker == self.turn or worker in self.moved else 0.0
        return self.share

    def needed_by(self, worker: str) -> bool:
        """Whether that worker is to hold the challenger beside the champion."""
        return self.strategy != "recreate" and (self.strategy != "rolling" or self.share_of(worker) > 0)


class Route(NamedTuple):
    """What a ref means: a version, and perhaps another one on its way."""

    version: int
    rollout: Rollout | None = None


def point(salt: str, text: str) -> float:
    """Where `text` lies in [0, 1): evenly spread, the same everywhere and for ever; another salt shuffles anew.

    Who lies below a share keeps lying below every larger one, so that a share that grows takes nobody's arm away.
    """
    digest = blake2b(f"{salt}\0{text}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
