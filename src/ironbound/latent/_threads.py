"""Blocks of rows on several threads, with BLAS kept to one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Part = TypeVar("Part")

_SMALL = 512  # rows below which starting threads costs more than it saves


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries once


@contextmanager
def single_blas() -> Iterator[None]:
    """BLAS on one thread: small products in many threads spend their time waiting for each other."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


def by_blocks(
    work: Callable[[slice], Part], count: int, block: int, threads: int | None = None
) -> list[Part]:
    """`work` on consecutive slices of `count` rows, in order.

    Args:
        block: largest number of rows of one slice.
        threads: how many at once; None for the number of usable cores.
    """
    threads = threads or cores()
    if count < _SMALL:
        block, threads = max(count, 1), 1
    even = -(-count // max(threads, -(-count // block)))
    slices = [slice(start, min(start + even, count)) for start in range(0, count, even)] if count else []
    if threads == 1 or len(slices) < 2:
        with single_blas():
            return [work(part) for part in slices]
    with single_blas(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, slices))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
