"""The classifier over a transport that is not a network: order, failures, giving up."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ironbound.errors import InputError
from ironbound.models.http import HttpClassifier, Reply, Unreachable

URL = "http://filter.test/classify"
ONE: dict[str, Any] = {"template": {"x": {"$channel": "x"}}, "answer": "label"}
MANY: dict[str, Any] = {"template": {"xs": {"$each": {"$channel": "x"}}}, "answer": "labels[*]"}
FAST: dict[str, Any] = {"backoff": 0.001, "longest_pause": 0.001}


def ok(document: Any) -> Reply:
    return Reply(200, json.dumps(document).encode())


class Endpoint:
    """Answers label = x mod 2, unless a draw's number is among those that make it do something else."""

    def __init__(self, *, rude: dict[int, Callable[[], Reply]] | None = None, patient: int = 10**9) -> None:
        self.rude = rude or {}
        self.patient = patient  # how many times it is rude about the same body
        self.seen: Counter[bytes] = Counter()
        self.sizes: list[int] = []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, body: bytes, timeout: float) -> Reply:
        document = json.loads(body)
        draws = [int(x[0]) for x in document["xs"]] if "xs" in document else [int(document["x"][0])]
        with self.lock:
            self.seen[body] += 1
            again = self.seen[body]
            self.sizes.append(len(draws))
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            time.sleep(0.002 * (draws[0] * 7 % 3))  # later draws are often done sooner
            for draw in draws:
                if draw in self.rude and again <= self.patient:
                    return self.rude[draw]()
            labels = [draw % 2 for draw in draws]
            return ok({"labels": labels} if "xs" in document else {"label": labels[0]})
        finally:
            with self.lock:
                self.running -= 1


def lost() -> Reply:
    raise ConnectionResetError


def late() -> Reply:
    raise TimeoutError


def unreachable() -> Reply:
    raise Unreachable("Connection refused")


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[], Reply]:
    return lambda: Reply(code, body, {name.replace("_", "-"): value for name, value in headers.items()})


def text(body: bytes) -> Callable[[], Reply]:
    return lambda: Reply(200, body)


def batch(count: int) -> dict[str, Any]:
    return {"x": np.arange(count)[:, None]}


def classifier(endpoint: Any, **settings: Any) -> HttpClassifier:
    return HttpClassifier(URL, **{**ONE, **FAST, "transport": endpoint, **settings})


@pytest.mark.parametrize("concurrency", [1, 2, 16])
@pytest.mark.parametrize("form", [ONE, {**MANY, "draws_per_call": 3}])
def test_answers_keep_the_order_of_the_draws(concurrency: int, form: dict[str, Any]) -> None:
    endpoint = Endpoint()
    base = classifier(endpoint, concurrency=concurrency, **form)
    answers = base(batch(50))
    assert answers.dtype == np.int64
    assert answers.tolist() == [i % 2 for i in range(50)]
    assert endpoint.most <= concurrency
    assert endpoint.most > 1 or concurrency == 1
    assert base.failures.draws == 0
    assert base.failures.asked == 50


def test_calls_hold_as_many_draws_as_said_once_the_first_one_was_answered() -> None:
    endpoint = Endpoint()
    base = classifier(endpoint, draws_per_call=8, **MANY)
    base(batch(20))
    assert sorted(endpoint.sizes, reverse=True) == [8, 8, 3, 1]
    endpoint.sizes.clear()
    base(batch(16))
    assert endpoint.sizes == [8, 8]


RUDE = {
    "lost": (lost, True),
    "late": (late, True),
    "500": (status(500), True),
    "503": (status(503, retry_after="0"), True),
    "429": (status(429), True),
    "408": (status(408), True),
    "empty": (text(b""), True),
    "no JSON": (text(b"<html>"), True),
    "no text": (text(b"\xff\xfe"), True),
    "deep": (text(b"[" * 100_000), True),
    "long number": (text(b'{"label": ' + b"1" * 10_000 + b"}"), True),
    "no answer": (text(b'{"error": "busy"}'), True),
    "422": (status(422, b"no such token"), False),
    "413": (status(413), False),
    "404": (status(404), False),
    "302": (status(302, location="http://elsewhere.test/"), False),
    "compressed": (lambda: Reply(200, b"\x1f\x8b", {"content-encoding": "gzip"}), False),
    "NaN": (text(b'{"label": NaN}'), False),
    "wrong type": (text(b'{"label": {"a": 1}}'), False),
    "another form": (text(b'{"label": [0.5, 0.5]}'), False),
    "a name": (text(b'{"label": "spam"}'), False),
}


