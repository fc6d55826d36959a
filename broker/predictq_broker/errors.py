"""What can go wrong between a process and its broker.

    BrokerError                  everything below; `except BrokerError` is enough
    ├── BrokerUnavailable        cannot be reached, is loading, or did not answer in time: try again
    ├── BrokerRefused            answered, and said no (login, rights, read-only, wrong kind of key): fix it
    ├── BrokerFull               has no memory or disk left: nothing of the call was stored
    ├── InvalidName              a model, queue or id that no key may be made of
    └── UnsupportedBroker        a URL for which there is no engine, or an engine without its package

An exception from a call that writes means *unknown*: the write may have happened. Each such call may be
repeated: ids make a repeated `send` harmless, and a repeated `settle` finds nothing left to settle.
"""

__all__ = [
    "BrokerError",
    "BrokerFull",
    "BrokerRefused",
    "BrokerUnavailable",
    "InvalidName",
    "UnsupportedBroker",
]


class BrokerError(Exception):
    """Anything that went wrong between this process and its broker."""


class BrokerUnavailable(BrokerError):
    """The broker cannot be reached or did not answer in time; the same call may work in a moment."""


class BrokerRefused(BrokerError):
    """The broker answered and said no; it will say no again until its configuration or ours changes."""


class BrokerFull(BrokerError):
    """The broker has no memory or disk left; nothing of the call was stored."""


class InvalidName(BrokerError, ValueError):
    """A model, queue or request id outside `[A-Za-z0-9._-]{1,128}`."""


class UnsupportedBroker(BrokerError, ValueError):
    """A broker URL that no engine understands, or whose engine needs a package that is not installed."""
