"""The columns of a catalogue of sources: name, type, unit and meaning, each on one line.

The names, types, units and order of RAD's prompt catalogue, with what we add to it at the
end.  Fluxes are in nJy, positions in pixels from 0 and in degrees (ICRS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

RADII = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Radii of the circular apertures [arcsec]; a column is named by tenths of arcseconds."""

ANNULUS = (2.4, 2.8)
"""Radii of the ring in which the local background is measured [arcsec]."""


class Column(NamedTuple):
    """A column."""

    name: str
    type: str
    """Of numpy."""
    unit: str
    """Of astropy; empty for a pure number."""
    description: str


def aperture_name(radius: float) -> str:
    """Name of an aperture by its radius [arcsec].

    >>> aperture_name(0.2), aperture_name(1.6)
    ('aper02', 'aper16')
    """
    return f"aper{round(10 * radius):02d}"


def _apertures(radii: Sequence[float]) -> list[Column]:
    columns = []
    for radius in radii:
        name, what = aperture_name(radius), f"flux within a circle of {radius} arcsec"
        columns.append(Column(f"{name}_flux", "float32", "nJy", what.capitalize()))
        columns.append(Column(f"{name}_flux_err", "float32", "nJy", f"Error of the {what}"))
    return columns


PIX, SKY, SEC = "pix", "deg", "arcsec"
_CENTROID = "from the moments of its segment"
_WINDOW = "by a Gaussian window"

