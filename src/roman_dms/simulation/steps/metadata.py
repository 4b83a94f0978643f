"""Metadata of simulated exposures, as the mission would write them.

What a simulation cannot know (guide stars, proposals) has the values by which
the mission's own makers say that they do not know.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import gwcs
import numpy as np
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.instrument.ma_tables import MA_TABLES
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.metadata import Metadata
from roman_dms.simulation.steps.pointing import attitude_of, pointing_of
from roman_dms.sky.attitude import Attitude
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.observatory import observatory_state
from roman_dms.sky.wcs import Pointing, build_wcs, s_region

UNKNOWN = "?"
UNKNOWN_NUMBER = -999999

MAD_TO_SIGMA = 1.482602218505602
"""Ratio of the standard deviation to the median absolute deviation of a Gaussian."""

REFERENCE_KINDS = (
    "apcorr", "area", "dark", "darkdecaysignal", "distortion", "epsf", "flat", "gain",
    "integralnonlinearity", "inverselinearity", "linearity", "mask", "photom", "readnoise",
    "refpix", "saturation",
)  # fmt: skip
"""Kinds of reference files that RAD wants named in every exposure."""

EXPOSURE_TYPES = {"imaging": "WFI_IMAGE", "dispersed": "WFI_SPECTRAL", "blocked": "WFI_IM_DARK"}
"""Exposure type by what the optical element does with the light."""

CORRECTED = (
    "assign_wcs", "dark", "dark_decay", "dq_init", "flat_field", "linearity", "photom",
    "ramp_fit", "refpix", "saturation", "wfi18_transient",
)  # fmt: skip
"""Steps of the calibration whose work an idealised rate image does not need."""

TO_BE_DONE = ("flux", "outlier_detection", "skymatch", "source_catalog", "tweakreg")
"""Steps that make mosaics and catalogues of it."""


def raw_metadata(
    exposure: PlannedExposure,
    detector: str,
    pattern: ReadPattern,
    *,
    wcs: gwcs.WCS | None = None,
    pointing: Pointing | None = None,
    reference_files: Mapping[str, str] | None = None,
    context: str = UNKNOWN,
) -> Metadata:
    """Metadata of an L1 exposure of one detector, valid as RAD's ``wfi_science_raw``.

    Parameters
    ----------
    exposure
        Where, through what, when, and what it is called.
    detector
        ``WFI01`` to ``WFI18``.
    pattern
        How reads are averaged.
    wcs
        Of the image, for its footprint; of the whole detector with the SIAF's
        distortion by default.
    pointing
        Of the detector; :func:`pointing_of` by default.
    reference_files
        Names of the files that the simulation used, by kind.
    context
        Name of the context that they are of.

    Raises
    ------
    UsageError
        For a pointing that cannot be, an unknown detector or optical element.
    """
    pointing = pointing or pointing_of(exposure, detector)
    if wcs is None:
        shape = detector_aperture(detector).shape
        wcs = build_wcs(distortion_model(detector), pointing, shape)
    attitude = dataclasses.replace(
        attitude_of(exposure, aberration=False), velocity_scale=pointing.velocity_scale
    )
    return Metadata(
        {
            **_basic(exposure, detector, "ScienceRawModel", "uncal"),
            "coordinates": {"reference_frame": "ICRS"},
            "ephemeris": _ephemeris(_time(exposure.start, pattern.exposure_time / 2)),
            "exposure": _exposure(exposure, pattern),
            "guide_star": _guide_star(),
            "instrument": {
                "name": "WFI", "detector": detector, "optical_element": exposure.element,
            },
            "observation": _observation(exposure),
            "pointing": _pointing(exposure, attitude),
            "program": _program(),
            "rcs": {"active": False, "electronics": None, "bank": None, "led": None, "counts": 0},
            "ref_file": _reference_files(reference_files or {}, context),
            "velocity_aberration": {
                "ra_reference": pointing.ra_ref,
                "dec_reference": pointing.dec_ref,
                "scale_factor": pointing.velocity_scale,
            },
            "visit": _visit(exposure),
            "wcsinfo": _wcsinfo(detector, pointing, wcs),
        }
    )  # fmt: skip


def image_metadata(
    raw: Metadata,
    wcs: gwcs.WCS,
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    *,
    conversion: float | None,
    conversion_uncertainty: float | None,
    pixel_area: float | None,
    zodiacal_light: float = -1.0,
    incomplete: Collection[str] = TO_BE_DONE,
) -> Metadata:
    """Metadata of an idealised rate image, valid as RAD's ``wfi_image``.

    It claims the corrections that an image without signatures does not need, so
    that a pipeline goes on with matching skies, resampling and catalogues.

    Parameters
    ----------
    raw
        Of :func:`raw_metadata`.
    wcs
        Of the science array.
    data, dq
        (row, column) count rate [DN/s] and flags, for the statistics.
    conversion, conversion_uncertainty
        [MJy/sr / (DN/s)]; ``None`` for spectra.
    pixel_area
        [sr]; ``None`` for spectra.
    zodiacal_light
        Of the sky that was put in [MJy/sr]; -1 where it is not known.
    incomplete
        Steps that are left to do.
    """
    states = dict.fromkeys(CORRECTED, "COMPLETE") | dict.fromkeys(incomplete, "INCOMPLETE")
    if not optical_element(raw.optical_element).is_imaging:
        states |= {"flat_field": "N/A", "source_catalog": "N/A", "tweakreg": "N/A"}
    if raw.detector != "WFI18":
        states["wfi18_transient"] = "N/A"
    return raw.updated(
        {
            "model_type": "ImageModel",
            "product_type": "cal",
            "filename": str(raw["filename"]).replace("_uncal.", "_cal."),
            "cal_step": states,
            "cal_logs": [f"roman_dms {__version__}: simulated without signatures"],
            "photometry": {
                "conversion_megajanskys": conversion,
                "conversion_megajanskys_uncertainty": conversion_uncertainty,
                "pixel_area": pixel_area,
            },
            "statistics": _statistics(data, dq) | {"zodiacal_light": zodiacal_light},
            "wcs": wcs,
            "wcsinfo.s_region": s_region(wcs),
        }
    )


def _time(mjd: float, seconds: float = 0.0) -> Time:
    """A time some seconds after a date, written as ISO 8601."""
    time = Time(mjd, format="mjd", scale="utc") + TimeDelta(seconds, format="sec")
    return Time(time, format="isot")


def _basic(exposure: PlannedExposure, detector: str, model: str, suffix: str) -> dict[str, Any]:
    return {
        "calibration_software_name": "roman_dms",
        "calibration_software_version": __version__,
        "product_type": suffix,
        "filename": f"{exposure.stem(detector)}_{suffix}.asdf",
        "file_date": _time(exposure.start),
        "model_type": model,
        "origin": "STSCI/SOC",
        "prd_version": UNKNOWN,
        "sdf_software_version": f"roman_dms {__version__} simulation",
        "telescope": "ROMAN",
    }


def _ephemeris(time: Time) -> dict[str, Any]:
    state = observatory_state(time.mjd)
    return {
        "ephemeris_reference_frame": "ICRS",
        "type": "PREDICTED" if state.predicted else "DEFAULT",
        "time": float(time.mjd),
        **{f"spatial_{axis}": float(v) for axis, v in zip("xyz", state.position, strict=True)},
        **{f"velocity_{axis}": float(v) for axis, v in zip("xyz", state.velocity, strict=True)},
    }


def _exposure(exposure: PlannedExposure, pattern: ReadPattern) -> dict[str, Any]:
    table = MA_TABLES.get(exposure.ma_table)
    truncated = table is not None and _is_beginning(pattern, table.read_pattern)
    return {
        "type": EXPOSURE_TYPES[optical_element(exposure.element).use],
        "start_time": _time(exposure.start),
        "mid_time": _time(exposure.start, pattern.exposure_time / 2),
        "end_time": _time(exposure.start, pattern.exposure_time),
        "engineering_quality": "OK",
        "data_problem": None,
        "frame_time": pattern.frame_time,
        "exposure_time": pattern.exposure_time,
        "effective_exposure_time": float(pattern.mean_times[-1] - pattern.mean_times[0]),
        "ma_table_name": table.name if table else UNKNOWN,
        "ma_table_number": exposure.ma_table,
        "ma_table_id": f"SCI{exposure.ma_table:04d}",
        "nresultants": len(pattern),
        "read_pattern": [list(reads) for reads in pattern],
        "truncated": truncated,
        "hga_move": False,
    }


def _is_beginning(pattern: ReadPattern, whole: ReadPattern) -> bool:
    return len(pattern) < len(whole) and pattern.reads == whole.reads[: len(pattern)]


def _guide_star() -> dict[str, Any]:
    edges = ("xstart", "ystart", "xstop", "ystop")
    names = ("guide_window_id", "guide_mode", "guide_star_id", "epoch")
    return dict.fromkeys(names, UNKNOWN) | {f"window_{edge}": UNKNOWN_NUMBER for edge in edges}


def _observation(exposure: PlannedExposure) -> dict[str, Any]:
    """The identifier ends with visit file group, sequence and activity, then the exposure."""
    return {
        "observation_id": f"{exposure.visit_id}01101{exposure.exposure:04d}",
        "visit_id": exposure.visit_id,
        "program": exposure.program,
        "execution_plan": exposure.plan,
        "pass": exposure.pass_,
        "segment": exposure.segment,
        "observation": exposure.observation,
        "visit": exposure.visit,
        "visit_file_group": 1,
        "visit_file_sequence": 1,
        "visit_file_activity": "01",
        "exposure": exposure.exposure,
        "wfi_parallel": False,
    }


def _pointing(exposure: PlannedExposure, attitude: Attitude) -> dict[str, Any]:
    ra_v1, dec_v1 = attitude.sky(0, 0)
    return {
        "pa_aperture": float(exposure.position_angle),
        "pointing_engineering_source": "PLANNED",
        "ra_v1": ra_v1,
        "dec_v1": dec_v1,
        "pa_v3": attitude.roll_at(0, 0),
        "target_aperture": "WFI_CEN",
        "target_ra": float(exposure.ra),
        "target_dec": float(exposure.dec),
    }


def _program() -> dict[str, Any]:
    return {
        "title": "simulation",
        "investigator_name": UNKNOWN,
        "category": UNKNOWN,
        "subcategory": UNKNOWN,
        "science_category": UNKNOWN,
    }


def _reference_files(names: Mapping[str, str], context: str) -> dict[str, Any]:
    crds = {"version": f"roman_dms {__version__}", "context": context}
    return dict.fromkeys(REFERENCE_KINDS, UNKNOWN) | dict(names) | {"crds": crds}


def _visit(exposure: PlannedExposure) -> dict[str, Any]:
    dither = {"primary_name": None, "subpixel_name": None, "executed_pattern": None}
    return {
        "dither": dither,
        "type": UNKNOWN,
        "start_time": _time(exposure.start),
        "nexposures": UNKNOWN_NUMBER,
        "internal_target": False,
    }


def _wcsinfo(detector: str, pointing: Pointing, wcs: gwcs.WCS) -> dict[str, Any]:
    place = detector_aperture(detector)
    return {
        "aperture_name": place.name,
        "v2_ref": pointing.v2_ref,
        "v3_ref": pointing.v3_ref,
        "vparity": place.parity,
        "v3yangle": place.v3_ideal_y_angle,
        "ra_ref": pointing.ra_ref,
        "dec_ref": pointing.dec_ref,
        "roll_ref": pointing.roll_ref,
        "s_region": s_region(wcs),
    }


def _statistics(data: NDArray[np.float32], dq: NDArray[np.uint32]) -> dict[str, float]:
    """Median and robust standard deviation of the usable pixels, and their share.

    Of every third row and column where there are millions: the median is still
    known to a thousandth of the standard deviation.
    """
    step = 3 if data.size > 4e6 else 1
    sample = (slice(None, None, step),) * 2
    some = data[sample]
    values = some[((dq[sample] & Pixel.DO_NOT_USE) == 0) & np.isfinite(some)]
    median = float(np.median(values)) if values.size else math.nan
    spread = float(np.median(np.abs(values - median))) if values.size else math.nan
    return {
        "image_median": median,
        "image_rms": MAD_TO_SIGMA * spread,
        "good_pixel_fraction": values.size / some.size,
    }
