"""Where inference runs: a child process for each release, one that small releases share, or this one.

    with Nursery(threads_per_runner=1) as nursery:
        runner = Runner.start(nursery, package, Limits(), load_timeout=30.0)
        runner.predict("predict", JSON, [b"[[5.1, 3.5, 1.4, 0.2]]"], timeout=10.0).answers
        runner.close()

`nursery` and `process` run in the children; `*_handle`, `host`, `sharing` and `channel` in the parent; `frames` and
`messages` are what they say to each other.
"""

from predictq_worker.runner.errors import ReleaseRefused, RunnerDied, RunnerError, RunnerGone, RunnerKilled
from predictq_worker.runner.linux import give_way
from predictq_worker.runner.local import LocalRunner
from predictq_worker.runner.messages import LoadReport, Predicted, Question
from predictq_worker.runner.nursery_handle import Allowance, Nursery
from predictq_worker.runner.runner_handle import Runner
from predictq_worker.runner.sharing import Sharing

__all__ = [
    "Allowance",
    "LoadReport",
    "LocalRunner",
    "Nursery",
    "Predicted",
    "Question",
    "ReleaseRefused",
    "Runner",
    "RunnerDied",
    "RunnerError",
    "RunnerGone",
    "RunnerKilled",
    "Sharing",
    "give_way",
]
