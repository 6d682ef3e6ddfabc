"""Certificates that the library really emits: every kind of noise, both forms, every stopping rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.certificate import SmoothingEvidence
from ironbound.certificate.codec import digest
from ironbound.errors import InvalidCertificate

Base = Callable[[Mapping[str, Any]], Any]


def sure(share: float) -> Base:
    """A base classifier that answers class 0 on about a share of the noisy inputs, by their first pixel."""

    def labels(batch: Mapping[str, Any]) -> Any:
        first = np.asarray(batch["image"]).reshape(len(batch["image"]), -1)[:, 0]
        return (first > np.quantile(first, share)).astype(np.int64)

    return labels


IMAGE = np.full((2, 2), 0.5)
TEXT = np.arange(12)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], int]] = {
    "image": ({"image": ib.Gaussian(0.5)}, {"image": IMAGE}, {"image": ib.L2()}, 2),
    "grid": ({"image": ib.Gaussian(0.5, exact=True, grid=2)}, {"image": IMAGE}, {"image": ib.L2()}, 2),
    "closed": (
        {"image": ib.Gaussian(0.5), "tokens": ib.UniformReplacement(0.25, 240)},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.TokenL0(3)},
        2,
    ),
    "open": (
        {"image": ib.Gaussian(0.5), "tokens": ib.UniformReplacement(0.25, list(range(4, 60)))},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.TokenL0(3, "open")},
        2,
    ),
    "mask": (
        {"image": ib.Gaussian(0.5), "tokens": ib.Mask(0.7, 999)},
        {"image": IMAGE, "tokens": TEXT},
        {"tokens": ib.TokenL0(3)},
        2,
    ),
    "fields": (
        {"image": ib.Gaussian(0.5), "row": ib.Categorical([9, 16, 2, 5], [0.25, 0.1, 0.4, 0.3])},
        {"image": IMAGE, "row": np.array([0, 3, 1, 2])},
        {"image": ib.L2(), "row": ib.FieldsL0(3)},
        2,
    ),
    "rivals": (
        {"image": ib.Gaussian(0.5), "tokens": ib.UniformReplacement(0.6, 50)},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.TokenL0(2)},
        4,
    ),
    "end": (
        {"image": ib.Gaussian(0.5), "tokens": ib.UniformReplacement(0.6, list(range(4, 60)))},
        {"image": IMAGE, "tokens": TEXT[::-1]},
        {"image": ib.L2(), "tokens": ib.SuffixInPlace(3, "open")},
        2,
    ),
    "slot": (
        {"image": ib.Gaussian(0.5), "tokens": ib.UniformReplacement(0.9, ib.Alphabet(range(4, 60), "plain"))},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.SuffixAppend(2, pad=0, slot=3, sampling="per_budget")},
        2,
    ),
    "edits": (
        {"image": ib.AnisotropicGaussian(np.full((2, 2), 0.5)), "tokens": ib.Deletion(0.97, width=20)},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.Edits(3, ["insert", "delete"])},
        2,
    ),
    "synonyms": (
        {"image": ib.Gaussian(0.5), "tokens": ib.SynonymReplacement(0.5, [[0, 1, 2], [5, 20]])},
        {"image": IMAGE, "tokens": TEXT},
        {"image": ib.L2(), "tokens": ib.SynonymL0(5)},
        2,
    ),
    "adaptive": (
        {"image": ib.AdaptiveGaussian(1.0, 0.6, np.ones_like, "ones", "linf", 4)}
        | {"other": ib.AdaptiveGaussian(1.0, 0.6, np.zeros_like, "none", "l2", 3)},
        {"image": IMAGE, "other": np.zeros(3)},
        {"image": ib.LInf(), "other": ib.L2()},
        2,
    ),
    "several": (
        {"image": ib.Gaussian(0.5), "other": ib.Gaussian(2.0), "tokens": ib.Mask(0.8, 99)}
        | {"row": ib.Categorical([4, 3, 3], 0.5)},
        {"image": IMAGE, "other": np.zeros(3), "tokens": TEXT, "row": np.array([0, 1, 2])},
        {"image": ib.L2(), "other": ib.L2(), "tokens": ib.TokenL0(2), "row": ib.FieldsL0(2)},
        2,
    ),
}


def emitted(name: str, share: float = 0.995, **settings: Any) -> ib.Certificate:
    channels, inputs, threat, classes = CASES[name]
    model = ib.SmoothedClassifier(
        sure(share), ib.Smoothing(**channels), num_classes=classes, unrepeatable="ignore"
    )
    return model.certify(inputs, threat=ib.Threat(**threat), n=2000, **settings)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [0.995, 0.9, 0.51])
def test_emitted_certificates_verify_and_survive_json(name: str, share: float) -> None:
    made = emitted(name, share)
    again = ib.Certificate.from_json(made.to_json())
    again.verify()
    assert again == made
    assert made.abstained == (not any(claim.certified for claim in made.claims))


@pytest.mark.parametrize("stop", ["target", "precision"])
def test_early_stops_verify(stop: str) -> None:
    extra: dict[str, Any] = {"target": {"image": 0.4}} if stop == "target" else {"precision": 0.2}
    made = emitted("image", stop=stop, **extra)
    assert isinstance(made.evidence, SmoothingEvidence)
    assert made.evidence.estimates[0].rule == (
        "beta_mixture" if stop == "precision" else "clopper_pearson_looks"
    )
    made.verify()


@pytest.mark.parametrize("name", [name for name in CASES if name != "mask"])
def test_a_thousandth_more_is_refused(name: str) -> None:
    data = json.loads(emitted(name).to_json())
    for row in data["claims"]:
        if row["mu"]:
            row["mu"] += 1e-3
            evidence = data["evidence"].get("parts", [data["evidence"]])[0]
            scales = {c["channel"]: c["sigma"] for c in evidence["channels"] if c["threat"] in ("l2", "linf")}
            row["radii"] = {c: np.nextafter(row["mu"] * sigma, 0.0).item() for c, sigma in scales.items()}
            row["radius"] = next(iter(row["radii"].values())) if len(scales) == 1 else row["mu"]
            break
    else:
        pytest.fail("nothing is certified beyond a shift of 0")
    fields = {item: value for item, value in data.items() if item != "fingerprint"}
    with pytest.raises(InvalidCertificate, match="mu must be small enough"):
        ib.Certificate.from_json(json.dumps(fields | {"fingerprint": digest(fields)})).verify()


def test_nine_budgets_of_a_large_vocabulary_are_checked() -> None:
    smoothing = ib.Smoothing(image=ib.Gaussian(0.5), tokens=ib.UniformReplacement(0.25, 32_000))
    model = ib.SmoothedClassifier(
        sure(0.9995), smoothing, num_classes=2, threshold=1e-9, positive=0, unrepeatable="ignore"
    )
    made = model.certify(
        {"image": IMAGE, "tokens": TEXT}, threat=ib.Threat(image=ib.L2(), tokens=ib.TokenL0(8)), n=10_000
    )
    made.verify()
    assert sum(claim.certified for claim in made.claims) >= 4
    assert len(made.claims) == 9
