"""What whole runs share: the miniature exposure, its references, and what comes of it."""

import pytest

from roman_dms.formats.products import read_product
from roman_dms.pipeline.runner import run
from roman_dms.recipes import load
from roman_dms.references import ReferenceStore
from roman_dms.references.selected import SelectedReferences


@pytest.fixture(scope="session")
def references(miniature_store):
    return SelectedReferences(ReferenceStore(miniature_store).context())


@pytest.fixture(scope="session")
def raw(miniature_raw):
    return read_product(miniature_raw)


@pytest.fixture(scope="session")
def image(raw, references):
    """The calibrated image of the raw one, by the recipe that ships."""
    return run(load(), raw, references).product
