"""Names for what callers pass and get. It may be of libraries that are not installed, hence no narrower type."""

from typing import Any, TypeAlias

__all__ = ["Outputs", "Rows", "Value"]

Rows: TypeAlias = Any
"""A list of rows, of records or of texts; a NumPy array; a pandas or polars frame; an Arrow table."""
Outputs: TypeAlias = Any
"""One output for each row: a list; a NumPy array or an Arrow table if one was sent."""
Value: TypeAlias = Any
"""Anything found within rows."""
