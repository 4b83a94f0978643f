r"""Correlated read noise, seen by the reference pixels and subtracted (IRRC).

Improved Roman Reference Correction of Rauscher et al. (2022, PASP 134 104502;
arXiv:2208.01088).  Three streams of samples see noise that the channels share:
the left and the right border, each once a row, and amplifier 33, all the time.
With L, R and A their Fourier transforms in time, the noise of channel c is

.. math:: n_c = F^{-1}[\gamma_c L + \zeta_c R + \alpha_c A],

with weights from dark exposures.  Before that the mean over the resultants is
taken off each reference sample, since it is bias and not noise, and a linear
drift over the frame, from the top and bottom borders of each channel, is taken
off the channel.  The pauses between rows, in which amplifier 33 gives nothing,
are filled by interpolation.

A frame has ``rows`` rows of ``channel_width + row_overhead`` clocks, and even
channels are read from left to right, odd ones from right to left.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.calibration.bands import bands
from roman_dms.errors import CalibrationError, ReferenceDataError
from roman_dms.instrument.detectors import Detector

Cube = NDArray[np.float32]
Mask = NDArray[np.bool_]
Spectrum = NDArray[np.complex64]
Weights = Callable[[int], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]
"""Weights gamma, zeta and alpha of a channel, each (frequencies,), complex."""

STREAMS = ("left border", "right border", "amplifier 33", "top and bottom borders")
"""What sees the noise of the channels."""

BAND_ROWS = 64
"""Rows that a thread converts to float32 at a time."""

COSINE_REACH = 16
"""Samples on either side at which the interpolation of amplifier 33 ends."""

SMOOTHINGS = 3
"""Times that the interpolated samples of amplifier 33 are smoothed."""


class Corrected(NamedTuple):
    """Corrected resultants, and which streams there were none of."""

    data: Cube
    """(n, rows, columns) [DN]."""
    missing: tuple[str, ...]
    """Streams without a good sample, or that never change; their noise is left in."""


def correct(
    rows: Callable[[int, int], NDArray[Any]],
    shape: tuple[int, int, int],
    amp33: NDArray[Any],
    bad_reference: Mask,
    weights: Weights,
    detector: Detector,
    workers: int = 1,
) -> Corrected:
    """Subtract the noise that channels share with the reference pixels.

    A sample of 0 DN was not read, as in the mission's pipeline.

    Parameters
    ----------
    rows
        ``rows(start, stop)`` gives the raw resultants of those rows,
        ``(n, stop - start, columns)`` [DN].
    shape
        ``(n, rows, columns)`` of all of them.
    amp33
        ``(n, rows, channel_width)``, amplifier 33 [DN].
    bad_reference
        ``(rows, columns)``, true for reference pixels that cannot be used.
    weights
        Gives the weights of a channel.
    detector
        Its channels, border and timing.
    workers
        Threads.

    Returns
    -------
    Corrected
        With no other array of the size of the data than the one that it holds.

    Raises
    ------
    CalibrationError
        Where the arrays do not fit the detector.
    ReferenceDataError
        Where the weights do not.
    """
    _check(shape, amp33, bad_reference, detector)
    data = np.empty(shape, np.float32)

    def convert(place: tuple[int, int]) -> None:
        start, stop = place
        data[:, start:stop] = rows(start, stop)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(convert, bands(shape[1], BAND_ROWS, workers)))
        reference = _reference(data, amp33, bad_reference, detector, pool)

        def subtract(channel: int) -> None:
            gains = _gains(weights, channel, reference.spectra[0].shape[1])
            noise = _noise(reference.spectra, gains, shape[1])
            drift = reference.drifts[channel]
            first = channel * detector.channel_width
            target = data[:, :, first : first + detector.channel_width]
            _subtract(target, noise, drift, channel % 2 == 1)

        if any(reference.heard):
            list(pool.map(subtract, range(detector.channels)))
    silent = tuple(n for n, heard in zip(STREAMS, reference.heard, strict=True) if not heard)
    return Corrected(data, silent)


class _Reference(NamedTuple):
    """What the reference pixels say."""

    spectra: list[Spectrum]
    """Left border, right border and amplifier 33: (n, frequencies) [DN], as if
    the mean of a row had been sampled at all of its clocks."""
    drifts: NDArray[np.float64]
    """(channels, n, 2): signal at the middle of the frame [DN], drift [DN/clock]."""
    heard: list[bool]
    """For each of ``STREAMS`` whether it has samples, and not all of them equal."""


def _check(
    shape: tuple[int, int, int], amp33: NDArray[Any], bad_reference: Mask, detector: Detector
) -> None:
    expected = (shape[0], detector.rows, detector.channel_width)
    if shape[1:] != detector.shape or bad_reference.shape != detector.shape:
        raise CalibrationError(
            f"Data of shape {shape} with a map {bad_reference.shape} of bad reference pixels.",
            f"(n, {detector.rows}, {detector.columns}) and {detector.shape}",
        )
    if amp33.shape != expected:
        raise CalibrationError(
            f"Amplifier 33, the branch amp33, has shape {amp33.shape}.",
            f"{expected}, as the data",
            "Leave out the reference-pixel correction, or make the L1 file anew.",
        )


def _reference(
    data: Cube, amp33: NDArray[Any], bad: Mask, detector: Detector, pool: Executor
) -> _Reference:
    """Take the spectra and the drifts out of the reference pixels."""
    border, width = detector.border, detector.channel_width
    edges = np.r_[0:border, detector.rows - border : detector.rows]
    clocks = _clocks(detector)
    frame = _Samples.of(data[:, edges], ~bad[edges])
    drifts = _drifts(
        _by_channel(frame.deviations, width), _by_channel(frame.good, width), clocks[edges]
    )
    last = detector.channels - 1
    left, right = np.arange(border), np.arange(width - border, width)
    # An odd channel is read from the right.
    right = width - 1 - right if last % 2 else right
    tasks = [
        pool.submit(
            _border_spectrum, data[:, :, :border], ~bad[:, :border], drifts[0], clocks, left
        ),
        pool.submit(
            _border_spectrum, data[:, :, -border:], ~bad[:, -border:], drifts[last], clocks, right
        ),
        pool.submit(_amplifier_spectrum, amp33, edges, clocks),
    ]
    spectra, heard = zip(*(task.result() for task in tasks), strict=True)
    return _Reference(list(spectra), drifts, [*heard, frame.heard])


class _Samples(NamedTuple):
    """Reference samples less their mean over the resultants."""

    deviations: Cube
    """(n, rows, columns) [DN]; 0 where there is no good sample."""
    good: Mask
    """The same shape."""
    heard: bool
    """Whether there are good samples, and not all of them equal."""

    @classmethod
    def of(cls, values: NDArray[Any], usable: Any) -> _Samples:
        """Samples of ``values``, (n, rows, columns), where they were read and are usable."""
        good = (values != 0) & usable
        known = values[good]
        heard = known.size > 0 and bool(known.min() != known.max())
        total = np.sum(values, axis=0, where=good, dtype=np.float64)
        mean = total / np.maximum(np.count_nonzero(good, axis=0), 1)
        return cls(np.where(good, values - mean, 0).astype(np.float32), good, heard)


def _clocks(detector: Detector) -> NDArray[np.float64]:
    """Clocks from the middle of the frame, (rows, clocks of a row)."""
    length = detector.channel_width + detector.row_overhead
    clocks = np.arange(detector.rows * length, dtype=np.float64).reshape(detector.rows, length)
    return clocks - np.mean(clocks)


def _by_channel(values: NDArray[Any], width: int) -> NDArray[Any]:
    """(n, rows, columns) as (n, rows, channel, column in the order of reading)."""
    split = values.reshape(*values.shape[:2], -1, width).copy()
    split[:, :, 1::2] = split[:, :, 1::2, ::-1]
    return split


def _drifts(deviations: Cube, good: Mask, clocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit lines in time to the samples (n, rows, channel, column) of the top and bottom rows.

    Without samples at both ends of the frame the line is level, since it would
    run wild at the other end.
    """
    t = np.broadcast_to(clocks[:, None, : good.shape[3]], good.shape)
    n = np.maximum(good.sum(axis=(1, 3)), 1)
    t_mean = np.sum(t, axis=(1, 3), where=good) / n
    mean = np.sum(deviations, axis=(1, 3), where=good, dtype=np.float64) / n
    t_off = t - t_mean[:, None, :, None]
    squares = np.sum(t_off**2, axis=(1, 3), where=good)
    products = np.sum(t_off * deviations, axis=(1, 3), where=good)
    both_ends = np.any(good & (t < 0), axis=(1, 3)) & np.any(good & (t > 0), axis=(1, 3))
    slope = np.divide(products, squares, where=both_ends, out=np.zeros_like(mean))
    return np.stack([mean - slope * t_mean, slope], axis=-1).swapaxes(0, 1)


