"""How much memory there is, and who holds it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from predictq_worker import WorkerSettings
from predictq_worker.memory import _containers, default_budget
from predictq_worker.runner.linux import private_of, rss_of


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/pod/app\n", {"sys/fs/cgroup/pod/memory.max": "512", "sys/fs/cgroup/pod/app/memory.max": "max"}, [512]),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "64"}, [64]),
        ("0::/../..\n", {"sys/fs/cgroup/memory.max": "64"}, [64]),
        ("4:memory:/a\n0::/\n", {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "77"}, [77]),
        ("4:cpu,memory:/a\n", {"sys/fs/cgroup/memory/memory.limit_in_bytes": "78"}, [78]),
        ("0::/gone\n", {}, []),
    ],
)
def test_the_limits_of_every_group_above_a_process_count(
    groups: str, files: dict[str, str], limits: list[int], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "groups").write_text(groups)
    assert list(_containers(tmp_path, tmp_path / "groups")) == limits


def test_the_budget_leaves_room_for_others() -> None:
    assert 0 < default_budget() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 + 4096


HELD = "import sys; held = bytearray(b'x' * (64 << 20)); print(); sys.stdin.read()"


def test_a_process_is_measured_by_what_its_end_gives_back() -> None:
    with subprocess.Popen([sys.executable, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        held = private_of(process.pid)
        assert held is not None
        assert 64 << 20 < held < rss_of(process.pid)
        process.stdin.close()
        process.wait(10)
        assert private_of(process.pid) == 0


@pytest.mark.parametrize(
    ("given", "size"),
    [("0", 0), ("1000", 1000), ("512m", 512 << 20), ("4g", 4 << 30), ("1.5 GiB", 3 << 29), ("2KB", 2048), (7, 7)],
)
def test_sizes_are_given_in_bytes_or_with_a_unit(given: object, size: int) -> None:
    assert WorkerSettings.from_env({}, memory_budget=given, runner_memory=given).memory_budget == size


@pytest.mark.parametrize("given", ["4x", "g", "-1", "1e9m"])
def test_what_is_no_size_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="memory_budget"):
        WorkerSettings.from_env({"PREDICTQ_MEMORY_BUDGET": given})


@pytest.mark.parametrize("given", [{"PREDICTQ_MODELS": "*"}, {"PREDICTQ_MODELS": "iris,*"}, {"PREDICTQ_MODELS": ""}])
def test_a_star_is_every_model(given: dict[str, str]) -> None:
    assert WorkerSettings.from_env(given).models == ()
    assert WorkerSettings.from_env({}, models=("*",)).models == ()
