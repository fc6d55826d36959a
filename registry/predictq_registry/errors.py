"""What can go wrong with model releases.

RegistryError                everything below; `except RegistryError` is enough
├── StoreError               the store cannot be read or written, or what it holds is not ours: see the sentence
├── InvalidName              a model or an alias that no file may be named after
├── UnknownModel             no release of that model exists
├── UnknownRef               the model exists, but not that alias or version
├── InvalidRollout           a rollout that makes no sense: see the sentence
├── InvalidKey               a key, or a file of keys, that cannot be used: see the sentence
├── InvalidRelease           an artefact or manifest that must not serve, now or ever
│   └── UntrustedRelease     sound perhaps, but nobody signed it whom we trust
└── InputError               one request's rows do not fit the release's signature: the requester's mistake
"""

__all__ = [
    "InputError",
    "InvalidKey",
    "InvalidName",
    "InvalidRelease",
    "InvalidRollout",
    "RegistryError",
    "StoreError",
    "UnknownModel",
    "UnknownRef",
    "UntrustedRelease",
]


class RegistryError(Exception):
    """Anything that went wrong with a model release."""


class StoreError(RegistryError):
    """The store cannot be reached, read or written; the same call may work once that is mended."""


class InvalidName(RegistryError, ValueError):
    """A model or alias name outside `[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}`, or an alias made of digits alone."""


class UnknownModel(RegistryError, LookupError):
    """No release of that model exists in this registry."""


class UnknownRef(RegistryError, LookupError):
    """The model exists, but it has no such alias or version; the sentence lists the aliases there are."""


class InvalidRelease(RegistryError):
    """An artefact or a manifest that must not serve: altered, unreadable, or not what it says it is."""


class InvalidRollout(RegistryError, ValueError):
    """A rollout that cannot begin; the sentence says why."""


class InvalidKey(RegistryError, ValueError):
    """A key that cannot be read, made or used; the sentence says which and what to do."""


class UntrustedRelease(InvalidRelease):
    """A release without the signature that it needs here."""


class InputError(RegistryError, ValueError):
    """The rows of one request do not fit the signature of the release.

    Attributes:
        row: The row's place in the request, counted from 0; None if no single row is to blame.
        column: The column's name or place, counted from 0; None if no single column is to blame.
    """

    def __init__(self, sentence: str, *, row: int | None = None, column: str | int | None = None) -> None:
        super().__init__(sentence)
        self.row = row
        self.column = column
