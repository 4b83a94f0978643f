"""Metadata of simulated mosaics, as the mission would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic_metadata import mosaic_statistics, wcsinfo_of
from roman_dms.sky.tessellation import SkyCell


def mosaic_metadata(
    cell: SkyCell,
    element: str,
    data: NDArray[np.float32],
    *,
    start: float,
    exposure_time: float,
    exposures: int,
) -> Metadata:
    """Metadata of an idealised mosaic, valid as RAD's ``wfi_mosaic``.

    Parameters
    ----------
    cell
        Which pixels.
    element
        Filter.
    data
        (row, column) [MJy/sr], for the statistics.
    start
        Start of the first exposure, UTC as a modified Julian date [d].
    exposure_time
        Of one exposure [s].
    exposures
        How many contribute to each pixel.
    """
    began = Time(start, format="mjd", scale="utc")
    last = began + TimeDelta((exposures - 1) * exposure_time, format="sec")
    wcs = cell.plane.wcs(cell.shape)
    return Metadata(
        {
            "calibration_software_name": "roman_dms",
            "calibration_software_version": __version__,
            "product_type": "coadd",
            "filename": f"{stem(cell, element)}_coadd.asdf",
            "file_date": _isot(began),
            "model_type": "MosaicModel",
            "origin": "STSCI/SOC",
            "telescope": "ROMAN",
            "cal_logs": [f"roman_dms {__version__}: simulated without signatures"],
            "association": {"name": "none: simulated"},
            "cal_step": dict.fromkeys(
                ("flux", "outlier_detection", "resample", "skymatch"), "COMPLETE"
            ),
            "coadd_info": {
                "time_first": _isot(began),
                "time_last": _isot(last + TimeDelta(exposure_time, format="sec")),
                "time_mean": _isot(began + (last - began) / 2),
                "exposure_time": exposure_time * exposures,
                "max_exposure_time": exposure_time * exposures,
            },
            "coordinates": {"reference_frame": "ICRS"},
            "individual_image_meta": {},
            "instrument": {"name": "WFI", "optical_element": element},
            "observation": _observation(),
            "program": _program(),
            "resample": {
                "good_bits": "~DO_NOT_USE",
                "members": [],
                "pixel_scale_ratio": cell.plane.scale / PIXEL_SCALE,
                "pixfrac": 0.0,
                "pointings": exposures,
                "weight_type": "ivm",
            },
            "statistics": mosaic_statistics(data),
            "wcs": wcs,
            "wcsinfo": wcsinfo_of(cell),
        }
    )


def stem(cell: SkyCell, element: str) -> str:
    """Name of a file of a mosaic, without suffix."""
    ra, dec = cell.centre
    place = cell.name or f"{ra:.4f}{'p' if dec >= 0 else 'm'}{abs(dec):.4f}"
    return f"r00001_p_{place}_{element.lower()}"


def _isot(time: Time) -> Time:
    return Time(time, format="isot")


def _observation() -> dict[str, Any]:
    """A simulated mosaic is of no observation."""
    numbers = (
        "program", "execution_plan", "pass", "segment", "observation", "visit", "exposure",
    )  # fmt: skip
    return dict.fromkeys(numbers) | {"exposure_grouping": "full"}


def _program() -> dict[str, Any]:
    unknown = ("investigator_name", "category", "subcategory", "science_category")
    return dict.fromkeys(unknown) | {"title": "simulation"}
