"""How strongly the pixels of a detector are coupled, as its reference files say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Ipc
from roman_dms.references.selected import SelectedReferences


def capacitance_of(
    references: SelectedReferences, meta: Metadata
) -> tuple[str, NDArray[np.float32]] | None:
    """The file of the interpixel capacitance and its kernel (3, 3).

    None where the context has no such file, or declares it not applicable.

    Raises
    ------
    ReferenceDataError
        Where the file is missing or damaged.
    FormatError
        Where its kernel has another shape.
    """
    if Ipc.kind not in references.kinds:
        return None
    found = references.load(meta, {Ipc.kind: Ipc})[Ipc.kind]
    if found is None:
        return None
    name, reference = found
    assert isinstance(reference, Ipc)
    if reference.data.shape != (3, 3):
        raise FormatError(f"The kernel of {name} has the shape {reference.data.shape}.", "(3, 3)")
    return name, np.asarray(reference.data, np.float32)
