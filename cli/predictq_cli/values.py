"""Outputs of any kind as plain values, for printing."""

from __future__ import annotations

from typing import Any

__all__ = ["listed"]


def listed(outputs: Any) -> list[Any]:  # noqa: ANN401  arrays and tables are known by what they offer
    """A list as it is; an Arrow table's records; an array's values."""
    if isinstance(outputs, list):
        return outputs
    plain: list[Any] = outputs.to_pylist() if hasattr(outputs, "to_pylist") else outputs.tolist()
    return plain
