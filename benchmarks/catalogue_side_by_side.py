"""The catalogue of an L2 image: ours, romancal's, Source Extractor's and photutils', and truth.

    python benchmarks/catalogue_side_by_side.py L2_FILE TRUTH STORE [--only ours ...]

TRUTH is the table that 'rdms simulate' writes beside its images.  Every side runs in a
process of its own on the same file; Source Extractor and PSFEx are Debian's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
from pathlib import Path

import debian_peers
import numpy as np
from astropy.table import Table
from scipy.spatial import cKDTree
from side_by_side import run

from roman_dms.catalogs.steps.source_catalog import calibration_of
from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.tables import read_table

HERE = Path(__file__).parent
MATCH = 1.0
"""How far a source may be from its truth [pixel]."""
NEAR = 3.0
"""The same for the question whether it is true at all [pixel]."""
PIXEL = 0.11
"""Arcseconds in a pixel."""
BINS = np.arange(17.0, 28.0, 1.0)


def ours(options, work):
    command = [sys.executable, HERE / "our_catalogue.py", options.l2, options.store, work]
    run([*command, work / "ours.json"])  # compiles the kernels, once
    whole = run([*command, work / "ours.json", 4])
    table = read_table(next(work.glob("*_cat.parquet")))
    return whole, json.loads((work / "ours.json").read_text()), _psf(table, 1.0)


def romancal(options, work):
    timings = work / "romancal.json"
    script = HERE / "peer_catalogue.py"
    whole = run([sys.executable, script, options.l2, options.store, work / "romancal", timings])
    table = Table.read(work / "romancal" / "peer_cat.parquet")
    return whole, json.loads(timings.read_text()), _psf(table, 1.0)


def source_extractor(options, work):
    folder = work / "debian"
    debian_peers.export(options.l2, folder)
    table, rows = debian_peers.source_extractor(folder)
    whole = {key: sum(row[key] for row in rows.values()) for key in ("wall", "cpu")}
    whole["peak_gib"] = max(row["peak_gib"] for row in rows.values())
    names = ("XPSF_IMAGE", "YPSF_IMAGE", "FLUX_PSF", "FLUXERR_PSF")
    x, y, flux, error = (np.asarray(table[name], float) for name in names)
    return whole, rows, (x - 1, y - 1, flux * options.njy, error * options.njy, None)


def photutils(options, work):
    timings, output = work / "photutils.json", work / "photutils.parquet"
    script = HERE / "peer_photutils.py"
    whole = run([sys.executable, script, options.l2, options.store, output, timings])
    table = read_table(output)
    x, y, flux, error, x_err = (
        np.asarray(table[name], float)
        for name in ("x_fit", "y_fit", "flux_fit", "flux_err", "x_err")
    )
    found = (x, y, flux * options.njy, error * options.njy, x_err)
    return whole, json.loads(timings.read_text()), found


def _psf(table, factor):
    names = ("x_psf", "y_psf", "psf_flux", "psf_flux_err", "x_psf_err")
    x, y, flux, error, x_err = (np.asarray(table[name], float) for name in names)
    return x, y, flux * factor, error * factor, x_err


SIDES = {"ours": ours, "romancal": romancal, "source-extractor": source_extractor,
         "photutils": photutils}  # fmt: skip


def report(name, found, truth):
    """Lines: completeness, purity, floors and pulls of the stars by magnitude."""
    x, y, flux, error, x_err = found
    usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(flux)
    near, true = _true(np.column_stack([x[usable], y[usable]]), truth)
    yield (f"{name}: {len(x)} sources, {true.mean():.4f} of them true; {near.mean():.4f} within "
           f"{NEAR:g} px of a truth")  # fmt: skip
    stars = truth[truth["type"] == "PSF"]
    places = np.column_stack([stars["x"], stars["y"]])
    inside = ((places > 8) & (places < truth.meta["side"] - 8)).all(axis=1)
    tree = cKDTree(np.column_stack([x[usable], y[usable]]))
    distance, nearest = tree.query(places, distance_upper_bound=MATCH)
    matched = np.isfinite(distance)
    rows = np.flatnonzero(usable)[np.minimum(nearest, usable.sum() - 1)]
    yield (f"  {'mag':>5s}{'stars':>8s}{'found':>8s}{'x rms':>9s}{'x bias':>9s}"
           f"{'flux bias':>11s}{'flux rms':>10s}{'pull':>7s}{'x pull':>8s}")  # fmt: skip
    for low, high in itertools.pairwise(BINS):
        within = inside & (stars["magnitude"] >= low) & (stars["magnitude"] < high)
        good = within & matched
        if good.sum() < 5:
            continue
        dx = x[rows[good]] - places[good, 0]
        ratio = flux[rows[good]] / stars["flux"][good] - 1
        pull = (flux[rows[good]] - stars["flux"][good]) / error[rows[good]]
        x_pull = np.nan if x_err is None else _spread(dx / x_err[rows[good]])
        yield (f"  {low + 0.5:5.1f}{within.sum():8d}{good.sum() / within.sum():8.3f}"
               f"{_spread(dx):9.4f}{np.median(dx):9.4f}{np.median(ratio):11.4f}"
               f"{_spread(ratio):10.4f}{_spread(pull):7.2f}{x_pull:8.2f}")  # fmt: skip


def _true(found, truth):
    """Which sources are within 3 pixels of a truth, and which are true.

    A galaxy may be seen farther from its centre than that.  Where nothing is nearer, the nearest
    source within its half-light radius is the galaxy's, and true; a second is not.
    """
    every = np.column_stack([truth["x"], truth["y"]])
    near = np.isfinite(cKDTree(every).query(found, distance_upper_bound=NEAR)[0])
    if "half_light_radius" not in truth.colnames:  # a field of stars
        return near, near
    tree, radius = cKDTree(found), np.nan_to_num(truth["half_light_radius"]) / PIXEL
    wide = np.flatnonzero((radius > NEAR) & (tree.query(every)[0] > NEAR))
    distance, which = tree.query(every[wide])
    true = near.copy()
    true[which[distance < radius[wide]]] = True
    return near, true


def _spread(values):
    """Standard deviation from the middle 68 per cent."""
    low, high = np.nanpercentile(values, [15.87, 84.13])
    return (high - low) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("l2", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "work" / "catalogue")
    parser.add_argument("--only", nargs="*", choices=SIDES, default=list(SIDES))
    options = parser.parse_args()
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    image = read_rate_image(options.l2)
    options.njy = calibration_of(image.meta).nanojanskys
    truth = read_table(options.truth)
    truth.meta["side"] = image.data.shape[0]
    lines, walls = [], {}
    for name in options.only:
        whole, rows, found = SIDES[name](options, work)
        walls[name] = sum(row["wall"] for key, row in rows.items() if key not in ("read", "whole"))
        sources = len(found[0])
        lines.append(
            f"{name:18s}{walls[name]:9.2f} s {sources / walls[name]:9.0f} sources/s   process "
            f"{whole['wall']:.1f} s, CPU {whole['cpu']:.1f} s, {whole['peak_gib']:.2f} GiB"
        )
        lines.extend(report(name, found, truth))
    for name, wall in walls.items():
        if "ours" in walls and name != "ours":
            lines.append(f"{name} / ours: {wall / walls['ours']:.1f}")
    print("\n".join(lines))
    (work / "side_by_side.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
