"""What an inbox remembers of the results it handed out."""

from predictq_broker.kombu.seen import AT_LEAST, Seen


def test_an_id_is_new_once() -> None:
    seen = Seen()
    assert [seen.new(name) for name in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


def test_of_any_number_of_ids_the_last_ones_are_remembered_and_no_more_than_twice_as_many() -> None:
    seen = Seen()
    for n in range(5 * AT_LEAST // 2):
        assert seen.new(str(n))
        assert len(seen) <= 2 * AT_LEAST
    assert not any(seen.new(str(n)) for n in range(3 * AT_LEAST // 2, 5 * AT_LEAST // 2))
