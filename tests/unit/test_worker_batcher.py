import threading
import time
from collections.abc import Callable
from typing import Any

from predictq_broker import JSON, NPY, Delivery, Request
from predictq_worker.batcher import Batcher, BatchLimits
from predictq_worker.work import Work


def work(
    tag: object = 0,
    *,
    method: str = "predict",
    content_type: str = JSON,
    rows: int = 1,
    body: bytes = b"[[1]]",
    attempt: int = 1,
    expires: float = float("inf"),
    deaths: int = 0,
) -> Work:
    request = Request("iris", body, id=f"r{tag}", method=method, content_type=content_type, rows=rows)
    return Work(Delivery(request, tag, attempt, 0.0, time.monotonic(), expires), deaths)


def batcher(rows: int = 512, size: int = 1 << 20, wait: float = 0.0) -> Batcher:
    return Batcher(BatchLimits(rows, size, wait))


def tags(works: list[Work]) -> list[object]:
    return [item.delivery.tag for item in works]


def test_an_idle_runner_takes_all_that_is_there_at_once() -> None:
    queue = batcher()
    queue.put([work(1), work(2), work(3)])
    batch = queue.take()
    assert batch is not None
    assert tags(batch.works) == [1, 2, 3]


def test_a_batch_is_closed_on_rows_and_never_split_within_a_request() -> None:
    queue = batcher(rows=10)
    queue.put([work(1, rows=6), work(2, rows=4), work(3, rows=1), work(4, rows=50)])
    taken = [queue.take(), queue.take(), queue.take()]
    assert [tags(batch.works) for batch in taken if batch] == [[1, 2], [3], [4]]


def test_a_batch_is_closed_on_bytes() -> None:
    queue = batcher(size=100)
    queue.put([work(1, body=b"x" * 60), work(2, body=b"x" * 60)])
    first = queue.take()
    assert first is not None
    assert tags(first.works) == [1]


def test_a_batch_is_closed_on_what_the_release_was_found_to_gain_by() -> None:
    queue = batcher()
    for rows in (8, 16, 32, 64, 128) * 20:
        queue.sizing.observe(rows, 0.0002 + 0.000_2 * rows)
    queue.put([work(n) for n in range(100)])
    batch = queue.take()
    assert batch is not None
    assert 15 <= len(batch.works) <= 20


def test_a_batch_is_no_larger_than_the_soonest_deadline_in_it_allows() -> None:
    queue = batcher()
    for rows in (10, 100):
        queue.sizing.observe(rows, 10.0 + rows)
    now = time.monotonic()
    soon, late = [work(n, expires=now + 35.5) for n in range(20)], [work(n, expires=now - 1) for n in range(20, 25)]
    queue.put([*late, *soon, *(work(n) for n in range(30, 50))])
    batch = queue.take()
    assert batch is not None
    assert (len(batch.works), len(batch.expired)) == (20, 5)


def test_methods_and_content_types_never_share_a_batch() -> None:
    queue = batcher()
    queue.put([work(1), work(2, method="predict_proba"), work(3), work(4, content_type=NPY)])
    batches = [queue.take() for _ in range(3)]
    assert sorted(tags(batch.works) for batch in batches if batch) == [[1, 3], [2], [4]]


def test_whoever_lost_a_worker_or_a_runner_before_runs_alone_and_first() -> None:
    queue = batcher()
    queue.put([work(1), work(2, attempt=2), work(3, deaths=1), work(4)])
    batches = [queue.take() for _ in range(3)]
    assert [tags(batch.works) for batch in batches if batch] == [[2], [3], [1, 4]]


def test_a_request_that_expired_while_it_waited_is_set_beside_the_batch() -> None:
    queue = batcher()
    queue.put([work(1, expires=time.monotonic() - 1), work(2)])
    batch = queue.take()
    assert batch is not None
    assert (tags(batch.works), tags(batch.expired)) == ([2], [1])


def test_with_a_wait_a_small_batch_is_let_fill_up() -> None:
    queue = batcher(rows=2, wait=30.0)
    queue.put([work(1)])
    taken = in_thread(queue.take)
    queue.put([work(2)])
    batch = taken()
    assert batch is not None
    assert tags(batch.works) == [1, 2]


def test_a_closed_batcher_takes_nothing_in_and_hands_out_what_it_has() -> None:
    queue = batcher()
    queue.put([work(1)])
    queue.close()
    assert not queue.put([work(2)])
    batch = queue.take()
    assert batch is not None
    assert tags(batch.works) == [1]
    assert queue.take() is None


def test_closing_wakes_a_runner_that_waits_for_work() -> None:
    queue = batcher()
    taken = in_thread(queue.take)
    queue.close()
    assert taken() is None


def test_clearing_hands_everything_back() -> None:
    queue = batcher()
    queue.put([work(1), work(2, attempt=2), work(3, method="transform")])
    assert sorted(map(str, tags(queue.clear()))) == ["1", "2", "3"]
    assert queue.take() is None


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Run `call` beside the test; the returned function waits for what it returns."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()

    def result() -> Any:
        thread.join(10)
        return results[0]

    return result
