"""An S3 server of our own, moto's, that can be slow, fail, cut connections, refuse to be written to, and counts."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any, Self
from urllib.request import Request, urlopen

from moto.server import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import make_server

__all__ = ["S3Server", "Troubles"]

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
UNWELL = b"<Error><Code>ServiceUnavailable</Code><Message>Reduce your request rate.</Message></Error>"


@dataclass
class Troubles:
    """What is wrong with the server just now.

    Attributes:
        delay: Seconds before each answer.
        pace: Seconds before each part of an answer that has many.
        failures: So many requests are answered with 503.
        cuts: So many answers end in the middle.
        read_only: Whatever writes is refused.
        lost: So many answers to writes are lost after they were done.
        unconditional: If-None-Match is not looked at, as old servers do.
    """

    delay: float = 0.0
    pace: float = 0.0
    failures: int = 0
    cuts: int = 0
    lost: int = 0
    read_only: bool = False
    unconditional: bool = False


@dataclass
class S3Server:
    """A bucket `models`. `troubles` may be set at any time; `asked` are the requests, as method, path and range."""

    troubles: Troubles = field(default_factory=Troubles)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def heal(self) -> None:
        """Be well again."""
        self.troubles = Troubles()

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto: Application = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()  # moto looks first and writes then
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        S3FileSystem.clear_instance_cache()  # one may know where another server was
        bucket = Request(f"{self.environment['AWS_ENDPOINT_URL']}/models", method="PUT")
        with urlopen(bucket, timeout=10):
            return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process finds it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def fetched(self, digest: str) -> int:
        """How many requests read that file, or a part of it."""
        return sum(method == "GET" and path.endswith(digest) for method, path, _ in list(self.asked))

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        method, troubles = environ["REQUEST_METHOD"], self.troubles
        self.asked.append((method, environ["PATH_INFO"], environ.get("HTTP_RANGE", "")))
        time.sleep(troubles.delay)
        if troubles.failures > 0:
            troubles.failures -= 1
            return _error(start_response, "503 Service Unavailable", UNWELL)
        if method in {"GET", "HEAD"}:
            return self._body(environ, start_response)
        if troubles.read_only:
            return _error(start_response, "403 Forbidden", DENIED)
        if troubles.unconditional:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        with self._writing:
            if not troubles.lost:
                return list(self._moto(environ, start_response))
            troubles.lost -= 1
            list(self._moto(environ, lambda *_: None))
        return _error(start_response, "503 Service Unavailable", UNWELL)

    def _body(self, environ: Environ, start_response: Any) -> Iterator[bytes]:
        body = b"".join(self._moto(environ, start_response))
        for start in range(0, len(body), 1 << 20):
            time.sleep(self.troubles.pace)
            if self.troubles.cuts > 0 and len(body) > 1 << 20:
                self.troubles.cuts -= 1
                environ["werkzeug.socket"].shutdown(SHUT_RDWR)
                raise ConnectionAbortedError("cut, as was asked for")
            yield body[start : start + (1 << 20)]


def _error(start_response: Any, status: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]
