"""How many small messages lie in one entry."""

import pytest

from predictq_broker.redis.parcels import BadParcel, packed, unpacked

IDS = ["a-1", "a-2", "a-3"]


def entry(ids: str, sizes: bytes, blob: bytes) -> list[bytes]:
    return [b"parcel", b"3", b"ids", ids.encode(), b"sizes", sizes, b"bodies", blob]


@pytest.mark.parametrize("bodies", [[b"[[1]]", b"[[22]]", b"[[3]]"], [b"", b"", b""], [b"x" * 70_000, b"", b"\0 s"]])
def test_what_was_packed_is_found_again(bodies: list[bytes]) -> None:
    ids, sizes, blob = packed(IDS, bodies)
    assert unpacked(entry(ids, sizes.encode(), blob)) == (IDS, bodies)


def test_a_size_may_be_written_with_zeros_before_it() -> None:
    assert unpacked(entry("a b", b"01 002", b"xyy")).bodies == [b"x", b"yy"]


@pytest.mark.parametrize(
    ("sizes", "blob"),
    [
        (b"1 1", b"xy"),
        (b"1 1 1 1", b"xyzw"),
        (b"1 1 1", b"xy"),
        (b"1 1 1", b"xyzw"),
        (b"1 -1 3", b"xyz"),
        (b"1 1p1", b"xyz"),
        (b"1  1 1", b"xyz"),
        (b"", b""),
        (b" ".join([b"999999999"] * 3), b"xyz"),
    ],
)
def test_sizes_that_do_not_fit_make_no_parcel(sizes: bytes, blob: bytes) -> None:
    with pytest.raises(BadParcel, match="does not fit"):
        unpacked(entry("a b c", sizes, blob))
