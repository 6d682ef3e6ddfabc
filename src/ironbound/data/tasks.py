"""The built-in tasks. To add one, write a module with `load`, and list it in `_TASKS`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from ironbound.data.problem import Problem
from ironbound.errors import InputError

# Modules by name and not imported: listing tasks needs neither torch nor scikit-learn.
_TASKS = {
    "digits-claims": (
        "ironbound.data.digits_claims",
        "image + text: is the written claim about the picture of a digit true?",
    ),
    "digits": ("ironbound.data.digits", "image: which of ten digits does the picture show?"),
    "adult": ("ironbound.data.adult", "table: does this person earn more than 50,000 dollars a year?"),
    "mnist-claims": (
        "ironbound.data.mnist_claims",
        "image + text: is the claim about this MNIST digit true?",
    ),
    "mnist-filter": (
        "ironbound.data.mnist_filter",
        "image + text: a calibrated filter for pairs that are unsafe only together",
    ),
    "prompt-filter": (
        "ironbound.data.prompt_filter",
        "text: a filter of harmful requests, against tokens appended to the request",
    ),
    "fashion-products": (
        "ironbound.data.fashion_products",
        "image + text: is this article of clothing for sports or for every day?",
    ),
    "pneumonia-hycas": (
        "ironbound.training.pneumonia_hycas",
        "image: pneumonia on chest X-rays? HyCAS, votes under input noise and internal draws",
    ),
    "pneumonia-hycas-margin": (
        "ironbound.training.pneumonia_hycas_margin",
        "image: the same network; margin of its expected logits, no noise on the input",
    ),
    "pneumonia-hycas-ramp": (
        "ironbound.training.pneumonia_hycas_ramp",
        "image: the same network; mean score under noise, with its Lipschitz constant",
    ),
    "mnist-latent": (
        "ironbound.latent.mnist_task",
        "image: which MNIST digit? Exact radii from Gaussians behind a 1-Lipschitz encoder, no noise",
    ),
}

# Known without loading them: their certifiers take no statistics of noise.
_OWN_METHOD = frozenset({"pneumonia-hycas-margin", "pneumonia-hycas-ramp", "mnist-latent"})


def task_names() -> tuple[str, ...]:
    """Names of the built-in tasks.

    Example:
        >>> task_names()[:3]
        ('digits-claims', 'digits', 'adult')
    """
    return tuple(_TASKS)


def task_description(name: str) -> str:
    """One line about a task.

    Example:
        >>> task_description("digits")
        'image: which of ten digits does the picture show?'
    """
    return _entry(name)[1]


def has_own_method(name: str) -> bool:
    """Whether a task brings its own certificates, so that no statistics of noise can be set for it.

    Example:
        >>> has_own_method("mnist-latent"), has_own_method("digits")
        (True, False)
    """
    return name in _OWN_METHOD


def load_task(
    name: str, *, cache: Path | str | None = None, progress: Callable[[str, float], None] | None = None
) -> Problem:
    """A built-in task, ready to certify; its model is trained on first use and kept in the cache.

    Args:
        name: one of `task_names()`.
        cache: folder for trained models; None for $IRONBOUND_CACHE or ~/.cache/ironbound.
        progress: called with a stage and the fraction done, when something takes time.
    Raises:
        InputError: no such task (with the nearest name), its data cannot be found, or the cache not written.
    """
    return import_module(_entry(name)[0]).load(cache=cache, progress=progress)


def _entry(name: str) -> tuple[str, str]:
    if name not in _TASKS:
        near = get_close_matches(name, _TASKS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"task must be one of {', '.join(_TASKS)}; got {name!r}{hint}")
    return _TASKS[name]
