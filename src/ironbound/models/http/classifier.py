"""`HttpClassifier`: asks a JSON endpoint about each draw."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, wrong_value
from ironbound.models.http.caller import Answer, Caller
from ironbound.models.http.encoders import Encoder
from ironbound.models.http.faults import Fault, Unusable
from ironbound.models.http.headers import Headers, Url, redacted
from ironbound.models.http.health import Failures, GaveUp, Health
from ironbound.models.http.meaning import Labels, Meaning, gathered
from ironbound.models.http.ordering import in_order
from ironbound.models.http.pacing import Backoff, Pace
from ironbound.models.http.path import AnswerPath
from ironbound.models.http.settings import check_draws_per_call, check_encoders, check_number, check_whole
from ironbound.models.http.template import Template
from ironbound.models.http.transport import HttpTransport, Transport

Outcome = Answer | Fault
Draw = dict[str, Any]


class HttpClassifier:
    """A deployed filter behind a JSON endpoint, as a base for `SmoothedClassifier`.

    Every draw gets an answer. A call that fails for good, after its retries, counts as "no class" (-1), never
    as a dropped draw, and so does an answer that names no class; `failures` counts them and tells why. When
    the very first call cannot connect, is refused (401, 404, ...) or lacks the answer, no other draw would
    fare better: one InputError says what to change. The same happens after the first three calls failed for
    other reasons, and after `give_up_after` calls in a row later on.

    A failed call can only weaken what is claimed: it counts against the prediction, and where rivals are
    bounded it counts for every one of them.

    Answers are in the order of the draws whatever the concurrency. If the endpoint's answer depends on the
    draw alone, then so do the counts: a call with several draws that fails is divided until the draws that
    make it fail stand alone.

    Args:
        url: http(s) address. A query may hold a key: it is sent, but never shown.
        template: JSON-like body of a request. `{"$channel": "tokens"}` is replaced by the value of a channel,
            "{text}" inside a string by its text, and `{"$each": part}` by a list with one part for each draw.
        answer: path of the answer, such as "result.label", or "predictions[*].label" with "$each".
        labels: what answers mean: class names in order, a dict answer -> label (-1: no class), a function, or
            None for labels 0..C-1 and lists of scores; see `Meaning.build`.
        threshold: the answer is one score, and the label is 1 above this, else 0.
        encoders: for a channel: "numbers" (the default), "png" or `Png(..)` (base64), or a function of one
            draw, such as a tokenizer's decode; it is called from one thread at a time.
        method: POST, PUT or PATCH.
        headers: `${NAME}` in a value is an environment variable, looked up for each request and never shown.
        draws_per_call: with "$each", the most draws in a call; default 32.
        timeout: seconds for one attempt in all, from the request to the last byte of the reply.
        retries: attempts after the first; they follow lost connections, timeouts, 408, 425, 429, 5xx, and
            replies without an answer in them.
        backoff: seconds before the second attempt; doubled each time, less up to a half of jitter.
        longest_pause: no pause is longer, also if Retry-After asks for it.
        rate, burst: calls a second in the long run (None: no limit), and at once.
        concurrency: calls that are under way at the same time.
        give_up_after: calls in a row that may fail for good before an InputError ends the work.
        answer_limit: bytes of a reply that are read at most.
        transport: sends a body and returns a `Reply`; for tests, and for wires other than HTTP.
    Raises:
        InputError, InputTypeError: naming the argument.

    Example:
        >>> import json
        >>> from ironbound.models.http import Reply
        >>> def endpoint(body: bytes, timeout: float) -> Reply:  # stands for the server
        ...     spam = sum(json.loads(body)["tokens"]) > 2
        ...     return Reply(200, json.dumps({"result": {"label": "spam" if spam else "ham"}}).encode())
        >>> base = HttpClassifier(
        ...     "https://filter.example/classify",
        ...     template={"tokens": {"$channel": "tokens"}},
        ...     answer="result.label",
        ...     labels=["ham", "spam"],
        ...     headers={"Authorization": "Bearer ${FILTER_TOKEN}"},
        ...     transport=endpoint,
        ... )
        >>> base({"tokens": np.array([[0, 1], [2, 3]])}), base.failures.draws
        (array([0, 1]), 0)
    """

    def __init__(
        self,
        url: str,
        *,
        template: Any,
        answer: str,
        labels: Labels = None,
        threshold: float | None = None,
        encoders: Mapping[str, str | Encoder] | None = None,
        method: Literal["POST", "PUT", "PATCH"] = "POST",
        headers: Mapping[str, str] | None = None,
        draws_per_call: int | None = None,
        timeout: float = 10.0,
        retries: int = 4,
        backoff: float = 0.5,
        longest_pause: float = 30.0,
        rate: float | None = None,
        burst: int = 1,
        concurrency: int = 4,
        give_up_after: int = 50,
        answer_limit: int = 2**20,
        transport: Transport | None = None,
    ) -> None:
        self._settings = {name: value for name, value in locals().items() if name != "self"}
        self._url, self._headers = Url.parse(url), Headers(headers or {})
        if method not in ("POST", "PUT", "PATCH"):
            raise wrong_value("method", method, "POST, PUT or PATCH: draws travel in a request body")
        self._template, path = Template.build(template), AnswerPath.parse(answer)
        self._draws_per_call = check_draws_per_call(self._template, path, draws_per_call)
        self._encoders = check_encoders(self._template, encoders or {})
        self._meaning = Meaning.build(labels, threshold)
        check_number("timeout", timeout, 0.001, 1e6)
        check_number("backoff", backoff, 0.001, 1e6)
        check_number("longest_pause", longest_pause, 0.001, 1e6)
        check_number("rate", 1.0 if rate is None else rate, 0.001, 1e6)
        check_whole("burst", burst, 1)
        check_whole("concurrency", concurrency, 1, 256)
        check_whole("give_up_after", give_up_after, 1)
        check_whole("answer_limit", answer_limit, 1)
        check_whole("retries", retries, 0)
        self._concurrency = concurrency
        self._width: int | None = None
        self._health = Health(give_up_after)
        self._wire: HttpTransport | None = None
        if transport is None:
            transport = self._wire = HttpTransport(self._url, method, self._headers, answer_limit)
        self._caller = Caller(
            transport=transport,
            path=path,
            meaning=self._meaning,
            backoff=Backoff(retries, backoff, longest_pause),
            pace=Pace(rate, burst),
            timeout=timeout,
            health=self._health,
            hide=partial(redacted, url=self._url, headers=self._headers),
        )

    @property
    def failures(self) -> Failures:
        """Draws that counted as "no class" so far, and the latest reasons."""
        return self._health.failures()

    @property
    def draws_per_call(self) -> int:
        """Most draws that one call asks about."""
        return self._draws_per_call

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names in `labels`, for `SmoothedClassifier`; None unless it lists them in class order."""
        return self._meaning.names

    def check_environment(self) -> None:
        """Raises InputError where a header needs an environment variable that is not set; names both."""
        self._headers.values()

    def check_channels(self, channels: Iterable[str]) -> None:
        """Raises InputError unless the template has exactly these channels."""
        known, given = set(self._encoders), set(channels)
        if given != known:
            odd = min(given ^ known)
            have = "is not in the batch" if odd in known else "has no place in it, so it would never be sent"
            raise InputError(f"template has the channels {sorted(known)}; {odd!r} {have}")

    def close(self) -> None:
        """Close kept connections; a later call opens new ones."""
        if self._wire is not None:
            self._wire.close()

    def __enter__(self) -> HttpClassifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"HttpClassifier({str(self._url)!r}, headers={list(self._headers.names)})"

    def __reduce__(self) -> Any:  # a copy for another process starts without connections and counts
        return _rebuild, (self._settings,)

    def __call__(self, batch: Mapping[str, Any]) -> NDArray[Any]:
        """Labels (B,), or scores (B, C) where the endpoint gives rows of scores.

        Raises:
            InputError: the batch lacks a channel of the template or has others; an encoder gives no JSON;
                an environment variable is not set; the endpoint only fails.
        """
        draws = self._draws(batch)
        answers: list[Outcome] = []
        stop = threading.Event()
        # One draw at a time until the endpoint has shown that it is set up rightly.
        while not self._health.proven and (draw := next(draws, None)) is not None:
            answers += self._settled(self._ask([draw], stop))
        calls = _divided(draws, self._draws_per_call)
        with closing(in_order(partial(self._ask, stop=stop), calls, self._concurrency, stop)) as outcomes:
            for outcome in outcomes:
                answers += self._settled(outcome)
        return gathered(answers, self._width or 0)

    def _draws(self, batch: Mapping[str, Any]) -> Iterator[Draw]:
        """Each draw as a dict channel -> encoded value; checks first, and encodes as it is consumed."""
        self.check_channels(batch)
        arrays = {
            name: np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
            for name, value in batch.items()
        }
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) != 1:
            raise InputError(f"all channels of a batch must have the same length; got {counts}")
        return (
            {name: self._encoders[name](array[i]) for name, array in arrays.items()}
            for i in range(max(counts.values()))
        )

    def _ask(self, draws: Sequence[Draw], stop: threading.Event) -> list[Outcome]:
        """One outcome for each draw; those of one failed call share its fault."""
        try:
            return [*self._caller.ask(self._template.fill(draws), len(draws), stop)]
        except Fault as fault:
            if len(draws) == 1 or not fault.replied:
                return [fault] * len(draws)
        # The endpoint lives, but chokes on some draw (or on so many): find it, so that it fails alone.
        middle = len(draws) // 2
        return self._ask(draws[:middle], stop) + self._ask(draws[middle:], stop)

    def _settled(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Outcomes of one call, taken into account in the order of the draws."""
        formed = [self._of_one_form(outcome) for outcome in outcomes]
        try:
            self._health.settle(formed)
        except GaveUp as reason:
            hint = f"; {reason.hint}" if reason.hint else ""
            sent = ", ".join(self._headers.names) or "no headers"
            named = f" (sent: {sent})" if "token" in hint else ""
            raise InputError(f"the endpoint {self._url} cannot be used: {reason}{hint}{named}") from None
        return formed

    def _of_one_form(self, outcome: Outcome) -> Outcome:
        """The first usable answer settles whether all are labels (width 0) or scores of so many classes."""
        if isinstance(outcome, Fault | Unusable):
            return outcome
        width = len(outcome) if isinstance(outcome, tuple) else 0
        if self._width is None:
            self._width = width
        if width == self._width:
            return outcome
        got, wanted = (f"{w} scores" if w else "a label" for w in (width, self._width))
        return Unusable(f"{wanted} as before was expected, not {got}")


def _divided(draws: Iterator[Draw], most: int) -> Iterator[list[Draw]]:
    while call := list(islice(draws, most)):
        yield call


def _rebuild(settings: dict[str, Any]) -> HttpClassifier:
    return HttpClassifier(**settings)
