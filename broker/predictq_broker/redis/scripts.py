"""The Lua scripts, one a step, each in a file of its own; `_library.lua` is put in front of every one."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Script", "Scripts", "source"]


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua` as the server gets it: its flags first, then the library, then the step."""
    folder = resources.files("predictq_broker.redis") / "lua"
    step = (folder / f"{name}.lua").read_text()
    library = (folder / "_library.lua").read_text()
    flags, body = step.split("\n", 1) if step.startswith("#!") else ("#!lua", step)
    return f"{flags}\n{library}\n{body}"


class Script:
    """One step, to be called on a connection or queued in a pipeline."""

    def __init__(self, redis: "Redis", text: str) -> None:
        self._script: Any = redis.register_script(text)

    def __call__(self, keys: Sequence[str], args: Sequence[Any], client: object = None) -> Any:
        """Run it; a server that does not know it yet is given it."""
        return self._script(keys=keys, args=args, client=client)


class Scripts(NamedTuple):
    """All steps."""

    send: Script
    receive: Script
    renew: Script
    reclaim: Script
    release: Script
    settle: Script
    bury: Script
    cancel: Script
    replay: Script
    ack: Script

    @classmethod
    def register(cls, redis: "Redis", *, shebang: bool = True) -> "Scripts":
        """Prepare all scripts for `redis`; without the first line for a server that knows no flags."""
        texts = (source(name) for name in cls._fields)
        return cls(*(Script(redis, text if shebang else text.split("\n", 1)[1]) for text in texts))
