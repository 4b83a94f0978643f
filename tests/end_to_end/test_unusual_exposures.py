"""Exposures that are not plain images, or not whole, give valid products or clear errors.

The writer validates every product against RAD before it writes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from roman_dms.errors import CalibrationError, RdmsError, RecipeError, ReferenceDataError
from roman_dms.formats.products import read_product, write_product
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.runner import run
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Mask
from roman_dms.recipes import load


@pytest.fixture(scope="module")
def raw(miniature_raw):
    found = read_product(miniature_raw)
    return dataclasses.replace(found, data=np.asarray(found.data), amp33=np.asarray(found.amp33))


class With:
    """References of which some are replaced."""

    context = "roman_0001.pmap"

    def __init__(self, base, **changes):
        self.base, self.changes = base, changes

    def load(self, meta, kinds):
        rest = {kind: cls for kind, cls in kinds.items() if kind not in self.changes}
        changed = {
            kind: product and (f"{kind}.asdf", product)
            for kind, product in self.changes.items()
            if kind in kinds
        }
        return {**self.base.load(meta, rest), **changed}


def calibrate(raw, references, tmp_path, recipe=None):
    done = run(recipe or load(), raw, references)
    write_product(done.product, tmp_path / "product_cal.asdf")
    states = {record.name: record.state for record in done.records}
    return done.product, states


def with_meta(raw, **changes):
    return dataclasses.replace(raw, meta=raw.meta.updated(changes))


def test_fully_saturated(raw, references, tmp_path):
    image, states = calibrate(
        dataclasses.replace(raw, data=np.full_like(raw.data, 65000)), references, tmp_path
    )
    assert states["ramp_fit"] == "COMPLETE"
    checked = (image.dq & Pixel.NO_SAT_CHECK) == 0
    assert (image.dq[checked] & Pixel.SATURATED).all()
    assert (image.dq[checked] & Pixel.DO_NOT_USE).all()
    assert np.isfinite(image.data).all()


def test_masked_detector(raw, references, tmp_path):
    mask = Mask(meta=Metadata({}), dq=np.full((1024, 1024), Pixel.DO_NOT_USE, np.uint32))
    image, _ = calibrate(raw, With(references, mask=mask), tmp_path)
    assert (image.dq & Pixel.DO_NOT_USE).all()
    assert image.meta["statistics.good_pixel_fraction"] == 0


def test_one_resultant(raw, references, tmp_path):
    single = dataclasses.replace(
        with_meta(raw, **{"exposure.read_pattern": [[1]], "exposure.nresultants": 1}),
        data=raw.data[:1].copy(),
        amp33=raw.amp33[:1].copy(),
    )
    image, _ = calibrate(single, references, tmp_path)
    assert (image.dq & Pixel.DO_NOT_USE).all()
    assert np.isfinite(image.data).all()


@pytest.mark.parametrize("count", [2, 3])
def test_few_resultants(raw, references, tmp_path, count):
    """The mission's likelihood fit wants four; two have a slope all the same."""
    pattern = raw.meta["exposure.read_pattern"][-count:]
    first = pattern[0][0] - 1
    few = dataclasses.replace(
        with_meta(
            raw,
            **{
                "exposure.read_pattern": [[read - first for read in group] for group in pattern],
                "exposure.nresultants": count,
            },
        ),
        data=raw.data[-count:].copy(),
        amp33=raw.amp33[-count:].copy(),
    )
    image, _ = calibrate(few, references, tmp_path)
    good = image.dq == 0
    assert good.mean() > 0.9
    assert 0.1 < np.median(image.data[good]) < 0.5


def test_no_amplifier_33(raw, references, tmp_path):
    image, states = calibrate(
        dataclasses.replace(raw, amp33=np.zeros_like(raw.amp33)), references, tmp_path
    )
    assert states["refpix"] == "COMPLETE"
    assert any("amplifier 33" in line for line in image.meta["cal_logs"])
    strict = load().with_settings(["refpix.missing=error"])
    with pytest.raises(CalibrationError, match="no reference pixels in amplifier 33"):
        run(strict, dataclasses.replace(raw, amp33=np.zeros_like(raw.amp33)), references)


