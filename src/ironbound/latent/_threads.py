"""Blocks of rows on several threads, with BLAS kept to one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Part = TypeVar("Part")

_SMALL = 512  # rows below which starting threads costs more than it saves


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through the loaded libraries once


@contextmanager
def single_blas() -> Iterator[None]:
    """BLAS on one thread: on a busy machine its threads spend their time waiting for each other.

    Measured on a fit of ten classes, D = 64, two cores with other work: 0.2 s on one thread, 16 s on two.
    """
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
    return in_parallel(work, slices, threads)


def in_parallel(
    work: Callable[[Item], Part], items: Sequence[Item], threads: int | None = None
) -> list[Part]:
    """`work` on each item, in order, on several threads; BLAS stays on one thread each."""
    threads = min(threads or cores(), len(items))
    with single_blas():
        if threads < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, items))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
