"""What was measured in pixels and units of the image, as the columns of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.catalogs.sky_frame import SkyFrame, ToSky, Values
from roman_dms.measure.detection import Detection
from roman_dms.measure.measurements import SourceMeasurements
from roman_dms.measure.point_sources import PointFits

LENGTHS = ("semimajor", "semiminor", "fwhm", "fluxfrac_radius_50", "nn_distance",
           "shape_sigma", "shape_sigma_err")  # fmt: skip
FLUXES = ("segment_flux", "segment_flux_err", "kron_flux", "kron_flux_err")
PER_AREA = ("aper_bkg_flux", "aper_bkg_flux_err")
UNCHANGED = (
    "x_centroid", "y_centroid", "x_centroid_err", "y_centroid_err", "x_centroid_win",
    "y_centroid_win", "x_centroid_win_err", "y_centroid_win_err", "bbox_xmin", "bbox_xmax",
    "bbox_ymin", "bbox_ymax", "ellipticity", "orientation_pix", "nn_label", "sharpness",
    "roundness1", "is_extended", "warning_flags", "image_flags", "extendedness",
    "extendedness_err", "shape_e1", "shape_e2", "shape_e1_err", "shape_e2_err", "resolution",
    "resolution_err",
)  # fmt: skip
MAGNITUDES = 2.5 / np.log(10)
"""Magnitudes in a natural logarithm of flux."""
AB_OF_NJY = 2.5 * np.log10(3631e9)
"""AB magnitude of 1 nJy (Oke & Gunn 1983, ApJ 266, 713)."""


@dataclass(frozen=True)
class Calibration:
    """What a pixel and a unit of the image stand for."""

    to_sky: ToSky
    """Pixels to right ascension and declination [deg]."""

    nanojanskys: float
    """Flux of one unit of the image in one pixel [nJy]."""


def catalogue_columns(
    detection: Detection,
    fits: PointFits,
    measured: SourceMeasurements,
    apertures: tuple[str, ...],
    calibration: Calibration,
    workers: int = 1,
) -> dict[str, NDArray[Any]]:
    """Every column that follows from the measurements, by name.

    Parameters
    ----------
    detection, fits, measured
        Of the same n sources.
    apertures
        Name of each circle that was measured, such as ``aper02``.
    calibration
        Of the image.
    workers
        Threads; the result does not depend on them.
    """
    frame = SkyFrame.at(calibration.to_sky, fits.x, fits.y, workers)
    flux, scale = calibration.nanojanskys, frame.scale
    columns = {name: getattr(measured, name) for name in UNCHANGED}
    columns |= {name: getattr(measured, name) * scale for name in LENGTHS}
    columns |= {name: getattr(measured, name) * flux for name in FLUXES}
    columns |= {name: getattr(measured, name) * flux / scale**2 for name in PER_AREA}
    columns |= {name: getattr(measured, name) / scale**2 for name in ("cxx", "cxy", "cyy")}
    columns["segment_area"] = measured.segment_area * scale**2
    columns["kron_radius"] = measured.kron_radius * measured.semimajor * scale
    columns["orientation_sky"] = frame.position_angle(measured.orientation_pix)
    for name, light, error in zip(
        apertures, measured.circle_flux.T, measured.circle_flux_err.T, strict=True
    ):
        columns |= {f"{name}_flux": light * flux, f"{name}_flux_err": error * flux}
    columns["kron_abmag"], columns["kron_abmag_err"] = _magnitudes(
        columns["kron_flux"], columns["kron_flux_err"]
    )
    places = _positions(measured, fits, frame, calibration.to_sky, workers)
    return columns | _fitted(detection, fits, flux, scale) | places


def _fitted(
    detection: Detection, fits: PointFits, flux: float, scale: Values
) -> dict[str, NDArray[Any]]:
    n = len(fits.x)
    return {
        "label": np.arange(1, n + 1),
        "flagged_spatial_id": np.zeros(n, int),
        "x_psf": fits.x, "x_psf_err": fits.x_err, "y_psf": fits.y, "y_psf_err": fits.y_err,
        "xy_psf_cov": fits.xy_cov,
        "psf_flux": fits.flux * flux, "psf_flux_err": fits.flux_err * flux,
        "psf_bkg": fits.background * flux / scale**2,
        "psf_flags": fits.flags, "psf_gof": fits.chi2,
        "detection_snr": detection.significance, "blend": detection.group,
        "dust_ebv": np.full(n, np.nan),
    }  # fmt: skip


def _positions(
    measured: SourceMeasurements,
    fits: PointFits,
    fitted_frame: SkyFrame,
    to_sky: ToSky,
    workers: int,
) -> dict[str, NDArray[Any]]:
    """Three positions on the sky with errors, and the best of them.

    The best is that of the fit of the PSF, of galaxies too: Roman's PSF has coma, and the
    centroid of any light lies 0.1 pixel off the place that the PSF is referred to.  Where
    there was no fit it is the windowed one, at last that of the moments.
    """
    places = {
        "psf": (fits.x, fits.y, fits.x_err, fits.y_err, fits.xy_cov),
        "centroid_win": _place(measured, "centroid_win"),
        "centroid": _place(measured, "centroid"),
    }
    columns: dict[str, NDArray[Any]] = {}
    for name, (x, y, *errors) in places.items():
        frame = fitted_frame if name == "psf" else SkyFrame.at(to_sky, x, y, workers)
        columns |= {f"ra_{name}": frame.ra, f"dec_{name}": frame.dec}
        east, north = frame.errors(*errors)
        columns |= {f"ra_{name}_err": east, f"dec_{name}_err": north}
    fitted = np.isfinite(columns["ra_psf_err"])
    windowed = np.isfinite(columns["ra_centroid_win"])
    for axis in ("ra", "dec"):
        choices = [columns[f"{axis}_psf"], columns[f"{axis}_centroid_win"]]
        columns[axis] = np.select([fitted, windowed], choices, columns[f"{axis}_centroid"])
    return columns


def _place(measured: SourceMeasurements, name: str) -> tuple[Any, ...]:
    keys = (f"x_{name}", f"y_{name}", f"x_{name}_err", f"y_{name}_err", f"xy_{name}_cov")
    return tuple(getattr(measured, key) for key in keys)


def _magnitudes(flux: NDArray[Any], error: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """AB magnitudes of fluxes in nJy; NaN for what is not positive."""
    positive = np.where(flux > 0, flux, np.nan)
    return AB_OF_NJY - 2.5 * np.log10(positive), MAGNITUDES * error / positive