@pytest.mark.parametrize("name", RUDE)
def test_a_draw_that_fails_for_good_counts_as_no_class_and_is_reported(name: str) -> None:
    reply, repeated = RUDE[name]
    endpoint = Endpoint(rude={3: reply, 8: reply})
    base = classifier(endpoint, retries=2)
    assert base(batch(12)).tolist() == [-1 if i in (3, 8) else i % 2 for i in range(12)]
    assert base.failures.draws == 2
    assert base.failures.asked == 12
    assert base.failures.repeats == (4 if repeated else 0)
    assert sum(count for _, count in base.failures.reasons) == 2
    assert str(base.failures).startswith("2 of 12 draws failed")
    assert max(endpoint.seen.values()) == (3 if repeated else 1)


@pytest.mark.parametrize("name", [name for name, (_, repeated) in RUDE.items() if repeated])
def test_a_draw_that_fails_for_a_while_is_not_lost(name: str) -> None:
    base = classifier(Endpoint(rude=dict.fromkeys(range(1, 9), RUDE[name][0]), patient=2), retries=2)
    assert base(batch(9)).tolist() == [i % 2 for i in range(9)]
    assert base.failures.draws == 0
    assert base.failures.repeats == 16


def test_a_draw_that_spoils_its_call_fails_alone() -> None:
    endpoint = Endpoint(rude={5: status(422), 17: text(b"{}"), 30: status(500)})
    base = classifier(endpoint, draws_per_call=16, retries=1, **MANY)
    assert base(batch(40)).tolist() == [-1 if i in (5, 17, 30) else i % 2 for i in range(40)]
    assert base.failures.draws == 3


def test_a_dead_endpoint_is_not_asked_about_every_draw_of_a_call() -> None:
    endpoint = Endpoint(rude=dict.fromkeys(range(1, 17), late))
    # The sixteen failures are one call, so an endpoint that may fail once in a row is not given up.
    base = classifier(endpoint, draws_per_call=16, retries=1, concurrency=1, give_up_after=2, **MANY)
    assert base(batch(17)).tolist() == [0, *[-1] * 16]
    assert endpoint.sizes == [1, 16, 16]
    assert dict(base.failures.reasons) == {"no answer within 10 s": 16}


def test_scores_keep_their_rows() -> None:
    def endpoint(body: bytes, timeout: float) -> Reply:
        x = json.loads(body)["x"][0]
        return {2: status(422)(), 3: ok({"label": [1, 2]}), 4: ok({"label": 1})}.get(
            x, ok({"label": [x, 0, 1.5]})
        )

    scores = classifier(endpoint)(batch(6))
    nothing = [np.nan] * 3
    expected = [[0, 0, 1.5], [1, 0, 1.5], nothing, nothing, nothing, [5, 0, 1.5]]
    assert np.array_equal(scores, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("reply", "calls", "message"),
    [
        (unreachable, 3, r"cannot connect \(Connection refused\); is it running"),
        (status(401, b"bad token"), 1, r"HTTP 401 Unauthorized; check the token in headers \(sent: X-Key\)"),
        (status(404), 1, "HTTP 404 Not Found; check the path of url"),
        (status(405), 1, "check method"),
        (status(301, location="https://filter.test/v2"), 1, r"it points to 'https://filter\.test/v2'"),
        (text(b'{"result": {"label": 1}}'), 1, r"no answer at 'label': .* its keys are 'result'"),
        (text(b'{"label": 0.7}'), 1, "give threshold"),
        (text(b'{"label": {}}'), 1, "a label or a list of scores was expected"),
    ],
)
def test_a_wrong_configuration_is_told_after_the_first_call(
    reply: Callable[[], Reply], calls: int, message: str
) -> None:
    endpoint = Endpoint(rude=dict.fromkeys(range(100), reply))
    base = classifier(endpoint, retries=2, headers={"X-Key": "secret-value"})
    with pytest.raises(
        InputError, match=rf"(?s)endpoint {URL} cannot be used: the first call failed.*{message}"
    ):
        base(batch(100))
    assert len(endpoint.sizes) == calls
    with pytest.raises(InputError):  # and told again, rather than counted, when someone goes on
        base(batch(100))


