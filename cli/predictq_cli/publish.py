"""`predictq publish`: make a release of a fitted model."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_REGISTRY, Json, Model, RegistryUrl
from predictq_cli.output import plain, write, write_json

if TYPE_CHECKING:
    from predictq_registry import Manifest, Signature

__all__ = ["EXAMPLE", "describe_signature", "publish"]

EXAMPLE = "Example: predictq publish iris iris.joblib --sample iris.csv --alias production"


def publish(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What joblib.dump made of a fitted estimator.")],
    *,
    sample: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows as the model will get them: CSV, JSON, JSONL, Parquet or NPY."),
    ] = None,
    alias: Annotated[str | None, typer.Option(metavar="NAME", help="Make it live under this alias.")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A figure to keep with it.")] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why this release.")] = "",
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Make a release of a fitted model.

    FILE is unpickled here, so publish only what you made yourself. The sample tells the columns and their types;
    a few of its rows are kept with their answers and checked wherever the release is loaded.
    """
    metrics = dict(_metric(text) for text in metric or [])
    for path in (file, sample):
        if path is not None and not path.is_file():
            raise Stop(Exit.USAGE, f"there is no file {str(path)!r}")
    from predictq_registry import InvalidRelease, Registry

    try:
        made = Registry(registry).publish(model, file, sample=sample, alias=alias, metrics=metrics, note=note)
    except InvalidRelease as error:
        raise Stop(Exit.FAILED, f"{file} is not published: {error}") from error
    if json:
        write_json({**_document(made), "alias": alias})
    else:
        write(_told(made, alias))


def _metric(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        if name and equals:
            return name, float(value)
    except ValueError:
        pass
    raise Stop(Exit.USAGE, f"--metric {text!r}: write NAME=VALUE with a number, such as accuracy=0.97")


def _document(made: Manifest) -> dict[str, Any]:
    return {
        "model": made.model,
        "version": made.version,
        "digest": made.digest,
        "methods": list(made.methods),
        "signature": made.signature.model_dump(),
        "golden_rows": len(made.golden.rows) if made.golden else 0,
        "metrics": dict(made.metrics),
    }


def _told(made: Manifest, alias: str | None) -> str:
    golden = len(made.golden.rows) if made.golden else 0
    lines = [
        f"published {made.model} version {made.version}",
        f"  digest     {made.digest}",
        f"  methods    {', '.join(made.methods)}",
        f"  takes      {describe_signature(made.signature)}",
        f"  golden     {_golden(golden)}",
    ]
    if made.metrics:
        lines.append(f"  metrics    {', '.join(f'{name} {value:g}' for name, value in made.metrics.items())}")
    if alias is None:
        lines.append(
            f"no alias names it yet; to make it live: predictq models alias {made.model} production {made.version}"
        )
    else:
        lines.append(f"live as {alias}: workers serve it from now on")
    return "\n".join(map(plain, lines))


def _golden(count: int) -> str:
    if count == 0:
        return "none, so a worker cannot check it when it loads it: publish with --sample"
    return f"{count} rows with their answers, checked wherever it is loaded"


def describe_signature(signature: Signature) -> str:
    """The rows a release takes, in a few words."""
    match signature.kind:
        case "matrix":
            missing = ", null for a missing one" if signature.nullable else ""
            return f"rows of {signature.width} numbers{missing}"
        case "table":
            return ", ".join(
                f"{column.name} ({column.type}{', may be null' if column.nullable else ''})"
                for column in signature.columns
            )
        case "texts":
            return "texts, one a row"
        case "any":
            return "any rows: nothing is known of it, publish with --sample to have requests checked"
