"""What the examples share: publish a model, have a worker serve it, and hand out a client that asks."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from predictq import Client
from predictq_registry import Registry

__all__ = ["serving"]


@contextmanager
def serving(name: str, model: object, sample: object) -> Generator[Client]:
    """Publish `model` under `name`, start a worker, and yield a client; afterwards everything is stopped.

    Broker and registry are files in a temporary folder, unless `PREDICTQ_BROKER_URL` and
    `PREDICTQ_REGISTRY_URL` name others.
    """
    with TemporaryDirectory(prefix="predictq-") as folder:
        places = _places(Path(folder))
        release = Registry(places["PREDICTQ_REGISTRY_URL"]).publish(name, model, sample=sample, alias="production")
        print(f"published {name} version {release.version}")
        with _worker(places | {"PREDICTQ_MODELS": name}), Client(places["PREDICTQ_BROKER_URL"]) as client:
            yield client


def _places(folder: Path) -> dict[str, str]:
    return {
        "PREDICTQ_BROKER_URL": os.environ.get("PREDICTQ_BROKER_URL", f"sqlite:///{folder}/queue.db"),
        "PREDICTQ_REGISTRY_URL": os.environ.get("PREDICTQ_REGISTRY_URL", f"{folder}/models"),
    }


@contextmanager
def _worker(settings: dict[str, str]) -> Generator[None]:
    """A worker in a process of its own, as in production; stopped by SIGTERM, which it must obey cleanly."""
    command = [sys.executable, "-m", "predictq_cli", "worker"]
    environment = os.environ | {"PREDICTQ_HTTP": "", "PREDICTQ_LOG_FORMAT": "text"} | settings
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603  our own worker
        try:
            yield
        finally:
            process.terminate()
            code = process.wait(timeout=40)
    if code != 0:
        raise SystemExit(f"the worker ended with exit code {code}")
