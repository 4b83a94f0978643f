"""Effective PSFs that reference data have for an image."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import ReferenceDataError, UsageError
from roman_dms.psf.steps.effective import effective_psf
from roman_dms.psf.steps.reference_psfs import ReferencePsfs


@pytest.fixture
def references(miniature_store):
    return ReferencePsfs(miniature_store)


def test_a_star_looks_as_the_file_of_the_reference_data_says(references, miniature_store):
    (path,) = miniature_store.glob("references/roman/*epsf*.asdf")
    assert references.file({
        "instrument.name": "WFI", "instrument.detector": "WFI01",
        "instrument.optical_element": "F158", "exposure.start_time": "2027-06-01T00:00:00",
    }) == path  # fmt: skip
    places = ([100.3, 700.0], [200.1, 5.5])
    of_file = effective_psf("WFI01", "F158", *places, source=path)
    for date in (None, "2027-06-01T00:00:00"):
        star = effective_psf("WFI01", "F158", *places, source=references, date=date)
        assert np.array_equal(star.images, of_file.images)
    optical = effective_psf("WFI01", "F158", *places)
    peaks = star.images.max(axis=(1, 2)) / optical.images.max(axis=(1, 2))
    assert (peaks < 0.98).all()  # capacitance takes light from the brightest pixel


def test_what_reference_data_lack_is_said(references, tmp_path):
    with pytest.raises(ReferenceDataError, match="no reference store"):
        ReferencePsfs(tmp_path).model("WFI01", "F158")
    with pytest.raises(ReferenceDataError, match="WFI09"):
        references.model("WFI09", "F158")
    with pytest.raises(ReferenceDataError, match="N/A"):
        references.model("WFI01", "GRISM")
    with pytest.raises(UsageError, match="version"):
        effective_psf("WFI01", "F158", 1, 1, source=references, version=3)
