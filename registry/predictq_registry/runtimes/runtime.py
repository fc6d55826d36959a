"""What a runtime is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from predictq_registry.errors import InvalidRelease

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from predictq_registry.inputs.learn import Learnt

__all__ = ["Content", "Runtime"]


class Content(NamedTuple):
    """What a release is loaded from: bytes, verified before a runtime sees them.

    Attributes:
        files: By name, as in the manifest.
        options: As in the manifest, which says them to the runtime that wrote them.
    """

    files: Mapping[str, bytes]
    options: Mapping[str, Any] = MappingProxyType({})

    @property
    def only(self) -> bytes:
        """The one file there is; `InvalidRelease` if there are none or several."""
        if len(self.files) != 1:
            raise InvalidRelease(f"the release has {len(self.files)} files; its runtime takes 1")
        return next(iter(self.files.values()))


class Runtime(ABC):
    """Loads one format. Without state: it is made anew whenever it is needed.

    Attributes:
        name: What the manifest calls it; letters, digits and dashes.
        endings: Of the files that are this format.
        libraries: What it loads with, as pip calls it; their versions go into the manifest.
        faithful: Whether what it writes is the model itself, so that nothing needs to be compared.
        tolerance: How far a number may be from the golden one, as a share of it: other processors round otherwise.
    """

    name: ClassVar[str]
    endings: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    faithful: ClassVar[bool] = False
    tolerance: ClassVar[float] = 1e-6

    @abstractmethod
    def load(self, content: Content) -> object:
        """The model: an object with `predict` and whichever other methods of `METHODS` it has.

        Only bytes in `content` may be read: they were verified, and no file on a disk was. Whatever is raised means
        that the release cannot be loaded.
        """

    def runs_code(self, content: Content) -> bool:  # noqa: ARG002  some runtimes look at it
        """Whether loading it may run code that the release brings. Such a release must be signed."""
        return True

    def read(self, path: Path) -> Content:
        """What a file or folder of this format holds, to be published.

        Raises:
            InvalidRelease: if it is none.
            OSError: if it cannot be read.
        """
        ending = self.endings[0] if self.endings else f".{self.name}"
        return Content({f"model{ending}": path.read_bytes()})

    def dump(self, model: object, learnt: Learnt) -> Sequence[Content]:  # noqa: ARG002  that is for those that can
        """`model`, fitted, in this format, for rows as in `learnt`; if in several ways, the closest will be taken.

        Raises:
            InvalidRelease: that says why it cannot be.
        """
        raise InvalidRelease(f"a {type(model).__name__} cannot be written as {self.name}: give a file of that format")
