"""What reference files say of a detector, as the signatures ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import optical_element
from roman_dms.products.arrays import PixelArray, rows_of
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import (
    DarkDecay,
    DarkRate,
    Flat,
    Gain,
    IntegralNonlinearity,
    InverseLinearity,
    Ipc,
    ReadNoise,
    Reference,
    Saturation,
)
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.steps.view import View

KINDS: tuple[type[Reference], ...] = (
    Gain, ReadNoise, DarkRate, Saturation, InverseLinearity, IntegralNonlinearity, DarkDecay, Ipc,
)  # fmt: skip


@dataclass(frozen=True)
class Response:
    """Electrons that a pixel collects for each that the nominal throughput gives.

    A flat field is measured in DN: it is the response in electrons times the
    nominal gain over the pixel's own.
    """

    flat: PixelArray | None
    """Of the science frame; ``None`` where the element has no flat field."""
    gain: PixelArray
    """Of the frame with border [electron / DN]."""
    nominal: float
    """[electron / DN]."""
    border: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns) of the science frame."""
        rows, columns = self.gain.shape
        return rows - 2 * self.border, columns - 2 * self.border

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """The response of some rows of the science frame."""
        edge = self.border
        gain = rows_of(self.gain, start + edge, stop + edge)[:, edge:-edge]
        response = gain / np.float32(self.nominal)
        return response if self.flat is None else response * rows_of(self.flat, start, stop)


def properties_of(
    meta: Metadata, references: SelectedReferences, view: View
) -> tuple[Properties, dict[str, str]]:
    """The properties of a detector in an exposure, and the files that they are from.

    A kind that the context does not have, or declares not applicable, leaves its
    property out, and so its effect.

    Raises
    ------
    ReferenceDataError
        Where a file is missing or damaged.
    """
    kinds = {kind.kind: kind for kind in KINDS if kind.kind in references.kinds}
    if optical_element(meta.optical_element).is_imaging:
        kinds["flat"] = Flat
    found = {kind: pair for kind, pair in references.load(meta, kinds).items() if pair}
    product: dict[str, Any] = {kind: reference for kind, (_, reference) in found.items()}
    names = {kind: name for kind, (name, _) in found.items()}
    flat, gain = product.get("flat"), product["gain"].data
    converter = product.get("integralnonlinearity")
    decay = product.get("darkdecaysignal")
    row = decay.decay_table.get(meta.detector) if decay else None
    properties = Properties(
        gain=gain,
        flat=Response(flat and flat.data, gain, view.gain, view.detector.border),
        read_noise=_of(product, "readnoise", "data"),
        dark_rate=_of(product, "dark", "dark_slope"),
        saturation=_of(product, "saturation", "data"),
        inverse_linearity=_of(product, "inverselinearity", "coeffs"),
        converter=converter and (converter.value, converter.corrections),
        dark_decay=row and (row["amplitude"], row["time_constant"]),
        ipc_kernel=_of(product, "ipc", "data"),
    )
    return properties, names | view.references


def _of(products: dict[str, Any], kind: str, name: str) -> Any:
    return getattr(products[kind], name) if kind in products else None
