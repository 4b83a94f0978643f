"""reproject's HiPS and ours of the same mosaic, in one run.

    python benchmarks/hips_side_by_side.py L3_FILE [--peer FOLDER] [--cut PIXELS]

Both make FITS tiles of all orders out of one mosaic, each in a process of its own; reproject by
bilinear interpolation on as many threads as there are cores, ours by six-point polynomials and
with the MOC and the picture of the whole sky.  ``--peer`` is a folder with reproject 0.21 where it
is not installed; ``--cut`` takes the lower left corner of the mosaic, of so many pixels, for both.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from side_by_side import HERE, run

from roman_dms.formats.products import read_mosaic, write_product
from roman_dms.sky.tangent import TangentPlane

PEER = """
import os, sys
import numpy as np
from astropy.io import fits
from reproject import reproject_interp
from reproject.hips import reproject_to_hips
with fits.open(sys.argv[1], memmap=False) as hdus:
    reproject_to_hips((hdus[0].data, hdus[0].header), coord_system_out="equatorial", level=13,
                      reproject_function=reproject_interp, output_directory=sys.argv[2],
                      threads=os.cpu_count())
"""

OURS = """
import sys
from pathlib import Path
from roman_dms.mosaics.steps.hips import Request, make_hips
make_hips([sys.argv[1]], Path(sys.argv[2]), Request(order=13, pictures=()))
"""


def corner(path, size, target):
    """The lower left corner of the mosaic; its plane has the same first pixel."""
    mosaic = read_mosaic(path)
    parts = {
        name: getattr(mosaic, name)[..., :size, :size].copy()
        for name in ("data", "err", "context", "weight", "var_poisson", "var_rnoise")
    }
    none = dict.fromkeys(("var_flat", "var_sky"))
    write_product(dataclasses.replace(mosaic, **parts, **none, extras={}), target)
    return target


def as_fits(path, target):
    """The mosaic as the peer reads it."""
    mosaic = read_mosaic(path)
    header = TangentPlane.of_wcsinfo(mosaic.meta["wcsinfo"]).header()
    fits.writeto(target, np.where(mosaic.weight > 0, mosaic.data, np.nan), header, overwrite=True)


def agreement(one, other):
    """Largest and typical differences of tiles that both have."""
    names = sorted(path.relative_to(one) for path in (one / "Norder13").glob("*/*.fits"))
    differences, count = [], 0
    for name in names:
        if (other / name).exists():
            a, b = (fits.getdata(folder / name).astype(float) for folder in (one, other))
            good = np.isfinite(a) & np.isfinite(b)
            differences.append((a - b)[good][::101])
            count += 1
    values = np.concatenate(differences)
    return count, len(names), float(np.median(np.abs(values)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mosaic", type=Path)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--cut", type=int)
    parser.add_argument("--work", type=Path, default=HERE / "work" / "hips")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    plain, mine, theirs = (options.work / name for name in ("mosaic.fits", "ours", "reproject"))
    mosaic = options.mosaic
    if options.cut:
        mosaic = corner(mosaic, options.cut, options.work / "corner.asdf")
    as_fits(mosaic, plain)
    extra = {"PYTHONPATH": str(options.peer.resolve())} if options.peer else {}
    sides = {}
    for name, code, source, folder in (
        ("ours", OURS, mosaic, mine), ("reproject", PEER, plain, theirs),
    ):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        sides[name] = run([sys.executable, "-c", code, source, folder], **extra)
    print(f"{'':18s}{'ours':>10s}{'reproject':>11s}{'ratio':>8s}")
    for key, label in (("wall", "wall [s]"), ("cpu", "CPU [s]"), ("peak_gib", "peak [GiB]")):
        a, b = sides["ours"][key], sides["reproject"][key]
        print(f"{label:18s}{a:10.2f}{b:11.2f}{b / a:8.1f}")
    print("tiles of both, of ours, median |difference| [MJy/sr]:", *agreement(mine, theirs))


if __name__ == "__main__":
    main()
