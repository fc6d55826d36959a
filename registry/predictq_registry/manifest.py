"""What a release is: one JSON document that names its files by digest and says how to call the model."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, ValidationError

from predictq_registry.clock import Words
from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.signature import Signature

__all__ = ["MAX_MANIFEST_BYTES", "METHODS", "SCHEMA", "Golden", "Manifest", "ReleaseFile", "sha256_of"]

SCHEMA: Final = 1
MAX_MANIFEST_BYTES: Final = 16 << 20
METHODS: Final = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score_samples",
)
"""The methods of an estimator that a request may name."""

Method = Literal["predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def sha256_of(data: bytes) -> str:
    """The sha256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


class _Frozen(BaseModel):
    """Strict about types, lenient about fields that a later schema may add."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ReleaseFile(_Frozen):
    """One artefact file: stored under its digest, so its name is only a label."""

    name: Name
    sha256: Digest
    size: Annotated[int, Field(ge=0)]


class Golden(_Frozen):
    """Rows as a requester would send them, and what each method answered when the release was published.

    Attributes:
        rows: JSON rows, records or texts.
        outputs: By method, one JSON value a row. NaN and the infinities stand as the texts `NaN`, `Infinity`
            and `-Infinity`.
    """

    rows: tuple[JsonValue, ...]
    outputs: Mapping[str, tuple[JsonValue, ...]]


class Manifest(_Frozen):
    """A release: immutable, identified by `digest`, which is what every result carries.

    Attributes:
        runtime: Which runtime loads the files; see `predictq_registry.runtimes`.
        options: What that runtime must know beside the files, such as the types a skops file may hold.
    """

    schema_number: Annotated[int, Field(alias="schema", ge=1)] = SCHEMA
    model: Name
    version: Annotated[int, Field(ge=1)]
    runtime: str
    files: tuple[ReleaseFile, ...]
    options: Mapping[str, JsonValue] = {}
    signature: Signature
    methods: tuple[Method, ...]
    libraries: Mapping[str, str]
    golden: Golden | None = None
    metrics: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    author: Words
    created: str
    note: Words = ""

    _digest: str | None = PrivateAttr(default=None)

    model_config = ConfigDict(populate_by_name=True)

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of the manifest's stored bytes."""
        return self._digest or f"sha256:{sha256_of(self.to_bytes())}"

    def to_bytes(self) -> bytes:
        """The bytes to store."""
        return self.model_dump_json(by_alias=True, indent=1).encode()

    @classmethod
    def read(cls, data: bytes) -> "Manifest":
        """The manifest in `data`.

        Raises:
            InvalidRelease: if it is too large, not a manifest, or of a schema this version cannot read.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise InvalidRelease(f"the manifest has {len(data)} bytes; at most {MAX_MANIFEST_BYTES} are read")
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            raise InvalidRelease(f"not a manifest: {_first_complaint(error)}") from error
        if manifest.schema_number > SCHEMA:
            raise InvalidRelease(
                f"the manifest has schema {manifest.schema_number}, this predictq reads up to {SCHEMA}: upgrade it"
            )
        manifest._digest = f"sha256:{sha256_of(data)}"  # noqa: SLF001  our own class
        return manifest


def _first_complaint(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
