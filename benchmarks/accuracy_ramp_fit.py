"""Bias, errors, jumps of the ramp fit on simulated reads, for read patterns as flown.

Run from the root of the repository: ``python -m benchmarks.accuracy_ramp_fit``.
One line a read pattern, rate and method:

- bias of the rate and its standard error [%], of pixels without hits;
- mean and standard deviation of (rate - truth) / error; chi-squared a degree of freedom;
- false jumps a pixel;
- hits of 6 to 20 sigma found, and of 6 to 6.5 sigma alone [%], over all reads at
  which a hit can be seen, where sigma is that of the charge of a hit at a known read;
- bias of the rate of pixels where a hit was found, and its standard error [%].
"""

from __future__ import annotations

import argparse

import numpy as np

from roman_dms.calibration.ramp_fit import fit_casertano, fit_likelihood
from roman_dms.instrument.ma_tables import MA_TABLES
from roman_dms.instrument.quality import Pixel
from tests.calibration.ramp_truth import jump_noise, simulate

METHODS = {"likelihood": fit_likelihood, "casertano": fit_casertano}
GAIN, READ_NOISE = 2.0, 4.0  # electron/DN, DN


def fit(method, data, pattern):
    shape = data.shape[1:]
    gain, noise = np.full(shape, GAIN, np.float32), np.full(shape, READ_NOISE, np.float32)
    result = METHODS[method](data, np.zeros(data.shape, np.uint8), gain, noise, pattern)
    error = np.sqrt(result.var_poisson.astype(float) + result.var_rnoise)
    return result, GAIN * result.rate.astype(float), GAIN * error


def clean(method, data, pattern, rate):
    result, rates, error = fit(method, data, pattern)
    pull = (rates - rate) / error
    bias = 100 * (rates.mean() / rate - 1)
    spread = 100 * rates.std() / rate / np.sqrt(rates.size)
    freedom = result.chisq.mean() / (len(pattern) - 2)
    false = np.mean(result.dq & Pixel.JUMP_DET > 0)
    return (
        f"{bias:+8.3f} +-{spread:6.3f}  {pull.mean():+6.3f} {pull.std():6.3f}"
        f"  {freedom:6.3f}  {false:8.1e}"
    )


def hit(method, data, pattern, rate, amplitude):
    result, rates, _ = fit(method, data, pattern)
    found = result.dq & Pixel.JUMP_DET > 0
    bias = 100 * (rates[found].mean() / rate - 1)
    spread = 100 * rates[found].std() / rate / np.sqrt(found.sum())
    weak = found[amplitude < 6.5].mean()
    return f"  {100 * found.mean():6.2f} {100 * weak:6.1f}  {bias:+8.3f} +-{spread:6.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=400_000, help="pixels for each line")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.3, 1, 10, 100, 1000])
    arguments = parser.parse_args()
    rng = np.random.default_rng(20261121)
    print(f"{'MA table: reads':16} {'e-/s':>6} {'method':10} bias of clean, pull, chi2/f, false")
    for number, table in MA_TABLES.items():
        pattern = table.read_pattern
        name = f"{number}: {pattern.reads[-1][-1]} in {len(pattern)}"
        reads = np.concatenate(pattern.reads)[1:]
        for rate in arguments.rates:
            shape = (max(1, arguments.pixels // len(reads)), len(reads))
            data = simulate(rng, pattern, rate, shape, GAIN, READ_NOISE)
            amplitude = rng.uniform(6, 20, shape)
            sigma = np.array([jump_noise(pattern, rate, r, GAIN, READ_NOISE) for r in reads])
            fractions = [[np.mean(np.array(k) >= read) for read in reads] for k in pattern.reads]
            charge = amplitude * sigma / GAIN
            struck = (data + np.array(fractions)[:, None] * charge).astype(np.float32)
            for method in METHODS:
                line = clean(method, data, pattern, rate)
                line += hit(method, struck, pattern, rate, amplitude)
                print(f"{name:16} {rate:6g} {method:10} {line}", flush=True)


if __name__ == "__main__":
    main()
