"""Detector corrections next to romancal's, on the same small random arrays.

Run it where both packages are importable::

    python benchmarks/accuracy_detector.py

It prints the largest difference of each correction.  The reference pixels are
compared with and without samples that happen to equal their mean over the
resultants: romancal takes such a sample, 0 after the mean is off, for a missing
one.
"""

from __future__ import annotations

import numpy as np

from roman_dms.calibration import dark_decay, linearity, reference_pixels, saturation
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import read_times

PATTERN = ReadPattern([[1], [2, 3], [5, 6, 7, 8], [9, 10, 11, 12, 13], [16]], frame_time=3.16247)
READS = [list(reads) for reads in PATTERN]


def difference(name: str, ours: np.ndarray, theirs: np.ndarray, unit: str) -> None:
    print(f"{name:58s} {np.max(np.abs(ours - theirs)):10.2e} {unit}")


def compare_readout() -> None:
    from romancal.lib.basic_utils import frame_read_times

    for sca in (1, 3, 18):
        ours = read_times(Detector(f"WFI{sca:02d}"), PATTERN.frame_time)
        theirs = frame_read_times(PATTERN.frame_time, sca)
        difference(f"read times, WFI{sca:02d}", ours, theirs, "s")


def compare_dark_decay(rng: np.random.Generator) -> None:
    from romancal.dark_decay.dark_decay import subtract_dark_decay

    data = rng.normal(5000, 10, (2, 4096, 4096)).astype(np.float32)
    short = ReadPattern(PATTERN.reads[:2], PATTERN.frame_time)
    ours = dark_decay.subtract(data, 0, Detector("WFI02"), 0.4, 23.0, short)
    subtract_dark_decay(data, 0.4, 23.0, short.frame_time, READS[:2], 2)
    difference("dark decay", ours, data, "DN (float32 of 5000: 5e-4)")


def compare_saturation(rng: np.random.Generator) -> None:
    from roman_datamodels.dqflags import pixel
    from stcal.saturation.saturation import flag_saturated_pixels

    shape = (len(PATTERN), 200, 300)
    rate = rng.exponential(4000, shape[1:])
    onset = rng.integers(0, 17, shape[1:]) * (rng.random(shape[1:]) < 0.3)
    jump = rng.exponential(40000, shape[1:])
    data = np.array(
        [np.mean([np.minimum(rate * r + jump * (r > onset), 60000) for r in k], 0) for k in READS]
    )
    raw = np.clip(data - 20, 0, 65535).astype(np.uint16)
    threshold = rng.uniform(40000, 60000, shape[1:]).astype(np.float32)
    threshold[rng.random(shape[1:]) < 0.01] = np.nan
    threshold_dq = np.where(rng.random(shape[1:]) < 0.01, Pixel.NO_SAT_CHECK, 0).astype(np.uint32)
    for grow in (0, 1, 2):
        ours, our_dq = saturation.flag_saturation(
            lambda a, b: raw[:, a:b],
            shape,
            lambda a, b: (threshold[a:b], threshold_dq[a:b]),
            PATTERN,
            np.zeros(shape, np.uint8),
            np.zeros(shape[1:], np.uint32),
            grow=grow,
        )
        theirs, their_dq, _ = flag_saturated_pixels(
            raw[None].astype(np.float32),
            np.zeros((1, *shape), np.uint8),
            np.zeros(shape[1:], np.uint32),
            threshold.copy(),
            threshold_dq.copy(),
            65535.0,
            pixel,
            n_pix_grow_sat=grow,
            read_pattern=READS,
        )
        partial = np.count_nonzero((ours & 3) == 1)
        print(
            f"saturation, growth {grow}: {np.count_nonzero(ours & 2)} saturated, {partial} in part;"
            f" unlike: {np.count_nonzero(ours != theirs[0])} resultants,"
            f" {np.count_nonzero(our_dq != their_dq)} pixels"
        )


