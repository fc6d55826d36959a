"""Where models write for the moment, and what is left of that: nothing."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from workers import python_env

from predictq_worker.runner.scratch import Scratch, own_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


KILLED = """
import os, signal
from pathlib import Path
from predictq_worker.runner.scratch import Scratch

Path(Scratch.make().path, "left").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_worker_left_the_next_one_removes_and_what_lives_stays(temporary: Path) -> None:
    living = Scratch.make()
    subprocess.run([sys.executable, "-c", KILLED], env=python_env(TMPDIR=str(temporary)), check=False)
    assert len(list(temporary.iterdir())) == 2
    newest = Scratch.make()
    assert {*temporary.iterdir()} == {living.path, newest.path}
    for scratch in (living, newest):
        scratch.close()
    assert list(temporary.iterdir()) == []


def test_what_a_runner_wrote_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Scratch.make()
    monkeypatch.setenv("TMPDIR", str(scratch.path))
    folder = own_folder(os.getpid())
    assert folder
    Path(tempfile.mkdtemp(), "deep").touch()
    scratch.forget(os.getpid())
    assert not Path(folder).exists()
    scratch.close()


def test_where_there_is_no_room_for_it_there_is_none(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    scratch = Scratch.make()
    assert scratch.path is None
    scratch.forget(1)
    scratch.close()
    monkeypatch.setenv("TMPDIR", str(temporary / "gone"))
    assert own_folder(1) is None
