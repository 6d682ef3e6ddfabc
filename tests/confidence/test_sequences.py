"""Running bounds: vectorised as alone, the same at the same looks, only ever tightening."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.confidence import BetaMixtureSequence, beta_mixture_lower, beta_mixture_upper
from ironbound.errors import InputError, InputTypeError

BATCHES = st.lists(
    st.integers(0, 40).flatmap(lambda t: st.tuples(st.integers(0, t), st.just(t))), min_size=1, max_size=8
)


@given(BATCHES)
@settings(max_examples=60, deadline=None)
def test_bounds_tighten_and_belong_to_a_look(batches: list[tuple[int, int]]) -> None:
    sequence = BetaMixtureSequence(0.01)
    looks: list[tuple[int, int]] = []
    k = n = 0
    previous = (0.0, 1.0)
    for successes, trials in batches:
        sequence.update(successes, trials)
        k, n = k + successes, n + trials
        if trials:
            looks.append((k, n))
        lower, upper = sequence.lower, sequence.upper
        assert isinstance(lower, float)
        assert isinstance(upper, float)
        assert previous[0] <= lower
        assert upper <= previous[1]
        previous = (lower, upper)
    assert (sequence.successes, sequence.trials) == (k, n)
    if looks:
        best = max(beta_mixture_lower(*look, alpha=0.01) for look in looks)
        assert previous[0] <= sequence.certified_lower() == best
        best = min(beta_mixture_upper(*look, alpha=0.01) for look in looks)
        assert previous[1] >= sequence.certified_upper() == best
        assert sequence.lower_at in looks or previous[0] == 0.0
        assert sequence.upper_at in looks or previous[1] == 1.0


def test_one_input_among_many_is_treated_as_if_alone() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(8, 1, size=(20, 10))
    together = BetaMixtureSequence(0.001, shape=p.shape)
    alone = {index: BetaMixtureSequence(0.001) for index in np.ndindex(p.shape)}
    for _ in range(12):
        trials = rng.integers(0, 200, size=p.shape)  # some inputs pause
        successes = rng.binomial(trials, p)
        together.update(successes, trials)
        for index, sequence in alone.items():
            sequence.update(int(successes[index]), int(trials[index]))
    lower, upper = np.asarray(together.lower), np.asarray(together.upper)
    certified = np.asarray(together.certified_lower())
    for index, sequence in alone.items():
        assert (lower[index], upper[index]) == (sequence.lower, sequence.upper)
        assert tuple(int(part[index]) for part in map(np.asarray, together.lower_at)) == sequence.lower_at
        assert certified[index] == sequence.certified_lower() >= lower[index]


def test_batches_matter_only_through_the_looks() -> None:
    """The same draws, looked at every 10 or every 50: equal at equal looks, never lower with more of them."""
    rng = np.random.default_rng(11)
    draws = rng.random((40, 1000)) < 0.9
    often, seldom = BetaMixtureSequence(0.01, (40,)), BetaMixtureSequence(0.01, (40,))
    for start in range(0, 1000, 50):
        for inner in range(start, start + 50, 10):
            often.update(draws[:, inner : inner + 10].sum(axis=1), 10)
        seldom.update(draws[:, start : start + 50].sum(axis=1), 50)
        assert np.all(np.asarray(often.lower) >= seldom.lower)
        assert np.all(np.asarray(often.upper) <= seldom.upper)
        at_once = BetaMixtureSequence(0.01, (40,))
        at_once.update(draws[:, : start + 50].sum(axis=1), start + 50)
        assert np.all(np.asarray(seldom.lower) >= at_once.lower)
    only_last = BetaMixtureSequence(0.01, (40,))
    only_last.update(draws.sum(axis=1), 1000)
    split = BetaMixtureSequence(0.01, (40,))
    for block in np.split(draws, 7 * [0] + [300, 301]):
        split.update(0, 0)  # empty batches are no looks
        assert block.shape[1] == 1000
    split.update(draws.sum(axis=1), 1000)
    assert np.array_equal(np.asarray(only_last.lower), np.asarray(split.lower))


def test_a_bound_that_was_reached_stays() -> None:
    sequence = BetaMixtureSequence(0.001)
    sequence.update(64, 64)
    reached = sequence.lower
    sequence.update(0, 64)
    assert sequence.lower == reached
    assert sequence.lower_at == (64, 64)
    assert beta_mixture_lower(64, 128, 0.001) < sequence.certified_lower()


def test_before_the_first_draw_nothing_is_known() -> None:
    sequence = BetaMixtureSequence(0.01, shape=(3,))
    sequence.update(0, 0)
    assert np.asarray(sequence.lower).tolist() == np.asarray(sequence.certified_lower()).tolist() == [0.0] * 3
    assert np.asarray(sequence.upper).tolist() == np.asarray(sequence.certified_upper()).tolist() == [1.0] * 3
    assert np.asarray(sequence.lower_at).tolist() == [[0] * 3] * 2


def test_results_cannot_reach_into_the_sequence() -> None:
    sequence = BetaMixtureSequence(0.01, shape=(2,))
    sequence.update([9, 10], [10, 10])
    before = np.array(sequence.lower)
    np.asarray(sequence.lower)[:] = 1.0
    np.asarray(sequence.trials)[:] = 99
    assert np.array_equal(np.asarray(sequence.lower), before)
    assert np.asarray(sequence.trials).tolist() == [10, 10]


@pytest.mark.parametrize(
    ("successes", "trials", "error", "words"),
    [
        (5, 4, InputError, "successes must not exceed trials"),
        (-1, 4, InputError, "successes must lie between 0"),
        (0.5, 4, InputTypeError, "successes must be a whole number"),
        ([1, 2, 3], 4, InputError, "fit the sequence's shape"),
        (0, 2**31 - 5, InputError, "trials so far must lie between 0 and"),
    ],
)
def test_a_refused_batch_changes_nothing(
    successes: object, trials: object, error: type[Exception], words: str
) -> None:
    sequence = BetaMixtureSequence(0.01, shape=(2,))
    sequence.update([9, 10], 10)
    before = (np.array(sequence.lower), np.array(sequence.trials))
    with pytest.raises(error, match=words):
        sequence.update(successes, trials)  # pyright: ignore[reportArgumentType]
    assert np.array_equal(before[0], np.asarray(sequence.lower))
    assert np.array_equal(before[1], np.asarray(sequence.trials))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="alpha"):
        BetaMixtureSequence(0.0)
    with pytest.raises(InputError, match="prior"):
        BetaMixtureSequence(0.01, prior=(0.0, 1.0))