@pytest.mark.parametrize("reply", [status(500, b"Traceback"), status(422), late, lost, text(b"<html>")])
def test_an_endpoint_that_never_answers_is_given_up_after_three_calls(reply: Callable[[], Reply]) -> None:
    endpoint = Endpoint(rude=dict.fromkeys(range(100), reply))
    with pytest.raises(InputError, match="the first 3 calls failed for good"):
        classifier(endpoint, retries=0)(batch(100))
    assert len(endpoint.sizes) == 3


def test_an_endpoint_that_names_only_unknown_classes_is_given_up() -> None:
    base = classifier(lambda body, timeout: ok({"label": "Spam"}), labels=["ham", "spam"])
    with pytest.raises(InputError, match="'Spam' is not in labels"):
        base(batch(10))


def test_two_failures_at_the_start_do_not_end_the_work() -> None:
    base = classifier(Endpoint(rude={0: status(422), 1: status(500)}), retries=0)
    assert base(batch(4)).tolist() == [-1, -1, 0, 1]


def test_failures_before_the_first_answer_add_up_over_batches() -> None:
    base = classifier(Endpoint(rude=dict.fromkeys(range(9), status(500))), retries=0)
    assert base(batch(1)).tolist() == [-1]
    assert base(batch(1)).tolist() == [-1]
    with pytest.raises(InputError, match="first 3 calls"):
        base(batch(1))


def test_labels_that_stand_for_no_class_are_answers() -> None:
    base = classifier(lambda body, timeout: ok({"label": "unsure"}), labels={"yes": 1, "no": 0, "unsure": -1})
    assert base(batch(10)).tolist() == [-1] * 10
    assert base.failures.draws == 0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_an_endpoint_that_dies_is_given_up_and_may_come_back(concurrency: int) -> None:
    dead = False

    def endpoint(body: bytes, timeout: float) -> Reply:
        if dead:
            raise Unreachable("Connection refused")
        return ok({"label": 1})

    base = classifier(endpoint, retries=0, give_up_after=5, concurrency=concurrency)
    assert base(batch(20)).tolist() == [1] * 20
    dead = True
    assert base(batch(4)).tolist() == [-1] * 4  # fewer than five: they count as failed
    with pytest.raises(InputError, match=r"5 calls in a row failed for good.*cannot connect"):
        base(batch(1000))
    assert base.failures.asked == 25  # the fifth failure in the order of draws, whatever the concurrency
    with pytest.raises(InputError, match="the first call"):
        base(batch(1000))
    dead = False
    assert base(batch(20)).tolist() == [1] * 20


def test_failures_in_a_row_are_forgotten_after_any_answer() -> None:
    rude: dict[int, Callable[[], Reply]] = {i: status(500) for i in range(1, 40) if i % 5}
    rude[10] = text(b'{"label": "odd"}')  # an answer without a class still shows that someone is there
    base = classifier(Endpoint(rude=rude), retries=0, give_up_after=5, concurrency=3)
    assert base(batch(40)).tolist() == [-1 if i in rude else i % 2 for i in range(40)]


def test_only_the_latest_reasons_are_kept() -> None:
    rude = {i: text(b'{"label": "label %d"}' % i) for i in range(1, 30)}
    base = classifier(Endpoint(rude=rude), labels={"0": 0})
    base(batch(30))
    assert base.failures.draws == 29
    assert len(base.failures.reasons) == 8
    assert "label 29" in base.failures.reasons[-1][0]