def _border_spectrum(
    values: Cube,
    usable: Mask,
    drift: NDArray[np.float64],
    clocks: NDArray[np.float64],
    places: NDArray[Any],
) -> tuple[Spectrum, bool]:
    """Spectrum of a border, read at the clocks ``places`` of a row; whether it is heard."""
    samples = _Samples.of(values, usable)
    signal = samples.deviations - _line(drift, clocks[:, places])
    count = samples.good.sum(axis=2, keepdims=True)
    mean = np.sum(signal, axis=2, where=samples.good, keepdims=True) / np.maximum(count, 1)
    stream = np.zeros((len(signal), *clocks.shape), np.float32)
    stream[:, :, places] = np.where(samples.good, signal, mean) * (clocks.shape[1] / len(places))
    return _spectrum(stream), samples.heard


def _amplifier_spectrum(
    amp33: NDArray[Any], edges: NDArray[Any], clocks: NDArray[np.float64]
) -> tuple[Spectrum, bool]:
    """Spectrum of amplifier 33, with the pauses between rows filled; whether it is heard."""
    samples = _Samples.of(amp33, np.True_)
    width = amp33.shape[2]
    at_ends = samples.deviations[:, edges, None], samples.good[:, edges, None]
    drift = _drifts(*at_ends, clocks[edges])[0]
    stream = np.zeros((len(amp33), *clocks.shape), np.float32)
    good = np.zeros(stream.shape, np.bool_)
    good[:, :, :width] = samples.good
    stream[:, :, :width] = samples.deviations - _line(drift, clocks[:, :width])
    kernel = np.cos(np.arange(COSINE_REACH) * np.pi / (2 * COSINE_REACH)).astype(np.float32)
    for samples_of_frame, good_of_frame in zip(stream, good, strict=True):
        _fill_gaps(samples_of_frame.reshape(-1), good_of_frame.reshape(-1), kernel, SMOOTHINGS)
    return _spectrum(stream), samples.heard


