"""Commands on their way to Redis."""

import hiredis
import pytest

from predictq_broker.redis.connection import _Packer

LARGE = bytes(100_000)


@pytest.mark.parametrize(
    "words", [(b"a", "\u017c", 1, -2.5, b"", LARGE), (b"x",) * 300 + (LARGE,), (LARGE, b"small"), ("key",), ()]
)
def test_a_command_is_packed_alike_whatever_its_words(words: tuple[bytes | str | float, ...]) -> None:
    packed = b"".join(_Packer().pack("XINFO GROUPS", *words))
    assert packed == hiredis.pack_command(("XINFO", "GROUPS", *words))
