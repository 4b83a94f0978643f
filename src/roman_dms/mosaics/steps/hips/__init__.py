"""Mosaics as a HiPS, to look at a survey: folders of tiles out of L3 files."""

from roman_dms.mosaics.steps.hips.making import Colours, Request, make_colour_hips, make_hips

__all__ = ["Colours", "Request", "make_colour_hips", "make_hips"]
