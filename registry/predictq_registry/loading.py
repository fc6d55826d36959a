"""From a package's bytes to a model that can be called: the one way in, and every check stands in it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from predictq_registry.errors import InputError, InvalidRelease
from predictq_registry.libraries import differences
from predictq_registry.manifest import Manifest, sha256_of
from predictq_registry.runtimes import Content, Runtime, runtime_named

if TYPE_CHECKING:
    from predictq_registry.inputs.columns import Outputs
    from predictq_registry.manifest import ReleaseFile
    from predictq_registry.package import Package
    from predictq_registry.trust import Trust

__all__ = ["Loaded", "Verified", "load", "open_content", "require_predict", "verify"]

_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """A release in memory.

    Attributes:
        estimator: The model.
        manifest: Its manifest, read from the very bytes whose digest it carries.
        warnings: What was warned of while it was loaded, such as another scikit-learn version.
        differences: Library versions that differ from those it was published with.
        signed_by: The id of the trusted key that signed it; None if none did, and none had to.
        tolerance: How far its numbers may be from the golden ones, as a share of them.
    """

    estimator: Any
    manifest: Manifest
    warnings: list[str] = field(default_factory=list[str])
    differences: list[str] = field(default_factory=list[str])
    signed_by: str | None = None
    tolerance: float = 1e-6

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
                if not same(*pair, tolerance=self.tolerance):
                    raise InvalidRelease(self._mismatch(method, row, *pair))
            if len(expected) != len(got):
                raise InvalidRelease(f"golden rows: {len(got)} rows for {len(expected)} outputs of {method}")

    def _mismatch(self, method: str, row: int, expected: object, got: object) -> str:
        seen = f"; versions differ: {', '.join(self.differences)}" if self.differences else ""
        return f"golden row {row}, {method}: expected {_short(expected)}, got {_short(got)}{seen}"


def load(package: Package, trust: Trust | None = None) -> Loaded:
    """The model in `package`, loaded out of the bytes that `verify` has just verified.

    Raises:
        UntrustedRelease: if it is not signed by whom it must be.
        InvalidRelease: if anything is missing or altered, the runtime is unknown, or the model does not load.
    """
    verified = verify(package, trust)
    manifest, runtime = verified.manifest, verified.runtime
    estimator, said = open_content(runtime, verified.content)
    return Loaded(estimator, manifest, said, differences(manifest.libraries), verified.signed_by, runtime.tolerance)


class Verified(NamedTuple):
    """A release whose every byte is what was published, by whom it must be.

    Attributes:
        manifest: Read from the bytes that were verified.
        runtime: What loads it.
        content: The files, nothing of which was looked at.
        signed_by: The id of the trusted key that signed it; None if none did, and none had to.
    """

    manifest: Manifest
    runtime: Runtime
    content: Content
    signed_by: str | None


def verify(package: Package, trust: Trust | None = None) -> Verified:
    """Check sizes, digests and the signature that `package` needs; none of its files is opened.

    Args:
        package: As `Registry.fetch` gives it.
        trust: Whose signature counts; `Trust.of()` if not given.

    Raises:
        UntrustedRelease: if it is not signed by whom it must be.
        InvalidRelease: if anything is missing or altered, or the runtime is unknown.
    """
    from predictq_registry.trust import Trust

    manifest = Manifest.read(package.manifest_bytes)
    runtime = runtime_named(manifest.runtime)
    content = Content(_verified(package, manifest), manifest.options)
    key = (trust or Trust.of()).judge(package, runs_code=runtime.runs_code(content))
    return Verified(manifest, runtime, content, key.id if key else None)


def _verified(package: Package, manifest: Manifest) -> dict[str, bytes]:
    if len({file.name for file in manifest.files}) < len(manifest.files):
        raise InvalidRelease(f"{_name(manifest)} names a file twice")
    return {file.name: _file(package, manifest, file) for file in manifest.files}


def _file(package: Package, manifest: Manifest, file: ReleaseFile) -> bytes:
    data = package.files.get(file.name)
    where = f"the file {file.name!r} of {_name(manifest)}"
    if data is None:
        raise InvalidRelease(f"{where} is missing")
    if len(data) != file.size:
        raise InvalidRelease(f"{where} has {len(data)} bytes instead of {file.size}; it is not what was published")
    if sha256_of(data) != file.sha256:
        raise InvalidRelease(f"{where} has another sha256 than the manifest says; it is not what was published")
    return data


def open_content(runtime: Runtime, content: Content) -> tuple[Any, list[str]]:
    """The model in `content`, and the warnings that came with it. The only place where a runtime loads anything.

    It may run whatever the files say: `load` has verified them, and whoever publishes has made them.

    Raises:
        InvalidRelease: if it does not load, or does not predict.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = runtime.load(content)
        except ModuleNotFoundError as error:
            raise InvalidRelease(_missing(runtime, error)) from error
        except MemoryError:
            raise  # another machine may have it
        except Exception as error:  # a file's classes, and a format's parser, may raise whatever they like
            reason = str(error) if isinstance(error, InvalidRelease) else f"{type(error).__name__}: {error}"
            raise InvalidRelease(f"the artefact cannot be loaded as {runtime.name}: {reason[:_LONGEST]}") from error
    require_predict(model)
    return model, list(dict.fromkeys(_first_line(str(warning.message)) for warning in caught))


def require_predict(model: object) -> None:
    """Refuse what cannot predict."""
    if not callable(getattr(model, "predict", None)):
        raise InvalidRelease(f"the artefact holds a {type(model).__name__}, which has no predict method")


def _missing(runtime: Runtime, error: ModuleNotFoundError) -> str:
    return f"the artefact cannot be loaded as {runtime.name}: {type(error).__name__}: {error}: install it"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _name(manifest: Manifest) -> str:
    return f"{manifest.model!r} version {manifest.version}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
