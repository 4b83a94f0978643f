"""Mosaics of products: files in, files out."""

from roman_dms.mosaics.steps.combination import STEPS

__all__ = ["STEPS"]
