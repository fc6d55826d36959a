"""From a package's bytes to a model that can be called: the one way in, and every check stands in it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from predictq_registry.errors import InputError, InvalidRelease
from predictq_registry.libraries import differences
from predictq_registry.manifest import Manifest, sha256_of

if TYPE_CHECKING:
    from predictq_registry.columns import Outputs
    from predictq_registry.package import Package

__all__ = ["RUNTIME", "Loaded", "load", "unpickle"]

RUNTIME: Final = "joblib"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A release in memory.

    Attributes:
        estimator: The model.
        manifest: Its manifest, read from the very bytes whose digest it carries.
        warnings: What was warned of while it was loaded, such as another scikit-learn version.
        differences: Library versions that differ from those it was published with.
    """

    estimator: Any
    manifest: Manifest
    warnings: list[str] = field(default_factory=list[str])
    differences: list[str] = field(default_factory=list[str])

    def call(self, method: str, model_input: object) -> Outputs:
        """Whatever the model's `method` gives for a `model_input` that the signature assembled.

        A model may return and raise anything: the caller judges both, and bounds what it makes of them.

        Raises:
            InputError: if the release has no such method.
        """
        from predictq_registry.outputs import call

        if method not in self.manifest.methods:
            raise InputError(
                f"model {self.manifest.model!r} version {self.manifest.version} has no method {method[:40]!r}; "
                f"it has {', '.join(self.manifest.methods)}"
            )
        return call(self.estimator, method, model_input)

    def check_golden(self) -> None:
        """Predict the golden rows, as one request, and compare.

        Raises:
            InvalidRelease: that names the method and the row, what was expected and what came; or if the model
                fails on them.
        """
        from predictq_registry.outputs import same
        from predictq_registry.trial import try_method

        golden = self.manifest.golden
        if golden is None or not golden.rows:
            return
        for method, expected in golden.outputs.items():
            got = try_method(self.estimator, method, self.manifest.signature, golden.rows)
            for row, pair in enumerate(zip(expected, got, strict=False)):
                if not same(*pair):
                    raise InvalidRelease(self._mismatch(method, row, *pair))
            if len(expected) != len(got):
                raise InvalidRelease(f"golden rows: {len(got)} rows for {len(expected)} outputs of {method}")

    def _mismatch(self, method: str, row: int, expected: object, got: object) -> str:
        seen = f"; versions differ: {', '.join(self.differences)}" if self.differences else ""
        return f"golden row {row}, {method}: expected {_short(expected)}, got {_short(got)}{seen}"


def load(package: Package) -> Loaded:
    """Verify every byte of `package` against its manifest, then load the model out of those same bytes.

    Nothing is unpickled before all sizes and digests are right.

    Raises:
        InvalidRelease: if anything is missing or altered, the runtime is unknown, or the model does not load.
    """
    manifest = Manifest.read(package.manifest_bytes)
    if manifest.runtime != RUNTIME:
        raise InvalidRelease(f"{_name(manifest)} needs the runtime {manifest.runtime[:40]!r}; known is {RUNTIME!r}")
    if len(manifest.files) != 1:
        raise InvalidRelease(f"{_name(manifest)} has {len(manifest.files)} files; a {RUNTIME} release has 1")
    data = _verified(package, manifest)
    estimator, said = unpickle(data)
    return Loaded(estimator, manifest, said, differences(manifest.libraries))


def _verified(package: Package, manifest: Manifest) -> bytes:
    file = manifest.files[0]
    data = package.files.get(file.name)
    where = f"the file {file.name!r} of {_name(manifest)}"
    if data is None:
        raise InvalidRelease(f"{where} is missing")
    data = bytes(data)  # a copy nobody else can change, unless it is one already
    if len(data) != file.size:
        raise InvalidRelease(f"{where} has {len(data)} bytes instead of {file.size}; it is not what was published")
    if sha256_of(data) != file.sha256:
        raise InvalidRelease(f"{where} has another sha256 than the manifest says; it is not what was published")
    return data


def unpickle(data: bytes) -> tuple[Any, list[str]]:
    """The object in a joblib file, and the warnings that came with it. Runs whatever the file says: verify first."""
    import joblib

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = joblib.load(io.BytesIO(data))
        except Exception as error:  # unpickling may raise whatever the file's classes raise
            reason = f"{type(error).__name__}: {error}"
            raise InvalidRelease(f"the artefact cannot be loaded as a {RUNTIME} file: {reason}") from error
    return estimator, list(dict.fromkeys(_first_line(str(warning.message)) for warning in caught))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _name(manifest: Manifest) -> str:
    return f"{manifest.model!r} version {manifest.version}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
