"""Truth for tests of the ramp fit: reads drawn one by one, and dense linear algebra."""

import numpy as np

from roman_dms.instrument.read_patterns import ReadPattern

FRAME = 3.16247


def consecutive(*counts):
    """Resultants of the given numbers of reads, without gaps."""
    stops = np.cumsum(counts)
    return [list(range(stop - n + 1, stop + 1)) for stop, n in zip(stops, counts, strict=True)]


PATTERNS = {
    "single reads": ReadPattern([[k] for k in range(1, 9)], FRAME),
    "imaging": ReadPattern(consecutive(1, 1, 2, 5, 8, 8, 8, 10, 1), FRAME),
    "uneven gaps": ReadPattern([[1], [2, 3], [5, 6, 7], [10, 11], [20], [31, 32]], FRAME),
    "two resultants": ReadPattern(consecutive(2, 6), FRAME),
    "three resultants": ReadPattern([[1], [2, 3, 4], [9]], FRAME),
    "long": ReadPattern(consecutive(1, 2, *[3] * 39, 1), FRAME),
}


def averaging(pattern):
    """Matrix that averages reads into resultants, and the times of the reads."""
    reads = np.concatenate(pattern.reads)
    matrix = np.zeros((len(pattern), len(reads)))
    for k, resultant in enumerate(pattern.reads):
        matrix[k, np.isin(reads, resultant)] = 1 / len(resultant)
    return matrix, reads * pattern.frame_time


def covariances(pattern):
    """Photon (per electron a second) and read covariance of the differences, and intervals."""
    matrix, times = averaging(pattern)
    step = np.diff(matrix, axis=0)
    return step @ np.minimum.outer(times, times) @ step.T, step @ step.T, step @ times


def simulate(rng, pattern, rate, shape, gain=2.0, read_noise=4.0, hit_read=None, hit=None):
    """Resultants [DN] of a rate [electron/s]; optional hits [electron] before given reads."""
    reads = np.concatenate(pattern.reads)
    data = np.zeros((len(pattern), *shape))
    charge, last, k = np.zeros(shape), 0, 0
    for read in reads:
        charge += rng.poisson(rate * pattern.frame_time * (read - last), shape)
        if hit is not None:
            charge += np.where((hit_read > last) & (hit_read <= read), hit, 0)
        k += read not in pattern.reads[k]
        data[k] += charge / gain + rng.normal(0, read_noise, shape)
        last = read
    return (data / pattern.counts[:, None, None]).astype(np.float32)


def jump_noise(pattern, rate, read, gain=2.0, read_noise=4.0):
    """Standard deviation of the charge of a hit before a known read [electron]."""
    photon, noise, interval = covariances(pattern)
    inverse = np.linalg.inv(rate * photon + (gain * read_noise) ** 2 * noise)
    shape = np.diff([np.mean(np.array(resultant) >= read) for resultant in pattern.reads])
    free = shape @ inverse @ shape
    return (free - (shape @ inverse @ interval) ** 2 / (interval @ inverse @ interval)) ** -0.5


class Dense:
    """Generalised least squares of one ramp with full matrices, as the equations say."""

    def __init__(self, pattern, gain, read_noise):
        photon, noise, self.interval = covariances(pattern)
        self.photon, self.noise = photon / gain, noise * read_noise**2

    def covariance(self, rate, used):
        return (max(rate, 0) * self.photon + self.noise)[np.ix_(used, used)]

    def fit(self, d, used, rate):
        """Weights, rate and chi-squared with the covariance of a given rate."""
        inverse = np.linalg.inv(self.covariance(rate, used))
        t = self.interval[used]
        weights = inverse @ t / (t @ inverse @ t)
        rest = d[used] - weights @ d[used] * t
        return weights, weights @ d[used], rest @ inverse @ rest

    def solve(self, d, used):
        """Rate, photon and read variance, chi-squared, and the rate of the covariance."""
        guess = d[used].sum() / self.interval[used].sum()
        _, guess, _ = self.fit(d, used, guess)
        w, rate, chisq = self.fit(d, used, guess)
        unit = w @ self.photon[np.ix_(used, used)] @ w
        photon = max(rate + unit, 0) * unit
        return rate, photon, w @ self.noise[np.ix_(used, used)] @ w, chisq, guess

    def improvement(self, d, used, rate, free):
        """What chi-squared gains when differences are free; -inf if one would be lowered."""
        places = np.flatnonzero(used)
        design = np.column_stack([self.interval[used], *(places == i for i in free)])
        root = np.linalg.inv(np.linalg.cholesky(self.covariance(rate, used)))
        solution = np.linalg.lstsq(root @ design, root @ d[used])[0]
        if (solution[1:] <= 0).any():
            return -np.inf
        rest = root @ (d[used] - design @ solution)
        return self.fit(d, used, rate)[2] - rest @ rest

    def search(self, d, used, one, two):
        """Omit the best difference or pair until nothing improves beyond its threshold."""
        used = used.copy()
        while used.sum() > 1:
            rate, options = self.solve(d, used)[4], {}
            for i in np.flatnonzero(used):
                options[i,] = self.improvement(d, used, rate, (i,)) - one
                if used.sum() > 2 and i + 1 < len(d) and used[i + 1]:
                    options[i, i + 1] = self.improvement(d, used, rate, (i, i + 1)) - two
            best = max(options, key=options.get)
            if options[best] <= 0:
                break
            used[list(best)] = False
        return used
