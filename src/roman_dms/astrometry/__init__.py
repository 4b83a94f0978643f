"""Alignment of an exposure to the sky: one solve for all of its detectors."""
