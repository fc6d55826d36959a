"""The environment of runners: an allow-list."""

from predictq_worker.runner.environment import runner_environment


def test_credentials_stay_behind_and_what_programs_need_goes_along() -> None:
    environ = {
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/home/w",
        "PREDICTQ_BROKER_URL": "redis://:secret@host",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "LD_PRELOAD": "/evil.so",
        "PYTHONSTARTUP": "/evil.py",
        "OMP_NUM_THREADS": "64",
    }
    kept = runner_environment(environ, ["", "/lib/python"], threads=2)
    assert {name for name in kept if name in environ} == {"PATH", "LC_ALL", "HOME", "OMP_NUM_THREADS"}
    assert "secret" not in " ".join(kept.values())
    assert kept["OMP_NUM_THREADS"] == kept["OPENBLAS_NUM_THREADS"] == kept["LOKY_MAX_CPU_COUNT"] == "2"
    assert kept["PYTHONPATH"] == "/lib/python"
