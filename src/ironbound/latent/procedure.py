"""How a classifier was fitted, as part of the model, and models as safetensors files (no pickle)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_random_state

from ironbound.data.registry import arrays_digest
from ironbound.errors import InputError

if TYPE_CHECKING:
    from ironbound.latent.ellipsoid import EllipsoidClassifier
    from ironbound.latent.gaussian import GaussianClassifier

_GAUSSIAN = ("means_", "covariances_", "owner_", "weights_", "shrinkage_", "priors_")
_SCORES = {"quadratic": ("factors", "means", "offsets"), "linear": ("weights", "offsets", "center")}
_ELLIPSOID = ("means_", "covariances_", "rho_")


def settled(random_state: int | np.random.RandomState | None) -> int:
    """The seed of a fit: a number as it is; else one that is drawn, so that it can be written down.

    Example:
        >>> settled(7)
        7
    """
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def procedure(
    estimator: Any, z: NDArray[Any], labels: NDArray[Any], index: NDArray[Any], seed: int | None
) -> dict[str, Any]:
    """What repeats a fit, in JSON values: estimator, parameters, seed, data by digest, library versions.

    The estimator with these parameters, fitted to these data, is the same model again: where a fit is random
    and `random_state` was not a number, the parameters hold the seed that was drawn.

    Args:
        z, labels: the training latents (N, D) and labels (N,). index: class index of each.
        seed: the one that `settled` gave, or None where nothing is random.
    """
    parameters = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in estimator.get_params(deep=False).items()
        if value is None or isinstance(value, str | int | float | np.ndarray | list | tuple)
    }
    if seed is not None:
        parameters["random_state"] = seed
    return {
        "estimator": type(estimator).__name__,
        "parameters": parameters,
        "seed": seed,
        "samples": np.bincount(index).tolist(),
        "dimension": int(z.shape[1]),
        "data": arrays_digest({"z": z, "class": np.asarray(index, dtype=np.int64)}),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }


def save(classifier: GaussianClassifier | EllipsoidClassifier, path: str | Path) -> None:
    """Write a fitted classifier to a safetensors file, its procedure with it.

    Raises:
        InputError: class labels that are no texts, whole numbers, floats or truth values.
    """
    from safetensors.numpy import save_file

    from ironbound.latent.ellipsoid import EllipsoidClassifier
    from ironbound.latent.linear import LinearScores

    if isinstance(classifier, EllipsoidClassifier):
        kind, names, scores = "ellipsoid", _ELLIPSOID, {"factors": classifier.quadratics_.factors}
    else:
        kind, names = "linear" if isinstance(classifier.scores_, LinearScores) else "quadratic", _GAUSSIAN
        scores = {name: getattr(classifier.scores_, name) for name in _SCORES[kind]}
    tensors = {name: np.ascontiguousarray(getattr(classifier, name)) for name in names}
    tensors |= {f"scores.{name}": np.ascontiguousarray(value) for name, value in scores.items()}
    classes = classifier.classes_
    if classes.dtype.kind not in "USiufb":
        raise InputError(f"classes must be texts or numbers to be saved; got {classes.dtype}")
    known: Mapping[str, Any] = {
        "kind": kind,
        "classes": classes.tolist(),
        "dtype": classes.dtype.str,
        "procedure": classifier.procedure_,
    }
    save_file(tensors, str(path), {"ironbound": json.dumps(known, allow_nan=False)})


def load(path: str | Path) -> GaussianClassifier | EllipsoidClassifier:
    """Read what `save` wrote: the same scores bit by bit, hence the same digest and the same radii.

    Raises:
        InputError: not a file that `save` wrote.

    Example:
        >>> import tempfile, numpy as np
        >>> from ironbound import latent
        >>> rng = np.random.default_rng(0)
        >>> z = np.concatenate([rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 6])
        >>> clf = latent.GaussianClassifier().fit(z, np.repeat(["a", "b"], 20))
        >>> file = tempfile.mkdtemp() + "/model.safetensors"
        >>> latent.save(clf, file)
        >>> again = latent.load(file)
        >>> bool(np.all(again.radius(z) == clf.radius(z))), again.procedure_["samples"]
        (True, [20, 20])
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            known = json.loads((file.metadata() or {})["ironbound"])
            tensors: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        classifier = (_ellipsoid if known["kind"] == "ellipsoid" else _gaussian)(known, tensors)
        classifier.classes_ = np.array(known["classes"], dtype=known["dtype"])
        classifier.procedure_ = known["procedure"]
        setattr(classifier, "n_features_in_", int(known["procedure"]["dimension"]))  # noqa: B010
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"path must be a classifier written by latent.save; got {path}: {error}") from None
    return classifier


def _gaussian(known: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> GaussianClassifier:
    from ironbound.latent.gaussian import GaussianClassifier
    from ironbound.latent.linear import LinearScores
    from ironbound.latent.quadratic import Quadratics
    from ironbound.latent.radius import QuadraticRadii

    classifier = GaussianClassifier(**known["procedure"]["parameters"])
    for name in _GAUSSIAN:
        setattr(classifier, name, tensors[name])
    parts = [tensors[f"scores.{name}"] for name in _SCORES[known["kind"]]]
    if known["kind"] == "linear":
        classifier.scores_ = LinearScores.build(parts[0], parts[1], parts[2], classifier.owner_)
    else:
        quadratics = Quadratics.build(parts[0], parts[1], parts[2], classifier.owner_)
        classifier.scores_, classifier.radii_ = quadratics, QuadraticRadii(quadratics)
    return classifier


def _ellipsoid(known: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> EllipsoidClassifier:
    from ironbound.latent.ellipsoid import EllipsoidClassifier

    classifier = EllipsoidClassifier(**known["procedure"]["parameters"])
    for name in _ELLIPSOID:
        setattr(classifier, name, tensors[name])
    return classifier.settle(tensors["scores.factors"])
