"""NPY answers: one array a request, as `numpy.save` writes it, never with objects."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from predictq_worker.inference.errors import BadOutput
from predictq_worker.inference.outputs import OutputRows, plain_array

__all__ = ["NpyWriter"]


class NpyWriter:
    """Writes the answers of one group, remembering the headers: most are of one shape."""

    def __init__(self) -> None:
        self._headers: dict[tuple[object, ...], bytes] = {}

    def write(self, part: OutputRows) -> bytes:
        """One request's outputs as an NPY file.

        Raises:
            BadOutput: if they have no common dtype, or not one length.
        """
        array = _as_array(part) if isinstance(part, list) else part
        key = (array.dtype.str, array.shape)
        header = self._headers.get(key)
        if header is None:
            header = self._headers[key] = _header(array)
        return header + array.tobytes()


def _header(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    fields = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


def _as_array(values: list[Any]) -> npt.NDArray[Any]:
    try:
        array = plain_array(np.array(values))
    except ValueError:
        raise BadOutput("the outputs are of different lengths, which no NumPy array can carry: ask with JSON") from None
    if isinstance(array, list) or (array.dtype.kind == "U" and not _all_text(values)):
        raise BadOutput("the outputs have no common NumPy dtype: ask with JSON")
    return array


def _all_text(values: Any) -> bool:  # noqa: ANN401  nested as deep as the model made it
    """Whether NumPy found texts, and did not make them of numbers that stood beside texts."""
    if isinstance(values, list | tuple | np.ndarray):
        return all(_all_text(value) for value in values)
    return isinstance(values, str)
