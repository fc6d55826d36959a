"""`predictq publish`: make a release of a fitted model."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.keys import signing_key
from predictq_cli.options import DEFAULT_REGISTRY, Json, KeyFile, Model, RegistryUrl
from predictq_cli.output import plain, remark, write, write_json

if TYPE_CHECKING:
    from predictq_registry import Manifest, Signature

__all__ = ["EXAMPLE", "describe_format", "describe_signature", "publish"]

MLFLOW = "mlflow:"

EXAMPLE = "Example: predictq publish iris iris.joblib --sample iris.csv --alias production"


def publish(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A fitted model: .joblib, .onnx, .skops, .ubj, .lgb, .cbm, an MLflow folder or mlflow:URI.",
        ),
    ],
    *,
    sample: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows as the model will get them: CSV, JSON, JSONL, Parquet or NPY."),
    ] = None,
    alias: Annotated[str | None, typer.Option(metavar="NAME", help="Make it live under this alias.")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A figure to keep with it.")] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why this release.")] = "",
    formats: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME,…", help="Store it as onnx, skops, joblib …; the first that works."),
    ] = None,
    sign: Annotated[bool, typer.Option(help="Sign it, so that workers may trust it.")] = True,
    key: KeyFile = None,
    registry: RegistryUrl = DEFAULT_REGISTRY,
    json: Json = False,
) -> None:
    """Make a release of a fitted model.

    A pickle is unpickled here, so publish only what you made yourself. The sample tells the columns and their types;
    a few of its rows are kept with their answers and checked wherever the release is loaded.
    """
    metrics = dict(_metric(text) for text in metric or [])
    for path in filter(None, (Path(file), sample)):
        if not path.exists() and not str(path).startswith(MLFLOW):
            raise Stop(Exit.USAGE, f"there is no file {str(path)!r}")
    from predictq_registry import InvalidRelease, Registry

    signer = signing_key(key) if sign else None
    about: dict[str, Any] = {"sample": sample, "alias": alias, "metrics": metrics, "note": note}
    wished = [name.strip() for name in (formats or "").split(",") if name.strip()]
    try:
        made = Registry(registry).publish(model, file, formats=wished, signer=signer, remark=remark, **about)
    except InvalidRelease as error:
        raise Stop(Exit.FAILED, f"{file} is not published: {error}") from error
    signed_by = signer.public.id if signer else None
    if json:
        write_json({**_document(made), "signed_by": signed_by, "alias": alias})
    else:
        write(_told(made, signed_by, alias))


def _metric(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    with suppress(ValueError):
        if name and name.isprintable() and equals and math.isfinite(figure := float(value)):
            return name, figure
    raise Stop(Exit.USAGE, f"--metric {text!r}: write NAME=VALUE with a number, such as accuracy=0.97")


def _document(made: Manifest) -> dict[str, Any]:
    return {
        "model": made.model,
        "version": made.version,
        "digest": made.digest,
        "format": made.runtime,
        "options": dict(made.options),
        "methods": list(made.methods),
        "signature": made.signature.model_dump(),
        "golden_rows": len(made.golden.rows) if made.golden else 0,
        "metrics": dict(made.metrics),
    }


def _told(made: Manifest, signed_by: str | None, alias: str | None) -> str:
    golden = len(made.golden.rows) if made.golden else 0
    lines = [
        f"published {made.model} version {made.version}",
        f"  digest     {made.digest}",
        f"  format     {describe_format(made)}",
        f"  signed     {signed_by or 'by nobody'}",
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


def describe_format(made: Manifest) -> str:
    """The format, how it compares with what it was converted from, and the types it needs, in a few words."""
    said = [made.runtime]
    parity: Any = made.options.get("parity")
    if parity:
        apart = f"numbers at most {parity['difference']:.2g} apart" if parity["difference"] else "the same numbers"
        said.append(f"compared with the original on {parity['rows']} rows: the same labels, {apart}")
    types: Any = made.options.get("types")
    if types:
        said.append(f"allowed types: {', '.join(types)}")
    return "; ".join(said)


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
