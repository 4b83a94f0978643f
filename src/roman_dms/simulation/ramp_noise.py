"""Noise of the slope of a ramp, as the best fit would have it.

An idealised image needs the noise that calibration would leave, without the
reads.  The means r_i of the reads of each resultant of a ramp with pedestal and
slope have the covariance (Brandt 2024, PASP 136 045004, eqs. 10-14)

    C_ij = a <t_i> (i < j),   C_ii = a tau_i + s^2 / N_i

with the count rate a and the noise s of one read; the generalised least-squares
weights w of the slope give its variance a w'Pw + w'Rw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.read_patterns import ReadPattern

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SlopeNoise:
    """Variance of a slope against rate, for one read noise, by interpolation."""

    log_rate: Values
    """(k,) logarithm of the tabulated rates [log electron / s]."""
    photon_time: Values
    """(k,) rate over the variance from its photons: an effective exposure time [s]."""
    read_variance: Values
    """(k,) variance from the reads [(electron / s)^2]."""

    def __call__(self, rate: NDArray[np.floating]) -> tuple[NDArray[np.float32], ...]:
        """Effective exposure time and read variance at each rate, float32."""
        log_rate = np.log(np.clip(rate, 1e-6, None), dtype=np.float32)
        return tuple(
            np.interp(log_rate, self.log_rate, table).astype(np.float32)
            for table in (self.photon_time, self.read_variance)
        )


def slope_noise(pattern: ReadPattern, read_noise: float) -> SlopeNoise:
    """Tabulate the noise of the slope for rates from 1e-4 to 1e6 electron / s.

    Parameters
    ----------
    pattern
        The reads; one resultant alone gives its mean over its time.
    read_noise
        Of one read [electron].
    """
    log_rate = np.log(np.logspace(-4, 6, 81))
    table = [_at(pattern, float(np.exp(value)), read_noise) for value in log_rate]
    photons, reads = np.array(table).T
    return SlopeNoise(log_rate, 1 / photons, reads)


def _at(pattern: ReadPattern, rate: float, read_noise: float) -> tuple[float, float]:
    """Variances of the slope, of photons per unit of rate and of reads."""
    mean, tau = pattern.mean_times, pattern.variance_times
    photons = np.minimum.outer(mean, mean)
    np.fill_diagonal(photons, tau)
    reads = np.diag(read_noise**2 / pattern.counts)
    design = np.stack([mean] if len(mean) == 1 else [mean, np.ones_like(mean)], axis=1)
    weighted = np.linalg.solve(rate * photons + reads + 1e-12 * np.eye(len(mean)), design)
    weights = np.linalg.solve(design.T @ weighted, weighted.T)[0]
    return float(weights @ photons @ weights), float(weights @ reads @ weights)
