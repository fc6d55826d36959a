"""The words in which a signature speaks: columns, their types, and a request's rows once they are checked."""

from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

__all__ = ["Checked", "Column", "ColumnType", "Kind", "Outputs", "Rows", "Value"]

ColumnType = Literal["number", "integer", "boolean", "string"]
"""`number` is a finite float64; `integer` a whole number of 64 bits."""

Kind = Literal["matrix", "table", "texts", "any"]

Value: TypeAlias = Any
"""A value out of JSON or an array, of which nothing is known before it is checked."""

Outputs: TypeAlias = Any
"""What a model gives: an array, or a list, with one output a row. Models are free, so nothing more is known."""


class Column(BaseModel):
    """One column of a table.

    Attributes:
        name: As the requester writes it in a record; its place, as digits, if the model was fitted without names.
        type: What its values are.
        nullable: Whether a value may be missing: null in JSON, NaN in an array.
        categories: For a pandas category, the texts it may hold, in the order of their codes.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    name: str
    type: ColumnType
    nullable: bool = False
    categories: tuple[str, ...] | None = None


class Checked(NamedTuple):
    """One request's rows, found to fit the signature.

    Attributes:
        data: The rows in the form that `assemble` reads; opaque to everyone else.
        count: How many rows there are; at least 1.
        shape: Requests may be merged into one model input only if their shapes are equal.
    """

    data: object
    count: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  nobody counts in it
    shape: Hashable


class Rows(Protocol):
    """How one kind of signature checks a request alone, and makes one model input of many."""

    def check(self, rows: object) -> Checked:
        """One request's decoded rows, or `InputError`."""
        ...

    def assemble(self, checked: Sequence[Checked]) -> object:
        """The model input of all rows of `checked`, in order."""
        ...
