"""From checked rows to the pandas frame that the model was fitted with, or an array where it saw no names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from predictq_registry.inputs.columns import Column
from predictq_registry.inputs.matrix import to_floats

__all__ = ["FrameBuilder"]


class FrameBuilder:
    """Builds frames of the same columns again and again."""

    def __init__(self, columns: Sequence[Column], *, labelled: bool) -> None:
        self._columns = tuple(columns)
        self._labelled = labelled
        self._names = pd.Index([column.name for column in columns])
        self._numbers_only = all(column.type == "number" for column in columns)
        # What pandas itself makes of texts: `str` from version 3 on, objects before.
        self._text = pd.Series(["text"]).dtype

    def build(self, rows: list[Any], gaps: Sequence[int]) -> object:
        """One model input of all rows; `gaps` names the columns of whole numbers or booleans that lack values."""
        if self._numbers_only:
            floats = to_floats(rows, len(rows), len(self._columns))
            return pd.DataFrame(floats, columns=self._names, copy=False) if self._labelled else floats
        if not self._labelled:
            return np.array(rows, dtype=object)
        series = zip(*rows, strict=True)
        data = {
            place: self._array(column, values, gap=place in gaps)
            for place, (column, values) in enumerate(zip(self._columns, series, strict=True))
        }
        frame = pd.DataFrame(data, copy=False)
        frame.columns = self._names
        return frame

    def _array(self, column: Column, values: Sequence[Any], *, gap: bool) -> ArrayLike:
        match column.type:
            case "number":
                return np.fromiter(values, np.float64, len(values))
            case "integer":
                return np.fromiter(values, np.float64 if gap else np.int64, len(values))
            case "boolean":
                return np.array(values, dtype=object if gap else np.bool_)
            case "string":
                if column.categories is not None:
                    return pd.Categorical(list(values), categories=list(column.categories))
                return pd.Series(list(values), dtype=self._text)
