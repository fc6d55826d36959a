"""A TCP proxy that does to connections what networks do. Its toxics are named as in Shopify's toxiproxy.

with Proxy(server_port) as proxy:
    connect(f"redis://127.0.0.1:{proxy.port}/0")
    with proxy.toxic(latency=0.2): ...        # every chunk comes later, both ways
    with proxy.toxic(timeout=True): ...       # nothing comes through any more: half-open
    with proxy.toxic(limit_data=100): ...     # a connection is cut after so many bytes from the server
    proxy.reset_peer()                        # every connection ends with a reset, now
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

__all__ = ["Proxy", "Toxics"]

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a reset


class Toxics(NamedTuple):
    """What is wrong with the network now.

    Attributes:
        latency: Seconds by which each chunk comes later, in each direction.
        bandwidth: Bytes a second that come through in each direction; 0: any number.
        slicer: Bytes that come at a time at most; 0: as they come.
        limit_data: A connection is cut when so many bytes came from the server; 0: never.
        timeout: Nothing comes through, and nobody is told.
        refused: No new connection is let through.
    """

    latency: float = 0.0
    bandwidth: int = 0
    slicer: int = 0
    limit_data: int = 0
    timeout: bool = False
    refused: bool = False


class Proxy:
    """Listens on a free port of the loopback and passes connections on to `upstream`, in a thread of its own.

    Attributes:
        port: Where to connect.
        upstream: The server's port; it may change, for connections to come.
        harmed: How many connections or chunks were cut, reset, held up, sliced or refused: the proof of a fault.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.harmed = 0
        self.toxics = Toxics()
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    @contextmanager
    def toxic(self, **toxics: Any) -> Iterator[None]:
        """Within the block, these are so; see `Toxics`. What a silent network held up is then let through."""
        before = self.toxics
        self.become(before._replace(**toxics))
        try:
            yield
        finally:
            self.become(before)

    def become(self, toxics: Toxics) -> None:
        """From now on the network is like this."""
        self._call(lambda: self._become(toxics))

    def _become(self, toxics: Toxics) -> None:
        self.toxics = toxics
        self._changed.set()
        self._changed = asyncio.Event()

    def reset_peer(self) -> int:
        """End every connection with a reset to both sides; returns how many there were."""
        return int(self._call(self._reset_all))

    def _reset_all(self) -> int:
        links = list(self._links)
        for link in links:
            self.harmed += 1
            link.cut(reset=True)
        return len(links)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    async def silence(self) -> None:
        """Wait while nothing comes through."""
        while self.toxics.timeout:
            await self._changed.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.toxics.refused:
            self.harmed += 1
            _close(writer, reset=True)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:  # nobody is there: neither are we
            _close(writer, reset=True)
            return
        link = _Link(self, (reader, writer), (far_reader, far_writer))
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    def _call(self, action: Callable[[], Any]) -> Any:
        async def act() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for link in list(self._links):
            link.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One client's connection and ours to the server."""

    def __init__(self, proxy: Proxy, near: Stream, far: Stream) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self._from_server = 0

    async def run(self) -> None:
        """Pass on what comes until either side ends."""
        up = asyncio.create_task(self._pump(self._near[0], self._far[1], self._pass))
        down = asyncio.create_task(self._pump(self._far[0], self._near[1], self._within_limit))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            self.cut()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: Callable[[bytes], bytes]
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(self._proxy.toxics.slicer or _CHUNK):
                await self._suffer(len(chunk))
                passed = allowed(chunk)
                writer.write(passed)
                await writer.drain()
                if len(passed) < len(chunk):
                    return

    async def _suffer(self, size: int) -> None:
        toxics = self._proxy.toxics
        if toxics.slicer or toxics.latency or toxics.bandwidth:
            self._proxy.harmed += 1
        if toxics.latency or toxics.bandwidth:
            await asyncio.sleep(toxics.latency + (size / toxics.bandwidth if toxics.bandwidth else 0.0))
        if toxics.timeout:
            self._proxy.harmed += 1
            await self._proxy.silence()

    def _pass(self, chunk: bytes) -> bytes:
        return chunk

    def _within_limit(self, chunk: bytes) -> bytes:
        """What may still come from the server; less than the chunk means: cut it here."""
        limit = self._proxy.toxics.limit_data
        room = max(limit - self._from_server, 0)
        self._from_server += len(chunk)
        if not limit or len(chunk) <= room:
            return chunk
        self._proxy.harmed += 1
        return chunk[:room]

    def cut(self, *, reset: bool = False) -> None:
        """End both sides."""
        _close(self._near[1], reset=reset)
        _close(self._far[1], reset=reset)


def _close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset and (found := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
    else:
        writer.close()
