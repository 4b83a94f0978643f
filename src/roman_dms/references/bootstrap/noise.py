"""Read noise that channels share, and the weights that take it out.

The model, per clock of 10 microseconds and in DN. Channel c reads

    n_c(t) = k_c u(t) + v(t) + w_c(t)

where u is the noise of the common supply, which the reference output (amplifier
33) sees with coupling 1 and channel c with coupling k_c near 1; v is the noise
of the detector bias, which the channels and the border pixels see and amplifier
33 does not; w is white. Both u and v have spectra 1/f. The reference streams are

    A(t) = u(t) + white of ``AMP33_NOISE``
    L(t) = 35 comb(t) (k_l u(t) + v(t) + white of ``BORDER_NOISE``), R(t) likewise

since 4 of the 140 clocks of a row see the border, and the streams are padded
with zeros and scaled by 140 / 4. Below half the row frequency the comb leaves
u and v alone and makes its white noise 35 times as large in variance; above it
there are but images, and the weights are zero. With the spectral matrix C of the
three streams and their cross spectra b with n_c, the weights that leave the
least noise are the Wiener solution

    (gamma_c, zeta_c, alpha_c) = C^-1 b

and the correction is irfft(rfft(L) gamma_c + rfft(R) zeta_c + rfft(A) alpha_c),
as in Rauscher et al. (2022, JATIS 8, 028002).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.references.bootstrap import measurement
from roman_dms.references.bootstrap.frame import Frame

SUPPLY_NOISE = 1.6
"""Standard deviation of u in one read of 4096 rows [DN]."""

BIAS_NOISE = 1.0
"""Standard deviation of v in one read of 4096 rows [DN]."""

CORRELATED_NOISE = float(np.hypot(SUPPLY_NOISE, BIAS_NOISE))
"""Noise of a read that the reference streams see [DN]."""

AMP33_NOISE = 2.0
"""White noise of amplifier 33 [DN]."""

BORDER_NOISE = 5.0
"""White noise of a border pixel [DN]."""

COUPLING_SCATTER = 0.05
"""Scatter of the couplings k_c about 1."""

FRAME_CLOCKS = 4096 * 140
"""Clocks of a read of the whole detector, over which the noises above are stated."""

STEP = 2.0**-12
"""Weights are rounded to this step, which compresses them 30-fold and costs no noise."""


def couplings(frame: Frame) -> NDArray[np.float64]:
    """Coupling k_c of each channel that is kept to the common supply."""
    everyone = 1 + COUPLING_SCATTER * frame.random("refpix").standard_normal(
        frame.detector.channels
    )
    first = frame.first_channel
    return everyone[first : first + frame.kept.channels]


def pink(frequency: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Spectral density of 1/f noise at ``frequency`` [cycles / clock].

    Normalised so that noise of unit density has unit variance a clock and the
    sum over the frequencies of one read of the detector is ``deviation`` squared.
    """
    lowest = 1 / FRAME_CLOCKS
    return deviation**2 / (2 * np.log(0.5 / lowest)) / np.maximum(frequency, lowest)


def weights(
    coupling: float,
    edges: tuple[float, float],
    frequency: NDArray[np.float64],
    row_clocks: int,
    border: int,
) -> NDArray[np.float64]:
    """Wiener weights (left, right, amplifier 33; frequency) of one channel.

    Parameters
    ----------
    coupling, edges
        Couplings of the channel, and of the left and right border.
    frequency
        Frequencies [cycles / clock].
    row_clocks, border
        Clocks of a row, and how many of them see the border.
    """
    supply, bias = pink(frequency, SUPPLY_NOISE), pink(frequency, BIAS_NOISE)
    seen = np.array([edges[0], edges[1], 1.0])
    biased = np.array([1.0, 1.0, 0.0])
    white = np.array([row_clocks / border * BORDER_NOISE**2] * 2 + [AMP33_NOISE**2])
    C = (
        supply[:, None, None] * np.outer(seen, seen)
        + bias[:, None, None] * np.outer(biased, biased)
        + np.diag(white)
    )
    b = supply[:, None] * coupling * seen + bias[:, None] * biased
    solution = np.linalg.solve(C, b[..., None])[..., 0].T
    alone = coupling * supply / (supply + AMP33_NOISE**2)
    above = frequency > 0.5 / row_clocks
    solution[:, above] = np.stack([0 * alone, 0 * alone, alone])[:, above]
    return solution


def refpix(frame: Frame) -> dict[str, Any]:
    """Weights of the borders and of amplifier 33, (channel, frequency) complex."""
    kept = frame.kept
    row_clocks = kept.channel_width + kept.row_overhead
    clocks = kept.rows * row_clocks
    frequency = np.arange(clocks // 2 + 1) / clocks
    k = couplings(frame)
    whole = couplings(Frame(frame.detector, frame.seed))
    edges = (whole[0], whole[-1])
    table = np.zeros((3, kept.channels, frequency.size), dtype=np.complex128)
    for channel in range(kept.channels):
        found = weights(k[channel], edges, frequency, row_clocks, kept.border)
        table[:, channel] = np.round(found / STEP) * STEP
    return dict(zip(("gamma", "zeta", "alpha"), table, strict=True))


def darkdecaysignal(frame: Frame) -> dict[str, Any]:
    """Decaying dark signal after a reset of each detector, near 0.4 DN and 23 s."""
    random = np.random.default_rng(np.random.SeedSequence([frame.seed, 18]))
    amplitudes, times = 0.4 + 0.04 * random.uniform(-1, 1, 18), 23 + 2 * random.uniform(-1, 1, 18)
    if frame.measured is not None:
        programme = np.random.default_rng(np.random.SeedSequence([frame.measured, 18]))
        error = 1 + measurement.DECAY_ERROR * programme.standard_normal((2, 18))
        amplitudes, times = amplitudes * error[0], times * error[1]
    return {
        "decay_table": {
            f"WFI{number:02d}": {"amplitude": float(a), "time_constant": float(t)}
            for number, (a, t) in enumerate(zip(amplitudes, times, strict=True), start=1)
        }
    }
