"""How the electronics answer to charge: non-linearity of pixels and of the converter.

A pixel counts less the more it holds.  The measured signal m relates to the
linear signal y by

    y = m (1 + a u + b u^2 + c u^3),    u = m / 65535 DN

with a and c a pixel's own.  The inverse is a polynomial in y, fitted by least
squares in the relative deviation m / y - 1 over the whole range; since pixels
differ in two numbers only, its coefficients are smooth functions of (a, c),
tabulated and fitted once, then evaluated for every pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from roman_dms.instrument.quality import Pixel
from roman_dms.references.bootstrap import measurement
from roman_dms.references.bootstrap.frame import Frame, Map, scatter, smooth
from roman_dms.references.bootstrap.measurement import deviates
from roman_dms.references.bootstrap.pixels import bad_pixels, has

FULL_SCALE = 65535.0
"""Largest count of the converter [DN]."""

A, B, C = 0.032, 0.01, 0.012
"""Median coefficients: 4 % of compression at 54,000 DN."""

SPREAD = 0.3
"""Largest relative departure of a and c from their median."""

INVERSE_DEGREE = 4
"""Degree of the inverse polynomial: exact to 0.02 % over the whole range."""


def pixel_coefficients(frame: Frame) -> tuple[Map, Map]:
    """The coefficients a and c of each pixel that is kept, float32.

    a is NaN where there is no correction: in the border and where a pixel is dead.
    """
    random, shape = frame.random("linearity"), frame.detector.shape
    a, c = (
        median * (1 + np.clip(wide * smooth(random, shape) + fine * scatter(random, shape),
                              -SPREAD, SPREAD))
        for median, wide, fine in ((A, 0.05, 0.05), (C, 0.08, 0.05))
    )  # fmt: skip
    a *= 1 + measurement.NONLINEARITY_ERROR * deviates(frame, "linearity", "a")
    c *= 1 + measurement.NONLINEARITY_ERROR * deviates(frame, "linearity", "c")
    uncorrected = frame.is_border | has(bad_pixels(frame), Pixel.DEAD)
    a[uncorrected] = np.nan
    return frame.cut(a.astype(np.float32)), frame.cut(c.astype(np.float32))


def linearity(frame: Frame) -> dict[str, Any]:
    """Polynomial of degree 4 from measured to linear signal [DN]."""
    a, c = pixel_coefficients(frame)
    none = np.isnan(a)
    coeffs = np.empty((5, *a.shape), dtype=np.float32)
    coeffs[0], coeffs[1] = 0, 1
    for power, value in ((2, a), (3, np.float32(B)), (4, c)):
        coeffs[power] = value / np.float32(FULL_SCALE) ** (power - 1)
        coeffs[power][none] = 0
    return {"coeffs": coeffs, "dq": _uncorrected(frame)}


def inverselinearity(frame: Frame) -> dict[str, Any]:
    """Polynomial of degree 4 from linear to measured signal [DN]."""
    a, c = pixel_coefficients(frame)
    table = inverse_table()
    coeffs = np.empty((INVERSE_DEGREE + 1, *a.shape), dtype=np.float32)
    coeffs[0], coeffs[1] = 0, 1
    for rows in np.array_split(np.arange(a.shape[0]), max(1, a.shape[0] // 64)):
        part = slice(rows[0], rows[-1] + 1)
        terms = _terms((a[part] / A - 1) / SPREAD, (c[part] / C - 1) / SPREAD)
        found = np.tensordot(table.astype(np.float32), terms, axes=1)
        for power in range(2, INVERSE_DEGREE + 1):
            coeffs[power, part] = found[power - 2] / np.float32(FULL_SCALE) ** (power - 1)
    coeffs[2:, np.isnan(a)] = 0
    return {"coeffs": coeffs, "dq": _uncorrected(frame)}


def inverse_table() -> NDArray[np.float64]:
    """Inverse coefficients as polynomials in the departures of a and c.

    Returns
    -------
    (power - 2, term): factors of the terms of a bivariate polynomial of degree 4.
    """
    nodes = np.cos(np.pi * (np.arange(9) + 0.5) / 9)
    departures = np.array([(p, q) for p in nodes for q in nodes])
    coefficients = np.array([_invert(A * (1 + SPREAD * p), C * (1 + SPREAD * q))
                             for p, q in departures])  # fmt: skip
    terms = _terms(departures[:, 0], departures[:, 1])
    return np.linalg.lstsq(terms.T, coefficients, rcond=None)[0].T


def _invert(a: float, c: float) -> NDArray[np.float64]:
    """Coefficients d of m = y (1 + d_1 v + ...), v = y / 65535 DN, for one pixel."""
    u = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 200))[1:]
    v = u * polynomial.polyval(u, [1, a, B, c])
    powers = v[:, None] ** np.arange(1, INVERSE_DEGREE)
    solution = np.linalg.lstsq(powers, u / v - 1, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def _terms(p: Map, q: Map) -> Map:
    """Terms of a bivariate polynomial of degree 4, stacked on a first axis."""
    of_p, of_q = ([np.ones_like(z), z, z * z, z * z * z, (z * z) ** 2] for z in (p, q))
    return np.stack([of_p[i] * of_q[j] for i in range(5) for j in range(5 - i)])


def _uncorrected(frame: Frame) -> NDArray[np.uint32]:
    dead = has(bad_pixels(frame), Pixel.DEAD)
    return frame.cut(np.where(dead, np.uint32(Pixel.NO_LIN_CORR), np.uint32(0)))


def integralnonlinearity(frame: Frame) -> dict[str, Any]:
    """Correction of the converter of each channel, within about 4 DN.

    A smoothed sawtooth, as steps of the converter give, on a slow wave. Rounded
    to 1/1024 DN.
    """
    value = np.arange(65536, dtype=np.uint16)
    whole, first = frame.detector, frame.first_channel
    random = frame.random("integralnonlinearity")
    shapes = random.uniform(0, 1, (whole.channels, 4))[first : first + frame.kept.channels]
    programme = frame.measurement("integralnonlinearity")
    errors = np.zeros(whole.channels)
    if programme is not None:
        errors = measurement.CONVERTER_ERROR * programme.standard_normal(whole.channels)
    table = {}
    for channel, (height, phase, slow_height, slow_phase) in enumerate(shapes):
        x = 2 * np.pi * (value / 16384 + phase)
        saw = np.sin(x) + np.sin(2 * x) / 3 + np.sin(3 * x) / 8
        slow = np.sin(2 * np.pi * (value / 65536 + slow_phase))
        correction = (1 + height) * saw + (0.5 + slow_height) * slow
        correction *= 1 + errors[first + channel]
        table[f"science_channel_{channel + 1:02d}"] = {
            "instrument_channel": first + channel,
            "correction": np.round(correction * 1024) / 1024,
        }
    return {
        "meta": {"n_channels": frame.kept.channels, "n_pixels_per_channel": whole.channel_width},
        "inl_table": table,
        "value": value,
    }
