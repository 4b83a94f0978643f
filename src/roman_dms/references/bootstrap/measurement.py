"""What a calibration programme gets wrong: the errors of measured reference files.

A baseline is the detector as it is.  A measured baseline (``Frame.measured``) is
the same detector as a programme of darks, flats and ramps would have seen it:
each value differs from the truth by a normal deviate of its own, of the sizes
below.  An exposure simulated with the one and calibrated with the other meets
realistic errors of calibration.

The sizes are those that the statistics of a ground campaign or of a year in orbit
allow for single pixels; they are choices, not published figures, except where a
source is named.  What is not listed is known without error: masks, reference-pixel
weights, distortion, pixel areas, PSFs and the conversion to flux, whose stated
uncertainty of 2 % is common to all pixels and no noise.
"""

from __future__ import annotations

from roman_dms.references.bootstrap.frame import Frame, Map, scatter

GAIN_ERROR = 0.005
"""Relative error of the gain: (2 / n)^(1/2) of n = 8e4 squared differences, as from
200 pairs of flats in blocks of 20 x 20 pixels; taken to be each pixel's own."""

READ_NOISE_ERROR = 0.03
"""Relative error of the read noise: (1 / 2n)^(1/2) of n = 550 differences of reads in
ten darks of 55 reads."""

NONLINEARITY_ERROR = 0.01
"""Relative error of the quadratic and quartic coefficients of linearity, 0.03 % of the
signal at saturation."""

CONVERTER_ERROR = 0.02
"""Relative error of the integral non-linearity of a channel, 0.1 DN at most."""

SATURATION_MARGIN = 0.01
"""How much lower than it is a programme sets the saturation, to be safe."""

SATURATION_ERROR = 0.003
"""Relative error of the saturation of a pixel, besides the margin."""

DECAY_ERROR = 0.02
"""Relative error of the amplitude and the time constant of the decaying dark signal."""

WITH_ERRORS = frozenset({
    "dark", "darkdecaysignal", "flat", "gain", "integralnonlinearity", "inverselinearity",
    "linearity", "readnoise", "saturation",
})  # fmt: skip
"""Kinds whose files differ from the truth; dark and flat by the error that they state."""


def deviates(frame: Frame, kind: str, *keys: str) -> Map | float:
    """Standard normal error of each pixel of the whole detector; 0 for a true baseline."""
    random = frame.measurement(kind, *keys)
    return 0.0 if random is None else scatter(random, frame.detector.shape)


def margin(frame: Frame) -> float:
    """How much lower than it is the saturation is set, as a fraction."""
    return 0.0 if frame.measured is None else SATURATION_MARGIN


def origin(frame: Frame, kind: str) -> str:
    """A sentence for the metadata: what the values of a file are.

    >>> from roman_dms.instrument.detectors import Detector
    >>> origin(Frame(Detector("WFI01"), 5, measured=7), "gain")
    'Synthetic baseline, seed 5, with errors of measurement, seed 7.'
    """
    errors = frame.measured is not None and kind in WITH_ERRORS
    seen = f", with errors of measurement, seed {frame.measured}" if errors else ""
    return f"Synthetic baseline, seed {frame.seed}{seen}."
