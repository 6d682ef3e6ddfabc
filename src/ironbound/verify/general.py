"""What holds for every kind of certificate, and the table of the kinds' own checkers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from ironbound.certificate import Certificate, Claim, refuse
from ironbound.errors import InvalidCertificate

MOST_CLAIMS = 100_000


@dataclass(frozen=True)
class Checker:
    """How one kind of certificate is checked.

    Attributes:
        check: raises InvalidCertificate unless the evidence proves every claim.
        margin: the margin of one claim by its index, rounded down; raises where the claim is not proved.
        ordered: whether all claims are about one classifier, so that none may grow with the budget.
    """

    check: Callable[[Certificate], None]
    margin: Callable[[Certificate, int], float | None]
    ordered: bool = True


_CHECKERS: dict[str, Checker] = {}


def register(method: str, checker: Checker) -> None:
    """Make certificates of a method checkable; the name is that of its evidence type."""
    if _CHECKERS.setdefault(method, checker) is not checker:
        raise ValueError(f"method {method!r} already has a checker")


def verify(certificate: Certificate) -> None:
    """Accept a certificate, or refuse it with the figure that is wrong, its value, and what it should be.

    Raises:
        InvalidCertificate: it does not prove what it claims.

    Example:
        >>> from ironbound.certificate import Certificate
        >>> verify(Certificate.from_json("[]"))
        Traceback (most recent call last):
        ...
        ironbound.errors.InvalidCertificate: the certificate must be a JSON object; got []
    """
    checker = _checker(certificate)
    certificate = certificate.normalised()  # a record may come from elsewhere than JSON
    expected = certificate.expected_fingerprint()
    if certificate.fingerprint != expected:
        raise refuse("fingerprint", certificate.fingerprint, f"{expected}, the digest of this record")
    _classes(certificate)
    _frontier(certificate, checker.ordered)
    checker.check(certificate)
    for i, claim in enumerate(certificate.claims):
        _margin(certificate, claim, i, checker)


def complete(certificate: Certificate) -> Certificate:
    """The certificate with the margins of its claims filled in where they are missing.

    Raises:
        InvalidCertificate: a claim is not proved.
    """
    checker = _checker(certificate)
    claims = [
        replace(claim, margin=checker.margin(certificate, i)) if _unfilled(claim) else claim
        for i, claim in enumerate(certificate.claims)
    ]
    return replace(certificate, claims=tuple(claims))


def _unfilled(claim: Claim) -> bool:
    return claim.certified and claim.margin is None


def _checker(certificate: Certificate) -> Checker:
    if certificate.method not in _CHECKERS:
        raise refuse("method", certificate.method, f"one of {', '.join(sorted(_CHECKERS))}")
    return _CHECKERS[certificate.method]


def _margin(certificate: Certificate, claim: Claim, index: int, checker: Checker) -> None:
    figure = f"claims[{index}].margin"
    if not claim.certified:
        if claim.margin is not None:
            raise refuse(figure, claim.margin, "null where nothing is certified")
        return
    proved = checker.margin(certificate, index)
    if claim.margin != proved:
        raise refuse(
            figure, claim.margin, f"{proved!r}, which evidence and witnesses give; one of them was changed"
        )


def _classes(certificate: Certificate) -> None:
    count, names, prediction = certificate.num_classes, certificate.class_names, certificate.prediction
    if count < 2:
        raise refuse("num_classes", count, "2 or more")
    if names is not None and len(names) != count:
        raise refuse("class_names", names, f"{count} names, one for each class")
    if names is not None and len(set(names)) != count:
        raise refuse("class_names", names, "different for different classes")
    if prediction is not None and not 0 <= prediction < count:
        raise refuse("prediction", prediction, f"a class in 0..{count - 1}, or null")
    if prediction is None and not certificate.reason:
        raise refuse("reason", certificate.reason, "the reason for abstaining")
    if prediction is not None and certificate.reason:
        raise refuse("reason", certificate.reason, "empty, as a prediction is made")
    if not 0.0 <= certificate.alpha < 1.0:
        raise refuse("alpha", certificate.alpha, "an error probability in [0, 1)")
    if certificate.samples < 0:
        raise refuse("samples", certificate.samples, "0 or more draws")


def _frontier(certificate: Certificate, ordered: bool) -> None:
    """The claims are exactly the budgets 0..max_d of each attacked discrete channel, and shrink with them.

    They need not shrink where each budget has a classifier of its own (`ordered` is False).
    """
    most = certificate.evidence.budgets()
    for name, amount in most.items():
        if amount < 0:
            raise refuse(f"max_d of {name}", amount, "0 or more changes")
    shift = {claim.budget: claim.mu for claim in certificate.claims}
    size = prod(amount + 1 for amount in most.values())
    if size > MOST_CLAIMS or len(certificate.claims) != size or len(shift) != size:
        raise refuse(
            "claims",
            f"{len(certificate.claims)} claims",
            f"{size} distinct ones (at most {MOST_CLAIMS}), one for each budget in "
            + (", ".join(f"{name} 0..{amount}" for name, amount in most.items()) or "(), nothing discrete"),
        )
    for amounts in product(*(range(amount + 1) for amount in most.values())):
        budget = tuple(zip(most, amounts, strict=True))
        if budget not in shift:
            raise refuse("claims", sorted(shift)[:3], f"complete, with the budget {dict(budget)}")
        for i, (name, amount) in enumerate(budget):
            fewer = (*budget[:i], (name, amount - 1), *budget[i + 1 :])
            if ordered and amount > 0 and _mu(shift[budget]) > _mu(shift[fewer]):
                expected = f"no larger than with one change of {name} fewer"
                raise refuse(f"mu at budget {dict(budget)}", shift[budget], expected)
    _claimed(certificate, shift)


def _claimed(certificate: Certificate, shift: dict[tuple[tuple[str, int], ...], float | None]) -> None:
    continuous = bool(certificate.evidence.scales())
    for i, claim in enumerate(certificate.claims):
        if claim.mu is None:
            if claim.witnesses or claim.rival_witnesses:
                raise refuse(f"claims[{i}].witnesses", claim.witnesses, "empty where nothing is certified")
            continue
        if certificate.prediction is None:
            raise refuse(f"claims[{i}].mu", claim.mu, "null, as no prediction is made")
        if not claim.mu >= 0.0 or (claim.mu > 0.0 and not continuous):
            expected = "0 or more" if continuous else "0, as no continuous channel is attacked"
            raise refuse(f"claims[{i}].mu", claim.mu, expected)
    none = tuple((name, 0) for name in certificate.evidence.budgets())
    if certificate.prediction is not None and shift[none] is None:
        raise refuse(
            "prediction", certificate.prediction, "null, as it is not even certified for the unchanged input"
        )


def _mu(value: float | None) -> float:
    return -1.0 if value is None else value


__all__ = ["Checker", "InvalidCertificate", "complete", "register", "verify"]
