"""Bad payloads by name: each is refused in words, with its code, and the worker's library goes on."""

import gzip
import io
import json
import pickle
import zlib

import numpy as np
import pytest
from unit.test_fuzz_bodies import Echo, npy, stream

from predictq_broker.messages import ARROW, JSON, NPY, Code, Priority
from predictq_broker.wire import read_request
from predictq_registry import Column, Signature
from predictq_worker.inference import Failed, Limits, Ok, predict_batch

LIMITS = Limits(max_body_bytes=100_000, max_rows=1000)
MATRIX = Signature(kind="matrix", width=2)
TABLE = Signature(kind="table", columns=(Column(name="a", type="number"), Column(name="b", type="integer")))
INVALID, TOO_LARGE = Code.INVALID_INPUT, Code.TOO_LARGE


def header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def zipped() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(1_000_000))
    return file.getvalue()


CORPUS = {
    "P1 NaN": (JSON, b"[[NaN, 1]]", INVALID),
    "P1 Infinity": (JSON, b"[[-Infinity, 1]]", INVALID),
    "P1 1e999": (JSON, b"[[1e999, 1]]", INVALID),
    "P2 100 000 brackets": (JSON, b"[" * 99_999, INVALID),
    "P2 100 000 objects": (JSON, b'{"a":' * 19_999, INVALID),
    "P3 5 000 digits": (JSON, b"[[" + b"9" * 5000 + b", 1]]", INVALID),
    "P4 a name twice": (JSON, b'[{"a": 1, "b": 2, "a": 3}]', INVALID),
    "P4 a name twice, once escaped": (JSON, b'[{"a": 1, "b": 2, "\\u0061": 3}]', INVALID),
    "P5 lone surrogate": (JSON, b'["\\ud800"]', INVALID),
    "P6 control character": (JSON, b'["\x01"]', INVALID),
    "P6 NUL": (JSON, b'[{"a\\u0000": 1, "b": 2}]', INVALID),
    "P6 long key": (JSON, json.dumps([{"k" * 90_000: 1}]).encode(), INVALID),
    "P6 many keys": (JSON, json.dumps([{str(n): 1 for n in range(9_000)}]).encode(), INVALID),
    "P7 empty": (JSON, b"", INVALID),
    "P7 blank": (JSON, b" \n\t", INVALID),
    "P7 byte order mark": (JSON, b"\xef\xbb\xbf[[1, 2]]", INVALID),
    "P7 UTF-16": (JSON, "[[1, 2]]".encode("utf-16"), INVALID),
    "P7 latin-1": (JSON, '["é"]'.encode("latin-1"), INVALID),
    "P8 one byte too many": (JSON, b"[[1, 2]]" + b" " * 99_993, TOO_LARGE),
    "P8 one row too many": (JSON, json.dumps([[1, 2]] * 1001).encode(), TOO_LARGE),
    "P9 gzip": (JSON, gzip.compress(b"0" * 10_000_000), INVALID),
    "P9 zlib": (JSON, zlib.compress(b"0" * 10_000_000), INVALID),
    "P9 compressed Arrow": (ARROW, stream({"a": [0.0] * 900}, compression="zstd"), INVALID),
    "P10 pickle by name": ("application/x-python-serialize", pickle.dumps([[1, 2]]), INVALID),
    "P10 pickle as JSON": (JSON, pickle.dumps([[1, 2]]), INVALID),
    "P10 YAML": ("application/yaml", b"[[1, 2]]", INVALID),
    "P10 no content type": ("", b"[[1, 2]]", INVALID),
    "P11 objects": (NPY, npy(np.array([{}, 1], object)), INVALID),
    "P12 shape 10^12": (NPY, header("(1000000000000, 2)") + b"\0" * 16, TOO_LARGE),
    "P12 huge second axis": (NPY, header("(1, 1000000000000)") + b"\0" * 16, INVALID),
    "P12 negative": (NPY, header("(-1, 2)") + b"\0" * 16, INVALID),
    "P12 10 kB header": (NPY, header("(1, 2)" + " " * 10_000) + b"\0" * 16, INVALID),
    "P12 structured": (NPY, npy(np.zeros(2, dtype=[("a", "<f8")])), INVALID),
    "P12 void": (NPY, npy(np.zeros(2, dtype="V8")), INVALID),
    "P13 zip of arrays": (NPY, zipped(), INVALID),
    "P14 MessagePack": ("application/msgpack", b"\x91\x92\x01\x02", INVALID),
    "P15 nested Arrow": (ARROW, stream({"a": [[1.0]]}), INVALID),
    "P15 Parquet": ("application/vnd.apache.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", INVALID),
    "P19 image": ("image/png", b"\x89PNG\r\n\x1a\n" + b"\xff" * 40, INVALID),
}