def _line(drift: NDArray[np.float64], clocks: NDArray[np.float64]) -> Cube:
    """A drift (n, 2) at some clocks, (n, *clocks.shape)."""
    return np.asarray(drift[:, :1, None] + drift[:, 1:, None] * clocks, np.float32)


def _spectrum(stream: Cube) -> Spectrum:
    """Fourier transform in time of each resultant of a stream."""
    from scipy import fft  # noqa: PLC0415 - slow to import

    return np.asarray(fft.rfft(stream.reshape(len(stream), -1)), np.complex64)


def _gains(weights: Weights, channel: int, frequencies: int) -> tuple[Spectrum, ...]:
    """Weights of a channel, checked."""
    gains = tuple(np.ascontiguousarray(gain, np.complex64) for gain in weights(channel))
    if [gain.shape for gain in gains] != [(frequencies,)] * 3:
        raise ReferenceDataError(
            f"The reference-pixel weights of channel {channel} have the shapes "
            f"{', '.join(str(gain.shape) for gain in gains)}.",
            f"gamma, zeta and alpha with {frequencies} frequencies each",
            "Choose a refpix reference file made for a detector of this size.",
        )
    return gains


def _noise(spectra: list[Spectrum], gains: tuple[Spectrum, ...], rows: int) -> Cube:
    """Noise of a channel in time, (n, rows, clocks of a row)."""
    from scipy import fft  # noqa: PLC0415 - slow to import

    total = np.empty_like(spectra[0])
    _combine(*spectra, *gains, total)
    # The number of samples is even, since a row has an even number of clocks.
    noise = fft.irfft(total, n=2 * (total.shape[1] - 1), overwrite_x=True)
    return np.asarray(noise, np.float32).reshape(len(total), rows, -1)


@njit(nogil=True, cache=True)
def _fill_gaps(
    samples: NDArray[np.float32], good: Mask, kernel: NDArray[np.float32], smoothings: int
) -> None:
    """Fill missing samples by means weighted with a cosine, then smooth them.

    Each smoothing takes (1, 2, 1) / 4 of a sample and its neighbours.  It is
    the same as the multiplication of the spectrum by (1 + cos) / 2 that
    Rauscher et al. call Fourier interpolation, without the transforms.
    """
    length = len(samples)
    gaps = np.flatnonzero(~good)
    filled = np.zeros(len(gaps), np.float32)
    for j in range(len(gaps)):
        total, weight = np.float32(0), np.float32(0)
        for i in range(max(0, gaps[j] - len(kernel) + 1), min(length, gaps[j] + len(kernel))):
            if good[i]:
                total += kernel[abs(i - gaps[j])] * samples[i]
                weight += kernel[abs(i - gaps[j])]
        if weight > 0:
            filled[j] = total / weight
    samples[gaps] = filled
    for _ in range(smoothings):
        for j in range(len(gaps)):
            before, after = samples[gaps[j] - 1], samples[(gaps[j] + 1) % length]
            filled[j] = (before + 2 * samples[gaps[j]] + after) / 4
        samples[gaps] = filled


@njit(nogil=True, cache=True, fastmath={"contract"})
def _combine(
    left: Spectrum,
    right: Spectrum,
    amplifier: Spectrum,
    gamma: Spectrum,
    zeta: Spectrum,
    alpha: Spectrum,
    total: Spectrum,
) -> None:
    """Weighted sum of the three spectra, (n, frequencies)."""
    for k in range(len(total)):
        for f in range(len(gamma)):
            total[k, f] = gamma[f] * left[k, f] + zeta[f] * right[k, f] + alpha[f] * amplifier[k, f]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _subtract(data: Cube, noise: Cube, drift: NDArray[np.float64], reverse: bool) -> None:
    """Subtract noise and drift from the columns of a channel, in place."""
    resultants, rows, width = data.shape
    length = noise.shape[2]
    middle = (rows * length - 1) / 2
    for k in range(resultants):
        slope = np.float32(drift[k, 1])
        for row in range(rows):
            level = np.float32(drift[k, 0] + drift[k, 1] * (row * length - middle))
            if reverse:
                for x in range(width):
                    place = width - 1 - x
                    data[k, row, x] -= noise[k, row, place] + level + slope * np.float32(place)
            else:
                for x in range(width):
                    data[k, row, x] -= noise[k, row, x] + level + slope * np.float32(x)
