"""docker-compose.yml and the Dockerfile say what the docs promise. Docker itself is not started here."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from predictq_worker import WorkerSettings
from predictq_worker.settings import ENV_PREFIX

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")


def has_compose() -> bool:
    """Whether Docker Compose is on this machine; its daemon need not run."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Docker Compose understands them."""
    if not has_compose():
        pytest.skip("docker compose is not on this machine: docker-compose.yml is not checked")
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--format", "json"]
    config = subprocess.run(command, capture_output=True, check=True)
    return json.loads(config.stdout)["services"]


def stages() -> dict[str, tuple[str, str]]:
    """Each stage of the Dockerfile: what it stands on, and its instructions."""
    parts = re.split(r"^FROM (\S+) AS (\S+)\n", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {name: (base, body) for base, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def inherited(target: str, instruction: str) -> str:
    """The last such instruction of a stage, or of the one it stands on."""
    while target in stages():
        base, body = stages()[target]
        if found := re.findall(rf"^{instruction} (.*)$", body, flags=re.MULTILINE):
            return found[-1]
        target = base
    return ""


def test_every_service_runs_without_rights_it_does_not_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name


def test_nothing_is_published_to_the_outside(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.get("host_ip") == "127.0.0.1" for port in published)


def test_workers_can_be_scaled(services: dict[str, Any]) -> None:
    assert "container_name" not in services["worker"]
    assert not services["worker"].get("ports")


def test_redis_keeps_what_it_accepted(services: dict[str, Any]) -> None:
    command = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert [volume["target"] for volume in services["redis"]["volumes"]] == ["/data"]


def test_who_needs_the_example_model_waits_until_it_is_published(services: dict[str, Any]) -> None:
    for name in ("worker", "asker", "subscriber"):
        conditions = {of: needed["condition"] for of, needed in services[name]["depends_on"].items()}
        assert conditions["publish"] == "service_completed_successfully", name
        assert conditions["redis"] == "service_healthy", name


def test_workers_cannot_write_to_the_registry_that_the_publisher_writes_to(services: dict[str, Any]) -> None:
    (read,), (written,) = services["worker"]["volumes"], services["publish"]["volumes"]
    assert (read["source"], read["target"]) == (written["source"], written["target"])
    assert read.get("read_only")
    assert not written.get("read_only")


def test_a_stop_is_given_longer_than_running_batches_are(services: dict[str, Any]) -> None:
    assert services["worker"]["stop_grace_period"] == "40s"
    assert WorkerSettings().grace < 40


def test_every_variable_for_the_worker_is_one_of_its_settings(services: dict[str, Any]) -> None:
    variables = {*services["worker"]["environment"], *re.findall(rf"\b({ENV_PREFIX}\w+)=", DOCKERFILE)}
    assert variables <= {ENV_PREFIX + name.upper() for name in WorkerSettings.model_fields}
    WorkerSettings.from_env(services["worker"]["environment"])


def test_every_image_is_one_of_the_dockerfile_and_does_not_run_as_root(services: dict[str, Any]) -> None:
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    for target in targets | {"client"}:
        user = inherited(target, "USER")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), target


def test_commands_are_not_run_by_a_shell_so_that_signals_reach_them() -> None:
    for target in stages():
        assert inherited(target, "CMD").startswith("[") or not inherited(target, "CMD"), target


def test_what_the_images_are_made_of_is_in_the_repository_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists(), source
        assert f"!{Path(source).parts[0]}" in ignored, source