@pytest.mark.parametrize(("content_type", "body", "code"), CORPUS.values(), ids=CORPUS)
@pytest.mark.parametrize("signature", [MATRIX, TABLE], ids=["matrix", "table"])
def test_it_is_refused_in_words_and_a_sound_neighbour_is_answered(
    signature: Signature, content_type: str, body: bytes, code: Code
) -> None:
    (answer,) = predict_batch(Echo(signature), "predict", content_type, [body], LIMITS)
    assert isinstance(answer, Failed)
    assert answer.code is code
    assert len(answer.message) > 10
    if content_type == JSON:
        sound = b"[[1.5, 2]]" if signature is MATRIX else b'[{"a": 1.5, "b": 2}]'
        before, _, after = predict_batch(Echo(signature), "predict", JSON, [sound, body, sound], LIMITS)
        assert isinstance(before, Ok)
        assert before == after


SOUND = {
    "P8 exactly at the limit": (JSON, b"[[1, 2]]" + b" " * 99_992),
    "P12 Fortran order": (NPY, npy(np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]))),
    "P12 another byte order": (NPY, npy(np.array([[1.0, 2.0]], ">f4"))),
    "P17 denormal and minus zero": (JSON, b"[[5e-324, -0.0]]"),
    "P17 2^53": (JSON, b"[[9007199254740992, 1]]"),
}


@pytest.mark.parametrize(("content_type", "body"), SOUND.values(), ids=SOUND)
def test_what_only_looks_odd_is_answered(content_type: str, body: bytes) -> None:
    (answer,) = predict_batch(Echo(MATRIX), "predict", content_type, [body], LIMITS)
    assert isinstance(answer, Ok)


FEATURES = {
    "missing": '{"a": 1}',
    "extra": '{"a": 1, "b": 2, "c": 3}',
    "misspelt": '{"a": 1, "B": 2}',
    "text for a number": '{"a": "1", "b": 2}',
    "true for a whole number": '{"a": 1, "b": true}',
    "null where none may be": '{"a": null, "b": 2}',
    "half a whole number": '{"a": 1, "b": 2.5}',
    "2^53 + 1 for a number": '{"a": 9007199254740993, "b": 2}',
    "2^63 for a whole number": '{"a": 1, "b": 9223372036854775808}',
}


@pytest.mark.parametrize("record", FEATURES.values(), ids=[f"P17 {name}" for name in FEATURES])
def test_features_that_are_not_exactly_the_schemas_are_refused(record: str) -> None:
    (answer,) = predict_batch(Echo(TABLE), "predict", JSON, [f"[{record}]".encode()], LIMITS)
    assert isinstance(answer, Failed)
    assert answer.code is INVALID


def test_features_in_another_order_are_put_in_order() -> None:
    sound, turned = b'[{"a": 1.5, "b": 2}]', b'[{"b": 2, "a": 1.5}]'
    first, second = predict_batch(Echo(TABLE), "predict", JSON, [sound, turned], LIMITS)
    assert first == second


ENVELOPES = {
    "no id": {b"body": b"[[1, 2]]"},
    "10 MB id": {b"id": b"x" * 10_000_000, b"body": b""},
    "newline": {b"id": b"a\nb", b"body": b""},
    "trailing newline": {b"id": b"a\n", b"body": b""},
    "glob": {b"id": b"*", b"body": b""},
    "hash tag": {b"id": b"a", b"reply_to": b"{digits}", b"body": b""},
    "NUL": {b"id": b"a\0", b"body": b""},
    "path": {b"id": b"a", b"ref": b"../../etc", b"body": b""},
    "TTL of 10^18": {b"id": b"a", b"ttl": b"1" + b"0" * 18, b"body": b""},
    "TTL not a number": {b"id": b"a", b"ttl": b"soon", b"body": b""},
    "header not text": {b"id": b"a", b"key": b"\xff\xfe", b"body": b""},
    "no body": {b"id": b"a"},
}


@pytest.mark.parametrize("fields", ENVELOPES.values(), ids=[f"P18 {name}" for name in ENVELOPES])
def test_an_envelope_that_breaks_the_rules_is_a_fault(fields: dict[bytes, bytes]) -> None:
    _, fault = read_request("iris", Priority.NORMAL, fields)
    assert fault is not None
    assert fault.code is INVALID
    assert len(fault.message) < 300


def test_a_negative_ttl_has_passed_already() -> None:
    request, fault = read_request("iris", Priority.NORMAL, {b"id": b"a", b"ttl": b"-5", b"body": b""})
    assert fault is None
    assert request.ttl == -0.005
