"""Light curves: the flux of a source at a time, as a multiple of its flux in the catalogue.

A light curve is described by four columns of a scene: ``variability`` names its
kind, ``t_ref`` [MJD], ``timescale`` [d] and ``amplitude`` mean what the kind
says, and ``redshift`` stretches its times by 1 + z.

================  =============================  =============================  ==================
kind              t_ref                          timescale                      amplitude
================  =============================  =============================  ==================
``sine``          brightest                      period                         full range [mag]
``sawtooth``      brightest                      period                         full range [mag]
``eclipse``       middle of the deep eclipse     period                         depth [part of flux]
``microlensing``  closest approach               time to cross an Einstein      closest approach
                                                 radius                         [Einstein radii]
``supernova``     brightest                      decline, 1/e                   not used
================  =============================  =============================  ==================

The flux of the catalogue is the mean magnitude of ``sine`` and ``sawtooth``, the
flux out of eclipse, without lens, and at the peak of a supernova.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

SAWTOOTH_RISE = 0.15
"""Part of its period in which a sawtooth rises; RR Lyrae stars of type ab take 0.1 to 0.2
(Smith 1995, RR Lyrae Stars)."""

ECLIPSE_WIDTH = 0.06
"""Part of the period from first to last contact; half of it is total."""

SUPERNOVA_RISE = 0.18
"""Time scale of a supernova's rise over that of its decline."""


def sine(elapsed: Values, period: Values, amplitude: Values) -> Values:
    """A cosine in magnitudes."""
    return 10 ** (0.2 * amplitude * np.cos(2 * np.pi * elapsed / period))


def sawtooth(elapsed: Values, period: Values, amplitude: Values) -> Values:
    """A steady decline and a steep rise in magnitudes, in the manner of RR Lyrae stars."""
    phase = (elapsed / period) % 1
    decline = 1 - SAWTOOTH_RISE
    height = np.where(phase < decline, 1 - phase / decline, (phase - decline) / SAWTOOTH_RISE)
    return 10 ** (0.4 * amplitude * (height - 0.5))


def eclipse(elapsed: Values, period: Values, amplitude: Values) -> Values:
    """A deep eclipse, and one of half its depth half a period later."""
    phase = (elapsed / period + 0.5) % 1 - 0.5
    secondary = (phase % 1) - 0.5

    def covered(distance: Values) -> Values:
        return np.clip(2 - 4 * np.abs(distance) / ECLIPSE_WIDTH, 0, 1)

    depth = np.minimum(amplitude, 1)
    return 1 - depth * (covered(phase) + 0.5 * covered(secondary))


def microlensing(elapsed: Values, crossing: Values, closest: Values) -> Values:
    """A point lens before a point source (Paczynski 1986, ApJ 304, 1, eq. 5)."""
    u2 = np.maximum(closest, 1e-6) ** 2 + (elapsed / crossing) ** 2
    return (u2 + 2) / np.sqrt(u2 * (u2 + 4))


def supernova(elapsed: Values, decline: Values, _amplitude: Values) -> Values:
    """Exponential decline with a logistic rise (Bazin et al. 2009, A&A 499, 653, eq. 1).

    Scaled to 1 at its peak, which is log(decline / rise - 1) rises after the
    centre of the rise.  The decline of a Type Ia is about 20 d in the red.
    """
    rise = SUPERNOVA_RISE * decline
    peak = np.log(1 / SUPERNOVA_RISE - 1)

    def flux(time: Values) -> Values:
        # Written so that nothing overflows long before the explosion.
        before = np.minimum(time, 0) / rise
        start = np.exp(before) / (np.exp(before) + np.exp(-np.maximum(time, 0) / rise))
        return np.exp(-np.maximum(time, 0) / decline - np.minimum(time, 0) / decline) * start

    return flux(np.maximum(elapsed + peak * rise, -50 * rise)) / flux(peak * rise)


KINDS: Mapping[str, Callable[[Values, Values, Values], Values]] = {
    "sine": sine,
    "sawtooth": sawtooth,
    "eclipse": eclipse,
    "microlensing": microlensing,
    "supernova": supernova,
}
"""Light curves by name: flux over the catalogue's, of the days since ``t_ref``, the time
scale [d] and the amplitude."""
