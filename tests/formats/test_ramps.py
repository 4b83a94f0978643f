"""Ramps between steps, as the mission's library reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import roman_datamodels

from roman_dms.formats.products import read_product, write_product
from roman_dms.products.exposure import Ramp, RateImage, RawExposure


def test_a_ramp_is_read_back_and_by_the_missions_library(
    raw: RawExposure, rate: RateImage, tmp_path: Path
) -> None:
    steps = dict.fromkeys(
        ["assign_wcs", "flat_field", "dark", "dark_decay", "dq_init", "flux",
         "integral_nonlinearity",
         "linearity", "outlier_detection", "photom", "ramp_fit", "refpix", "saturation", "skymatch",
         "source_catalog", "tweakreg", "wfi18_transient"],
        "INCOMPLETE",
    )  # fmt: skip
    ramp = Ramp(
        meta=raw.meta.updated({"cal_step": steps}),
        detector=raw.detector,
        data=raw.data,
        resultant_dq=np.full((4, 32, 128), 2, np.uint8),
        dq=np.full((32, 128), 3, np.uint32),
        amp33=raw.amp33,
        borders=rate.borders,
    )
    path = tmp_path / "ramp.asdf"
    write_product(ramp, path)
    with roman_datamodels.open(path) as model:
        model.validate()
        np.testing.assert_array_equal(model.data, np.asarray(raw.data))
        assert model.groupdq[0, 0, 0] == 2
    again = read_product(path)
    assert isinstance(again, Ramp)
    assert again.data.dtype == np.float32
    np.testing.assert_array_equal(again.dq, ramp.dq)
    np.testing.assert_array_equal(again.borders.left, ramp.borders.left)
