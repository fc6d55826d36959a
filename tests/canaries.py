"""Files that create another file if anything ever unpickles them, in every disguise such a file may come in."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np

__all__ = ["CANARIES", "Canary"]


class Canary:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def _joblib(path: Path, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(Canary(path), buffer, **options)
    return buffer.getvalue()


def _npy(path: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(path)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _zip(name: str, data: bytes, **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, content in {name: data, **more}.items():
            archive.writestr(entry.replace("__", "."), content)
    return buffer.getvalue()


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _skops(path: Path) -> bytes:
    """A skops file whose one object is the function `os.mkdir`, called with our path."""
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(str(path))}
    arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}
    call = {
        "__class__": "mkdir",
        "__module__": "posix",
        "__loader__": "ReduceNode",
        "__reduce__": {"args": arguments},
        "content": {},
        "protocol": 2,
        "_skops_version": "0.13",
    }
    return _zip("schema.json", json.dumps(call).encode())


CANARIES: dict[str, Callable[[Path], bytes]] = {
    "pickle": lambda path: pickle.dumps(Canary(path)),
    "pickle protocol 0": lambda path: pickle.dumps(Canary(path), protocol=0),
    "cloudpickle": lambda path: cloudpickle.dumps(Canary(path)),
    "joblib": _joblib,
    "joblib, zlib": lambda path: _joblib(path, compress=3),
    "gzip": lambda path: gzip.compress(pickle.dumps(Canary(path))),
    "bz2": lambda path: bz2.compress(pickle.dumps(Canary(path))),
    "xz": lambda path: lzma.compress(pickle.dumps(Canary(path))),
    "npy of objects": _npy,
    "npz of objects": lambda path: _zip("a.npy", _npy(path)),
    "zip of a pickle, as torch makes": lambda path: _zip("archive/data.pkl", pickle.dumps(Canary(path))),
    "skops that calls": _skops,
    "skops with an array of objects": lambda path: _zip("schema.json", _ARRAY, **{"1__npy": _npy(path)}),
    "tar of a pickle": lambda path: _tar("model.pkl", pickle.dumps(Canary(path))),
    "mlflow folder": lambda path: _tar("python_model.pkl", cloudpickle.dumps(Canary(path))),
}

_ARRAY = json.dumps(
    {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "1.npy"}
).encode()
