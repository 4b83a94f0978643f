"""How right mosaics of whole detectors are, next to the truth, to drizzle and to SWarp.

    python benchmarks/accuracy_mosaic.py [--store STORE] [--only drawn peers noisy simulated hits]

Eight dithered exposures of a grid of bright stars are simulated once (2 minutes, 1 GB) and kept in
benchmarks/work.  Three kinds of images are then combined by 'rdms mosaic', file to file:

drawn
    their pixels replaced by Gaussians integrated in closed form (as wide as F158's PSF, hardly
    sampled), without noise, on a sky of constant surface brightness: flux, places, seams;
peers
    the same, by drizzle 2.2 and Debian's SWarp as well;
noisy
    the same with the noise that their variances state: pulls of fluxes in apertures on stars
    and on blank sky, with the mosaic's factors for correlated noise;
simulated
    as they are, with real PSFs and noise: scatter of the fluxes of stars;
hits
    with hits of particles drawn into them, 6.5 to 650 standard deviations of their pixels:
    which are found in 4 and in 8 exposures, and which stars lose pixels.

Fluxes are sums of surface brightness times the solid angles of the pixels.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from mosaic_images import SKY, Combined, Image, cut, keys, rejected_keys, sums, within
from mosaic_peers import Frame, drizzled, swarped
from mosaic_side_by_side import CELL, EXPOSURES, exposures
from scipy.spatial import cKDTree
from side_by_side import HERE
from simulation_side_by_side import prepare

from roman_dms.formats.products import write_product
from roman_dms.sky.tessellation import MISSION

NEIGHBOUR = "270p65x69y51"
SPACING = 6.0
"""Of the stars on their grid [arcsec]."""


def stars(random):
    """Places on the sky around the cell and its neighbour, and magnitudes."""
    ra, dec = MISSION.named(CELL).centre
    steps = np.arange(-300, 301, SPACING) / 3600
    east, north = (axis.ravel() for axis in np.meshgrid(steps, steps))
    east, north = (axis + random.uniform(-0.5, 0.5, axis.size) / 3600 for axis in (east, north))
    dec = dec + north
    return Table({
        "ra": ra + east / np.cos(np.radians(dec)), "dec": dec,
        "F158": 10 ** (-0.4 * random.uniform(18.0, 19.0, east.size)),
        "type": np.full(east.size, "PSF"),
    })  # fmt: skip


def mosaic(files, folder, *cells):
    """Made by the command, of the cells."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*_coadd.asdf"):
        old.unlink()
    words = [word for cell in cells for word in ("--cell", cell)]
    rdms = Path(sys.executable).parent / "rdms"
    subprocess.run([rdms, "mosaic", *files, *words, "-o", folder], check=True)
    return [next(folder.glob(f"*_{cell}_*")) for cell in cells]


def written(image, path):
    write_product(image, path)
    return path


def of_drawn(images, rates, truth, work, report):
    """Flux, places and seams, without noise."""
    four = images[:4]
    files = [
        written(image.with_noise(image.drawn(rates)), work / f"drawn{n}_cal.asdf")
        for n, image in enumerate(four)
    ]
    one, other = (Combined(path) for path in mosaic(files, work / "drawn", CELL, NEIGHBOUR))
    x, y = one.places(truth["ra"], truth["dec"])
    seen = within(x, y, one.data.shape, 30) & np.all([image.inside for image in four], axis=0)
    flux, dx, dy = sums(one.data, one.areas, x[seen], y[seen], 22)
    ratio = flux / (rates[seen] * four[0].per_rate * four[0].nominal)
    off, scatter = np.nanmean(ratio) - 1, np.nanstd(ratio)
    shift = np.hypot(np.nanmean(dx), np.nanmean(dy))
    rms = np.sqrt(np.nanmean(dx**2 + dy**2) / 2)
    report(f"flux of {seen.sum()} drawn stars over the truth, less 1", "1e-4", f"{off:.1e}",
           abs(off) < 1e-4)  # fmt: skip
    report("  its scatter from star to star", "0.3 %", f"{100 * scatter:.4f} %", scatter < 3e-3)
    report("shift of drawn stars, mean [pixel]", "0.005", f"{shift:.5f}", shift < 0.005)
    report("  from star to star, an axis, rms [pixel]", "0.005", f"{rms:.5f}", rms < 0.005)
    clipped = len(one.ours["rejected_pixels"])
    share = clipped / sum(image.inside.sum() for image in four)
    report("  pixels clipped, per star", "0", f"{share:.1e} ({clipped})")
    difference = seam(one, other)
    report("seam: largest relative difference in the overlap", "1e-6", f"{difference:.1e}",
           difference <= 1e-6)  # fmt: skip
    for file in files:
        file.unlink()


