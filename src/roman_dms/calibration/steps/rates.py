"""Steps on the rate image, to the product."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from pydantic import Field

from roman_dms.calibration.rate_corrections import flat_variance, invert_flat, subtract_dark
from roman_dms.calibration.statistics import image_statistics
from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.exposure_types import exposure_type
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.step import Parameters, step
from roman_dms.products.exposure import RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import (
    DarkRate,
    Distortion,
    Flat,
    Photometry,
)
from roman_dms.sky.wcs import Pointing, build_wcs, s_region


class DarkParameters(Parameters):
    """Parameters of ``dark``."""

    kind: ClassVar[str] = "pars-darkcurrentstep"

    scale: float = Field(1.0, ge=0, description="Factor applied to the dark rate.")


@step(scope="pixel")
def dark(rate: RateImage, dark_rate: DarkRate, parameters: DarkParameters) -> RateImage:
    """Subtract the dark rate."""
    data, flags = subtract_dark(
        rate.data, np.asarray(dark_rate.dark_slope), np.asarray(dark_rate.dq), parameters.scale
    )
    return dataclasses.replace(rate, data=data, dq=rate.dq | flags)


def _flat_fielded(meta: Metadata) -> str | None:
    if exposure_type(meta.exposure_type).is_imaging:
        return None
    return f"exposures of type {meta.exposure_type} are not flat-fielded"


class FlatFieldParameters(Parameters):
    """Parameters of ``flat_field``."""

    kind: ClassVar[str] = "pars-flatfieldstep"

    include_var_flat: bool = Field(
        False, description="Add the variance of the flat field to the error and keep it."
    )


@step(scope="pixel", applies=_flat_fielded)
def flat_field(rate: RateImage, flat: Flat, parameters: FlatFieldParameters) -> RateImage:
    """Divide by the flat field (images alone)."""
    factor, flags = invert_flat(np.asarray(flat.data), np.asarray(flat.dq))
    changes = {name: getattr(rate, name) * factor for name in ("data", "err", "dumo")}
    squared = factor * factor
    changes |= {name: getattr(rate, name) * squared for name in ("var_poisson", "var_rnoise")}
    if parameters.include_var_flat:
        added = flat_variance(changes["data"], factor, np.asarray(flat.err))
        changes |= {"var_flat": added, "err": np.sqrt(np.square(changes["err"]) + added)}
    return dataclasses.replace(rate, dq=rate.dq | flags, **changes)


@step(scope="metadata")
def assign_wcs(rate: RateImage, distortion: Distortion) -> RateImage:
    """Attach the transformation from pixels to the sky, from distortion and pointing."""
    meta = rate.meta
    scale = meta.get("velocity_aberration.scale_factor")
    pointing = Pointing(
        v2_ref=meta["wcsinfo.v2_ref"],
        v3_ref=meta["wcsinfo.v3_ref"],
        ra_ref=meta["wcsinfo.ra_ref"],
        dec_ref=meta["wcsinfo.dec_ref"],
        roll_ref=meta["wcsinfo.roll_ref"],
        velocity_scale=1.0 if scale is None else scale,
    )
    wcs = build_wcs(
        distortion.coordinate_distortion_transform, pointing, rate.detector.science_shape
    )
    return dataclasses.replace(
        rate, meta=meta.updated({"wcs": wcs, "wcsinfo.s_region": s_region(wcs)})
    )


@step(scope="metadata")
def photom(rate: RateImage, photometry: Photometry) -> RateImage:
    """Write the conversion to surface brightness into the metadata; pixels stay in DN/s."""
    element = rate.meta.optical_element.upper()
    if element not in photometry.phot_table:
        raise ReferenceDataError(
            f"The photometric table has no entry for {element}.",
            f"one of {', '.join(photometry.phot_table)}",
            "submit a photom reference file with that element, or leave it out: --skip photom",
        )
    row = photometry.phot_table[element]
    return dataclasses.replace(
        rate,
        meta=rate.meta.updated(
            {
                "photometry.conversion_megajanskys": row["photmjsr"],
                "photometry.conversion_megajanskys_uncertainty": row["uncertainty"],
                "photometry.pixel_area": row["pixelareasr"],
            }
        ),
    )


@step(scope="detector")
def statistics(rate: RateImage, workers: int = 1) -> RateImage:
    """Write median, spread and share of usable pixels into the metadata."""
    found = image_statistics(rate.data, rate.dq, int(Pixel.DO_NOT_USE), workers)
    changes = {
        "statistics.image_median": found.median,
        "statistics.image_rms": found.rms,
        "statistics.good_pixel_fraction": found.good_fraction,
        "statistics.zodiacal_light": rate.meta.get("statistics.zodiacal_light", -1.0),
    }
    return dataclasses.replace(rate, meta=rate.meta.updated(changes))