COLUMNS: tuple[Column, ...] = (
    Column("label", "int32", "", "Label of the source in the segmentation map"),
    Column("flagged_spatial_id", "int64", "", "Sky cell and place in it; 0 on an L2 image"),
    Column("x_centroid", "float32", PIX, f"Column of the centroid {_CENTROID}"),
    Column("y_centroid", "float32", PIX, f"Row of the centroid {_CENTROID}"),
    Column("x_centroid_err", "float32", PIX, "Error of x_centroid"),
    Column("y_centroid_err", "float32", PIX, "Error of y_centroid"),
    Column("x_centroid_win", "float32", PIX, f"Column of the centroid {_WINDOW}"),
    Column("y_centroid_win", "float32", PIX, f"Row of the centroid {_WINDOW}"),
    Column("x_centroid_win_err", "float32", PIX, "Error of x_centroid_win"),
    Column("y_centroid_win_err", "float32", PIX, "Error of y_centroid_win"),
    Column("x_psf", "float32", PIX, "Column by the fit of the PSF"),
    Column("x_psf_err", "float32", PIX, "Error of x_psf"),
    Column("y_psf", "float32", PIX, "Row by the fit of the PSF"),
    Column("y_psf_err", "float32", PIX, "Error of y_psf"),
    Column("ra", "float64", SKY, "Best right ascension: by the PSF, windowed where it has none"),
    Column("dec", "float64", SKY, "Best declination: by the PSF, windowed where it has none"),
    Column("ra_centroid", "float64", SKY, "Right ascension of the centroid"),
    Column("dec_centroid", "float64", SKY, "Declination of the centroid"),
    Column("ra_centroid_err", "float32", SEC, "Error of ra_centroid, times cos(dec)"),
    Column("dec_centroid_err", "float32", SEC, "Error of dec_centroid"),
    Column("ra_centroid_win", "float64", SKY, "Right ascension of the windowed centroid"),
    Column("dec_centroid_win", "float64", SKY, "Declination of the windowed centroid"),
    Column("ra_centroid_win_err", "float32", SEC, "Error of ra_centroid_win, times cos(dec)"),
    Column("dec_centroid_win_err", "float32", SEC, "Error of dec_centroid_win"),
    Column("ra_psf", "float64", SKY, "Right ascension by the fit of the PSF"),
    Column("dec_psf", "float64", SKY, "Declination by the fit of the PSF"),
    Column("ra_psf_err", "float32", SEC, "Error of ra_psf, times cos(dec)"),
    Column("dec_psf_err", "float32", SEC, "Error of dec_psf"),
    Column("bbox_xmin", "int32", "", "First column of the segment"),
    Column("bbox_xmax", "int32", "", "Last column of the segment"),
    Column("bbox_ymin", "int32", "", "First row of the segment"),
    Column("bbox_ymax", "int32", "", "Last row of the segment"),
    Column("segment_area", "float32", "arcsec2", "Area of the segment"),
    Column("semimajor", "float32", SEC, "Semimajor axis from the moments, 1 sigma"),
    Column("semiminor", "float32", SEC, "Semiminor axis from the moments, 1 sigma"),
    Column("fwhm", "float32", SEC, "Circularised full width at half maximum from the moments"),
    Column("ellipticity", "float32", "", "1 - semiminor / semimajor"),
    Column("orientation_pix", "float32", SKY, "Angle of the major axis from x towards y"),
    Column("orientation_sky", "float32", SKY, "Position angle of the major axis, N to E"),
    Column("cxx", "float32", "1/arcsec2", "Coefficient of x2 of the ellipse"),
    Column("cxy", "float32", "1/arcsec2", "Coefficient of xy of the ellipse"),
    Column("cyy", "float32", "1/arcsec2", "Coefficient of y2 of the ellipse"),
    Column("kron_radius", "float32", SEC, "First-moment radius of the light"),
    Column("nn_label", "int32", "", "Label of the nearest neighbour; -1 for none"),
    Column("nn_distance", "float32", SEC, "Distance to the nearest neighbour"),
    Column("sharpness", "float32", "", "Sharpness as of DAOFIND"),
    Column("roundness1", "float32", "", "Roundness as of DAOFIND, from symmetry"),
    Column("is_extended", "bool", "", "Whether it is more extended than a point"),
    Column("fluxfrac_radius_50", "float32", SEC, "Radius of half of the Kron flux"),
    Column("aper_bkg_flux", "float32", "nJy arcsec-2", "Local background in a ring"),
    Column("aper_bkg_flux_err", "float32", "nJy arcsec-2", "Error of aper_bkg_flux"),
    *_apertures(RADII),
    Column("psf_flux", "float32", "nJy", "Total flux by the fit of the PSF"),
    Column("psf_flux_err", "float32", "nJy", "Error of psf_flux"),
    Column("segment_flux", "float32", "nJy", "Isophotal flux: within the segment"),
    Column("segment_flux_err", "float32", "nJy", "Error of segment_flux"),
    Column("kron_flux", "float32", "nJy", "Flux within the Kron ellipse"),
    Column("kron_flux_err", "float32", "nJy", "Error of kron_flux"),
    Column("kron_abmag", "float32", "mag(AB)", "AB magnitude of kron_flux"),
    Column("kron_abmag_err", "float32", "mag(AB)", "Error of kron_abmag"),
    Column("warning_flags", "int32", "", "Bits of Caution; 0 is good"),
    Column("image_flags", "int32", "", "Bits of the data quality of all pixels of the segment"),
    Column("psf_flags", "int32", "", "Bits of FitFlag; 0 is good"),
    Column("psf_gof", "float32", "", "Reduced chi squared of the fit of the PSF"),
    Column("dust_ebv", "float32", "mag", "Reddening E(B-V) of dust; NaN where no map is given"),
    Column("detection_snr", "float32", "", "Signal to noise of the matched filter at the peak"),
    Column("blend", "int32", "", "Number of the group of sources that touch each other"),
    Column("xy_psf_cov", "float32", "pix2", "Covariance of x_psf and y_psf"),
    Column("psf_bkg", "float32", "nJy arcsec-2", "Local background of the fit of the PSF"),
    Column("extendedness", "float32", "", "Spread model: 0 for a point, more for the extended"),
    Column("extendedness_err", "float32", "", "Error of extendedness"),
    Column("shape_e1", "float32", "", "Ellipticity along x of the adaptive moments"),
    Column("shape_e2", "float32", "", "Ellipticity along the diagonal of the adaptive moments"),
    Column("shape_e1_err", "float32", "", "Error of shape_e1"),
    Column("shape_e2_err", "float32", "", "Error of shape_e2"),
    Column("shape_sigma", "float32", SEC, "Size of the adaptive moments, their det^(1/4)"),
    Column("shape_sigma_err", "float32", SEC, "Error of shape_sigma"),
    Column("resolution", "float32", "", "1 - (size of a point / shape_sigma)^2"),
    Column("resolution_err", "float32", "", "Error of resolution"),
)
"""All columns, in the order of the file."""

BY_NAME = {column.name: column for column in COLUMNS}
"""The columns by name."""
