"""Why a release does not serve, written down where whoever published it looks."""

from pathlib import Path

import pytest

from predictq_registry import Refusal, Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


def test_each_reason_is_kept_once_with_who_found_it_first(registry: Registry) -> None:
    registry.refusals("iris", 2).add("golden row 0 differs", "a")
    registry.refusals("iris", 2).add("golden row 0 differs", "b")
    registry.refusals("iris", 2).add("killed by signal 11", "b")
    registry.refusals("iris", 3).add("another release", "a")
    assert [(note.why, note.worker) for note in registry.refusals("iris", 2).read()] == [
        ("golden row 0 differs", "a"),
        ("killed by signal 11", "b"),
    ]


def test_however_many_reasons_there_are_a_few_short_ones_are_kept(registry: Registry, tmp_path: Path) -> None:
    for number in range(30):
        registry.refusals("iris", 1).add(f"{number} " + "é" * 100_000, "w" * 100_000)
    notes = list((tmp_path / "models/iris/refusals/1").iterdir())
    assert len(registry.refusals("iris", 1).read()) == len(notes) == 8
    assert max(note.stat().st_size for note in notes) < 8192


def test_what_others_put_there_is_no_reason(registry: Registry, tmp_path: Path) -> None:
    registry.refusals("iris", 1).add("golden row 0 differs", "a")
    folder = tmp_path / "models/iris/refusals/1"
    (folder / "garbage.json").write_bytes(b"\xff{")
    (folder / "large.json").write_text(Refusal(why="x", worker="y", at="z").model_dump_json() + " " * 10_000)
    (folder / "long.json").write_text('{"why": "' + "x" * 2000 + '", "worker": "y", "at": "z"}')
    assert [note.why for note in registry.refusals("iris", 1).read()] == ["golden row 0 differs"]


def test_a_model_with_reasons_and_no_release_is_no_model(registry: Registry) -> None:
    registry.refusals("iris", 1).add("it is gone", "a")
    assert registry.models() == []
