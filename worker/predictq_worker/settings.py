"""How a worker is configured: one frozen object, made from the environment in one place."""

import os
import re
import socket
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from predictq_broker import DEFAULT_URL, InvalidName, Survives
from predictq_broker.names import check_name

__all__ = ["ENV_PREFIX", "WorkerSettings"]

ENV_PREFIX = "PREDICTQ_"

_UNITS: Final = {"k": 10, "m": 20, "g": 30, "t": 40}


def _in_bytes(given: object) -> object:
    """Also as a number and a unit: `512m`, `4g`, `1.5 GiB`."""
    if not isinstance(given, str) or given.strip().isdecimal():
        return given
    if (found := _SIZE.fullmatch(given.strip().lower())) is None:
        raise ValueError("write bytes, or a number and a unit, such as 512m or 4g")
    return round(float(found[1]) * (1 << _UNITS[found[2]]))


_ADDRESS: Final = re.compile(r"[A-Za-z0-9._-]*:\d{1,5}")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?")

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=0), BeforeValidator(_in_bytes)]


class WorkerSettings(BaseModel):
    """Everything a worker can be told. Each field is also an environment variable: `PREDICTQ_` and its name.

    Attributes:
        broker_url: Where requests come from.
        registry_url: Where releases come from: a folder or any fsspec URL.
        models: The models to serve, separated by commas in the environment; empty: whichever is asked for.
        name: What this worker is called in the broker and in logs.
        runners: Processes for each release; each answers one batch at a time.
        threads: BLAS and OpenMP threads of each runner.
        max_batch_rows: A batch is closed when it holds so many rows.
        max_batch_bytes: … or so many bytes of bodies.
        target_batch_seconds: … or as many rows as are done in so many seconds, or as are worth it, both learnt from
            this release's batches; 0: neither.
        max_wait: Seconds an idle runner waits for a batch to fill, from its first request; 0 takes what is there.
        max_body_bytes: A longer body is refused as `too_large`.
        max_rows: A request of more rows is refused as `too_large`.
        max_deliveries: How often a request may lose its worker or runner before it is dead-lettered.
        lease: Seconds after which a silent worker is given up for dead.
        predict_timeout: Seconds one batch may run before its runner is killed.
        load_timeout: Seconds a release may take to load, check and warm up.
        follow_interval: Seconds between two looks at the registry's aliases.
        grace: Seconds that running batches get after SIGTERM.
        memory_budget: Bytes of memory that releases may hold together, as measured, or such as `4g`; 0: half of what
            the machine, or this container, may use.
        keep_previous: What an alias named before stays in memory while there is room, so that a rollback loads nothing.
        share_below: Releases whose files have up to so many bytes, or such as `256k`, share a process; 0: none does.
        runner_memory: Bytes that each process of a runner may hold for itself; 0: as `memory_budget`.
        runner_cpus: Processors that a runner may use; 0: all.
        cache: Folder for files of a remote registry, shared by this user's workers on this machine.
        cache_size: Bytes that it may hold, or such as `10g`; what was used longest ago goes.
        trust: Public keys, or files or folders of them, separated by commas in the environment: what none of them
            signed is not loaded, whatever its format. Empty: this user's own key, for releases that run code.
        allow_unsigned: Without `trust`: load what runs code though nobody signed it.
        http: Address of /metrics, /livez and /readyz, `host:port` (IPv4); empty: none.
        log_format: `json`, `text`, or `auto`: text on a terminal, JSON elsewhere.
        require_durability: Refuse to start on a broker that survives less: `nothing`, `process-crash`, `power-loss`,
            `node-loss`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker_url: str = DEFAULT_URL
    registry_url: str = "predictq-models"
    models: tuple[str, ...] = ()
    name: str = Field(default_factory=lambda: f"{socket.gethostname()[:40]}-{os.getpid()}")
    runners: Positive = 1
    threads: Positive = 1
    max_batch_rows: Positive = 512
    max_batch_bytes: Positive = 16 << 20
    target_batch_seconds: Seconds = 0.25
    max_wait: Seconds = 0.0
    max_body_bytes: Positive = 16 << 20
    max_rows: Positive = 100_000
    max_deliveries: Positive = 3
    lease: Annotated[float, Field(gt=0.1)] = 10.0
    predict_timeout: Annotated[float, Field(gt=0)] = 60.0
    load_timeout: Annotated[float, Field(gt=0)] = 120.0
    follow_interval: Annotated[float, Field(gt=0)] = 0.5
    grace: Seconds = 25.0
    memory_budget: Size = 0
    keep_previous: bool = True
    share_below: Size = 0
    runner_memory: Size = 0
    runner_cpus: Annotated[int, Field(ge=0)] = 0
    cache: str = "~/.cache/predictq"
    cache_size: Size = 10 << 30
    trust: tuple[str, ...] = ()
    allow_unsigned: bool = False
    http: str = "127.0.0.1:9400"
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$")
    require_durability: Survives = Survives.NOTHING

    @field_validator("require_durability", mode="before")
    @classmethod
    def _in_words(cls, given: object) -> object:
        """Also as a word: `process-crash`."""
        words = {level.name.lower(): level for level in Survives}
        return words.get(given.lower().replace("-", "_"), given) if isinstance(given, str) else given

    @field_validator("http")
    @classmethod
    def _address(cls, given: str) -> str:
        if given and not _ADDRESS.fullmatch(given):
            raise ValueError("write host:port, such as 127.0.0.1:9400, or nothing for none")
        return given

    @field_validator("models")
    @classmethod
    def _any(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        """`*` is every model, which is what naming none means. What is no name would be waited for in vain."""
        for model in () if "*" in models else models:
            try:
                check_name("model", model)
            except InvalidName as error:
                raise ValueError(f"{error}; give each model by itself") from error
        return () if "*" in models else models

    @field_validator("allow_unsigned")
    @classmethod
    def _either(cls, allowed: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  as pydantic calls it
        """Not both: with keys nothing unsigned is loaded."""
        if allowed and info.data.get("trust"):
            raise ValueError("with trusted keys nothing unsigned is loaded: give keys, or allow what is unsigned")
        return allowed

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: object) -> Self:
        """The settings in `environ`; what `overrides` names (and is not None) wins.

        Raises:
            pydantic.ValidationError: naming each field that is not what it should be.
        """
        found: dict[str, object] = {
            name: environ[ENV_PREFIX + name.upper()]
            for name in cls.model_fields
            if ENV_PREFIX + name.upper() in environ
        }
        if isinstance(keys := found.get("trust"), str):
            found["trust"] = tuple(key for key in map(str.strip, keys.split(",")) if key)
        if isinstance(models := found.get("models"), str):
            found["models"] = tuple(models.replace(",", " ").split())
        found |= {name: value for name, value in overrides.items() if value is not None}
        return cls.model_validate(found)
