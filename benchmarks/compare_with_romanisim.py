"""The statistics of two raw exposures of the same scene: romanisim's and ours.

    python benchmarks/compare_with_romanisim.py ROMANISIM_uncal.asdf OURS_uncal.asdf

Both from ``simulation_side_by_side.py``, or romanisim's with the shared noise that
``simulate_l1.py`` adds.  Printed: levels and scatter of each resultant, noise of
rows and columns, the share of pixels with a jump, the distribution of counts, the
border and amplifier 33.
"""

from __future__ import annotations

import argparse

import numpy as np

from roman_dms.formats import read_raw_exposure

EDGE = 4
JUMPS = (30, 60, 200, 1000)
QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 0.9999)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("peer")
    parser.add_argument("ours")
    options = parser.parse_args()
    exposures = [read_raw_exposure(path) for path in (options.peer, options.ours)]
    columns = [dict(statistics(exposure)) for exposure in exposures]
    print(f"{'':44s}{'romanisim':>12s}{'ours':>12s}{'ours - peer':>13s}")
    for name, peer in columns[0].items():
        ours = columns[1][name]
        print(f"{name:44s}{peer:12.4f}{ours:12.4f}{ours - peer:13.4f}")


def statistics(exposure):
    """Name and value of each figure."""
    data = np.asarray(exposure.data)
    science = data[:, EDGE:-EDGE, EDGE:-EDGE]
    for number in (0, len(data) // 2, len(data) - 1):
        image = science[number].astype(np.float32)
        yield f"resultant {number}: median [DN]", float(np.median(image))
        yield f"resultant {number}: scatter [DN]", spread(image)
    read, number = science[1].astype(np.float32) - science[0], len(data) // 2
    yield "second less first: scatter [DN]", spread(read)
    yield "second less first: noise of rows [DN]", rough(trimmed(read, 1))
    yield "second less first: noise of columns [DN]", rough(trimmed(read, 0))
    steps = np.diff(science.astype(np.float32), axis=0)
    steps -= np.median(steps, axis=0)
    for size in JUMPS:
        share = np.mean(np.any(steps > size, axis=0))
        yield f"pixels with a step above {size} DN [%]", 100 * float(share)
    rise = science[-1].astype(np.float32) - science[0]
    for level, value in zip(QUANTILES, np.quantile(rise, QUANTILES), strict=True):
        yield f"last less first: quantile {level} [DN]", float(value)
    border = data[:, :, :EDGE].astype(np.float32)
    yield "border: median [DN]", float(np.median(border[0]))
    yield "border: second less first, scatter [DN]", spread(border[1] - border[0])
    amp33 = np.asarray(exposure.amp33).astype(np.float32)
    yield "amplifier 33: median [DN]", float(np.median(amp33[0]))
    yield "amplifier 33: second less first, scatter [DN]", spread(amp33[1] - amp33[0])


def spread(values):
    """Standard deviation without outliers; a median would only know whole DN."""
    kept = values.ravel()
    for _ in range(3):
        kept = kept[np.abs(kept - kept.mean()) < 4 * kept.std()]
    return float(kept.std())


def trimmed(image, axis):
    """Means of rows or columns without their outliers."""
    ordered = np.sort(image, axis=axis)
    cut = image.shape[axis] // 10
    return ordered[:, cut:-cut].mean(axis=1) if axis else ordered[cut:-cut].mean(axis=0)


def rough(line):
    """Scatter of neighbours, free of slow trends."""
    return spread(np.diff(line)) / np.sqrt(2)


if __name__ == "__main__":
    main()
