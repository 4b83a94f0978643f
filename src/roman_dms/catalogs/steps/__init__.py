"""Catalogues as products."""

from __future__ import annotations

from roman_dms.catalogs.steps.source_catalog import source_catalog
from roman_dms.pipeline.step import Step

STEPS: dict[str, Step] = {source_catalog.name: source_catalog}
"""The steps of this package by name."""
