"""Latent certificates: round trip, every figure changed, the checker against 60 digits, the audit."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any, cast

import mpmath as mp
import numpy as np
import pytest
from flint import arb_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from latent.distances import Array

import ironbound.latent.evidence as checker
from ironbound.certificate import Certificate, Claim
from ironbound.errors import InputError, InvalidCertificate
from ironbound.latent import GaussianClassifier, LatentEvidence, RivalQuadric, audit, model_digest
from ironbound.latent.audit import _inverse_form


def fitted(kind: str = "full", components: int = 1) -> tuple[GaussianClassifier, Array]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=240)
    z = rng.normal(size=(3, 3))[y] * 4.0 + rng.normal(size=(240, 3)) * np.array([1.0, 0.5, 1.6])[y][:, None]
    return GaussianClassifier(kind, components=components, random_state=0).fit(z, y), z


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    """An input of the class of middle variance, so that curvatures of both signs occur."""
    clf, z = fitted()
    row = int(np.argmax(clf.predict(z) == 0))
    return clf.certify(z[row : row + 1], ["first"])[0]


@pytest.mark.parametrize("kind", ["full", "shared", "diagonal", "low_rank"])
@pytest.mark.parametrize("components", [1, 2])
def test_certificates_say_what_radius_says(kind: str, components: int) -> None:
    clf, z = fitted(kind, components)
    radii, labels = clf.radius(z[:12]), clf.predict(z[:12])
    for row, cert in enumerate(clf.certify(z[:12])):
        cert.verify()
        assert Certificate.from_json(cert.to_json()) == cert
        assert cert.prediction == labels[row]
        radius = cert.frontier[0]
        assert radius is not None
        assert radii[row] * (1 - 1e-9) <= radius <= radii[row] * (1 + 1e-12)
        assert cert.covers(latent=radius * 0.999)
        assert not cert.covers(latent=radius * 1.001)
        assert (cert.alpha, cert.samples, cert.ledger) == (0.0, 0, {})
        audit(cert, clf.scores_)


def test_statement_names_radius_class_and_unit(certificate: Certificate) -> None:
    text = certificate.statement
    assert "2-norm of at most" in text
    assert "latent units" in text
    assert "'first'" in text


def test_every_change_breaks_the_fingerprint(certificate: Certificate) -> None:
    plain = certificate.to_json()
    evidence = cast(LatentEvidence, certificate.evidence)
    changes: list[Certificate] = [
        dataclasses.replace(certificate, evidence=dataclasses.replace(evidence, **{name: value}))
        for name, value in {
            "channel": "other",
            "unit": "metres",
            "model": "0" * 64,
            "latent": (0.0, *evidence.latent[1:]),
            "component": 1,
            "components": (1, 1, 2),
            "rivals": evidence.rivals[::-1],
        }.items()
    ]
    changes += [
        dataclasses.replace(certificate, **change)
        for change in (
            {"input_id": "second"},
            {"prediction": (cast(int, certificate.prediction) + 1) % 3},
            {"alpha": 0.01},
            {"samples": 10},
            {"class_names": ("x", "y", "z")},
            {"claims": (dataclasses.replace(certificate.claims[0], mu=0.1),)},
        )
    ]
    for changed in changes:
        with pytest.raises(InvalidCertificate, match="fingerprint"):
            changed.verify()
    assert certificate.to_json() == plain


def resealed(certificate: Certificate, **figures: Any) -> Certificate:
    changed = dataclasses.replace(certificate, **figures)
    return dataclasses.replace(changed, fingerprint=changed.normalised().expected_fingerprint())


def with_rival(certificate: Certificate, index: int, **figures: Any) -> Certificate:
    evidence = cast(LatentEvidence, certificate.evidence)
    rivals = list(evidence.rivals)
    rivals[index] = dataclasses.replace(rivals[index], **figures)
    return resealed(certificate, evidence=dataclasses.replace(evidence, rivals=tuple(rivals)))


def nearest(certificate: Certificate) -> int:
    evidence = cast(LatentEvidence, certificate.evidence)

    def reach(i: int) -> float:
        rival, lam = evidence.rivals[i], certificate.claims[0].witnesses[i]
        terms = [s / (1 + lam * a) for s, a in zip(rival.squares, rival.curvature, strict=True)]
        return lam * rival.gap - lam * lam * sum(terms)

    return min(range(len(evidence.rivals)), key=reach)


def test_changed_quadrics_show_in_the_margin(certificate: Certificate) -> None:
    i = nearest(certificate)
    rival = cast(LatentEvidence, certificate.evidence).rivals[i]
    for figures in (
        {"gap": rival.gap * 1.01},
        {"squares": (rival.squares[0] * 0.9, *rival.squares[1:])},
        {"curvature": (rival.curvature[0] + 0.01, *rival.curvature[1:])},
    ):
        with pytest.raises(InvalidCertificate, match="margin"):
            with_rival(certificate, i, **figures).verify()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"gap": 0.0}, "gap must be above 0"),
        ({"gap": -1.0}, "gap must be above 0"),
        ({"squares": ()}, "curvature must be one for each square"),
        ({"squares": (1.0, 1.0)}, "curvature must be one for each square"),
        ({"squares": (-1.0, 1.0, 1.0)}, "squares must be 0 or more"),
        ({"squares": (1.0, 1.0), "curvature": (0.0, 0.0)}, "squares must be 3, one for each coordinate"),
        ({"squares": (1.0,), "curvature": (0.5,)}, "squares must be 3, one for each coordinate"),
        ({"label": 7}, "labels of evidence.rivals"),
    ],
)
def test_impossible_quadrics_are_refused(
    certificate: Certificate, figures: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidCertificate, match=message):
        with_rival(certificate, 0, **figures).verify()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"alpha": 0.01}, "alpha must be 0"),
        ({"samples": 5}, "samples must be 0"),
    ],
)
def test_a_deterministic_claim_draws_nothing(
    certificate: Certificate, figures: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidCertificate, match=message):
        resealed(certificate, **figures).verify()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"channel": ""}, "channel must be a name"),
        ({"model": "abc"}, "model must be a SHA-256"),
        ({"unit": "pixels) or of any (other"}, "unit must be printable words without brackets"),
        ({"latent": ()}, "latent must be one number"),
        ({"components": (1, 1)}, "components must be 3 counts"),
        ({"component": 1}, "component must be one of the 1"),
        ({"rivals": ()}, "labels of evidence.rivals"),
    ],
)
def test_impossible_evidence_is_refused(
    certificate: Certificate, figures: dict[str, Any], message: str
) -> None:
    evidence = dataclasses.replace(cast(LatentEvidence, certificate.evidence), **figures)
    with pytest.raises(InvalidCertificate, match=message):
        resealed(certificate, evidence=evidence).verify()


def test_a_larger_radius_is_not_proved(certificate: Certificate) -> None:
    claim = certificate.claims[0]
    assert claim.mu is not None
    larger = dataclasses.replace(claim, mu=claim.mu * (1 + 1e-12), margin=None)
    with pytest.raises(InvalidCertificate, match=r"mu must be below"):
        dataclasses.replace(certificate, claims=(larger,)).seal()


def test_multipliers_must_be_admissible(certificate: Certificate) -> None:
    claim = certificate.claims[0]
    evidence = cast(LatentEvidence, certificate.evidence)
    lowest = min(min(r.curvature) for r in evidence.rivals)
    assert lowest < 0.0
    for wrong in (
        tuple(-w for w in claim.witnesses),
        tuple(-2.0 / lowest for _ in claim.witnesses),
        tuple(0.0 for _ in claim.witnesses),
        claim.witnesses[1:],
    ):
        changed = dataclasses.replace(claim, witnesses=wrong, margin=None)
        with pytest.raises(InvalidCertificate, match="witnesses"):
            dataclasses.replace(certificate, claims=(changed,)).seal()


def test_a_forged_gap_passes_the_checker_but_not_the_audit(certificate: Certificate) -> None:
    """The record alone cannot tell where its gaps come from; the classifier can."""
    clf, _ = fitted()
    claim = dataclasses.replace(certificate.claims[0], margin=None)
    evidence = cast(LatentEvidence, certificate.evidence)
    rivals = tuple(dataclasses.replace(r, gap=4.0 * r.gap) for r in evidence.rivals)
    forged = dataclasses.replace(
        certificate,
        claims=(dataclasses.replace(claim, mu=1.5 * cast(float, claim.mu)),),
        evidence=dataclasses.replace(evidence, rivals=rivals),
    ).seal()
    forged.verify()
    with pytest.raises(InvalidCertificate, match="what the classifier gives"):
        audit(forged, clf.scores_)


def test_the_audit_knows_its_classifier(certificate: Certificate) -> None:
    other, _ = fitted("diagonal")
    with pytest.raises(InvalidCertificate, match="this classifier's digest"):
        audit(certificate, other.scores_)
    assert model_digest(other.scores_) == model_digest(fitted("diagonal")[0].scores_)


def test_the_audit_sees_indefinite_matrices() -> None:
    b = arb_mat([[1], [1]])
    assert _inverse_form(arb_mat([[1, 2], [2, 1]]), b) is None
    assert _inverse_form(arb_mat([[-1, 0], [0, 1]]), b) is None
    found = _inverse_form(arb_mat([[2, 1], [1, 2]]), b)
    assert found is not None
    assert abs(float(found.mid()) - 2 / 3) < 1e-15


def test_a_tie_abstains() -> None:
    z = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    clf = GaussianClassifier("shared").fit(z, [0, 0, 1, 1])
    (cert,) = clf.certify(np.array([[0.0]]))
    assert cert.abstained
    assert cert.frontier == {0: None}
    assert "cannot tell" in cert.statement
    cert.verify()
    audit(cert, clf.scores_)


def test_an_empty_rival_region_has_no_finite_radius() -> None:
    """A narrow class with an impossible prior never wins: the other one holds everywhere."""
    rng = np.random.default_rng(1)
    z = np.concatenate([rng.normal(size=(40, 2)) * 3.0, rng.normal(size=(40, 2)) * 0.5])
    clf = GaussianClassifier(priors=[1 - 1e-12, 1e-12]).fit(z, np.repeat([0, 1], 40))
    (cert,) = clf.certify(np.array([[0.3, 0.1]]))
    assert clf.radius(np.array([[0.3, 0.1]]))[0] == np.inf
    assert "of any 2-norm" in cert.statement
    assert cert.covers(latent=1e300)
    cert.verify()
    audit(cert, clf.scores_)
    assert Certificate.from_json(cert.to_json()) == cert


numbers = st.floats(1e-3, 1e3)


@settings(max_examples=60, deadline=None)
@given(
    gap=numbers,
    squares=st.lists(numbers, min_size=1, max_size=4),
    curvature=st.lists(st.floats(-5.0, 5.0), min_size=4, max_size=4),
    share=st.floats(0.01, 0.99),
)
def test_margin_is_the_largest_float_below_the_dual(
    gap: float, squares: list[float], curvature: list[float], share: float
) -> None:
    """Against mpmath, with mu = 0; where the dual is not positive the claim is refused."""
    low = curvature[: len(squares)]
    lam = share * (-1.0 / min(low) if min(low) < -0.1 else 10.0)
    rival = RivalQuadric(1, gap, tuple(squares), tuple(low))
    evidence = LatentEvidence("latent", "units", "0" * 64, (0.0,), 0, (1, 1), (rival,))
    draft = Certificate(
        input_id="0",
        method="latent",
        num_classes=2,
        prediction=0,
        alpha=0.0,
        samples=0,
        claims=(Claim((), 0.0, (lam,)),),
        evidence=evidence,
    )
    with mp.workdps(60):
        m = mp.mpf(lam)
        cost = mp.fsum(mp.mpf(s) / (1 + m * mp.mpf(a)) for s, a in zip(squares, low, strict=True))
        value = m * (mp.mpf(gap) - m * cost)
        if value <= 0:
            with pytest.raises(InvalidCertificate):
                draft.seal()
            return
        found = cast(float, draft.seal().claims[0].margin)
        assert mp.mpf(found) <= value < mp.mpf(float(np.nextafter(found, np.inf)))


def test_ids_must_fit() -> None:
    clf, z = fitted()
    for ids in (["a"], ["a", "a"]):
        with pytest.raises(InputError, match="2 distinct ids"):
            clf.certify(z[:2], ids)


def test_the_checker_shares_no_code_with_the_solver() -> None:
    tree = ast.parse(Path(cast(str, checker.__file__)).read_text())
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    own = {name for name in imported if name.startswith("ironbound")}
    own.discard("ironbound.latent.encoder_record")  # a record with its own checks, no solver
    assert all(name.split(".")[1] in ("certificate", "verify", "errors") for name in own), own
