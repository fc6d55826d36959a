"""One function opens what a release brings: looked for in the sources, so that no second way in slips by."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("broker", "cli", "producer", "registry", "worker")
RUNTIMES = "registry/predictq_registry/runtimes"
OPENERS = {
    *("pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch"),
    *("catboost", "lightgbm", "mlflow", "onnx", "onnxruntime", "skops", "xgboost"),
}
"""Packages that make objects out of bytes."""


@cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    paths = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
    return tuple((path.relative_to(ROOT).as_posix(), ast.parse(path.read_bytes())) for path in paths)


def imported(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports, also by `import_module` with a text."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(module))]):
                yield module.partition(".")[0]


def test_only_runtimes_import_what_makes_objects_out_of_bytes() -> None:
    others = [path for path, tree in sources() if OPENERS & set(imported(tree)) and not path.startswith(RUNTIMES)]
    assert others == []


def test_one_function_calls_a_runtime_to_load() -> None:
    callers = [
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("runtime.load", "runtime().load"))
    ]
    assert callers == ["registry/predictq_registry/loading.py"]


def test_what_is_not_verified_is_opened_only_where_it_is_published() -> None:
    users = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "open_content"
    }
    assert users == {f"registry/predictq_registry/{name}.py" for name in ("loading", "conversion", "publishing")}


def test_nobody_lets_numpy_or_pandas_unpickle() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path
            assert not (isinstance(node, ast.Attribute) and node.attr in {"read_pickle", "Unpickler"}), path
