"""When a call may be made: pauses between attempts, and the rate that all threads share."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


class Stopped(Exception):
    """The work was called off while a thread was waiting."""


@dataclass(frozen=True)
class Backoff:
    """Exponentially growing pauses with jitter that depends on nothing but the request.

    Args:
        retries: attempts after the first one.
        first: pause before the first of them, in seconds; each next one is twice as long.
        longest: no pause is longer, whatever the endpoint asks for.
    """

    retries: int
    first: float
    longest: float

    def pause(self, body: bytes, attempt: int, asked: float | None = None) -> float:
        """Seconds between attempt number `attempt` (from 0) and the next one.

        The jitter takes up to half of the pause away. It is a hash of the request and the attempt, so runs
        repeat themselves, no global generator is touched, and workers with other draws do not march in step.

        Args:
            asked: what the endpoint asked for; at least that long, but never beyond `longest`.

        Example:
            >>> pauses = Backoff(retries=4, first=0.5, longest=3.0)
            >>> [round(pauses.pause(b"{}", attempt), 3) for attempt in range(4)]
            [0.281, 0.821, 1.832, 1.965]
            >>> pauses.pause(b"{}", 0, asked=2.0), pauses.pause(b"{}", 0, asked=86400.0)
            (2.0, 3.0)
        """
        digest = hashlib.blake2b(attempt.to_bytes(8, "little") + body, digest_size=8).digest()
        fraction = int.from_bytes(digest, "little") / 2**64
        grown = min(self.longest, self.first * 2.0 ** min(attempt, 64))
        return min(self.longest, max(grown * (1.0 - 0.5 * fraction), asked or 0.0))


class Pace:
    """A token bucket: at most `burst` calls at once, and `rate` calls a second in the long run.

    Args:
        rate: tokens a second, or None for no limit.
        burst: tokens that the full bucket holds.
        clock: seconds that never go back.

    Example:
        >>> pace = Pace(rate=2.0, burst=1, clock=lambda: 100.0)
        >>> pace.take(), pace.take()
        (0.0, 0.5)
    """

    def __init__(self, rate: float | None, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 0.0 if rate is None else 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at = -float("inf")  # when the bucket will be full again
        self._not_before = -float("inf")

    def take(self) -> float:
        """Take a token: 0.0 if there was one, else the seconds after which to try again."""
        with self._lock:
            now = self._clock()
            # One token is there as soon as at most burst - 1 of them are missing.
            ready = max(self._not_before, self._full_at - self._slack)
            if now < ready:
                return ready - now
            self._full_at = max(self._full_at, now) + self._interval
            return 0.0

    def hold(self, seconds: float) -> None:
        """Hand out no token for a while: an endpoint that is overrun wants all threads to wait."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def wait(self, stop: threading.Event) -> None:
        """Return once a token was taken; raises Stopped when called off meanwhile."""
        while (seconds := self.take()) > 0.0:
            sleep(seconds, stop)


def sleep(seconds: float, stop: threading.Event) -> None:
    """Raises Stopped as soon as `stop` is set."""
    if stop.wait(seconds):
        raise Stopped
