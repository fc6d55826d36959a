"""docker-compose.yml and the Dockerfile say what the docs promise. Docker itself is not started here."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from predictq_worker import WorkerSettings
from predictq_worker.settings import ENV_PREFIX

ROOT = Path(__file__).parents[2]
RABBITMQ = dict(
    line.split(" = ", 1)
    for line in (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text().splitlines()
    if line and not line.startswith("#")
)
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")


def has_compose() -> bool:
    """Whether Docker Compose is on this machine; its daemon need not run."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0


def started(*options: str, **variables: str) -> dict[str, Any]:
    """The services that `docker compose … up` starts with these variables, as Docker Compose understands them."""
    if not has_compose():
        pytest.skip("docker compose is not on this machine: docker-compose.yml is not checked")
    command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), *options, "config", "--format", "json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", ENV_PREFIX))}
    config = subprocess.run(command, capture_output=True, check=True, env=clean | variables)
    return json.loads(config.stdout)["services"]


@pytest.fixture(scope="module")
def systems() -> dict[str, dict[str, Any]]:
    """The services of the system on each broker, by the names they have on Redis."""
    return {
        broker: {name.removesuffix(f"-{broker}"): service for name, service in started("--profile", broker).items()}
        for broker in ("redis", "rabbitmq")
    }


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> str:
    """The broker of the system under test; it is also the name of its service."""
    return request.param


@pytest.fixture(scope="module")
def services(systems: dict[str, dict[str, Any]], broker: str) -> dict[str, Any]:
    """The services of the system under test."""
    return systems[broker]


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


def test_the_system_on_redis_is_what_starts_unless_another_is_named(systems: dict[str, dict[str, Any]]) -> None:
    assert started() == systems["redis"]
    assert "rabbitmq" not in systems["redis"]
    assert "redis" not in systems["rabbitmq"]


def test_both_systems_are_the_same_but_for_the_broker(systems: dict[str, dict[str, Any]]) -> None:
    redis, rabbitmq = ({**systems[name]} for name in ("redis", "rabbitmq"))
    del redis["redis"], rabbitmq["rabbitmq"]
    assert redis.keys() == rabbitmq.keys()
    for name in redis:
        assert without_broker(redis[name]) == without_broker(rabbitmq[name])


def without_broker(service: dict[str, Any]) -> dict[str, Any]:
    """What a service is, whatever broker it uses."""
    environment = {**(service.get("environment") or {}), "PREDICTQ_BROKER_URL": ""}
    return {**service, "environment": environment, "depends_on": None, "profiles": None}


def test_redis_keeps_what_it_accepted(systems: dict[str, dict[str, Any]]) -> None:
    redis = systems["redis"]["redis"]
    command = " ".join(redis["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert [volume["target"] for volume in redis["volumes"]] == ["/data"]


def test_rabbitmq_keeps_what_it_accepted_and_finds_it_again(systems: dict[str, dict[str, Any]]) -> None:
    rabbitmq = systems["rabbitmq"]["rabbitmq"]
    kept = {volume["target"] for volume in rabbitmq["volumes"] if volume.get("source") == "rabbitmq"}
    assert kept == {"/var/lib/rabbitmq"}
    assert rabbitmq["environment"]["RABBITMQ_NODENAME"] == "rabbit@localhost"  # the directory below is named after it


def test_rabbitmq_reckons_with_the_memory_of_its_container(systems: dict[str, dict[str, Any]]) -> None:
    rabbitmq = systems["rabbitmq"]["rabbitmq"]
    (reckoned,) = re.findall(
        r'total_memory_available_override_value "(\d+)gb"',
        rabbitmq["environment"]["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"],
    )
    assert int(rabbitmq["mem_limit"]) == int(reckoned) << 30
    assert 0.4 <= float(RABBITMQ["vm_memory_high_watermark.relative"]) <= 0.7


def test_the_user_of_rabbitmq_reaches_our_queues_and_administers_nothing(systems: dict[str, dict[str, Any]]) -> None:
    services = systems["rabbitmq"]
    given = services["rabbitmq"]["environment"]
    url = urlsplit(services["worker"]["environment"]["PREDICTQ_BROKER_URL"])
    assert (url.username, url.password) == (given["RABBITMQ_DEFAULT_USER"], given["RABBITMQ_DEFAULT_PASS"])
    assert url.path == "/" + given["RABBITMQ_DEFAULT_VHOST"] != "/"
    assert url.username != "guest"
    assert RABBITMQ["default_user_tags.administrator"] == "false"
    for right in ("configure", "write", "read"):
        pattern = RABBITMQ[f"default_permissions.{right}"]
        assert re.search(pattern, "predictq.requests.iris.normal"), right
        assert not re.search(pattern, "orders"), right
        assert not re.search(pattern, "amq.topic"), right


def test_who_needs_the_example_model_waits_until_it_is_published(services: dict[str, Any], broker: str) -> None:
    for name in ("worker", "asker", "subscriber"):
        conditions = {
            of.removesuffix(f"-{broker}"): need["condition"] for of, need in services[name]["depends_on"].items()
        }
        assert conditions["publish"] == "service_completed_successfully", name
        assert conditions[broker] == "service_healthy", name


def test_workers_write_to_the_registry_how_a_rollout_goes_unless_they_may_not(services: dict[str, Any]) -> None:
    (ours,), (written,) = services["worker"]["volumes"], services["publish"]["volumes"]
    assert (ours["source"], ours["target"]) == (written["source"], written["target"])
    assert not ours.get("read_only")
    assert not written.get("read_only")
    (careful,) = started("--profile", "redis", PREDICTQ_MODELS_MOUNT="ro")["worker"]["volumes"]
    assert careful["read_only"]


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


def test_every_image_speaks_to_both_brokers() -> None:
    installed = re.findall(r"bin/python install '?\.(?:\[(\S+)\])?'?", DOCKERFILE)
    assert len(installed) == 2
    assert all("amqp" in extras.split(",") for extras in installed)


def test_what_the_images_are_made_of_is_in_the_repository_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists(), source
        assert f"!{Path(source).parts[0]}" in ignored, source
