"""The figure of robust accuracy names its networks and is the same for the same curves."""

from __future__ import annotations

import pytest
import torch

from ironbound.attacks import robustness_curves
from ironbound.errors import InputError
from ironbound.report.robustness import robustness_figure


def test_the_figure_has_a_line_for_each_network() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    images, labels = torch.full((4, 1, 4, 4), 0.5), torch.tensor([0, 1, 0, 1])
    curves = robustness_curves(network, images, labels, eps=[0.01, 0.1], steps=[1, 3], attack="pgd")
    drawn = robustness_figure({"plain": curves, "other": curves}, "svg")
    assert drawn == robustness_figure({"plain": curves, "other": curves}, "svg")
    assert b"<!-- plain -->" in drawn
    assert b"<!-- other -->" in drawn
    assert robustness_figure({"plain": curves})[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="curves"):
        robustness_figure({})
