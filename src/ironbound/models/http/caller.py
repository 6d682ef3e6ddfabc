"""One question to the endpoint, asked until it is answered or has failed for good."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ironbound.models.http.faults import Fault, Unusable, of_error, of_reply
from ironbound.models.http.health import Health
from ironbound.models.http.meaning import Meaning, Row
from ironbound.models.http.pacing import Backoff, Pace, sleep
from ironbound.models.http.path import AnswerPath
from ironbound.models.http.transport import AnswerTooLong, Transport

Answer = int | Row | Unusable


@dataclass(frozen=True)
class Caller:
    """How to ask, how often, and how to read what comes back; used by all threads.

    `hide` takes out of a message what must not be shown.
    """

    transport: Transport
    path: AnswerPath
    meaning: Meaning
    backoff: Backoff
    pace: Pace
    timeout: float
    health: Health
    hide: Callable[[str], str]

    def ask(self, body: bytes, count: int, stop: threading.Event) -> list[Answer]:
        """The answers of the `count` draws in the body, in order.

        A call is repeated when no JSON came back, or JSON without the answer in it. What an answer says is
        never asked again: a model that answers NaN would be asked in vain.

        Raises:
            Fault: it failed for good. Stopped: called off while waiting.
        """
        attempt = 0
        while True:
            self.pace.wait(stop)
            try:
                return self._once(body, count)
            except Fault as fault:
                if fault.pause is not None:
                    self.pace.hold(min(fault.pause, self.backoff.longest))
                # A first answer of another form than expected is a matter of set-up: tell at once.
                misread = fault.hopeless and fault.replied and not self.health.proven
                if misread or not fault.again or attempt >= self.backoff.retries:
                    fault.reason, fault.hint = self.hide(fault.reason), self.hide(fault.hint)
                    raise
                sleep(self.backoff.pause(body, attempt, fault.pause), stop)
            attempt += 1
            self.health.repeated()

    def _once(self, body: bytes, count: int) -> list[Answer]:
        try:
            reply = self.transport(body, self.timeout)
        except (OSError, http.client.HTTPException, AnswerTooLong) as error:
            raise of_error(error, self.timeout) from error
        fault = of_reply(reply, datetime.now(UTC))
        if fault is not None:
            raise fault
        found = self.path.read(_document(reply.body), count)
        answers = [item if isinstance(item, Unusable) else self.meaning(item) for item in found]
        return [replace(a, reason=self.hide(a.reason)) if isinstance(a, Unusable) else a for a in answers]


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # also: bytes that are no text, numbers of 5,000 digits
        kind = "empty" if not body.strip() else "no JSON"
        raise Fault(f"the answer is {kind}", "is this the right url?", again=True, replied=True) from error
