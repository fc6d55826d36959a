"""NPY bodies: every plain array arrives, and no header can make us allocate what is not there."""

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictq_broker.messages import Code
from predictq_worker.inference import BadBody, Limits
from predictq_worker.inference.npy_body import decode_npy

LIMITS = Limits(max_body_bytes=100_000, max_rows=1000)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def with_header(header: str, items: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + items


def header(descr: str = "'<f8'", order: str = "False", shape: str = "(1, 2)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def refusal(body: bytes, limits: Limits = LIMITS) -> BadBody:
    with pytest.raises(BadBody) as caught:
        decode_npy(body, limits)
    return caught.value


@pytest.mark.parametrize(
    "array",
    [
        np.array([[5.1, 3.5], [np.nan, -0.0]]),
        np.array([[1, 2], [3, 4]], dtype="<i4"),
        np.array([[1, 2], [3, 4]], dtype=">f4"),
        np.array([[1, 2, 3], [4, 5, 6]], order="F"),
        np.array([[True, False]]),
        np.array(["great film", "ż", "\U0001f600"]),
        np.array(["ab", "c"], dtype=">U2"),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([[5e-324, 1.7e308]]),
        np.array([[1.5]], dtype=np.float16),
    ],
)
def test_a_plain_array_arrives_equal_and_native(array: np.ndarray) -> None:
    decoded = decode_npy(saved(array), LIMITS)
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype.isnative
    assert decoded.dtype == array.dtype.newbyteorder("=")
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("version", [2, 3])
def test_later_versions_of_the_format_are_read(version: int) -> None:
    body = with_header(header(), np.array([1.0, 2.0]).tobytes(), version)
    assert decode_npy(body, LIMITS).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not an NPY array"),
        (b"[[1, 2]]", "not an NPY array"),
        (b"PK\x03\x04" + b"\0" * 60, "not an NPY array"),
        (b"\x93NUMPY", "version"),
        (b"\x93NUMPY\x09\x00\x10\x00", "version"),
        (b"\x93NUMPY\x01\x00\x10", "cut off"),
        (b"\x93NUMPY\x01\x00\x10\x00{", "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "at most 1024"),
        (with_header(header() + " " * 10_000), "at most 1024"),
        (with_header("not a dict"), "dict literal"),
        (with_header("(" * 900), "dict literal"),
        (with_header("{'descr': '<f8'}"), "descr, fortran_order and shape"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}"), "and nothing else"),
        (with_header("[{1: 2}, 'descr']"), "descr, fortran_order and shape"),
        (with_header("{[]: 1}"), "dict literal"),
        (with_header(header(order="1")), "True or False"),
        (with_header(header(descr="'|O'")), "dtype"),
        (with_header(header(descr="[('a', '<f8')]")), "dtype"),
        (with_header(header(descr="'|V8'"), b"\0" * 16), "dtype"),
        (with_header(header(descr="'<c16'")), "dtype"),
        (with_header(header(descr="'<M8[s]'")), "dtype"),
        (with_header(header(descr="'|S8'")), "dtype"),
        (with_header(header(descr="'<f16'")), "dtype"),
        (with_header(header(descr="'<U0'")), "dtype"),
        (with_header(header(descr="'<U4097'")), "dtype"),
        (with_header(header(descr="'i4,f8'")), "dtype"),
        (with_header(header(descr="'nonsense'")), "dtype"),
        (with_header(header(descr="'<f8,'")), "dtype"),
        (with_header(header(descr="'<,3'")), "dtype"),
        (with_header(header(descr="'<f3'")), "dtype"),
        (with_header(header(descr="3")), "dtype"),
        (with_header(header(shape="()"), b"\0" * 8), "dimensions"),
        (with_header(header(shape="(1,1,1,1,1,1,1,1,1)"), b"\0" * 8), "dimensions"),
        (with_header(header(shape="[1, 2]"), b"\0" * 16), "dimensions"),
        (with_header(header(shape="(-1, 2)"), b"\0" * 16), "whole numbers"),
        (with_header(header(shape="(True, 2)"), b"\0" * 16), "whole numbers"),
        (with_header(header(shape="(1.0, 2)"), b"\0" * 16), "whole numbers"),
        (with_header(header(shape="(0, 2)")), "empty"),
        (with_header(header(shape="(2, 0)")), "empty"),
        (with_header(header(shape="(1, 1000000000000)")), "announces 8000000000000 bytes"),
        (with_header(header(), b"\0" * 15), "cut or damaged"),
        (with_header(header(), b"\0" * 17), "cut or damaged"),
        (with_header(header(descr="'|b1'"), b"\1\2"), "damaged"),
        (with_header(header(descr="'<U1'", shape="(1,)"), b"\xff\xff\xff\x00"), "damaged"),
        (with_header(header(descr="'<U1'", shape="(1,)"), b"\x00\xd8\x00\x00"), "damaged"),
    ],
)
def test_what_is_not_a_plain_whole_array_is_refused_in_words(body: bytes, said: str) -> None:
    problem = refusal(body)
    assert problem.code is Code.INVALID_INPUT
    assert said in problem.message


def test_an_array_of_objects_is_refused_and_its_pickle_never_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    canary = tmp_path_factory.mktemp("canary") / "touched"

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return canary.touch, ()

    assert "dtype" in refusal(saved(np.array([Bomb()], dtype=object))).message
    assert not canary.exists()


def test_a_header_that_lies_about_its_shape_allocates_nothing() -> None:
    body = with_header(header(shape="(1000, 1000000000)"))
    tracemalloc.start()
    refusal(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_bytes_and_rows_are_limited() -> None:
    assert len(decode_npy(saved(np.zeros((1000, 1))), LIMITS)) == 1000
    assert refusal(saved(np.zeros((1001, 1)))).code is Code.TOO_LARGE
    assert refusal(saved(np.zeros((1, 13_000)))).code is Code.TOO_LARGE


@given(st.binary(max_size=200))
def test_random_bytes_after_the_magic_give_an_array_or_a_typed_refusal(tail: bytes) -> None:
    decodes_or_refuses(b"\x93NUMPY" + tail)
    decodes_or_refuses(b"\x93NUMPY\x01\x00" + tail)
    decodes_or_refuses(tail)


@given(st.sampled_from(["<f8", ">i2", "|b1", "<U3"]), st.integers(0, 2000), st.integers(0, 7))
def test_damaged_arrays_give_an_array_or_a_typed_refusal(dtype: str, place: int, bit: int) -> None:
    body = bytearray(saved(np.ones((3, 2)).astype(dtype)))
    place %= len(body)
    body[place] ^= 1 << bit
    decodes_or_refuses(bytes(body))
    decodes_or_refuses(bytes(body[:place]))


def decodes_or_refuses(body: bytes) -> None:
    match outcome(body):
        case BadBody(code=code):
            assert code in {Code.INVALID_INPUT, Code.TOO_LARGE}
        case array:
            assert array.size
            array.tolist()


def outcome(body: bytes) -> Any:
    try:
        return decode_npy(body, LIMITS)
    except BadBody as problem:
        return problem
