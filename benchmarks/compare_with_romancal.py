"""Our products next to romancal's, step by step, on the same L1 file and references.

    python benchmarks/compare_with_romancal.py L1_FILE STORE --work FOLDER

The L1 file and the truth beside it come from ``simulate_l1.py``.  Both pipelines
run where the folder lacks their products.  Printed, in Markdown:

- after each step the largest and the root-mean-square difference (ours minus
  romancal's) and how many flags are unlike;
- the difference of the rate images by rate and by what the flags say;
- both against the electrons that the simulator drew: bias, scatter, cosmic rays;
- what the reference-pixel correction adds to all pixels of a channel, and how much
  of the correlated noise it removes.

``--image`` draws the difference.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import asdf
import numpy as np
from scipy.ndimage import binary_dilation
from side_by_side import run
from simulate_l1 import SharedNoise

from roman_dms.formats.products import read_product
from roman_dms.formats.reference_files import read_reference
from roman_dms.instrument.quality import Pixel
from roman_dms.references.bootstrap import noise as bootstrap
from roman_dms.references.context import parameters_of
from roman_dms.references.store import ReferenceStore

HERE = Path(__file__).parent
RAMP_STEPS = ("dq_init", "saturation", "refpix", "dark_decay", "linearity")
RATE_STEPS = ("ramp_fit", "dark", "flat_field")
BINS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)  # DN/s
SCIENCE = np.s_[..., 4:-4, 4:-4]
JUMP, UNUSABLE = np.uint32(Pixel.JUMP_DET), np.uint32(Pixel.DO_NOT_USE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("l1", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--also", type=Path, help="another L2 file to hold against the truth")
    options = parser.parse_args()
    ours, peer = make_products(options)
    compare_ramps(ours, peer)
    compare_rates(ours, peer)
    compare_wcs(ours["flat_field"], peer["flat_field"])
    truth = Truth(options)
    a, b = Rates(ours["flat_field"]), Rates(peer["flat_field"])
    difference_by_rate(a, b, truth)
    difference_by_flag(a, b, at_mean(options.l1))
    images = {"ours": a, "romancal": b}
    if options.also:
        images["also"] = Rates(options.also)
    against_truth(images, truth)
    cosmic_rays(images, truth)
    levels_of_channels(ours, peer)
    correlated_noise(options, ours, peer)
    if options.image:
        draw(a, b, options.image)


def make_products(options):
    """Paths of the product of each step, ours and the peer's; made where missing."""
    folders = [options.work / "compare" / name for name in ("ours", "peer")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    peer = {name: folders[1] / f"{name}.asdf" for name in (*RAMP_STEPS, *RATE_STEPS)}
    if not all(path.exists() for path in peer.values()):
        run([sys.executable, HERE / "peer_steps.py", options.l1, options.store,
             folders[1] / "cal.asdf", folders[1] / "timings.json", folders[1]])  # fmt: skip
    stem = options.l1.stem.removesuffix("_uncal")
    ours = {name: folders[0] / f"{stem}_{name}.asdf" for name in peer}
    ours["flat_field"] = folders[0] / f"{stem}_cal.asdf"
    if not all(path.exists() for path in ours.values()):
        saved = [word for name in ours if name != "flat_field" for word in ("--save", name)]
        rdms = Path(sys.executable).parent / "rdms"
        run([rdms, "calibrate", options.l1, "-o", folders[0], "--store", options.store, *saved])
    return ours, peer


def branch(path, *names):
    """Arrays of a product, in memory."""
    with asdf.open(path, lazy_load=True, memmap=True) as file:
        return [np.array(file["roman"][name]) for name in names]


def compare_ramps(ours, peer):
    print("\n| after | max [DN] | rms [DN] | resultant flags unlike | pixel flags unlike |")
    print("|---|---|---|---|---|")
    for step in RAMP_STEPS:
        names = "data", "groupdq", "pixeldq"
        (data, flags, dq), (data_b, flags_b, dq_b) = (
            branch(ours[step], *names),
            branch(peer[step], *names),
        )
        largest, squares = 0.0, 0.0
        for mine, theirs in zip(data, data_b, strict=True):
            delta = np.subtract(mine, theirs, dtype=np.float32)[SCIENCE]
            largest = max(largest, float(np.abs(delta).max()))
            squares += float(np.mean(np.square(delta), dtype=np.float64)) / len(data)
        unlike = np.count_nonzero((flags != flags_b)[SCIENCE])
        print(
            f"| `{step}` | {largest:.1e} | {np.sqrt(squares):.1e} | {unlike}"
            f" | {np.count_nonzero((dq != dq_b)[SCIENCE])} |"
        )


def compare_rates(ours, peer):
    print("\n| after | max [DN/s] | rms [DN/s] | median of err ratio - 1 | pixel flags unlike |")
    print("|---|---|---|---|---|")
    for step in RATE_STEPS:
        names = "data", "err", "dq"
        (data, err, dq), (data_b, err_b, dq_b) = (
            branch(ours[step], *names),
            branch(peer[step], *names),
        )
        both = (dq | dq_b) == 0
        delta = (data - data_b)[both]
        ratio = err[both].astype(np.float32) / err_b[both]
        print(
            f"| `{step}`, clean in both | {np.abs(delta).max():.1e} | {delta.std():.1e}"
            f" | {np.median(ratio) - 1:+.4f} | {np.count_nonzero(dq != dq_b)} |"
        )


def compare_wcs(ours, peer):
    """Both GWCS at a grid of pixels, forwards and back."""
    x, y = np.meshgrid(np.linspace(0, 4087, 60), np.linspace(0, 4087, 60))
    with asdf.open(ours) as a, asdf.open(peer) as b:
        mine, theirs = a["roman"]["meta"]["wcs"], b["roman"]["meta"]["wcs"]
        sky, sky_b = mine(x, y), theirs(x, y)
        back = mine.invert(*sky_b)
        photometry = [file["roman"]["meta"]["photometry"] for file in (a, b)]
        same = all(
            photometry[0][key] == photometry[1][key]
            for key in (
                "conversion_megajanskys",
                "conversion_megajanskys_uncertainty",
                "pixel_area",
            )
        )
    east = (sky[0] - sky_b[0]) * np.cos(np.radians(sky[1]))
    mas = 3.6e6 * np.hypot(east, sky[1] - sky_b[1]).max()
    pixels = np.hypot(back[0] - x, back[1] - y).max()
    print(f"\nWCS: {mas:.1e} mas at most; romancal's sky through our inverse: {pixels:.1e} px")
    print(f"Photometric metadata equal: {same}")


class Truth:
    """What the simulator drew, as rates [DN/s] after dark and flat field."""

    def __init__(self, options):
        path = options.l1.with_name(options.l1.name.replace("_uncal", "_truth"))
        with asdf.open(path) as file:
            electrons, time = np.array(file["electrons"], np.float64), file["exposure_time"]
            hit = np.unpackbits(np.array(file["hit"]), axis=-1)
        self.hit = hit[SCIENCE].any(axis=0)
        context = ReferenceStore(options.store).context()
        parameters = parameters_of(read_product(options.l1).meta)
        paths = context.select(parameters, ["gain", "dark", "flat"])
        gain, dark, flat = (read_reference(paths[kind]) for kind in ("gain", "dark", "flat"))
        dark_rate = np.asarray(dark.dark_slope)[SCIENCE]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = electrons / time / np.asarray(gain.data)[SCIENCE] - dark_rate
            self.rate = (rate / np.asarray(flat.data)).astype(np.float32)


class Rates:
    """A rate image with its error and flags."""

    def __init__(self, path):
        self.data, err, self.dq = branch(path, "data", "err", "dq")
        self.err = err.astype(np.float32)


def spread(values):
    """Standard deviation, from the median of the absolute deviations."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def bins(truth, good):
    for low, high in pairwise(BINS):
        pixels = good & (truth.rate > low) & (truth.rate <= high)
        if np.count_nonzero(pixels) > 50:
            yield f"{low:g} to {high:g}", pixels


def difference_by_rate(a, b, truth):
    """Ours less romancal's, clean in both, by the true rate."""
    print("\n| rate [DN/s] | pixels | median [DN/s] | mean / rate | 1 % | 99 % | sigma / err |")
    print("|---|---|---|---|---|---|---|")
    for name, pixels in bins(truth, (a.dq | b.dq) == 0):
        delta = (a.data - b.data)[pixels]
        low, median, high = np.percentile(delta, (1, 50, 99))
        relative = delta.mean(dtype=float) / truth.rate[pixels].mean(dtype=float)
        ratio = np.std(delta / a.err[pixels])
        print(
            f"| {name} | {delta.size} | {median:+.1e} | {relative:+.1e}"
            f" | {low:+.1e} | {high:+.1e} | {ratio:.3f} |"
        )


def at_mean(path):
    """Science pixels of which a resultant equals the mean of all; romancal thinks it unread."""
    data = np.asarray(read_product(path).data)[SCIENCE]
    total = data.sum(axis=0, dtype=np.uint32)
    return sum(np.multiply(counts, len(data), dtype=np.uint32) == total for counts in data) > 0


def difference_by_flag(a, b, unread):
    """Ours less romancal's by what the flags of both say."""
    usable = ((a.dq | b.dq) & UNUSABLE) == 0
    hit, hit_b = (a.dq & JUMP) != 0, (b.dq & JUMP) != 0
    clean = ((a.dq | b.dq) & ~JUMP) == 0
    classes = {
        "no flag in either": clean & ~hit & ~hit_b,
        "- of these, a resultant equals the mean of all": clean & ~hit & ~hit_b & unread,
        "- of these, none does": clean & ~hit & ~hit_b & ~unread,
        "jump in both": clean & hit & hit_b,
        "jump in ours alone": clean & hit & ~hit_b,
        "jump in romancal's alone": clean & ~hit & hit_b,
        "other flags, usable": usable & ~clean,
        "usable in ours alone": ((a.dq & UNUSABLE) == 0) & ((b.dq & UNUSABLE) != 0),
        "usable in romancal's alone": ((a.dq & UNUSABLE) != 0) & ((b.dq & UNUSABLE) == 0),
        "unusable in both": (a.dq & b.dq & UNUSABLE) != 0,
    }
    print("\n| flags | pixels | median / err | 16 % to 84 % / err | rms [DN/s] |")
    print("|---|---|---|---|---|")
    for name, pixels in classes.items():
        absolute = (a.data - b.data)[pixels]
        with np.errstate(divide="ignore", invalid="ignore"):
            delta = absolute / a.err[pixels]
        delta = delta[np.isfinite(delta)]
        if delta.size:
            low, median, high = np.percentile(delta, (16, 50, 84))
            print(
                f"| {name} | {absolute.size} | {median:+.4f} | {low:+.3f} {high:+.3f}"
                f" | {np.sqrt(np.mean(np.square(absolute), dtype=float)):.1e} |"
            )
        else:
            print(f"| {name} | 0 | | | |")


def against_truth(images, truth):
    """Bias and scatter where neither a flag nor a hit is; the truth holds the photon noise."""
    print("\n| rate [DN/s] | product | pixels | bias | +- | sigma [DN/s] | sigma / err |")
    print("|---|---|---|---|---|---|---|")
    everyone = (images["ours"].dq | images["romancal"].dq) == 0
    for name, pixels in bins(truth, everyone & ~truth.hit):
        rate = truth.rate[pixels]
        for product, image in images.items():
            residual = image.data[pixels] - rate
            bias = residual.mean(dtype=float) / rate.mean(dtype=float)
            error = residual.std() / np.sqrt(rate.size) / rate.mean(dtype=float)
            ratio = spread(residual / image.err[pixels])
            print(
                f"| {name} | {product} | {rate.size} | {100 * bias:+.4f} % | {100 * error:.4f} %"
                f" | {spread(residual):.4f} | {ratio:.3f} |"
            )
    sky_pulls(images, truth, everyone & ~truth.hit)


def sky_pulls(images, truth, good):
    """Scatter of empty sky, where truth is smooth, in units of the error."""
    block = 32
    size = truth.rate.shape[0] // block * block
    shape = (size // block, block, size // block, block)
    finite = np.where(np.isfinite(truth.rate), truth.rate, 0)[:size, :size]
    smooth = np.median(
        finite.reshape(shape).swapaxes(1, 2).reshape(shape[0], shape[2], -1), axis=-1
    )
    sources = finite > np.repeat(np.repeat(smooth, block, 0), block, 1) * 1.6
    empty = good[:size, :size] & ~binary_dilation(sources, iterations=6)
    for product, image in images.items():
        data = np.where(empty, image.data[:size, :size], np.nan).reshape(shape).swapaxes(1, 2)
        level = np.nanmedian(data.reshape(shape[0], shape[2], -1), axis=-1)
        residual = image.data[:size, :size] - np.repeat(np.repeat(level, block, 0), block, 1)
        pull = (residual / image.err[:size, :size])[empty]
        numbers = f"pull {pull.std():.4f}, robust {spread(pull):.4f}, {pull.size} pixels"
        print(f"\nEmpty sky, {product}: {numbers}")


def cosmic_rays(images, truth):
    """What was found, and the sky rate of struck pixels less that of others."""
    print("\n| product | struck pixels found | false flags a pixel | bias after a found hit"
          " | +- | median where not found [err] |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    sky = (truth.rate > BINS[0]) & (truth.rate < BINS[1])
    for product, image in images.items():
        found = (image.dq & JUMP) != 0
        clean = (image.dq & ~JUMP) == 0
        shares = found[truth.hit & clean].mean(), found[~truth.hit & clean].mean()
        residual = image.data - truth.rate
        others = residual[clean & sky & ~truth.hit & ~found].mean(dtype=float)
        after = clean & sky & truth.hit & found
        kept = residual[after & (np.abs(residual) < 5 * image.err)] - others
        level = truth.rate[after].mean(dtype=float)
        bias, error = kept.mean(dtype=float) / level, kept.std() / np.sqrt(kept.size) / level
        missed = clean & sky & truth.hit & ~found
        left = np.median((residual[missed] - others) / image.err[missed])
        print(f"| {product} | {100 * shares[0]:.2f} % | {shares[1]:.1e} | {100 * bias:+.2f} %"
              f" | {100 * error:.2f} % | {left:+.3f} |")  # fmt: skip


def levels_of_channels(ours, peer):
    """Mean of what the reference-pixel correction takes off, by resultant and channel."""
    print("\nMean of the reference-pixel correction over all science pixels, less that of the")
    print("first resultant [DN], and its standard deviation from channel to channel:\n")
    print("| resultant | ours | channels | romancal | channels |")
    print("|---|---|---|---|---|")
    (before,), (after,), (after_b,) = (
        branch(path, "data") for path in (ours["saturation"], ours["refpix"], peer["refpix"])
    )
    first = None
    for k, raw in enumerate(before):
        levels = [
            (cube[k] - raw.astype(np.float32))[4:-4]
            .reshape(4088, 32, 128)
            .mean((0, 2), dtype=float)
            for cube in (after, after_b)
        ]
        first = first or levels
        drift = [level - start for level, start in zip(levels, first, strict=True)]
        print(f"| {k} |" + "|".join(f" {d.mean():+.3f} | {d.std():.3f} " for d in drift) + "|")


def correlated_noise(options, ours, peer):
    """How much of the noise that the simulator gave to all channels is gone.

    ``simulate_l1.py`` draws it from its seed (1) and the number of the exposure.
    What the resultants have in common does not count; what no weights could
    remove comes from the spectra.
    """
    pattern = [list(reads) for reads in read_product(options.l1).meta.read_pattern]
    exposure = int(options.l1.stem.split("_")[1])
    noise = SharedNoise(pattern, 1 + exposure)
    frames = [noise.frame(number) for number in range(len(pattern))]
    common = sum(frames) / len(frames)
    paths = ours["saturation"], ours["refpix"], peer["refpix"]
    raw, *after = (branch(path, "data")[0] for path in paths)
    total, left = 0.0, np.zeros(2)
    for number, frame in enumerate(frames):
        drawn = (frame - common)[SCIENCE]
        total += np.var(drawn, dtype=float)
        counts = raw[number].astype(np.float32)
        for side, cube in enumerate(after):
            left[side] += np.var(drawn - (counts - cube[number])[SCIENCE], dtype=float)
    floor = unavoidable()
    removed = (1 - left / total) / (1 - floor)
    print(f"\nCorrelated noise: {100 * floor:.1f} % of the variance cannot be removed; of the rest")
    print(f"ours removes {100 * removed[0]:.1f} %, romancal {100 * removed[1]:.1f} %.")


def unavoidable():
    """Share of the correlated variance that the best weights leave."""
    frequency = np.arange(1, bootstrap.FRAME_CLOCKS // 2 + 1) / bootstrap.FRAME_CLOCKS
    supply = bootstrap.pink(frequency, bootstrap.SUPPLY_NOISE)
    bias = bootstrap.pink(frequency, bootstrap.BIAS_NOISE)
    left, right, amplifier = bootstrap.weights(1.0, (1.0, 1.0), frequency, 140, 4)
    seen = (supply + bias) * (left + right) + supply * amplifier
    return 1 - seen.sum() / (supply + bias).sum()


def draw(a, b, path):
    """Ours, the difference in DN/s and in units of the error, and its histogram."""
    from matplotlib import pyplot as plt

    both = ((a.dq | b.dq) & UNUSABLE) == 0
    delta = np.where(both, a.data - b.data, np.nan)
    window = np.s_[1536:2560, 1536:2560]
    figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained")
    panels = (
        ("ours", np.arcsinh(10 * a.data[window] - 1.5), "gray", (0, 4), "asinh(10 rate - 1.5)"),
        ("ours - romancal", delta[window] * 1e3, "RdBu_r", (-1, 1), "10$^{-3}$ DN/s"),
        ("(ours - romancal) / err", (delta / a.err)[window], "RdBu_r", (-0.03, 0.03), "err"),
    )
    for axis, (title, image, colours, (low, high), unit) in zip(axes, panels, strict=False):
        shown = axis.imshow(
            image, origin="lower", cmap=colours, vmin=low, vmax=high, interpolation="antialiased"
        )
        axis.set(title=title, xticks=[], yticks=[])
        figure.colorbar(shown, ax=axis, label=unit, location="bottom", shrink=0.8, pad=0.02)
    ratio = delta / a.err
    clean = (a.dq | b.dq) == 0
    hits = (((a.dq | b.dq) & ~JUMP) == 0) & ~clean
    edges = np.linspace(-0.5, 0.5, 251)
    axes[3].hist(ratio[clean], edges, alpha=0.6, label="no flag in either")
    axes[3].hist(ratio[hits], edges, histtype="step", label="a jump in one or both")
    axes[3].set(yscale="log", xlabel="(ours - romancal) / err", title="all 4088 x 4088 pixels")
    axes[3].legend(fontsize=8)
    figure.savefig(path, dpi=85)


if __name__ == "__main__":
    main()
