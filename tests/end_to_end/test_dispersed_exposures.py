"""Grism and prism exposures are calibrated to their end with bootstrapped references."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from roman_dms.formats.products import read_product, write_product
from roman_dms.pipeline.runner import run
from roman_dms.recipes import load
from roman_dms.references import ReferenceStore
from roman_dms.references.bootstrap import MINIATURE, baseline, bootstrap
from roman_dms.references.selected import SelectedReferences

IMAGING = ("flat", "epsf", "apcorr")
"""Kinds that a dispersed exposure has no use for."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("dispersed")
    with pytest.MonkeyPatch.context() as patch:
        few = tuple(recipe for recipe in baseline.RECIPES if recipe.kind not in IMAGING)
        patch.setattr(baseline, "RECIPES", few)
        bootstrap(path, **(MINIATURE | {"filters": ("GRISM", "PRISM")}))
    return path


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_a_dispersed_exposure_is_calibrated_to_its_end(store, miniature_raw, tmp_path, element):
    datamodels = pytest.importorskip("roman_datamodels.datamodels")
    raw = read_product(miniature_raw)
    meta = raw.meta.updated(
        {"instrument.optical_element": element, "exposure.type": "WFI_SPECTRAL"}
    )
    references = SelectedReferences(ReferenceStore(store).context())
    done = run(load(), dataclasses.replace(raw, meta=meta), references)
    states = {record.name: record.state for record in done.records}
    assert states.pop("flat_field") == "N/A"
    assert states.pop("wfi18_transient") == "N/A"
    assert states.pop("source_catalog") == "N/A"
    assert set(states.values()) == {"COMPLETE"}
    write_product(done.product, tmp_path / "spectra_cal.asdf")
    with datamodels.open(tmp_path / "spectra_cal.asdf") as model:
        model.validate()
        assert model.meta.wcs is not None
        assert np.mean(np.array(model.dq) == 0) > 0.9
