"""Noise and speed of simulated readouts, with large statistics.

    python benchmarks/accuracy_signatures.py            # noise of all read patterns
    python benchmarks/accuracy_signatures.py --full     # and one full-size exposure

The variance of a resultant, the mean of N reads, is (Casertano 2022, eqs. 10 to 16)

    sigma^2 / N + f tau,    tau = sum over k of (2 (N - k) - 1) t_k / N^2

and the covariance of two is f t of the earlier.  The noise of rounding, 1/12 DN^2,
comes on top.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import MA_TABLES
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.read_out import read_out
from roman_dms.simulation.signatures.reset import Reset

READ_NOISE = 6.0
LEVEL = 500.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--realisations", type=int, default=100)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 50.0])
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    print(f"{options.realisations} realisations of 64 x 256 pixels, read noise {READ_NOISE} DN")
    print("table  resultants  reads  electron/s  variance: worst, mean  covariance: worst  bias")
    for rate in options.rates:
        for table in MA_TABLES.values():
            noise(table.number, table.read_pattern, rate, options.realisations)
    if options.full:
        full_size()


def noise(number: int, pattern: ReadPattern, rate: float, realisations: int) -> None:
    """Print variance over theory less one, covariance and mean less theory in sigma."""
    detector, n = Detector("WFI01", 64, 256), len(pattern)
    image = np.full(detector.science_shape, rate, np.float32)
    properties = Properties(gain=1.0, read_noise=READ_NOISE)
    effects = Effects.only("photon_noise", "read_noise", reset=Reset(level=LEVEL, noise=0))
    sums, products, count = np.zeros(n), np.zeros((n, n)), 0
    for seed in range(realisations):
        data = read_out(image, properties, detector, pattern, effects, seed).data
        values = data[:, 4:-4, 4:-4].reshape(n, -1) - LEVEL - rate * pattern.mean_times[:, None]
        sums, products = sums + values.sum(axis=1), products + values @ values.T
        count += values.shape[1]
    found = products / count - np.outer(sums, sums) / count**2
    expected = theory(pattern, rate)
    sigma = np.sqrt(np.diag(expected))
    variance = np.diag(found) / np.diag(expected) - 1
    covariance = (found - expected) / np.outer(sigma, sigma)
    np.fill_diagonal(covariance, 0)
    bias = sums / count / sigma
    print(
        f"{number:5d}  {n:10d}  {pattern.reads[-1][-1]:5d}  {rate:10.1f}"
        f"  {100 * variance[np.argmax(np.abs(variance))]:+13.2f} % {100 * variance.mean():+5.2f} %"
        f"  {100 * np.abs(covariance).max():15.2f} %  {np.abs(bias).max():.4f} sigma",
        flush=True,
    )


def theory(pattern: ReadPattern, rate: float) -> np.ndarray:
    """Covariance matrix of the resultants, gain 1."""
    times = [np.array(reads) * pattern.frame_time for reads in pattern]
    means = np.array([t.mean() for t in times])
    matrix = rate * np.minimum.outer(means, means)
    for index, t in enumerate(times):
        tau = np.minimum.outer(t, t).mean()
        matrix[index, index] = READ_NOISE**2 / t.size + rate * tau + 1 / 12
    return matrix


def full_size() -> None:
    """Print time and memory of one exposure with all effects."""
    detector, random = Detector("WFI01"), np.random.default_rng(1)
    rate = random.exponential(0.5, detector.science_shape).astype(np.float32)
    around = random.uniform(0.95, 1.05, detector.shape).astype(np.float32)
    value = np.arange(65536)
    inverse = np.stack([0 * around, 1 + 0 * around, -4e-7 * around, 1e-12 * around, 0 * around])
    properties = Properties(
        gain=1.8 * around,
        read_noise=5 * around,
        dark_rate=0.01 * around,
        saturation=54000 * around,
        inverse_linearity=inverse,
        flat=around[4:-4, 4:-4].copy(),
        converter=(value, np.tile(np.sin(value / 2000), (32, 1))),
        dark_decay=(0.4, 23.0),
    )
    read_out(rate[:56, :248], Properties(), Detector("WFI01", 64, 256), ReadPattern([[1]], 3.0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    result = read_out(rate, properties, detector, MA_TABLES[4].read_pattern, start=61200.0)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    output = (result.data.nbytes + result.amp33.nbytes) / 1e9
    print(
        f"4096 x 4096, 44 reads: {wall:.1f} s, {cpu:.1f} s of processor;"
        f" {more:.2f} GB more memory than before, of which {output:.2f} GB is the result"
    )


if __name__ == "__main__":
    main()
