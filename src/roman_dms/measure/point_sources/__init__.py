"""Photometry and astrometry of stars: effective PSFs fitted, blends together."""

from roman_dms.measure.point_sources.fits import FitFlag, FitSettings, PointFits
from roman_dms.measure.point_sources.fitting import fit_points
from roman_dms.measure.point_sources.stars_image import model, subtracted

__all__ = ["FitFlag", "FitSettings", "PointFits", "fit_points", "model", "subtracted"]
