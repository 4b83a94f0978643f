"""photutils' star finder and PSF photometry on an L2 image, timed.

    python benchmarks/peer_photutils.py L2_FILE STORE OUTPUT.parquet TIMINGS.json

Imports nothing of roman_dms.  The PSF is the store's ``epsf`` file.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import asdf
import numpy as np
import roman_datamodels.datamodels as rdm
from astropy.nddata import NDData
from astropy.stats import SigmaClip
from astropy.table import Table
from photutils.background import Background2D, MedianBackground
from photutils.detection import DAOStarFinder
from photutils.psf import GriddedPSFModel, PSFPhotometry, SourceGrouper

warnings.simplefilter("ignore")


def psf_model(store):
    """The store's PSF, of its middle spectral type."""
    path = next(Path(store).rglob("*epsf*.asdf"))
    with asdf.open(path) as file:
        roman = file["roman"]
        stamps = np.array(roman["psf"])[0, roman["psf"].shape[1] // 2]
        meta = roman["meta"]
        places = list(zip(meta["pixel_x"], meta["pixel_y"], strict=True))
        sampling = int(meta["oversample"])
    return GriddedPSFModel(NDData(stamps, meta={"grid_xypos": places, "oversampling": sampling}))


def main() -> None:
    source, store, output, timings = sys.argv[1:5]
    rows = {}

    def timed(name, function):
        began = time.perf_counter()
        result = function()
        rows[name] = {"wall": time.perf_counter() - began}
        print(f"{name:16s} {rows[name]['wall']:8.2f} s", flush=True)
        return result

    model = rdm.open(source)
    data, err = np.array(model.data), np.array(model.err, float)
    mask = ((model.dq & 1) != 0) | ~np.isfinite(data) | ~(err > 0)
    data = np.where(mask, 0, data)
    settings = {"sigma_clip": SigmaClip(3), "bkg_estimator": MedianBackground()}
    sky = timed("background", lambda: Background2D(data, 128, mask=mask, **settings))
    light = data - sky.background
    threshold = 5 * float(sky.background_rms_median)
    finder = DAOStarFinder(threshold, 1.6)
    found = timed("DAOStarFinder", lambda: finder(light, mask=mask))
    names = [name for name in found.colnames if name.replace("_", "") in ("xcentroid", "ycentroid")]
    x, y = (found[name] for name in names)
    start = Table({"x": x, "y": y})
    fit = PSFPhotometry(psf_model(store), (5, 5), grouper=SourceGrouper(4), aperture_radius=3)
    table = timed("PSFPhotometry", lambda: fit(light, error=err, mask=mask, init_params=start))
    names = ["x_fit", "y_fit", "flux_fit", "x_err", "y_err", "flux_err", "flags"]
    table[names].write(output, overwrite=True)
    Path(timings).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
