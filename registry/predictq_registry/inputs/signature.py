"""What a release takes: the columns of a row, and the check that keeps one request from harming another."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from predictq_registry.inputs.columns import Column, Kind  # noqa: TC001  pydantic reads the fields' types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictq_registry.inputs.columns import Checked, Rows
    from predictq_registry.inputs.samples import SampleSource

__all__ = ["Signature"]


class Signature(BaseModel):
    """The rows that a release takes.

    Attributes:
        kind: `matrix`: unnamed columns of numbers; `table`: named, typed columns; `texts`: one text a row;
            `any`: nothing is known, so a request need only be uniform in itself.
        width: How many columns a matrix has.
        nullable: Whether values of a matrix may be missing.
        columns: The columns of a table, in the order in which the model sees them.
        labelled: Whether the model sees the names of a table's columns. If not, they only serve the requester.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    kind: Kind
    width: Annotated[int, Field(ge=1)] | None = None
    nullable: bool = False
    columns: tuple[Column, ...] = ()
    labelled: bool = True

    @model_validator(mode="after")
    def _is_readable(self) -> Self:
        """A table is read by the names of its columns."""
        if self.kind == "table":
            names = {column.name for column in self.columns}
            if not names or len(names) < len(self.columns):
                raise ValueError("a table has at least one column, and each has a name of its own")
        return self

    @classmethod
    def learn(cls, sample: SampleSource = None, estimator: object = None) -> Signature:
        """The signature that `sample` shows and `estimator` confirms.

        Args:
            sample: A path to a CSV, JSON, JSON lines, Parquet or NPY file, a list of rows, records or texts,
                a NumPy array, a pandas or polars frame; None to learn from the estimator alone.
            estimator: A fitted model with a `predict` method.

        Raises:
            InvalidRelease: if the sample cannot be read, or the estimator does not accept it.
        """
        from predictq_registry.inputs.learn import learn

        return learn(sample, estimator).signature

    def check(self, rows: object) -> Checked:
        """One request's decoded rows, looked at alone: nothing is coerced, nothing of another request is seen.

        Args:
            rows: A list out of JSON, an array, or a dict of columns.

        Raises:
            InputError: with a sentence that says which row and column, what is wrong, and what is expected.
        """
        return self._rows.check(rows)

    def assemble(self, checked: Sequence[Checked]) -> object:
        """One model input of all rows of `checked`, in order and in linear time.

        The shapes in `checked` must be equal. A matrix becomes an array of float64, a table a pandas frame with
        exactly the columns and types of the signature (or, where the model saw no names, an array of float64 or of
        objects), texts a list of str.
        """
        return self._rows.assemble(checked)

    def __copy__(self) -> Signature:
        """A copy may differ in its fields, so it is compiled anew."""
        copied = super().__copy__()
        vars(copied).pop("_rows", None)
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Signature:
        """As `__copy__`."""
        return copy(self)

    def __getstate__(self) -> dict[Any, Any]:
        """Only the fields travel: whoever unpickles a signature need not have NumPy."""
        return super(Signature, copy(self)).__getstate__()

    @cached_property
    def _rows(self) -> Rows:
        """Compiled once, when the first request comes: this is the hot path, and it needs NumPy."""
        from predictq_registry.inputs.kinds import rows_of

        return rows_of(self)