@pytest.mark.parametrize(
    ("kind", "element", "flat"),
    [
        ("WFI_IMAGE", "F158", "COMPLETE"),
        ("WFI_LOLO", "F158", "COMPLETE"),
        ("WFI_FLAT", "F158", "N/A"),
    ],
)
def test_exposure_types(raw, references, tmp_path, kind, element, flat):
    exposure = with_meta(raw, **{"exposure.type": kind, "instrument.optical_element": element})
    borrowed = With(references, **others(references, raw))
    _, states = calibrate(exposure, borrowed, tmp_path)
    assert states["flat_field"] == flat
    assert states["ramp_fit"] == "COMPLETE"


@pytest.mark.parametrize(("kind", "element"), [("WFI_SPECTRAL", "GRISM"), ("WFI_IM_DARK", "DARK")])
def test_exposures_without_a_flat(raw, references, tmp_path, kind, element):
    exposure = with_meta(raw, **{"exposure.type": kind, "instrument.optical_element": element})
    borrowed = With(references, **others(references, raw))
    recipe = load().skipping(["photom"] if element == "DARK" else [])
    _, states = calibrate(exposure, borrowed, tmp_path, recipe)
    assert states["flat_field"] == "N/A"
    assert states["assign_wcs"] == "COMPLETE"


def others(references, raw):
    """References of the plain image, for kinds that depend on type or element."""
    from roman_dms.products.reference import KINDS

    names = ("dark", "readnoise", "distortion")
    found = references.load(raw.meta, {name: KINDS[name] for name in names})
    return {name: value[1] for name, value in found.items()}


def test_a_kind_that_is_not_there_is_said(raw, references, tmp_path):
    image, states = calibrate(raw, With(references, dark=None), tmp_path)
    assert states["dark"] == "SKIPPED"
    assert image.meta["ref_file.dark"] == "N/A"
    with pytest.raises(RecipeError, match="N/A for gain"):
        run(load(), raw, With(references, gain=None))


def test_without_integral_nonlinearity_the_classic_one_is_corrected(raw, references, tmp_path):
    _, states = calibrate(raw, With(references, integralnonlinearity=None), tmp_path)
    assert states["linearity"] == "COMPLETE"


def test_references_of_another_size(raw, references):
    mask = Mask(meta=Metadata({}), dq=np.zeros((4096, 4096), np.uint32))
    with pytest.raises(ReferenceDataError, match="4096 x 4096"):
        run(load(), raw, With(references, mask=mask))


@pytest.mark.parametrize(
    "change",
    [
        {"exposure.read_pattern": [[1], [2]]},
        {"exposure.read_pattern": "no list"},
        {"exposure.frame_time": float("nan")},
        {"wcsinfo.ra_ref": float("nan")},
        {"wcsinfo.v2_ref": None},
        {"exposure.type": "WFI_DREAM"},
        {"instrument.optical_element": "F999"},
        {"instrument.detector": "WFI19"},
    ],
    ids=str,
)
def test_unusable_metadata(raw, references, change):
    with pytest.raises(RdmsError):
        run(load(), with_meta(raw, **change), references)


def test_the_transient_of_wfi18(raw, references, tmp_path):
    exposure = with_meta(raw, **{"instrument.detector": "WFI18"})
    from roman_dms.products.reference import KINDS

    kinds = {name: kind for name, kind in KINDS.items() if name != "epsf"}  # that of WFI01
    found = references.load(raw.meta, kinds)
    shelf = With(references, epsf=None, **{n: value[1] for n, value in found.items() if value})
    _, states = calibrate(exposure, shelf, tmp_path)
    assert states["wfi18_transient"] == "COMPLETE"
