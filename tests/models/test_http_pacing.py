"""When calls are made: pauses, jitter, Retry-After, and the token bucket, all on a clock that is not real."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.models.http.faults import retry_after
from ironbound.models.http.pacing import Backoff, Pace, Stopped, sleep

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@given(st.binary(), st.integers(0, 2000), st.floats(0.001, 10.0), st.floats(0.001, 100.0))
def test_pauses_grow_up_to_the_longest_and_lose_at_most_half(
    body: bytes, attempt: int, first: float, longest: float
) -> None:
    pause = Backoff(5, first, longest).pause(body, attempt)
    grown = min(longest, first * 2.0 ** min(attempt, 64))
    assert grown / 2 <= pause <= grown


@given(st.floats(0.0, 1e9))
def test_the_endpoint_may_ask_for_more_but_not_for_too_much(asked: float) -> None:
    pause = Backoff(5, 0.5, 30.0).pause(b"x", 0, asked)
    assert min(asked, 30.0) <= pause <= 30.0


def test_jitter_repeats_itself_and_differs_between_requests_and_attempts() -> None:
    backoff = Backoff(5, 1.0, 1.0)  # a constant pause, so that only jitter is seen
    pauses = [[backoff.pause(b"%d" % i, attempt) for attempt in range(4)] for i in range(200)]
    assert pauses == [[backoff.pause(b"%d" % i, attempt) for attempt in range(4)] for i in range(200)]
    several = [pause for row in pauses for pause in row]
    assert len(set(several)) == 800
    assert 0.72 < sum(several) / 800 < 0.78  # uniform on [0.5, 1]: mean 0.75, five standard errors 0.026


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 5000, 999999999999.0),
        ("Wed, 01 Jan 2025 00:02:00 GMT", 120.0),
        ("Wed, 01 Jan 2025 00:02:00 -0000", 120.0),
        ("Tue, 31 Dec 2024 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5e3", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_header_is_rude_enough_to_raise(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or seconds >= 0.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 5),
    st.sampled_from([0.25, 1.0, 8.0]),  # exact in binary, so that the count is not blurred by rounding
    st.lists(st.sampled_from([0.0, 0.03125, 0.25, 1.0, 5.0]), min_size=1, max_size=60),
)
def test_no_window_ever_holds_more_calls_than_the_bucket_allows(
    burst: int, rate: float, gaps: list[float]
) -> None:
    clock = Clock()
    pace = Pace(rate, burst, clock)
    granted: list[float] = []
    for gap in gaps:
        clock.now += gap
        if pace.take() == 0.0:
            granted.append(clock.now)
    for i, start in enumerate(granted):
        for j in range(i, len(granted)):
            assert j - i + 1 <= burst + rate * (granted[j] - start)


@given(st.integers(1, 5), st.sampled_from([0.25, 1.0, 8.0]))
def test_waiting_as_told_gets_the_full_rate(burst: int, rate: float) -> None:
    clock = Clock()
    pace = Pace(rate, burst, clock)
    calls = 0
    while calls < 50:
        told = pace.take()
        clock.now += told
        calls += told == 0.0
    assert clock.now - 1000.0 == (50 - burst) / rate


def test_without_a_rate_nobody_waits_but_a_hold_is_kept() -> None:
    clock = Clock()
    pace = Pace(None, 1, clock)
    assert [pace.take() for _ in range(100)] == [0.0] * 100
    pace.hold(3.0)
    pace.hold(1.0)  # a shorter one does not end it
    assert pace.take() == 3.0
    clock.now += 3.0
    assert pace.take() == 0.0


def test_after_a_hold_the_calls_do_not_burst() -> None:
    clock = Clock()
    pace = Pace(2.0, 1, clock)
    pace.hold(10.0)
    clock.now += 10.0
    assert pace.take() == 0.0
    assert pace.take() == 0.5


def test_who_waits_can_be_called_off() -> None:
    stop = threading.Event()
    pace = Pace(0.001, 1)
    pace.wait(stop)
    stop.set()
    with pytest.raises(Stopped):
        pace.wait(stop)  # would last a thousand seconds
    with pytest.raises(Stopped):
        sleep(1000.0, stop)
