"""Ed25519 keys: one that signs is a PEM file only its owner reads; one that verifies is a line of text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from predictq_registry.errors import InvalidKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["KEY_ENV", "PublicKey", "SigningKey", "key_path", "read_public_keys"]

KEY_ENV: Final = "PREDICTQ_SIGNING_KEY"
_KIND: Final = "ed25519:"
_OTHERS: Final = 0o077
_MOST_BYTES: Final = 1 << 16


class PublicKey(NamedTuple):
    """A key that verifies. Its text, `ed25519:` and 43 characters, is what one hands out.

    Attributes:
        raw: Its 32 bytes.
    """

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that `text` writes.

        Raises:
            InvalidKey: if it is none.
        """
        try:
            raw = base64.b64decode(f"{text.removeprefix(_KIND)}=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not text.startswith(_KIND) or len(raw) != 32:
            raise InvalidKey(f"{text[:60]!r} is no public key: it is written ed25519: and 43 characters")
        return cls(raw)

    @property
    def id(self) -> str:
        """What it is called in signatures and logs: 16 hexadecimal digits of its sha256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return _KIND + base64.urlsafe_b64encode(self.raw).decode().rstrip("=")

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the owner of the other half made `signature` for exactly `data`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey(NamedTuple):
    """A key that signs. Never printed, never stored anywhere but in its file."""

    private: Ed25519PrivateKey

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in the PEM file at `path`.

        Raises:
            InvalidKey: if there is none, it is none, or others may read it.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            mode = path.stat().st_mode
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise InvalidKey(f"there is no signing key {str(path)!r}; to make one: predictq keys new FILE") from error
        except OSError as error:
            raise InvalidKey(f"the signing key {str(path)!r} cannot be read: {error.strerror}") from error
        if mode & _OTHERS:
            raise InvalidKey(f"others than its owner may read the signing key {str(path)!r}: chmod 600 it")
        try:
            private = load_pem_private_key(data, password=None)
        except (ValueError, TypeError) as error:
            raise InvalidKey(f"{str(path)!r} holds no signing key that can be read: {error}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InvalidKey(f"{str(path)!r} holds a key of another kind: only Ed25519 signs releases")
        return cls(private)

    @classmethod
    def ensure(cls, path: Path) -> Self:
        """The key at `path`, made now if there is none, with its public half beside it as `.pub`.

        Raises:
            InvalidKey: as `read`, or if it cannot be made.
        """
        try:
            if not path.exists():
                _create(path)
        except OSError as error:
            reason = f"{error.strerror or error}; {KEY_ENV} names another file"
            raise InvalidKey(f"the signing key {str(path)!r} cannot be made: {reason}") from error
        return cls.read(path)

    @property
    def public(self) -> PublicKey:
        """The half to hand out."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes that `PublicKey.verifies`."""
        return self.private.sign(data)


def _create(path: Path) -> None:
    """Appears whole or not at all; of two makers the first wins."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)
    path.with_suffix(".pub").write_text(f"{SigningKey(private).public}\n")


def key_path() -> Path:
    """Where this user's own signing key is, or would be."""
    if given := os.environ.get(KEY_ENV):
        return Path(given)
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "predictq" / "signing.key"


def read_public_keys(source: str) -> list[PublicKey]:
    """The keys that `source` gives: a key itself, a file of them, one a line, or a folder of `.pub` files.

    Raises:
        InvalidKey: if there is no such file or folder, or something in it is no key.
    """
    if source.startswith(_KIND):
        return [PublicKey.parse(source)]
    path = Path(source).expanduser()
    files = sorted(path.glob("*.pub")) if path.is_dir() else [path]
    keys = [PublicKey.parse(line) for file in files for line in _lines(file)]
    if not keys:
        raise InvalidKey(f"{source!r} holds no public key: `predictq keys show` prints one")
    return keys


def _lines(path: Path) -> list[str]:
    """The keys in a file: the first word of each line that is not a remark."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InvalidKey(f"the public key {str(path)!r} cannot be read: {reason}") from error
    return [words[0] for line in text.splitlines() if (words := line.split()) and not words[0].startswith("#")]
