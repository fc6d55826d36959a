"""How we talk to the server: explicit timeouts, no hidden retries, and errors in our own terms."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis
from redis import exceptions as server
from redis.backoff import NoBackoff
from redis.retry import Retry

from predictq_broker.errors import BrokerError, BrokerFull, BrokerRefused, BrokerUnavailable

__all__ = ["MAX_BLOCK", "command", "open_redis", "raw_replies", "translated"]

MAX_BLOCK: Final = 1.0
"""Seconds a blocking read sleeps in the server at most, so that what was given back is found soon."""
_ANSWER: Final = 10.0
"""Seconds to wait for any answer; well above `MAX_BLOCK`, or a quiet queue would look like a dead server."""
_CONNECT: Final = 3.0


def open_redis(url: str) -> "Redis":
    """A client for `url` that connects when first used. A command is never repeated behind our back:
    a repeated XADD would be a second request.
    """
    return raw_replies(
        Redis.from_url(
            url,
            protocol=2,
            socket_timeout=_ANSWER,
            socket_connect_timeout=_CONNECT,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            health_check_interval=0,
            decode_responses=False,
        )
    )


def raw_replies(redis: "Redis") -> "Redis":
    """Leave stream replies as the parser made them: nested lists, no copies into tuples and dicts."""
    for command in ("XREAD", "XREADGROUP", "XRANGE", "XPENDING"):
        redis.set_response_callback(command, _as_it_is)
    return redis


def _as_it_is(reply: Any, **_: Any) -> Any:
    return reply


_FULL = ("OOM", "MISCONF")
_LATER = ("LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "UNBLOCKED")
_LATER_BY_CLASS = (server.ReadOnlyError, server.ClusterDownError, server.MasterDownError, server.TryAgainError)
"""Of these redis-py takes the first word out of the text."""


@contextmanager
def translated(what: str) -> Generator[None]:
    """Turn what redis-py raises while we do `what` into a `BrokerError` with the way out in it."""
    try:
        yield
    except server.AuthenticationError as error:
        raise BrokerRefused(f"{what}: the login was refused ({error}); check the user and password") from error
    except server.OutOfMemoryError as error:
        raise BrokerFull(f"{what}: the server has no room ({error}); let workers drain it or give it more") from error
    except _LATER_BY_CLASS as error:
        raise BrokerUnavailable(f"{what}: {error}") from error
    except (server.ConnectionError, server.TimeoutError, OSError) as error:
        raise BrokerUnavailable(f"{what}: {error or 'no answer in time'}") from error
    except server.RedisError as error:
        raise _told(what, str(error)) from error


def _told(what: str, text: str) -> BrokerError:
    if any(word in text for word in _FULL):
        return BrokerFull(f"{what}: the server has no room ({text}); let workers drain it or give it more")
    if text.startswith(_LATER):
        return BrokerUnavailable(f"{what}: {text}")
    return BrokerRefused(f"{what}: the server said no ({text})")


def command(target: Any, *words: bytes | str | float) -> Any:
    """Send a command as it is, on a connection or into a pipeline; redis-py has no types for that."""
    return target.execute_command(*words)
