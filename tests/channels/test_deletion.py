"""Deletion noise against every edited text of small spaces: the law is a lower bound, and is attained."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from oracles import exact_lower, exact_lower_discrete

import ironbound as ib
from ironbound import laws
from ironbound.channels import Deletion
from ironbound.errors import InputError
from ironbound.laws.edits import extra_tokens
from ironbound.smoothing.goal import Attack, Level
from ironbound.threats import Edits

Text = tuple[int, ...]
Masses = dict[Text, Fraction]
RATE = 0.75
ALL = ("insert", "delete", "substitute")


def noised(text: Text, rate: Fraction) -> Masses:
    """P(shown | text): every subset of the tokens is dropped."""
    found: Masses = {}
    for kept in itertools.product((False, True), repeat=len(text)):
        shown = tuple(token for token, k in zip(text, kept, strict=True) if k)
        mass = (1 - rate) ** sum(kept) * rate ** (len(text) - sum(kept))
        found[shown] = found.get(shown, Fraction(0)) + mass
    assert sum(found.values()) == 1
    return found


def edited(text: Text, symbols: int, operations: tuple[str, ...]) -> Iterator[Text]:
    """Every text that one edit makes."""
    for i in range(len(text) + 1):
        if "insert" in operations:
            yield from ((*text[:i], s, *text[i:]) for s in range(symbols))
        if i < len(text) and "delete" in operations:
            yield (*text[:i], *text[i + 1 :])
        if i < len(text) and "substitute" in operations:
            yield from ((*text[:i], s, *text[i + 1 :]) for s in range(symbols))


def reachable(text: Text, d: int, symbols: int, operations: tuple[str, ...]) -> set[Text]:
    found = {text}
    for _ in range(d):
        found |= {other for one in found for other in edited(one, symbols, operations)}
    return found


def pairs(clean: Text, attacked: Text) -> list[tuple[Fraction, Fraction]]:
    p, q = noised(clean, Fraction(RATE)), noised(attacked, Fraction(RATE))
    return [(p.get(z, Fraction(0)), q.get(z, Fraction(0))) for z in p.keys() | q.keys()]


@pytest.mark.parametrize("operations", [ALL, ("insert",), ("delete",), ("substitute",), ("insert", "delete")])
@pytest.mark.parametrize("clean", [(0,), (0, 1), (1, 1, 0), (0, 1, 2)])
def test_no_edited_text_beats_the_law_and_one_of_them_attains_it(clean: Text, operations: Any) -> None:
    """In exact arithmetic, for each clean probability: the worst text, and the bound of the worst law."""
    for d in (1, 2):
        texts = [pairs(clean, other) for other in reachable(clean, d, 5, operations)]
        candidates = laws.edit_laws(d, RATE, length=len(clean), operations=operations)
        for p in (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(99, 100), Fraction(1)):
            worst = min(exact_lower_discrete(each, p) for each in texts)
            bound = min(law.lower(float(p)) for law in candidates)
            assert bound <= worst, (d, p)
            # Symbols 3 and 4 are not in the clean text: what is inserted there is told at sight.
            if len(set(clean)) == len(clean) or operations == ("insert",):
                assert worst - Fraction(bound) < Fraction(1, 10**9), (d, p)


@pytest.mark.parametrize("mu", [0.4, 1.5])
def test_beside_a_gaussian_the_law_stays_a_lower_bound_and_is_attained(mu: float) -> None:
    clean: Text = (0, 1)
    texts = [pairs(clean, other) for other in reachable(clean, 1, 4, ALL)]
    (law,) = laws.edit_laws(1, RATE, length=2)
    joined = laws.compose(law, laws.gaussian(mu))
    for p in (0.8, 0.95, 0.999):
        worst = min(exact_lower(each, mp.mpf(mu), mp.mpf(p)) for each in texts)
        bound = joined.lower(p)
        assert bound <= worst
        assert worst - bound < 1e-9


@pytest.mark.parametrize("p", [0.6, 0.9, 0.999])
@pytest.mark.parametrize(("deleted", "inserted"), [(0, 1), (1, 0), (2, 1), (1, 3)])
def test_without_other_channels_it_is_the_bound_of_rs_del(p: float, deleted: int, inserted: int) -> None:
    """lower(p) = b/a (p - 1 + a), a = r^deleted, b = r^inserted (arXiv 2302.01757, theorem 5)."""
    from ironbound.laws.constructors import positions_law
    from ironbound.laws.positions import deleted as dropped
    from ironbound.laws.positions import inserted as added

    law = positions_law([(dropped(0.9), deleted), (added(0.9), inserted)])
    a, b = Fraction(0.9) ** deleted, Fraction(0.9) ** inserted
    exact = max(Fraction(0), b / a * (Fraction(p) - 1 + a))
    assert law.lower(p) <= exact
    assert float(exact - Fraction(law.lower(p))) < 1e-12


def test_the_extra_tokens_are_the_undominated_pairs_of_all_edits() -> None:
    """By counting: every split of d edits into deletions, insertions and substitutions."""
    for length, d in itertools.product((1, 2, 4), range(5)):
        for allowed in itertools.product((False, True), repeat=3):
            if not any(allowed):
                continue
            insert, delete, substitute = allowed
            possible = {
                (e + s, i + s)
                for e, i, s in itertools.product(range(d + 1), repeat=3)
                if e + i + s <= d
                and e + s <= length
                and (insert or not i)
                and (delete or not e)
                and (substitute or not s)
            }
            best = {
                one
                for one in possible
                if not any(o != one and o[0] >= one[0] and o[1] >= one[1] for o in possible)
            }
            found = extra_tokens(d, length, insert, delete, substitute)
            assert set(found) == best, (length, d, allowed)
            assert len(found) == len(best)


def test_samples_follow_the_noise_and_hide_the_length() -> None:
    text = (4, 4, 7)
    channel = Deletion(RATE, width=2, pad=0)
    rows = channel.sample(channel.check(text, "t"), np.random.default_rng(3), 40_000)
    assert rows.shape == (40_000, 2)
    expected: Masses = {}
    for shown, mass in noised(text, Fraction(RATE)).items():
        row = (*shown, 0, 0)[:2]
        expected[row] = expected.get(row, Fraction(0)) + mass
    for row, mass in expected.items():
        share = float(np.mean(np.all(rows == row, axis=1)))
        assert abs(share - float(mass)) < 4.5 * float(mass * (1 - mass) / 40_000) ** 0.5
    assert channel.sample(channel.check([4], "t"), np.random.default_rng(3), 5).shape == (5, 2)


def test_certificates_against_edits_hold_for_every_edited_text() -> None:
    """The worst base for one attack, certified by sampling; then every text within the certified edits."""
    clean: Text = (0, 1)
    noise = ib.Smoothing(t=Deletion(0.9, width=4, pad=9))
    held = 0
    for target in reachable(clean, 2, 4, ALL):
        p, q = noised(clean, Fraction(0.9)), noised(target, Fraction(0.9))
        order = sorted(p.keys() | q.keys(), key=lambda z: (q.get(z, 0) - p.get(z, 0), z))
        accepted = {z for z in order if p.get(z, 0) >= q.get(z, 0)}

        def base(batch: dict[str, Any], accepted: set[Text] = accepted) -> Any:
            texts = [tuple(s for s in row if s != 9) for row in batch["t"].tolist()]
            return np.array([text in accepted for text in texts], dtype=int)

        model = ib.SmoothedClassifier(base, noise, num_classes=2)
        cert = model.certify({"t": clean}, threat=ib.Threat(t=Edits(3)), alpha=1e-9, n=2000, n0=20)
        for d in (1, 2):
            if cert.covers(t=d):
                for other in reachable(clean, d, 4, ALL):
                    share = sum(
                        (m for z, m in noised(other, Fraction(0.9)).items() if z in accepted), Fraction(0)
                    )
                    assert (share if cert.prediction == 1 else 1 - share) > Fraction(1, 2)
                    held += 1
    assert held


def test_more_edits_than_tokens_are_insertions() -> None:
    smoothing = ib.Smoothing(t=Deletion(0.99, width=4))
    attack = Attack.build(smoothing, smoothing.check({"t": [1]}), ib.Threat(t=Edits(4)))
    assert [claim.mu for claim in attack.claims(Level(0.999, 0.5))] == [0.0] * 5
    only = Attack.build(smoothing, smoothing.check({"t": [1]}), ib.Threat(t=Edits(4, ["delete"])))
    first, second, third = (only.options[d].candidates[0] for d in (1, 2, 3))
    assert first is second is third


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_a_width_is_a_number_of_columns(bad: Any) -> None:
    with pytest.raises(InputError, match="width"):
        Deletion(0.5, width=bad)


def test_edits_name_their_operations() -> None:
    with pytest.raises(InputError, match="operations"):
        Edits(1, ["swap"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="operations"):
        Edits(1, [])
    with pytest.raises(InputError, match="max_d"):
        Edits(-1)
    assert Edits(2, ["delete", "insert"]) == Edits(2, ("insert", "delete"))
