"""Which releases may be loaded: by whom they are signed, and whether loading them runs code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # noqa: TC003  a NamedTuple's fields are read at runtime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from predictq_registry.errors import UntrustedRelease
from predictq_registry.keys import PublicKey, key_path, read_public_keys
from predictq_registry.signing import signer

if TYPE_CHECKING:
    from predictq_registry.package import Package

__all__ = ["TRUST_ENV", "Demand", "Trust", "trust_in"]

TRUST_ENV: Final = "PREDICTQ_TRUST"


class Demand(StrEnum):
    """Which releases must be signed."""

    EVERY = "every"
    """Each, whatever its format."""
    CODE = "code"
    """Each whose loading runs code that it brings."""
    NONE = "none"
    """None: whoever can write to the registry can run code here."""


class Trust(NamedTuple):
    """Whose signature counts, and where one is needed.

    Attributes:
        keys: Of those who may sign.
        demand: Which releases must be signed by one of them.
    """

    keys: tuple[PublicKey, ...] = ()
    demand: Demand = Demand.CODE

    @classmethod
    def of(cls, sources: Iterable[str] = (), *, allow_unsigned: bool = False) -> Self:
        """Trust in the keys that `sources` give, and then every release must be signed by one of them.

        Without sources: in this user's own key, if there is one, for releases that run code; `allow_unsigned` does
        without that, too.

        Raises:
            InvalidKey: if a source gives none.
            ValueError: if keys are given and what they did not sign is allowed.
        """
        keys = tuple(dict.fromkeys(key for source in sources for key in read_public_keys(source)))
        if keys and allow_unsigned:
            raise ValueError("with trusted keys nothing unsigned is loaded: give keys, or allow what is unsigned")
        if keys:
            return cls(keys, Demand.EVERY)
        if allow_unsigned:
            return cls((), Demand.NONE)
        return cls(_own(), Demand.CODE)

    def judge(self, package: Package, *, runs_code: bool) -> PublicKey | None:
        """Who signed `package`; None if nobody did who needed to.

        Raises:
            UntrustedRelease: if somebody of ours should have.
        """
        found = signer(self.keys, package.signatures, package.manifest_bytes)
        if found is None and (self.demand is Demand.EVERY or (self.demand is Demand.CODE and runs_code)):
            raise UntrustedRelease(self._refusal(package))
        return found

    def _refusal(self, package: Package) -> str:
        manifest = package.manifest
        what = f"{manifest.model!r} version {manifest.version} {self._standing(package)}"
        if self.demand is Demand.EVERY:
            return f"{what}; trusted here: {', '.join(key.id for key in self.keys)}"
        loading, safer = manifest.runtime, "onnx or skops"
        if loading == "skops":
            loading, safer = "skops with types of its own", "onnx"
        return (
            f"{what}, and loading {loading} runs code that it brings: publish it signed and trust that key "
            f"(PREDICTQ_TRUST), publish it as {safer}, or allow it (PREDICTQ_ALLOW_UNSIGNED)"
        )

    def _standing(self, package: Package) -> str:
        """Why no signature of `package` counts."""
        named = [signature.key_id[:16] for signature in package.signatures]
        ours = [key.id for key in self.keys if key.id in named]
        if ours:
            return f"was altered since {ours[0]} signed it"
        return f"is signed by {', '.join(named)}, whom nobody here trusts" if named else "is not signed"

    def to_json(self) -> dict[str, Any]:
        """For a process that has no access to the keys' files."""
        return {"keys": [str(key) for key in self.keys], "demand": self.demand.value}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(tuple(map(PublicKey.parse, fields["keys"])), Demand(fields["demand"]))


def trust_in(environ: Mapping[str, str]) -> Trust:
    """What a worker with this environment trusts; `InvalidKey` if it names what is no key."""
    return Trust.of(filter(None, map(str.strip, environ.get(TRUST_ENV, "").split(","))))


def _own() -> tuple[PublicKey, ...]:
    path = key_path().with_suffix(".pub")
    return tuple(read_public_keys(str(path))) if path.is_file() else ()
