"""Probes and metrics over HTTP: /livez, /readyz, /metrics."""

import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

__all__ = ["HttpServer", "Page"]

_logger = logging.getLogger(__name__)
_PAUSE = 0.1
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Page(NamedTuple):
    """An answer to a GET."""

    status: int
    content_type: str
    body: bytes

    @classmethod
    def text(cls, body: bytes) -> "Page":
        """A page of metrics."""
        return cls(200, _TEXT, body)

    @classmethod
    def verdict(cls, complaints: list[str]) -> "Page":
        """200 if there is nothing to complain about, else 503 and the reasons."""
        body = json.dumps({"ok": not complaints, "reasons": complaints}).encode() + b"\n"
        return cls(503 if complaints else 200, "application/json", body)


Pages = dict[str, Callable[[], Page]]


class HttpServer:
    """Serves a few fixed pages on a thread of its own, on loopback unless told otherwise."""

    def __init__(self, address: str, pages: Pages) -> None:
        """Bind `host:port`; if the port is taken, any free one, so that two workers can share a machine."""
        host, _, port = address.rpartition(":")
        try:
            self._server = _listen(host, int(port), pages)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _logger.warning("the HTTP port is taken, using a free one", extra={"address": address, "why": str(error)})
            self._server = _listen(host, 0, pages)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it really listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def get_request(self) -> tuple[socket.socket, object]:
        """As the base class; without a descriptor for the connection it would be asked again at once, and spin."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_PAUSE)
            raise


def _listen(host: str, port: int, pages: Pages) -> ThreadingHTTPServer:
    try:
        return _Server((host, port), _handler(pages))
    except OSError as error:
        raise OSError(
            error.errno, f"cannot serve HTTP on {host}:{port}: {error.strerror}; set PREDICTQ_HTTP"
        ) from error


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = make() if make else Page(404, "text/plain", b"/metrics, /livez or /readyz\n")
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            _logger.debug("http", extra={"request": format % args})

    return Handler
