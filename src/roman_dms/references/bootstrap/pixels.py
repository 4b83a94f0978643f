"""Maps of single pixels: bad pixels, saturation, gain, read noise, dark rate, flat field.

Medians of noise and dark current are those measured on the ground, as published
by detector in the ``roman-technical-information`` package (1.5).  Their structure
is drawn at random: smooth over the detector, plus scatter from pixel to pixel,
plus bad pixels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.quality import Pixel
from roman_dms.references.bootstrap import measurement
from roman_dms.references.bootstrap.capacitance import coupled, ipc
from roman_dms.references.bootstrap.frame import Frame, Map, scatter, smooth
from roman_dms.references.bootstrap.measurement import deviates
from roman_dms.references.bootstrap.noise import CORRELATED_NOISE

GAIN = 1.8
"""Median conversion gain [electron / DN]: 16 bits span a full well of about 100,000 electrons."""

SATURATION = 54000.0
"""Median saturation [DN]."""

FRACTIONS = {
    Pixel.DEAD: 4e-4,
    Pixel.HOT: 1.5e-3,
    Pixel.WARM: 3e-3,
    Pixel.TELEGRAPH: 8e-4,
    Pixel.LOW_QE: 1e-3,
    Pixel.BAD_REF_PIXEL: 2e-3,
}
"""Fraction of the pixels with each fault (0.5 % miss a noise requirement,
WFI_Total_noise)."""

UNUSABLE = Pixel.DEAD | Pixel.HOT | Pixel.TELEGRAPH | Pixel.BAD_REF_PIXEL
"""Faults that make a pixel useless."""

OPEN_PIXELS = 60
"""Pixels on a detector without contact, whose charge goes to their neighbours."""

DEAD_SPOTS = 12
"""Round patches on a detector where the bonds failed."""


@lru_cache(maxsize=1)
def bad_pixels(frame: Frame) -> NDArray[np.uint32]:
    """Faults of the whole detector (row, column), uint32."""
    random = frame.random("mask")
    border = frame.is_border
    dq = np.zeros(frame.detector.shape, dtype=np.uint32)
    reference, science = np.flatnonzero(border), np.flatnonzero(~border)
    for fault, fraction in FRACTIONS.items():
        candidates = reference if fault is Pixel.BAD_REF_PIXEL else science
        chosen = random.choice(candidates, round(fraction * candidates.size))
        dq.flat[chosen] |= np.uint32(fault)
    _add_open_pixels(random, dq)
    _add_dead_spots(random, dq)
    dq[border] &= np.uint32(Pixel.BAD_REF_PIXEL)
    dq[border] |= np.uint32(Pixel.REFERENCE_PIXEL)
    dq[has(dq, UNUSABLE)] |= np.uint32(Pixel.DO_NOT_USE)
    dq.setflags(write=False)
    return dq


def has(dq: NDArray[np.uint32], flags: Pixel) -> NDArray[np.bool_]:
    """Where any of ``flags`` is set."""
    return (dq & np.uint32(flags)) != 0


def _add_open_pixels(random: np.random.Generator, dq: NDArray[np.uint32]) -> None:
    """Pixels without contact, and the four neighbours that take their charge."""
    rows, columns = dq.shape
    for _ in range(max(1, round(OPEN_PIXELS * dq.size / 4096**2))):
        y, x = random.integers(5, rows - 5), random.integers(5, columns - 5)
        dq[y, x] |= np.uint32(Pixel.DEAD | Pixel.OTHER_BAD_PIXEL)
        dq[[y - 1, y + 1, y, y], [x, x, x - 1, x + 1]] |= np.uint32(Pixel.OTHER_BAD_PIXEL)


def _add_dead_spots(random: np.random.Generator, dq: NDArray[np.uint32]) -> None:
    """Round patches without response."""
    rows, columns = dq.shape
    for _ in range(max(1, round(DEAD_SPOTS * dq.size / 4096**2))):
        radius = int(random.integers(2, 9))
        y, x = random.integers(12, rows - 12), random.integers(12, columns - 12)
        v, u = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        inside = np.hypot(v, u) <= radius
        dq[y + v[inside], x + u[inside]] |= np.uint32(Pixel.DEAD)


def mask(frame: Frame) -> dict[str, Any]:
    """Bad pixels and the frame of reference pixels."""
    return {"dq": frame.cut(bad_pixels(frame))}


def saturation(frame: Frame) -> dict[str, Any]:
    """Full well before linearity correction: 54,000 DN, 2 % smooth, 1 % scatter.

    Kept below 59,000 DN, so that 10 % beyond saturation can still be counted
    with 16 bits.
    """
    random, shape = frame.random("saturation"), frame.detector.shape
    data = 1 + 0.02 * smooth(random, shape) + 0.01 * scatter(random, shape)
    data = np.clip(SATURATION * data, 0.8 * SATURATION, 59000).astype(np.float32)
    error = measurement.SATURATION_ERROR * deviates(frame, "saturation")
    data = (data * (1 - measurement.margin(frame) + error)).astype(np.float32)
    return {"data": frame.cut(data), "dq": _no_flags(frame)}


def measured(detector: Detector, table: str, column: str) -> float:
    """A figure of a detector as measured on the ground (FPSPerformance)."""
    values = instrument_table(f"FPSPerformance/{table}.ecsv")[column]
    return float(values[detector.number - 1])


def median_gain(frame: Frame) -> float:
    """Median gain of a detector [electron / DN], 3 % from one to another."""
    return float(GAIN * (1 + 0.03 * np.clip(frame.random("gain").standard_normal(), -2, 2)))


def gain(frame: Frame) -> dict[str, Any]:
    """Conversion gain: 1.8 electrons a DN, 1 % from channel to channel, 0.3 % scatter."""
    random, shape = frame.random("gain", "map"), frame.detector.shape
    channels = np.repeat(
        random.standard_normal(frame.detector.channels), frame.detector.channel_width
    )
    data = 1 + 0.01 * channels.astype(np.float32) + 0.003 * scatter(random, shape)
    data *= 1 + measurement.GAIN_ERROR * deviates(frame, "gain")
    return {"data": frame.cut((median_gain(frame) * data).astype(np.float32))}


def readnoise(frame: Frame) -> dict[str, Any]:
    """Noise of one read after reference-pixel correction [DN].

    The published noise of a difference of two reads, less what channels share;
    10 % scatter with a tail of noisy pixels, five-fold for telegraph pixels.
    """
    random, shape = frame.random("readnoise"), frame.detector.shape
    two_reads = measured(frame.detector, "WFI_CDS_Noise_summary", "CDS Noise - Median")
    one_read = two_reads / np.sqrt(2) / median_gain(frame)
    median = np.sqrt(one_read**2 - CORRELATED_NOISE**2)
    data = np.exp(0.04 * smooth(random, shape) + 0.1 * scatter(random, shape))
    data[random.random(shape, dtype=np.float32) < 5e-3] *= 2
    data[has(bad_pixels(frame), Pixel.TELEGRAPH)] *= 5
    data *= 1 + measurement.READ_NOISE_ERROR * deviates(frame, "readnoise")
    return {"data": frame.cut((median * data).astype(np.float32))}


def dark(frame: Frame) -> dict[str, Any]:
    """Dark rate as the detector shows it [DN / s].

    The published median, 30 % scatter with a smooth part, ten times as much for
    warm and 100 to 10,000 times as much for hot pixels; with what of each pixel's
    charge shows in its neighbours, as in any dark that is measured.
    """
    random, shape = frame.random("dark"), frame.detector.shape
    electrons = measured(frame.detector, "WFI_Dark_current_summary", "Dark Current - Median")
    median = electrons / median_gain(frame)
    rate = median * np.exp(0.15 * smooth(random, shape) + 0.3 * scatter(random, shape))
    faults = bad_pixels(frame)
    rate[has(faults, Pixel.WARM)] *= 10
    hot = has(faults, Pixel.HOT)
    rate[hot] = median * 10 ** random.uniform(2, 4, np.count_nonzero(hot))
    rate[frame.is_border] = 0
    rate = coupled(rate, ipc(frame)["data"])
    error = 0.03 * np.sqrt(median * rate) + 0.02 * median
    dq = faults & np.uint32(Pixel.HOT | Pixel.WARM)
    measured_rate = np.where(frame.is_border, 0, rate + error * deviates(frame, "dark"))
    return {
        "dark_slope": frame.cut(measured_rate.astype(np.float32)),
        "dark_slope_error": frame.cut(error.astype(np.float32)),
        "dq": frame.cut(dq),
    }


def flat(frame: Frame, element: str) -> dict[str, Any]:
    """Relative response of the science pixels, median 1 [science frame].

    Structure of the detector that all filters share (1.5 % smooth, 0.8 % from
    pixel to pixel) and that of the filter (0.5 % smooth, 0.1 % scatter).
    """
    shape, border = frame.detector.shape, frame.detector.border
    sensor, glass = frame.random("flat"), frame.random("flat", element)
    data = 1 + 0.015 * smooth(sensor, shape) + 0.008 * scatter(sensor, shape)
    data *= 1 + 0.005 * smooth(glass, shape) + 0.001 * scatter(glass, shape)
    faults = bad_pixels(frame)
    data[has(faults, Pixel.LOW_QE)] *= 0.6
    dead = has(faults, Pixel.DEAD)
    data = data / np.median(data[~dead])
    data[dead] = 0
    dq = faults & np.uint32(Pixel.DEAD | Pixel.LOW_QE)
    dq[dead] |= np.uint32(Pixel.NO_FLAT_FIELD)
    science = (slice(border, -border),) * 2
    error = np.full(shape, 1e-3, dtype=np.float32)
    data = np.where(dead, 0, data + error * deviates(frame, "flat", element))
    return {
        "data": frame.cut_science(data[science].astype(np.float32)),
        "err": frame.cut_science(error[science]),
        "dq": frame.cut_science(dq[science]),
    }


def _no_flags(frame: Frame) -> Map:
    return np.zeros(frame.kept.shape, dtype=np.uint32)
