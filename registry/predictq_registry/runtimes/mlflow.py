"""MLflow: a folder that MLflow saved, of any flavour, called as a pyfunc."""

from __future__ import annotations

import tempfile
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final

from predictq_registry.archive import pack, unpack
from predictq_registry.errors import InvalidRelease
from predictq_registry.runtimes.runtime import Content, Runtime

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEME", "MLflow", "local_folder"]

_FILE: Final = "model.tar"
_MARK: Final = "MLmodel"
SCHEME: Final = "mlflow:"


class MLflow(Runtime):
    """A folder with an `MLmodel` file, kept as one tar. Loading it runs what its flavour says."""

    name: ClassVar[str] = "mlflow"
    libraries: ClassVar[tuple[str, ...]] = ("mlflow", "mlflow-skinny")

    def load(self, content: Content) -> object:
        """See `Runtime`. MLflow reads files only: the verified bytes are unpacked into a folder nobody else enters."""
        mlflow: Any = import_module("mlflow.pyfunc")
        with tempfile.TemporaryDirectory(prefix="predictq-") as folder:
            unpack(content.only, folder)
            return _PyFunc(mlflow.load_model(folder))

    def read(self, path: Path) -> Content:
        """See `Runtime`."""
        if not (path / _MARK).is_file():
            raise InvalidRelease(f"the folder {str(path)!r} has no file {_MARK!r}, so it is no MLflow model")
        return Content({_FILE: pack(path)})


class _PyFunc:
    """What MLflow loaded.

    Attributes:
        native: The model within, as its own library knows it; what another format is made of.
    """

    def __init__(self, loaded: Any) -> None:  # noqa: ANN401  MLflow need not be installed where types are checked
        self._loaded = loaded
        self.native = _native(loaded)

    def predict(self, rows: object) -> object:
        """Whatever the flavour answers."""
        return self._loaded.predict(rows)


def _native(loaded: Any) -> object:  # noqa: ANN401  as above
    try:
        return loaded.get_raw_model()
    except Exception:  # noqa: BLE001  most flavours have none, and each says so in its own way
        return None


def local_folder(uri: str) -> str:
    """Where the model that MLflow knows as `uri` (`models:/iris/3`, `runs:/…/model`, a folder) lies on this machine."""
    artifacts: Any = import_module("mlflow.artifacts")
    try:
        return str(artifacts.download_artifacts(artifact_uri=uri))
    except Exception as error:
        raise InvalidRelease(f"MLflow does not give {uri!r}: {error}") from error
