"""What is known of a detector: a value a pixel, in memory or in a file, and small tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.instrument.detectors import Detector


@runtime_checkable
class Rows(Protocol):
    """An array that is read by rows; the last two axes are (row, column)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a numpy array."""
        ...

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return ``array[..., start:stop, :]``."""
        ...


Map = float | NDArray[Any] | Rows
"""One value for all pixels, or one a pixel, with or without the border."""


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Properties of a detector; an effect whose property is ``None`` does nothing.

    Values that are no numbers stand for a pixel without the property.
    """

    gain: Map = 2.0
    """[electron / DN]."""

    read_noise: Map | None = None
    """Noise of one read, 1 sigma [DN]."""

    dark_rate: Map | None = None
    """[DN / s]."""

    saturation: Map | None = None
    """Signal at which a pixel saturates, before linearity correction [DN]."""

    inverse_linearity: NDArray[Any] | Rows | None = None
    """``(power, row, column)``: polynomial from linear to measured signal [DN]."""

    flat: Map | None = None
    """Relative response, without the border."""

    converter: tuple[NDArray[Any], NDArray[Any]] | None = None
    """Signals ``(n,)`` and, for each channel, what is to be added to what was
    measured there, ``(channel, n)`` [DN]."""

    dark_decay: tuple[float, float] | None = None
    """Amplitude at the middle of the first read [DN] and time constant [s]."""

    ipc_kernel: NDArray[Any] | None = None
    """(3, 3): where the charge of a pixel is seen; its middle is the pixel."""


MAPS = ("gain", "read_noise", "dark_rate", "saturation", "inverse_linearity", "flat")


def rows_of(
    value: Map, start: int, stop: int, detector: Detector, fill: float
) -> NDArray[np.float32]:
    """Rows of a map in the frame with border.

    Parameters
    ----------
    value
        The map.
    start, stop
        Rows of the detector with border.
    detector
        Its shape.
    fill
        Value of the border where the map has none, and where it is not a number.

    Returns
    -------
    (..., stop - start, columns) float32, which may be changed.
    """
    shape, border = detector.shape, detector.border
    if isinstance(value, int | float):
        return np.full((stop - start, shape[1]), value, np.float32)
    if tuple(value.shape[-2:]) == shape:
        found = _rows(value, start, stop).astype(np.float32)
    else:
        found = np.full((*value.shape[:-2], stop - start, shape[1]), fill, np.float32)
        first, last = max(start, border), min(stop, shape[0] - border)
        if first < last:
            inside = _rows(value, first - border, last - border)
            found[..., first - start : last - start, border : shape[1] - border] = inside
    found[np.isnan(found)] = fill
    return found


def _rows(value: NDArray[Any] | Rows, start: int, stop: int) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value[..., start:stop, :]
    return value.rows(start, stop)


def check_properties(properties: Properties, detector: Detector) -> None:
    """Check the shapes of all properties.

    Raises
    ------
    FormatError
        Where one does not fit the detector.
    """
    for field in fields(properties):
        value = getattr(properties, field.name)
        if value is None or isinstance(value, int | float):
            continue
        if field.name in MAPS:
            axes = 3 if field.name == "inverse_linearity" else 2
            fits = tuple(value.shape[-2:]) in (detector.shape, detector.science_shape)
            expected = f"{detector.shape} with border or {detector.science_shape} without"
            _check(fits and len(value.shape) == axes, field.name, value.shape, expected)
    if properties.ipc_kernel is not None:
        shape = np.shape(properties.ipc_kernel)
        _check(shape == (3, 3), "ipc_kernel", shape, "(3, 3)")
    if properties.converter is not None:
        signals, corrections = (np.shape(part) for part in properties.converter)
        expected_shape = (detector.channels, *signals)
        _check(corrections == expected_shape, "converter", corrections, str(expected_shape))


def _check(good: bool, name: str, shape: Any, expected: str) -> None:
    if not good:
        raise FormatError(
            f"The property {name!r} of the detector has the shape {tuple(shape)}.",
            expected,
            "give the map of this detector, or cut it to the detector's size",
        )
