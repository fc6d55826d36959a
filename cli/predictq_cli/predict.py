"""`predictq predict`: ask about some rows, or about a file of millions."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from predictq_cli.exits import Exit, Stop
from predictq_cli.options import DEFAULT_BROKER, BrokerUrl, Json, Model
from predictq_cli.output import remark
from predictq_cli.progress import watched
from predictq_cli.results_out import Tally, check_target, open_sink
from predictq_cli.values import listed

if TYPE_CHECKING:
    from collections.abc import Generator

    from predictq import Client, PredictqError
    from predictq.asking import Options

__all__ = ["EXAMPLE", "predict"]

EXAMPLE = (
    "Examples: predictq predict iris '[[5.1, 3.5, 1.4, 0.2]]'\n\n"
    "predictq predict iris flowers.csv --output species.csv\n\n"
    "predictq predict iris - --json < flowers.jsonl"
)


def predict(  # noqa: PLR0913  a command's options are its arguments
    model: Model,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS|FILE", help="JSON rows, or a CSV, TSV, JSON, JSONL, Parquet, NPY or TXT file; - for stdin."
        ),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A .csv, .json or .jsonl file to write.")
    ] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="What to call, such as predict_proba.")] = "predict",
    ref: Annotated[str, typer.Option(metavar="REF", help="Which release: an alias, or a version.")] = "production",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long each chunk may take.")] = 30.0,
    chunk: Annotated[
        int | None,
        typer.Option(metavar="ROWS", min=1, help="Rows of one request at most; else 1000, or of an array a megabyte."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORM", help="What the input is, if its name does not tell.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="CSV: send only these columns, in this order.")
    ] = None,
    header: Annotated[bool, typer.Option(help="CSV: whether the first line names the columns.")] = True,
    names: Annotated[bool, typer.Option(help="CSV: send the columns' names, or only values in order.")] = True,
    broker: BrokerUrl = DEFAULT_BROKER,
    json: Json = False,
) -> None:
    """Ask a model about rows, and print one output for each.

    Rows are sent in chunks, several in flight; a file of any length is read only as far as needed.
    """
    from predictq_cli.rows import open_rows
    from predictq_cli.rows.csv_rows import CsvForm

    check_target(output)
    chosen = tuple(columns.split(",")) if columns else ()
    with open_rows(rows, form, CsvForm(columns=chosen, header=header, named=names)) as source:
        options: Options = {"method": method, "ref": ref, "deadline": timeout}
        started = time.monotonic()
        sink, tally = open_sink(output, json=json), Tally()
        with watched(source, tally), _asked(broker, model, tally) as client:
            for prediction in client.map(model, source.rows, chunk=chunk, **options):
                outputs = listed(prediction.outputs)
                sink.put(tally.rows, outputs, prediction)
                tally.add(prediction, len(outputs))
        sink.close(tally)
    if not json:
        remark(f"{tally.told()} in {time.monotonic() - started:.2f} s" + (f", written to {output}" if output else ""))


@contextmanager
def _asked(broker: str, model: str, tally: Tally) -> Generator[Client]:
    """A client on a broker that answers; what goes wrong with a request is told with what to do about it."""
    from predictq import Client, PredictqError
    from predictq_broker import connect

    with connect(broker) as channel, Client(broker=channel) as client:
        if not channel.stats(model).consumers:
            remark(f"no worker reads the queue of {model} yet; start one: predictq worker --model {model}")
        try:
            yield client
        except PredictqError as error:
            raise _told(error, tally.rows) from error


def _told(error: PredictqError, done: int) -> Exception:
    """The error with what the caller can do about it; a row is counted in the input, not in its chunk."""
    from predictq.errors import DeadlineExceeded, QueueFull, Unavailable, UnknownModel

    sentence = re.sub(r"^row (\d+)", lambda match: f"row {int(match[1]) + done}", str(error))
    after = f"; the {done} rows before it were answered" if done else ""
    match error:
        case Unavailable() | QueueFull():
            return error
        case DeadlineExceeded():
            hint = "; is a worker running, and is --timeout long enough? see: predictq queues"
        case UnknownModel():
            hint = "; see: predictq models"
        case _ if not error.request_id:
            return Stop(Exit.USAGE, sentence)
        case _:
            hint = ""
    return Stop(Exit.PREDICTION, f"{error.code}: {sentence}{hint}{after}")
