"""Small products that sources are injected into, with a PSF in closed form."""

from __future__ import annotations

import numpy as np
from astropy.time import Time
from scipy.special import erf

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.instrument.throughput import PIXEL_AREA, PIXEL_SCALE, electrons_per_jansky
from roman_dms.products.exposure import Borders, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.psf.grid import PsfGrid
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.tangent import TangentPlane
from roman_dms.sky.wcs import Pointing, build_wcs

DETECTOR = Detector("WFI01", 264, 256)
"""Science array of 256 x 248."""

GAIN = 1.75
"""That the photometric calibration of the image implies [electron / DN]."""

PATTERN = ma_table(4).read_pattern
SIGMA = 0.9
"""Of the Gaussian PSF [pixel]."""

PLANE = TangentPlane(ra=270.0, dec=66.0, x=100.0, y=90.0, scale=0.055)


def gaussian_psf(reach: int = 12, oversample: int = 4) -> PsfGrid:
    """A Gaussian, integrated over pixels, the same everywhere."""
    offset = np.arange(-reach * oversample, reach * oversample + 1) / oversample
    scale = np.sqrt(2) * SIGMA
    line = (erf((offset + 0.5) / scale) - erf((offset - 0.5) / scale)) / 2
    psf = np.outer(line, line).astype(np.float32)
    nothing = np.zeros(1)
    return PsfGrid(
        "WFI01", "F158", oversample, nothing, nothing, np.array([1.577]), psf[None, None, None],
        np.ascontiguousarray(psf[::oversample, ::oversample]),
    )  # fmt: skip


def rate_image(**changes) -> RateImage:
    """An L2 image of an even sky of 0.5 DN/s."""
    shape = DETECTOR.science_shape
    pointing = Pointing(v2_ref=1312.95, v3_ref=-1040.79, ra_ref=270.0, dec_ref=66.0, roll_ref=33.0)
    wcs = build_wcs(distortion_model("WFI01", 1900, 1900, shape), pointing, shape)
    per_jansky = electrons_per_jansky("WFI01", "F158")
    meta = {
        "instrument": {"name": "WFI", "detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "start_time": Time("2027-06-01T00:00:00", scale="utc"),
            "frame_time": PATTERN.frame_time,
            "read_pattern": [list(reads) for reads in PATTERN],
        },
        "photometry": {
            "conversion_megajanskys": GAIN / (1e6 * per_jansky * PIXEL_AREA),
            "pixel_area": PIXEL_AREA,
        },
        "wcs": wcs,
    }
    flat = np.full(shape, 0.5, np.float32)
    empty = np.zeros((0, 4, 4), np.float32)
    flags = np.zeros((4, 4), np.uint32)
    return RateImage(
        meta=Metadata(meta).updated(changes),
        detector=DETECTOR,
        data=flat,
        dq=np.zeros(shape, np.uint32),
        err=np.full(shape, 0.06, np.float32),
        var_poisson=np.full(shape, 0.0026, np.float32),
        var_rnoise=np.full(shape, 0.001, np.float32),
        chisq=flat * 0,
        dumo=flat * 0,
        amp33=np.zeros((0, 264, 128), np.uint16),
        borders=Borders(
            **dict.fromkeys(("left", "right", "top", "bottom"), empty),
            **dict.fromkeys(("dq_left", "dq_right", "dq_top", "dq_bottom"), flags),
        ),
    )


def mosaic(*, pixfrac: float = 0.0, **changes) -> Mosaic:
    """An L3 mosaic: two exposures in its left half, six in the right one, an empty corner."""
    shape = (180, 200)
    context = np.full((1, *shape), 0b111111, np.uint32)
    context[:, :, :100] = 0b11
    weight = np.ones(shape, np.float32)
    context[:, :20, :20], weight[:20, :20] = 0, 0
    covered = np.bitwise_count(context)[context > 0].mean()
    meta = {
        "instrument": {"name": "WFI", "optical_element": "F158"},
        "coadd_info": {
            "time_mean": Time("2027-06-01T00:00:00", scale="utc"),
            "exposure_time": 100.0 * float(covered),
        },
        "resample": {"pixfrac": pixfrac, "pixel_scale_ratio": PLANE.scale / PIXEL_SCALE},
        "wcsinfo": {
            "ra_ref": PLANE.ra, "dec_ref": PLANE.dec, "x_ref": PLANE.x, "y_ref": PLANE.y,
            "pixel_scale_ref": PLANE.scale / 3600, "rotation_matrix": [[1.0, 0.0], [0.0, 1.0]],
        },
        "wcs": PLANE.wcs(shape),
    }  # fmt: skip
    nothing = np.zeros(shape, np.float32)
    return Mosaic(
        meta=Metadata(meta).updated(changes),
        data=nothing,
        err=nothing + np.float32(0.01),
        context=context,
        weight=weight,
        var_poisson=nothing + np.float32(5e-5),
        var_rnoise=nothing + np.float32(5e-5),
    )
