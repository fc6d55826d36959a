"""Which code checks which kind of signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from predictq_registry.inputs.anything import AnyRows
from predictq_registry.inputs.matrix import MatrixRows
from predictq_registry.inputs.table import TableRows
from predictq_registry.inputs.texts import TextRows

if TYPE_CHECKING:
    from predictq_registry.inputs.columns import Rows
    from predictq_registry.inputs.signature import Signature

__all__ = ["rows_of"]


def rows_of(signature: Signature) -> Rows:
    """The compiled check of `signature`."""
    match signature.kind:
        case "matrix":
            return MatrixRows(signature.width or 1, nullable=signature.nullable)
        case "table":
            return TableRows(signature.columns, labelled=signature.labelled)
        case "texts":
            return TextRows()
        case "any":
            return AnyRows()
        case _:
            assert_never(signature.kind)