def seam(one, other):
    """Largest relative difference of two neighbouring mosaics, where both see the sky."""
    x, y = MISSION.named(CELL).grid_origin
    u, v = MISSION.named(NEIGHBOUR).grid_origin
    dx, dy = u - x, v - y
    first = one.data[max(dy, 0) :, max(dx, 0) :]
    second = other.data[max(-dy, 0) :, max(-dx, 0) :]
    rows, columns = (min(sizes) for sizes in zip(first.shape, second.shape, strict=True))
    shape = one.data.shape
    rows, columns = min(rows, shape[0] - abs(dy)), min(columns, shape[1] - abs(dx))
    first, second = first[:rows, :columns], second[:rows, :columns]
    if not (np.isnan(first) == np.isnan(second)).all():
        return np.inf
    return float(np.nanmax(np.abs(first / second - 1)))


def of_peers(images, rates, truth, work, report):
    """The fluxes of the same stars by ours, drizzle and SWarp."""
    four, side = images[:4], 1500
    frames = []
    for image in four:
        data = image.drawn(rates) * image.per_rate / image.areas

        def to_sky(x, y, wcs=image.wcs):
            return wcs(x, y, with_bounding_box=False)

        frames.append(Frame(data.astype(np.float32), to_sky))
    files = [
        written(image.with_noise(image.drawn(rates)), work / f"peers{n}_cal.asdf")
        for n, image in enumerate(four)
    ]
    ours = Combined(mosaic(files, work / "peers", CELL)[0])
    ra, dec = MISSION.named(CELL).centre
    warped, plane = swarped(frames, (ra, dec), (side, side), 0.055, work / "swarp")
    own = np.full(warped.shape, np.radians(0.055 / 3600) ** 2)
    drizzle, grid = drizzled(frames, grid_of(ra, dec, side), (side, side)), grid_of(ra, dec, side)
    true = rates * four[0].per_rate * four[0].nominal
    u, v = plane.all_world2pix(truth["ra"], truth["dec"], 0)
    seen = within(u, v, warped.shape, 60)
    for name, data, areas, places in (
        ("ours", ours.data, ours.areas, ours.places(truth["ra"], truth["dec"])),
        ("drizzle 2.2", drizzle, own, grid.all_world2pix(truth["ra"], truth["dec"], 0)),
        ("SWarp 2.41, Lanczos-3", warped, own, (u, v)),
    ):
        flux, dx, dy = sums(data, areas, places[0][seen], places[1][seen], 22)
        ratio = flux / true[seen]
        off = ratio.mean() - 1
        report(f"{name}: flux of {seen.sum()} stars over the truth, less 1",
               "1e-4" if name == "ours" else "",
               f"{off:.1e}, scatter {100 * ratio.std():.4f} %, shift {dx.mean():.4f} "
               f"{dy.mean():.4f}", abs(off) < 1e-4 if name == "ours" else None)  # fmt: skip
    for file in files:
        file.unlink()


