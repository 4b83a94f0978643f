"""The alignment of L2 images to Gaia: ours, romancal's and SCAMP's, and the truth.

    python benchmarks/alignment_side_by_side.py L2_FILE GAIA STORE [--only ours ...]

The WCS of L2_FILE, an image of 'rdms simulate', is the truth; it is made wrong by an error
of the pointing, as the telescope makes it, before every side starts from the pixels: it
finds the sources, measures them and aligns the image.  GAIA is the table of 'rdms simulate
gaia'.  Ours takes it as it is; the others, which know no motion, are given the places of the
stars as they are seen at the epoch, of those whose motion is known and no RUWE above 1.4.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import debian_peers
import numpy as np
from astropy.table import Table
from side_by_side import HERE, run

from roman_dms.astrometry.reference_stars import ReferenceStars
from roman_dms.formats.catalogues import catalogue_path
from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.tables import read_table
from roman_dms.formats.trees import open_tagged
from roman_dms.instrument.apertures import aperture
from roman_dms.sky.attitude import Attitude
from roman_dms.sky.observatory import observatory_position
from roman_dms.sky.wcs import Pointing, build_wcs, s_region

POINTING = (1.2, -0.9)
"""Error of the pointing to the east and north [arcsec]."""
ROLL = 20.0
"""And of its position angle around the middle of the focal plane [arcsec]."""
GRID = 30


def header(path):
    """Metadata and WCS of an L2 file, without its pixels."""
    file = open_tagged(path)
    return file.live(file.roman["meta"])


def mispoint(path):
    """Make the pointing of an L2 file wrong, and with it its WCS."""
    meta, centre = header(path), aperture("WFI_CEN")
    info, wcs = meta["wcsinfo"], meta["wcs"]
    scale = meta["velocity_aberration"]["scale_factor"]
    reference = (info["v2_ref"], info["v3_ref"])
    true = Attitude(*reference, info["ra_ref"], info["dec_ref"], info["roll_ref"], scale)
    ra, dec = true.sky(centre.v2_ref, centre.v3_ref)
    east, north = POINTING
    wrong = Attitude(
        centre.v2_ref, centre.v3_ref, ra + east / 3600 / np.cos(np.radians(dec)),
        dec + north / 3600, true.roll_at(centre.v2_ref, centre.v3_ref) + ROLL / 3600, scale,
    )  # fmt: skip
    pointing = Pointing(*reference, *wrong.sky(*reference), wrong.roll_at(*reference), scale)
    (left, right), (low, high) = wcs.bounding_box.bounding_box(order="F")
    shape = (round(high - low), round(right - left))
    new = build_wcs(wcs.get_transform("detector", "v2v3"), pointing, shape)
    names = ("ra_ref", "dec_ref", "roll_ref")
    changed = {f"wcsinfo.{name}": getattr(pointing, name) for name in names}
    update_metadata(path, {"wcs": new, "wcsinfo.s_region": s_region(new), **changed})


def stars_as_seen(gaia, meta):
    """The reference stars at the epoch of an exposure, as the peers take them."""
    columns = read_table(gaia)
    stars = ReferenceStars.of({name: np.asarray(columns[name]) for name in columns.colnames})
    mjd = float(meta["exposure"]["mid_time"].mjd)
    places, covariance = stars.at(2000 + (mjd - 51544.5) / 365.25, observatory_position(mjd))
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    good = ~stars.assumed_motion & (stars.ruwe < 1.4)
    values = {"ra": places[:, 0], "dec": places[:, 1], "ra_error": error[:, 0],
              "dec_error": error[:, 1], "magnitude": stars.magnitude}  # fmt: skip
    return Table(values)[good]


def ours(image, stars, options, work):  # noqa: ARG001 - one signature for all sides
    rdms = Path(sys.executable).parent / "rdms"
    rows = {"catalogue": run([rdms, "catalog", image, "--store", options.store, "--quiet"])}
    rows["align"] = run([rdms, "align", image, "--gaia", options.gaia, "--quiet"])
    meta = header(image)
    sources = len(read_table(catalogue_path(image)))
    results = meta["wcs_fit_results"]
    to_sky = lambda x, y: meta["wcs"](x, y, with_bounding_box=False)  # noqa: E731
    note = f"predicted {results['predicted_rms_mas']:.2f} mas a vector"
    return to_sky, rows, sources, results["nmatches"], note


def romancal(image, stars, options, work):
    timings, table = work / "romancal.json", work / "stars.ecsv"
    stars.write(table)
    script = HERE / "peer_catalogue.py"
    whole = run([sys.executable, script, image, options.store, work, timings, table])
    steps = json.loads(timings.read_text())
    rows = {"catalogue": steps["source_catalog"], "align": steps["tweakreg"], "process": whole}
    meta = header(work / "peer_cal.asdf")
    sources = len(Table.read(work / "peer_cat.parquet"))
    to_sky = lambda x, y: meta["wcs"](x, y, with_bounding_box=False)  # noqa: E731
    return to_sky, rows, sources, meta["wcs_fit_results"].get("nmatches", 0), ""


def scamp(image, stars, options, work):  # noqa: ARG001 - one signature for all sides
    debian_peers.export(image, work)
    sources, rows = debian_peers.source_extractor(work)
    wcs, rows["align"] = debian_peers.scamp(work, stars, (0.0, 0.0))
    return (lambda x, y: wcs.all_pix2world(x, y, 0)), rows, len(sources), None, ""


SIDES = {"ours": ours, "romancal": romancal, "scamp": scamp}


def misses(true, found, shape):
    """(n, 2): where a WCS puts the nodes of a grid, less where they are [mas]."""
    nodes = [np.linspace(0, length - 1, GRID) for length in reversed(shape)]
    x, y = (axis.ravel() for axis in np.meshgrid(*nodes))
    (ra, dec), (ra_found, dec_found) = true(x, y, with_bounding_box=False), found(x, y)
    east = (ra_found - ra) * np.cos(np.radians(dec))
    return 3.6e6 * np.stack([east, dec_found - dec], axis=1)


def whole(rows):
    """Wall, CPU and peak memory of all processes of a side."""
    if "process" in rows:
        return rows["process"]
    total = {key: sum(row[key] for row in rows.values()) for key in ("wall", "cpu")}
    return {**total, "peak_gib": max(row["peak_gib"] for row in rows.values())}


def report(found, true, shape):
    """Lines of the comparison."""
    yield (f"{'':10s}{'mean E':>8s}{'mean N':>8s}{'rms':>8s}{'largest':>9s}{'sources':>9s}"
           f"{'used':>6s}{'wall':>8s}{'CPU':>8s}{'GiB':>6s}{'align':>8s}")  # fmt: skip
    for name, (to_sky, rows, sources, used, note) in found.items():
        miss = misses(true, to_sky, shape)
        length = np.hypot(*miss.T)
        spent = whole(rows)
        yield (
            f"{name:10s}{miss[:, 0].mean():8.2f}{miss[:, 1].mean():8.2f}"
            f"{np.sqrt(np.mean(length**2)):8.2f}{length.max():9.2f}{sources:9d}"
            f"{'' if used is None else used:>6}{spent['wall']:8.1f}{spent['cpu']:8.1f}"
            f"{spent['peak_gib']:6.2f}{rows['align']['wall']:8.2f}  {note}"
        )
    yield "mas, s; rms: length of the error vector over a grid of 30 x 30; wall: with imports"
    for name in found:
        if "ours" in found and name != "ours":
            peer, our = whole(found[name][1]), whole(found["ours"][1])
            times = ", ".join(f"{key} {peer[key] / our[key]:.1f}" for key in our)
            yield f"{name} / ours: {times}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("l2", type=Path)
    parser.add_argument("gaia", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, default=HERE / "work" / "alignment")
    parser.add_argument("--only", nargs="*", choices=SIDES, default=list(SIDES))
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    true = read_rate_image(options.l2)
    stars = stars_as_seen(options.gaia, true.meta)
    found = {}
    for name in options.only:
        work = options.work.resolve() / name
        work.mkdir(parents=True)
        image = Path(shutil.copy(options.l2, work))
        mispoint(image)
        found[name] = SIDES[name](image, stars, options, work)
    lines = list(report(found, true.meta["wcs"], true.data.shape))
    print("\n".join(lines))
    (options.work / "alignment.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
