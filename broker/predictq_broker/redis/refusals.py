"""What the server or the way to it says against us, in our own terms."""

import ssl
from typing import Any, Final

from redis import exceptions as server

from predictq_broker.errors import BrokerError, BrokerFull, BrokerRefused, BrokerUnavailable

__all__ = ["absent", "translated"]

_LATER: Final = (
    server.ReadOnlyError,
    server.ClusterDownError,
    server.MasterDownError,
    server.TryAgainError,
    server.AskError,  # and MovedError, which is one
)
_FULL_WORDS: Final = ("OOM", "MISCONF")
_LATER_WORDS: Final = ("BUSY", "NOREPLICAS", "UNBLOCKED", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "LOADING")
_MOVING: Final = "non local key"
"""In a script's error: a key that it made the name of is on another node, while its slot is being moved there."""
_RIGHTS: Final = ("The user executing the script", "ACL failure")
"""In an error that a script was given for want of rights; the words differ with the server's version."""
_ABSENT: Final = ("NOGROUP", "no such key", "WRONGTYPE")


class translated:  # noqa: N801  used as a function; one made of a generator takes three times as long
    """Turn what redis-py raises while we do `what` into a `BrokerError` with the way out in it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case None:
                return
            case server.RedisError():
                raise _told(self._what, error) from error
            case ssl.SSLError():
                raise _no_trust(self._what, error) from error
            case OSError():
                raise BrokerUnavailable(f"{self._what}: {error or 'no answer in time'}") from error
            case _:
                return


def _told(what: str, error: server.RedisError) -> BrokerError:
    cause = error.__cause__ or error.__context__  # what redis-py made its own error of
    if isinstance(cause, ssl.SSLError):
        return _no_trust(what, cause)
    match error:
        case server.AuthenticationError():
            return BrokerRefused(f"{what}: the login was refused ({error}); check the user and password")
        case server.ConnectionError() | server.TimeoutError():
            return BrokerUnavailable(f"{what}: {str(error) or 'no answer in time'}")
        case _:
            return _answered(what, error)


def _answered(what: str, error: server.RedisError) -> BrokerError:
    text = str(error)
    if isinstance(error, server.NoPermissionError) or any(word in text for word in _RIGHTS):
        return BrokerRefused(f"{what}: this user may not do that ({text}); the rights it needs are in the docs")
    if isinstance(error, server.OutOfMemoryError) or any(word in text for word in _FULL_WORDS):
        return BrokerFull(f"{what}: the server has no room ({text}); let workers drain it or give it more")
    if isinstance(error, _LATER) or text.split(" ", 1)[0] in _LATER_WORDS or _MOVING in text:
        return BrokerUnavailable(f"{what}: not now ({type(error).__name__}: {text})")
    return BrokerRefused(f"{what}: the server said no ({text})")


def _no_trust(what: str, error: ssl.SSLError) -> BrokerError:
    """A certificate that is not trusted stays so; a handshake that is cut off may be a server that starts."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return BrokerUnavailable(
            f"{what}: the connection ended within TLS ({error}); if it always does, set cert and key"
        )
    return BrokerRefused(f"{what}: TLS was refused ({error}); check ca, cert, key, and the name in the certificate")


def absent(reply: Any) -> bool:
    """Whether this reply says that a stream or its group is not there. Raises it if it is any other error."""
    if not isinstance(reply, Exception):
        return False
    if isinstance(reply, server.ResponseError) and str(reply).startswith(_ABSENT):
        return True
    raise reply