def compare_linearity(rng: np.random.Generator) -> None:
    from roman_datamodels.dqflags import pixel
    from stcal.linearity.linearity import linearity_correction

    shape = (len(PATTERN), 48, 256)
    rate = 10 ** rng.uniform(0, 3.4, shape[1:])
    data = (rate * PATTERN.mean_times[:, None, None] / 3.16 + 300).astype(np.float32)
    data = np.minimum(data, 62000)
    resultant_dq = np.where(data > 55000, 2, 0).astype(np.uint8)
    scale = rng.uniform(0.9, 1.1, shape[1:])
    powers = [0, 1, 4e-7, 2e-12, 1e-17]
    coeffs = np.array([p * scale if p != 1 else np.ones_like(scale) for p in powers], np.float32)
    inverse = np.array([-s * c for s, c in zip((1, -1, 1, 1, 1), coeffs, strict=True)], np.float32)
    lin_dq = np.where(rng.random(shape[1:]) < 0.01, Pixel.NO_LIN_CORR, 0).astype(np.uint32)
    coeffs[2, 5, 7] = np.nan
    value = np.arange(65536, dtype=np.uint16)
    table = np.cumsum(rng.normal(0, 0.02, (2, 65536)), axis=1).clip(-3, 3)
    ours = linearity.linearize(
        data, resultant_dq, coeffs, lin_dq, inverse, value, table, PATTERN, 128
    )

    def converter(counts: np.ndarray) -> np.ndarray:
        halves = [
            np.interp(counts[..., 128 * i : 128 * i + 128], value, table[i]) for i in range(2)
        ]
        return np.concatenate(halves, axis=-1)

    theirs, their_dq, _ = linearity_correction(
        data[None].astype(np.float64),
        resultant_dq[None],
        np.zeros(shape[1:], np.uint32),
        coeffs.astype(np.float64),
        lin_dq,
        pixel,
        ilin_coeffs=inverse.astype(np.float64),
        additional_correction=converter,
        read_pattern=READS,
    )
    same = np.isfinite(coeffs).all(0)
    difference(
        "linearity, ours in float32, theirs in float64",
        ours.data[:, same],
        theirs[0][:, same],
        "DN",
    )
    print(f"linearity: unlike pixel flags: {np.count_nonzero(ours.flags != their_dq)}")


def compare_reference_pixels(rng: np.random.Generator) -> None:
    from romancal.refpix._data import Coefficients, StandardView

    detector, resultants = Detector("WFI01", rows=64), 4
    shape = (resultants, *detector.shape)
    frequencies = 64 * 140 // 2 + 1
    weights = rng.normal(0, 0.1, (3, detector.channels, frequencies)) + 1j * rng.normal(
        0, 0.1, (3, detector.channels, frequencies)
    )
    drift = np.arange(resultants)[:, None, None] * np.arange(64)[:, None] * 0.1
    for name, spread in (("no sample equals its mean", None), ("some samples do", 3)):
        if spread is None:  # all sums over 4 resultants are odd: no mean is an integer
            raw = 2 * rng.integers(2400, 2600, shape) + (np.arange(resultants) == 0)[:, None, None]
            amp33 = (
                2 * rng.integers(2400, 2600, (resultants, 64, 128))
                + (np.arange(resultants) == 0)[:, None, None]
            )
        else:
            raw = np.rint(rng.normal(5000, spread, shape) + drift)
            amp33 = np.rint(rng.normal(5000, spread, (resultants, 64, 128)) + drift)
        raw, amp33 = raw.astype(np.uint16), amp33.astype(np.uint16)
        ours = reference_pixels.correct(
            lambda a, b, raw=raw: raw[:, a:b],
            shape,
            amp33,
            np.zeros(detector.shape, bool),
            lambda c: (weights[0, c], weights[1, c], weights[2, c]),
            detector,
        ).data
        view = StandardView(np.dstack([raw, amp33]).astype(np.float32)).remove_offset()
        channels = view.channels.remove_trends().cosine_interpolate().fft_interpolate()
        # romancal multiplies by N + 2 what it divided by N, the number of samples.
        scaled = weights * (2 * frequencies - 2) / (2 * frequencies)
        theirs = channels.apply_correction(Coefficients(*scaled)).apply_offset().detector
        size = np.std(ours - raw)
        delta = np.abs(ours - theirs)
        print(
            f"reference pixels, {name}: correction {size:.2f} DN rms,"
            f" difference {np.sqrt(np.mean(delta**2)):.1e} DN rms, {delta.max():.1e} DN at most"
        )


if __name__ == "__main__":
    generator = np.random.default_rng(20261121)
    compare_readout()
    compare_dark_decay(generator)
    compare_saturation(generator)
    compare_linearity(generator)
    compare_reference_pixels(generator)
