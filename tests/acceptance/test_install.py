"""What a service that only asks gets: `pip install` without extras, into a virtual environment of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
from workers import workers

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh virtual environment in which this project is installed without extras."""
    home = tmp_path_factory.mktemp("light")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    install = [home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOP]
    subprocess.run(install, check=True, timeout=300)
    return home / "bin/python"


def run(python: Path, code: str, folder: Path) -> str:
    command = [python, "-I", "-c", code]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.timeout(400)
def test_the_light_install_brings_no_model_libraries_and_the_client_works(
    light: Path, tmp_path: Path, broker_url: str, registry_url: str
) -> None:
    listed = subprocess.run([light, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True)
    installed = {line.partition("==")[0].lower() for line in listed.stdout.splitlines()}
    assert "predictq" in installed
    assert installed.isdisjoint({"numpy", "scipy", "scikit-learn", "pandas", "joblib", "prometheus-client", "pydantic"})
    ask = (
        "from predictq import Client\n"
        f"with Client({broker_url!r}) as client:\n"
        "    print(client.predict('iris', [[5.1, 3.5, 1.4, 0.2]], timeout=30).outputs)"
    )
    with workers(1, broker_url, registry_url):
        assert run(light, ask, tmp_path) == "[0]"


@pytest.mark.timeout(400)
def test_the_command_of_a_light_install_says_what_it_needs(light: Path, tmp_path: Path) -> None:
    command = light.parent / "predictq"
    ran = subprocess.run([command, "worker"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "pip install 'predictq[cli]'" in ran.stderr
    assert "Traceback" not in ran.stderr
