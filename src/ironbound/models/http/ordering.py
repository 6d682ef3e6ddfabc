"""Work for a few threads, with results in the order of the work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, stop: threading.Event
) -> Generator[Result, None, None]:
    """Results in the order of the items, at most twice as many under way as there are threads.

    When the iterator is closed early, `stop` is set for those who wait, and what has not begun never does.

    Example:
        >>> list(in_order(abs, [-3, 2, -1], 2, threading.Event()))
        [3, 2, 1]
    """
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
