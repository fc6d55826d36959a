"""Aliases: moved atomically, remembered, rolled back."""

import threading
from pathlib import Path

import pytest
from sklearn.dummy import DummyClassifier

from predictq_registry import InvalidName, Registry, StoreError, UnknownModel, UnknownRef


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """With four releases of one model."""
    registry = Registry(str(tmp_path))
    estimator = DummyClassifier(strategy="constant", constant=1).fit([[0.0]], [1])
    for _ in range(4):
        registry.publish("iris", estimator)
    return registry


def test_a_model_without_aliases_is_at_revision_zero(registry: Registry) -> None:
    assert registry.aliases("iris") == (0, {}, {})
    assert registry.aliases("nobody") == (0, {}, {})
    assert registry.history("iris") == []


def test_a_change_is_one_revision_of_the_whole_table_and_is_remembered(registry: Registry) -> None:
    registry.set_alias("iris", "production", 1, author="ada", note="first")
    registry.set_alias("iris", "candidate", 2, author="bob")
    change = registry.set_alias("iris", "production", 2, author="eve", note="better")
    assert registry.aliases("iris") == (3, {"production": 2, "candidate": 2}, {})
    assert (change.revision, change.version, change.previous, change.author, change.note) == (3, 2, 1, "eve", "better")
    assert [(c.revision, c.alias, c.version, c.previous) for c in registry.history("iris")] == [
        (1, "production", 1, None),
        (2, "candidate", 2, None),
        (3, "production", 2, 1),
    ]
    assert [c.author for c in registry.history("iris", "production")] == ["ada", "eve"]


def test_rollback_goes_back_step_by_step_and_is_itself_a_change(registry: Registry) -> None:
    for version in (1, 2, 2, 3):
        registry.set_alias("iris", "production", version)
    assert registry.rollback("iris", "production", note="3 is bad").version == 2
    assert registry.rollback("iris", "production").version == 1
    with pytest.raises(UnknownRef, match="alias 'production' of 'iris' named nothing before version 1"):
        registry.rollback("iris", "production")
    assert registry.set_alias("iris", "production", 4).previous == 1
    assert registry.rollback("iris", "production").version == 1
    assert [c.action for c in registry.history("iris")] == ["set"] * 4 + ["rollback"] * 2 + ["set", "rollback"]


def test_rollback_of_one_alias_leaves_the_others(registry: Registry) -> None:
    registry.set_alias("iris", "production", 1)
    registry.set_alias("iris", "candidate", 3)
    registry.set_alias("iris", "production", 2)
    registry.rollback("iris", "production")
    assert registry.aliases("iris").table == {"production": 1, "candidate": 3}


def test_concurrent_changes_all_happen_one_after_the_other(registry: Registry) -> None:
    def change(name: str) -> None:
        for turn in range(10):
            registry.set_alias("iris", name, turn % 4 + 1)

    threads = [threading.Thread(target=change, args=(f"alias-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.aliases("iris") == (40, {f"alias-{n}": 2 for n in range(4)}, {})
    history = registry.history("iris")
    assert [change.revision for change in history] == list(range(1, 41))
    for n in range(4):
        mine = [change for change in history if change.alias == f"alias-{n}"]
        assert [change.previous for change in mine[1:]] == [change.version for change in mine[:-1]]


def test_more_than_nine_revisions_stay_in_order(registry: Registry) -> None:
    for turn in range(12):
        registry.set_alias("iris", "production", turn % 2 + 1)
    assert registry.aliases("iris").revision == 12


@pytest.mark.parametrize("ref", ["nobody", "9", "0", "01", "-1", "1.0", "../iris", "", "9" * 400, "²"])
def test_an_unknown_ref_is_refused_with_the_aliases_there_are(registry: Registry, ref: str) -> None:
    registry.set_alias("iris", "production", 2)
    registry.set_alias("iris", "candidate", 3)
    with pytest.raises(UnknownRef, match=r"its aliases: candidate \(3\), production \(2\)"):
        registry.resolve("iris", ref)


def test_an_unknown_model_is_refused_by_every_question_about_it(registry: Registry) -> None:
    for ask in (
        lambda: registry.resolve("nobody", "production"),
        lambda: registry.resolve("nobody", "1"),
        lambda: registry.versions("nobody"),
        lambda: registry.manifest("nobody", 1),
        lambda: registry.set_alias("nobody", "production", 1),
        lambda: registry.rollback("nobody", "production"),
    ):
        with pytest.raises(UnknownModel, match="no model 'nobody' in the registry"):
            ask()


def test_an_alias_never_names_what_does_not_exist(registry: Registry) -> None:
    with pytest.raises(UnknownRef, match="no alias or version '5'"):
        registry.set_alias("iris", "production", 5)
    with pytest.raises(UnknownRef, match="no alias or version 'production'; its aliases: none"):
        registry.rollback("iris", "production")
    assert registry.aliases("iris").revision == 0


@pytest.mark.parametrize("name", ["", "7", "a/b", "..", "a b"])
def test_a_name_that_could_be_taken_for_something_else_is_no_alias(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidName):
        registry.set_alias("iris", name, 1)


def test_a_damaged_table_is_an_error_and_never_an_older_table(registry: Registry, tmp_path: Path) -> None:
    registry.set_alias("iris", "production", 1)
    registry.set_alias("iris", "production", 2)
    newest = tmp_path / "iris/aliases/000000002.json"
    text = newest.read_text()
    for damage in ("", text[:-1], text.replace('"revision":2', '"revision":1')):
        newest.unlink()
        newest.write_text(damage)
        with pytest.raises(StoreError, match=r"000000002\.json"):
            registry.resolve("iris", "production")