def test_retry_after_holds_every_thread() -> None:
    times: list[float] = []

    def endpoint(body: bytes, timeout: float) -> Reply:
        times.append(time.monotonic())
        return Reply(429, headers={"retry-after": "3600"}) if len(times) == 5 else ok({"label": 1})

    base = classifier(endpoint, concurrency=2, longest_pause=0.3)
    assert base(batch(30)).tolist() == [1] * 30
    # One call of the other thread may have been under way already; everything later keeps away.
    assert sum(times[4] < t < times[4] + 0.3 for t in times) <= 1
    assert times[-1] >= times[4] + 0.3
    assert times[-1] < times[4] + 10  # capped: the endpoint asked for an hour


def test_the_rate_is_kept_by_all_threads_and_by_retries() -> None:
    endpoint = Endpoint(rude={i: status(500) for i in range(1, 10)}, patient=1)
    base = classifier(endpoint, rate=100.0, burst=3, concurrency=8)
    start = time.monotonic()
    base(batch(10))
    assert len(endpoint.sizes) == 19
    assert time.monotonic() - start >= (19 - 3) / 100.0


def test_errors_of_the_users_own_functions_come_through_and_end_the_work() -> None:
    def broken(value: Any) -> str:
        raise KeyError("vocabulary")

    with pytest.raises(KeyError, match="vocabulary"):
        classifier(Endpoint(), template="{x}", encoders={"x": broken})(batch(3))
    calls = 0

    def wrong(answer: Any) -> Any:
        nonlocal calls
        calls += 1
        return "spam"

    with pytest.raises(InputError, match="whole number or None"):
        classifier(Endpoint(), labels=wrong)(batch(1000))
    assert calls < 20


def test_text_reaches_the_endpoint_through_the_users_decoder() -> None:
    words = ["the", "cheap", "pills"]
    bodies: list[bytes] = []

    def endpoint(body: bytes, timeout: float) -> Reply:
        bodies.append(body)
        return ok({"label": "pills" in json.loads(body)["prompt"]})

    base = HttpClassifier(
        URL,
        template={"prompt": "Spam? {x}"},
        answer="label",
        encoders={"x": lambda ids: " ".join(words[i] for i in ids)},
        transport=endpoint,
        concurrency=1,
    )
    assert base({"x": np.array([[0, 1], [1, 2]])}).tolist() == [0, 1]
    assert bodies == [b'{"prompt":"Spam? the cheap"}', b'{"prompt":"Spam? cheap pills"}']


def test_batches_of_tensors_and_of_nothing() -> None:
    base = classifier(Endpoint())
    assert base({"x": torch.arange(4)[:, None]}).tolist() == [0, 1, 0, 1]
    assert base(batch(0)).shape == (0,)


def test_who_waits_for_a_retry_is_called_off_when_the_work_ends() -> None:
    def encode(value: Any) -> int:
        if value[0] == 5:
            raise RuntimeError("stop here")
        return int(value[0])

    encoded = {"template": {"x": [{"$channel": "x"}]}, "encoders": {"x": encode}}
    endpoint = Endpoint(rude={i: status(503) for i in (1, 2, 3)})
    base = classifier(endpoint, backoff=1000.0, longest_pause=1000.0, concurrency=3, **encoded)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="stop here"):
        base(batch(100))
    assert time.monotonic() - start < 10.0


def test_no_more_draws_are_held_than_threads_can_use() -> None:
    encoded: list[int] = []
    answered: list[int] = []

    def encode(value: Any) -> list[int]:
        encoded.append(int(value[0]))
        assert len(encoded) - len(answered) <= 2 * 3 + 1
        return value.tolist()

    endpoint = Endpoint()

    def counting(body: bytes, timeout: float) -> Reply:
        reply = endpoint(body, timeout)
        answered.append(json.loads(body)["x"][0])
        return reply

    base = classifier(counting, concurrency=3, encoders={"x": encode})
    assert base(batch(100)).tolist() == [i % 2 for i in range(100)]
    assert encoded == list(range(100))
