"""For libraries whose results must be polled for: how often."""

__all__ = ["interval"]


def interval(waiting: int) -> float:
    """Seconds between two looks: a millisecond for one who waits alone, longer the more wait, 0.2 s at most.

    All poll together at most 2 500 times a second, or there would be no room left for work.
    """
    return min(0.2, max(0.001, waiting / 2500))