def grid_of(ra, dec, side):
    """A small plane of the cell's scale around a place."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [ra, dec]
    wcs.wcs.crpix, wcs.wcs.cdelt = [side / 2 + 0.5] * 2, [-0.055 / 3600, 0.055 / 3600]
    return wcs


def of_noisy(images, rates, truth, work, report):
    """Pulls of fluxes in apertures."""
    random = np.random.default_rng(2)
    files = [
        written(image.with_noise(image.drawn(rates), random), work / f"noisy{n}_cal.asdf")
        for n, image in enumerate(images)
    ]
    one = Combined(mosaic(files, work / "noisy", CELL)[0])
    x, y = one.places(truth["ra"], truth["dec"])
    seen = within(x, y, one.data.shape, 70)
    u, v = x[seen] + 0.5 * SPACING / 0.055, y[seen]  # half way to the next star
    factors = one.ours["correlated_noise"]
    for radius, factor in zip(factors["radius"], factors["factor"], strict=True):
        pull, bias = pulls(one, u, v, radius / 0.055, factor, 0.0)
        good = abs(pull - 1) < 0.05
        report(f"pull on blank sky, radius {radius:.2f} arcsec", "1.00 +- 0.05",
               f"{pull:.3f} (mean {bias:.3f}; factor {factor:.2f})", good)  # fmt: skip
    last = list(factors["radius"]).index(0.88)
    true = (rates * images[0].per_rate * images[0].nominal)[seen]
    pull, bias = pulls(one, x[seen], y[seen], 0.88 / 0.055, factors["factor"][last], true)
    report("pull on stars, radius 0.88 arcsec", "1.00 +- 0.05", f"{pull:.3f} (mean {bias:.3f})",
           abs(pull - 1) < 0.05)  # fmt: skip
    for file in files:
        file.unlink()


def pulls(one, x, y, radius, factor, true):
    """Standard deviation and mean of fluxes less the truth over their errors."""
    half = int(np.ceil(radius)) + 1
    light = cut((one.data - SKY) * one.areas, x, y, half)[0]
    error = cut(one.err * one.areas, x, y, half)[0]
    steps = np.arange(-half, half + 1)
    inside = np.hypot(steps, steps[:, None]) <= radius
    flux = np.sum(light * inside, (1, 2)) - true
    pull = flux / (factor * np.sqrt(np.sum(error**2 * inside, (1, 2))))
    return np.std(pull), np.mean(pull)


def of_simulated(images, files, truth, work, report):
    """Scatter of real stars, and which of them lose pixels."""
    for count in (4, EXPOSURES):
        one = Combined(mosaic(files[:count], work / "simulated", CELL)[0])
        scatter, noise = scatter_of(one, truth)
        own = np.sqrt(max(0, scatter**2 - noise**2))
        report(f"flux of stars from {count} exposures, scatter", "0.3 %",
               f"{100 * own:.3f} % (with noise {100 * scatter:.3f} %)", own < 3e-3)  # fmt: skip
        lost = clipped(one, images[:count], np.zeros((0, 3), int))
        report(f"  star cores clipped of {count} exposures", "0.1 %", f"{100 * lost:.3f} %",
               lost < 1e-3)  # fmt: skip


def of_hits(images, work, report):
    """Hits of particles in all exposures: which are found, which stars lose pixels with them."""
    random = np.random.default_rng(3)
    hit = [hits(image, random) for image in images]
    spoiled = []
    for number, (image, (rate, _)) in enumerate(zip(images, hit, strict=True)):
        spoiled.append(written(dataclasses.replace(image.rate, data=rate),
                               work / f"hit{number}_cal.asdf"))  # fmt: skip
    for count in (4, EXPOSURES):
        one = Combined(mosaic(spoiled[:count], work / "hit", CELL)[0])
        places = [np.column_stack([np.full(len(at), n), at]) for n, (_, at) in
                  enumerate(hit[:count])]  # fmt: skip
        places = np.concatenate(places)
        found, on_star = rejected_of(one, images, places)
        for which, chosen, asked in (
            ("on the sky", ~on_star, "99 %"), ("near stars", on_star, ""),
            ("anywhere", np.ones(len(found), bool), ""),
        ):  # fmt: skip
            share = found[chosen].mean()
            report(f"hits in {count} of {count} exposures rejected, {which}", asked,
                   f"{100 * share:.2f} % of {chosen.sum()} pixels",
                   share >= 0.99 if asked else None)  # fmt: skip
        lost = clipped(one, images[:count], places)
        report("  star cores clipped, without a hit near", "0.1 %", f"{100 * lost:.3f} %",
               lost < 1e-3)  # fmt: skip
    for file in spoiled:
        file.unlink()


def scatter_of(one, truth):
    """Relative scatter of the fluxes of stars, and what noise alone would cause."""
    x, y = one.places(truth["ra"], truth["dec"])
    seen = within(x, y, one.data.shape, 60)
    x, y, true = x[seen], y[seen], truth["F158"][seen]
    light, columns, rows = cut(one.data * one.areas, x, y, 45)
    error = cut(one.err * one.areas, x, y, 45)[0]
    distance = np.hypot(columns[:, None, :], rows[:, :, None]) * 0.055
    ring = (distance > 2.0) & (distance < 2.4)
    sky = np.sum(light * ring, (1, 2)) / ring.sum((1, 2))
    radius = 0.88
    inside = np.clip((radius - distance) / 0.055 + 0.5, 0, 1)  # edges by the pixel
    flux = np.sum((light - sky[:, None, None]) * inside, (1, 2)) / true
    factors = one.ours["correlated_noise"]
    factor = factors["factor"][list(factors["radius"]).index(radius)]
    noise = factor * np.sqrt(np.sum((error * inside) ** 2, (1, 2))) / true
    middle = np.median(flux)
    return np.std(flux) / middle, np.sqrt(np.mean(noise**2)) / middle


def hits(image, random, count=6000):
    """Trails of one to five pixels drawn into an image, and which pixels they hit."""
    product = image.rate
    rate, variance = product.data, product.var_poisson + product.var_rnoise
    rows, columns = rate.shape
    length = random.integers(1, 6, count)
    step = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])[random.integers(0, 4, count)]
    start = random.integers(10, min(rows, columns) - 10, (count, 2))
    each = np.repeat(np.arange(count), length)
    along = np.arange(len(each)) - np.repeat(np.cumsum(length) - length, length)
    at = start[each] + step[each] * along[:, None]
    sigma = np.sqrt(variance[at[:, 0], at[:, 1]])
    energy = 10 ** random.uniform(np.log10(6.5), np.log10(650), len(at))
    np.add.at(rate, (at[:, 0], at[:, 1]), (energy * sigma).astype(np.float32))
    return rate, np.unique(at, axis=0)


def rejected_of(one, images, places):
    """Which of the pixels that were hit and lie on the mosaic are rejected, and lie near stars."""
    gone = rejected_keys(one)
    found, on_star = [], []
    for number, image in enumerate(images):
        mine = places[places[:, 0] == number]
        sky = image.wcs(mine[:, 2], mine[:, 1], with_bounding_box=False)
        mine = mine[within(*one.places(*sky), one.data.shape, 2)]
        tree = cKDTree(np.column_stack([image.y, image.x]))
        found.append(np.isin(keys(mine), gone))
        on_star.append(tree.query(mine[:, 1:], distance_upper_bound=NEAR)[0] < NEAR)
    return np.concatenate(found), np.concatenate(on_star)


NEAR = 6.0
"""What is closer to a star of these magnitudes lies in its light [pixel]."""


def clipped(one, images, places):
    """Share of the cores of stars (3 x 3 pixels), not hit nearby, that lost a pixel."""
    gone = rejected_keys(one)
    lost = number = 0
    for n, image in enumerate(images):
        near = np.zeros(image.shape, bool)
        mine = places[places[:, 0] == n, 1:]
        for row in range(-4, 5):
            for column in range(-4, 5):
                near[np.clip(mine[:, 0] + row, 0, image.shape[0] - 1),
                     np.clip(mine[:, 1] + column, 0, image.shape[1] - 1)] = True  # fmt: skip
        x, y = np.round(image.x).astype(int), np.round(image.y).astype(int)
        sky = image.wcs(image.x, image.y, with_bounding_box=False)
        free = image.inside & ~near[y, x] & within(*one.places(*sky), one.data.shape, 5)
        steps = np.array([(j, i) for j in (-1, 0, 1) for i in (-1, 0, 1)])
        cores = np.column_stack([y, x])[free][:, None] + steps
        flat = cores.reshape(-1, 2)
        hit = np.isin(keys(np.column_stack([np.full(len(flat), n), flat])), gone)
        lost += hit.reshape(-1, 9).any(1).sum()
        number += free.sum()
    return lost / number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--store", type=Path, help="reference store; bootstrapped where omitted")
    parser.add_argument(
        "--only", nargs="*", default=["drawn", "peers", "noisy", "simulated", "hits"]
    )
    options = parser.parse_args()
    root = options.work.resolve()
    work = root / "accuracy_mosaic"
    work.mkdir(parents=True, exist_ok=True)
    scene = work / "stars.ecsv"
    if not scene.exists():
        stars(np.random.default_rng(1)).write(scene)
    truth = Table.read(scene)
    files = exposures(work / "l2", scene, options.store or (lambda: prepare(root)))
    images = [Image(file, truth) for file in files]
    rates = np.asarray(truth["F158"] / truth["F158"].max()) * 2000.0  # [DN / s]
    lines = []

    def report(what, asked, found, met=None):
        """A line of the table."""
        mark = {True: "met", False: "NOT MET", None: ""}[met]
        lines.append(f"{what:60s} {asked:14s} {found:45s} {mark}".rstrip())
        print(lines[-1], flush=True)

    if "drawn" in options.only:
        of_drawn(images, rates, truth, work, report)
    if "peers" in options.only:
        of_peers(images, rates, truth, work, report)
    if "noisy" in options.only:
        of_noisy(images, rates, truth, work, report)
    if "simulated" in options.only:
        of_simulated(images, files, truth, work, report)
    if "hits" in options.only:
        of_hits(images, work, report)
    (work / "accuracy.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
