"""The page that Prometheus scrapes, from a worker that has something to tell."""

import subprocess

from models import Iris
from servers import need_program
from workers import workers

from predictq import Client, InvalidInput


def test_promtool_finds_nothing_to_complain_about(broker_url: str, registry_url: str, trained: Iris) -> None:
    promtool = need_program("promtool")
    with workers(1, broker_url, registry_url) as (worker,), Client(broker_url) as client:
        client.predict("iris", trained.rows, timeout=30)
        wrong = client.submit("iris", [[1.0, 2.0]])
        assert isinstance(wrong.exception(timeout=30), InvalidInput)
        page = worker.get("/metrics")[1]
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    for name in ("requests_total", "queue_wait_seconds", "batch_rows", "predict_seconds", "request_seconds"):
        assert f"predictq_{name}" in page
    for name in ("queued_requests", "in_flight_requests", "oldest_request_age_seconds", "dead_letters"):
        assert f'predictq_{name}{{model="iris"}}' in page
    for name in ("loads_total", "resident_models", "leases_lost_total"):
        assert f"\npredictq_{name}" in page
