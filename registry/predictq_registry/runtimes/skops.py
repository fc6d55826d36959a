"""skops: scikit-learn objects as a zip of JSON and arrays. It makes objects of listed types only."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.learn import Learnt
from predictq_registry.runtimes.runtime import Content, Runtime

__all__ = ["Skops"]

_FILE: Final = "model.skops"
_TYPES: Final = "types"
_LEAST: Final = (0, 13)
"""Before it, a file that is no zip was unpickled (CVE-2025-54886)."""
_FACTOR: Final = 100
_ALWAYS: Final = 64 << 20
"""What a file may unpack to, in bytes: a hundred times its size, or this if that is more."""


class Skops(Runtime):
    """What `skops.io.dump` wrote. Types beyond those skops trusts are named in the manifest, under `types`.

    Such types are code of the release's choosing, so a release that names any must be signed.
    """

    name: ClassVar[str] = "skops"
    endings: ClassVar[tuple[str, ...]] = (".skops",)
    libraries: ClassVar[tuple[str, ...]] = ("skops",)

    def runs_code(self, content: Content) -> bool:
        """Only if the manifest allows types that skops does not."""
        return bool(content.options.get(_TYPES))

    def load(self, content: Content) -> object:
        """See `Runtime`."""
        data = content.only
        _check_archive(data)
        return _skops().loads(data, trusted=_types(content.options))

    def dump(self, model: object, learnt: Learnt) -> list[Content]:
        """See `Runtime`."""
        del learnt
        try:
            data: bytes = _skops().dumps(model)
        except Exception as error:  # skops raises whatever the model's classes do
            reason = f"{type(error).__name__}: {error}"
            raise InvalidRelease(f"a {type(model).__name__} cannot be written with skops: {reason}") from error
        types = sorted(_skops().get_untrusted_types(data=data))
        return [Content({_FILE: data}, {_TYPES: types} if types else {})]


def _types(options: Mapping[str, Any]) -> list[str]:
    types = options.get(_TYPES, [])
    if not isinstance(types, (list, tuple)):
        raise InvalidRelease("the manifest's option 'types' is no list")
    return [str(name) for name in types]


def _skops() -> Any:  # noqa: ANN401  skops ships no types
    import skops
    import skops.io

    version = tuple(int(part) for part in skops.__version__.split(".")[:2])
    if version < _LEAST:
        raise InvalidRelease(f"skops {skops.__version__} may unpickle what it should not: install 0.13 or newer")
    return skops.io


def _check_archive(data: bytes) -> None:
    """Refuse what is no zip, has two entries of one name, or would fill the memory when it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise InvalidRelease(f"it is no skops file: {error}") from error
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(_ALWAYS, _FACTOR * len(data)):
        raise InvalidRelease(f"its {len(data)} bytes would unpack to {unpacked}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise InvalidRelease("it holds two entries of one name")
