"""Everything a user can get wrong: one clear message each, before or at the input that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.errors import InputTypeError

SMOOTHING = ib.Smoothing(
    image=ib.Gaussian(sigma=0.5, low=0.0, high=1.0), tokens=ib.UniformReplacement(beta=0.25, alphabet=9)
)
THREAT = ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=2))
GOOD: dict[str, Any] = {"image": np.zeros((2, 2)), "tokens": [1, 2, 3]}


def ones(batch: dict[str, Any]) -> Any:
    return np.ones(len(batch["tokens"]), dtype=int)


MODEL = ib.SmoothedClassifier(ones, SMOOTHING, num_classes=2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": np.full((2, 2), np.nan)}, r"image must be in \[0.0, 1.0\]; got nan"),
        ({"image": np.full((2, 2), np.inf)}, "got inf"),
        ({"image": torch.full((2, 2), 1.5)}, "got 1.5"),
        ({"tokens": []}, "at least one token"),
        ({"tokens": [9]}, r"0\.\.8"),
        ({"tokens": [1]}, "max_d of the threat on 'tokens' must be at most 1"),
        ({"tokens": [[1, 2, 3]]}, "shape"),
        ({"imgae": 0}, "did you mean 'image'"),
    ],
)
def test_unusable_inputs(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ib.InputError, match=says):
        MODEL.certify({**GOOD, **change}, threat=THREAT)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": "0.1"}, "alpha"),
        ({"n": 0}, "n must"),
        ({"n": 10.5}, "n must"),
        ({"n0": 0}, "n0 must"),
        ({"n": True}, "n must"),
        ({"stop": "soon"}, "stop"),
        ({"seed": 0.5}, "seed"),
        ({"stop": "target"}, "target"),
        ({"target": {"image": 0.5}}, "target"),
        ({"precision": 0.1}, "precision"),
        ({"stop": "precision", "precision": 0.0}, "precision"),
        ({"stop": "target", "target": {"imagee": 0.5}}, "did you mean 'image'"),
        ({"stop": "target", "target": {"tokens": 3}}, r"target on 'tokens' must be .* 0\.\.2; got 3"),
        ({"stop": "target", "target": {"tokens": 0.5}}, "target on 'tokens'"),
        ({"stop": "target", "target": {"image": -1.0}}, "target on 'image'"),
        ({"stop": "target", "target": {"image": float("inf")}}, "target on 'image'"),
        ({"stop": "target", "target": {"image": "far"}}, "target on 'image'"),
        ({"stop": "target", "target": []}, "target"),
        ({"threat": ib.Threat(sound=ib.L2())}, "threat names 'sound'"),
        ({"threat": ib.Threat(tokens=ib.L2())}, "threat on 'tokens'"),
    ],
)
def test_unusable_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ib.InputError, match=says):
        MODEL.certify(GOOD, **{"threat": THREAT, **settings})


@pytest.mark.parametrize("stop", ["fixed", "precision"])
@pytest.mark.parametrize("rivals", ["complement", "bonferroni"])
def test_too_few_draws_are_refused_with_the_number_that_would_do(stop: Any, rivals: Any) -> None:
    model = ib.SmoothedClassifier(ones, SMOOTHING, num_classes=2, rivals=rivals)
    with pytest.raises(ib.InputError, match=r"n is too small for alpha.*n = (\d+) would do") as caught:
        model.certify(GOOD, threat=THREAT, n=3, alpha=0.001, stop=stop)
    enough = int(str(caught.value).rsplit("n = ", 1)[1].split()[0])
    assert model.certify(GOOD, threat=THREAT, n=enough, alpha=0.001, stop=stop).prediction == 1
    with pytest.raises(ib.InputError, match="too small"):
        model.certify(GOOD, threat=THREAT, n=enough - 1, alpha=0.001, stop=stop)


def test_a_sample_that_suffices_for_one_side_only_is_no_error() -> None:
    model = ib.SmoothedClassifier(ones, SMOOTHING, num_classes=2, threshold=0.001)
    assert model.certify(GOOD, threat=THREAT, n=100).prediction == 1
    other = ib.SmoothedClassifier(lambda b: 0 * ones(b), SMOOTHING, num_classes=2, threshold=0.001)
    cert = other.certify(GOOD, threat=THREAT, n=100)
    assert cert.abstained
    assert "0.999" in cert.reason


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"base": 3}, InputTypeError, "base"),
        ({"smoothing": {"image": 1}}, InputTypeError, "smoothing"),
        ({"num_classes": 1}, ib.InputError, "num_classes"),
        ({"num_classes": 2.0}, ib.InputError, "num_classes"),
        ({"threshold": 0.0}, ib.InputError, "threshold"),
        ({"threshold": 1e-300}, ib.InputError, "threshold"),
        ({"threshold": float("nan")}, ib.InputError, "threshold"),
        ({"threshold": 0.4, "num_classes": 3}, ib.InputError, "threshold is for 2 classes"),
        ({"threshold": 0.4, "rivals": "bonferroni"}, ib.InputError, "threshold"),
        ({"rivals": "top2"}, ib.InputError, "rivals"),
        ({"positive": 2}, ib.InputError, "positive"),
        ({"class_names": ["a"]}, ib.InputError, "class_names"),
        ({"class_names": ["a", "a"]}, ib.InputError, "class_names"),
        ({"batch_size": 0}, ib.InputError, "batch_size"),
    ],
)
def test_unusable_constructions(arguments: dict[str, Any], error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        ib.SmoothedClassifier(**{"base": ones, "smoothing": SMOOTHING, "num_classes": 2, **arguments})


def test_what_the_base_returns_is_checked() -> None:
    for output in (np.zeros(3), np.zeros((2, 2))):
        model = ib.SmoothedClassifier(lambda b, o=output: o, SMOOTHING, num_classes=2)
        with pytest.raises(ib.InputError, match="base must return"):
            model.certify(GOOD, threat=THREAT, n=100)


def test_in_a_stream_settings_fail_at_once_and_inputs_in_their_turn() -> None:
    with pytest.raises(ib.InputError, match="alpha"):
        MODEL.certify_many([GOOD], threat=THREAT, alpha=2.0)
    stream = MODEL.certify_many([GOOD, {**GOOD, "image": np.zeros((3, 2))}], threat=THREAT, n=100)
    assert next(stream).input_id == "0"
    with pytest.raises(ib.InputError, match=r"input '1': image has shape \(3, 2\).*\(2, 2\)"):
        next(stream)
    with pytest.raises(InputTypeError, match=r"pairs \(id, dict\); number 0 is 'image'"):
        next(MODEL.certify_many(iter(GOOD), threat=THREAT))  # type: ignore[arg-type]
    texts = MODEL.certify_many([GOOD, {**GOOD, "tokens": [1, 2]}], threat=THREAT, n=100)
    assert [c.prediction for c in texts] == [1, 1]
    with pytest.raises(ib.InputError, match=r"input 'b': token 0 of tokens"):
        list(MODEL.certify_many([("b", {**GOOD, "tokens": [99]})], threat=THREAT, n=100))


def test_a_module_that_raises_keeps_its_mode() -> None:
    class Broken(torch.nn.Module):
        def forward(self, batch: dict[str, Any]) -> Any:
            raise RuntimeError("boom")

    net = Broken().train()
    with pytest.raises(RuntimeError, match="boom"):
        ib.SmoothedClassifier(net, SMOOTHING, num_classes=2).certify(GOOD, threat=THREAT)
    assert net.training


def test_a_batch_has_one_length() -> None:
    with pytest.raises(ib.InputError, match="same length"):
        MODEL.predict({"image": np.zeros((2, 2, 2)), "tokens": [[1, 2]]})
    with pytest.raises(ib.InputError, match="image"):
        MODEL.predict({"image": 0.5, "tokens": [[1, 2]]})
