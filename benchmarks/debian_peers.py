"""Source Extractor, PSFEx and SCAMP, as Debian packages them, on L2 images of ours.

    apt-get install source-extractor psfex scamp
    python benchmarks/debian_peers.py L2_FILE FOLDER

Imported by the comparisons; alone it prints the times and what was found.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from roman_dms.formats.products import read_rate_image
from roman_dms.instrument.quality import Pixel

STAMP = 35
FIRST = ("X_IMAGE", "Y_IMAGE", "FLUX_RADIUS", "FLUX_APER(1)", "FLUXERR_APER(1)", "SNR_WIN",
         "ELONGATION", "FLAGS", f"VIGNET({STAMP},{STAMP})")  # fmt: skip
"""What PSFEx needs."""
FULL = ("NUMBER", "X_IMAGE", "Y_IMAGE", "XWIN_IMAGE", "YWIN_IMAGE", "XPSF_IMAGE", "YPSF_IMAGE",
        "FLUX_PSF", "FLUXERR_PSF", "FLUX_AUTO", "FLUXERR_AUTO", "FLUX_APER(5)",
        "FLUXERR_APER(5)", "FLUX_ISO", "FLUXERR_ISO", "KRON_RADIUS", "FLUX_RADIUS", "A_IMAGE",
        "B_IMAGE", "THETA_IMAGE", "SPREAD_MODEL", "SPREADERR_MODEL", "FLAGS",
        "ERRAWIN_IMAGE", "ERRBWIN_IMAGE", "ERRTHETAWIN_IMAGE", "BACKGROUND")  # fmt: skip
"""What a row of ours holds, as far as there is a like."""


def run(command, folder):
    """Wall [s], CPU [s] and peak memory [GiB] of a program."""
    began = time.perf_counter()
    log = (folder / "log.txt").open("a")
    process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=log, stderr=log)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed; see {folder / 'log.txt'}")
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss / 2**20
    return {"wall": time.perf_counter() - began, "cpu": cpu, "peak_gib": peak}


def export(l2, folder):
    """Values, errors and flags of an L2 image as three FITS files."""
    folder.mkdir(parents=True, exist_ok=True)
    image = read_rate_image(l2)
    bad = (image.dq & Pixel.DO_NOT_USE) != 0
    data = np.where(bad | ~np.isfinite(image.data), 0, image.data)
    err = np.where(bad | ~np.isfinite(image.err), 1e6, image.err)
    fits.writeto(folder / "data.fits", data.astype("f4"), overwrite=True)
    fits.writeto(folder / "rms.fits", err.astype("f4"), overwrite=True)
    flags = (image.dq & 0x7FFF).astype("i2")
    fits.writeto(folder / "flags.fits", flags, overwrite=True)


def _settings(folder, name, columns, **changes):
    (folder / "gauss.conv").write_text(
        "CONV NORM\n"
        + "\n".join(
            " ".join(f"{np.exp(-(i * i + j * j) / 1.44):.6f}" for i in range(-2, 3))
            for j in range(-2, 3)
        )
        + "\n"
    )
    (folder / f"{name}.param").write_text("\n".join(columns) + "\n")
    options = {
        "PARAMETERS_NAME": f"{name}.param", "FILTER_NAME": "gauss.conv", "CATALOG_NAME": name,
        "CATALOG_TYPE": "FITS_LDAC", "DETECT_MINAREA": 3, "DETECT_THRESH": 1.5,
        "ANALYSIS_THRESH": 1.5, "DEBLEND_NTHRESH": 32, "DEBLEND_MINCONT": 0.001,
        "WEIGHT_TYPE": "MAP_RMS", "WEIGHT_IMAGE": "rms.fits", "BACK_SIZE": 128,
        "PHOT_APERTURES": "1.8,3.6,7.3,14.5,29.1", "SATUR_LEVEL": 1e9, "GAIN": 0.0,
        "PIXEL_SCALE": 0.11, "SEEING_FWHM": 0.16, "MEMORY_PIXSTACK": 3000000,
        "MEMORY_OBJSTACK": 65000, "NTHREADS": 2, **changes,
    }  # fmt: skip
    return [f"-{key}" if i == 0 else str(key) for pair in options.items()
            for i, key in enumerate(pair)]  # fmt: skip


def source_extractor(folder):
    """Detection, PSFEx, PSF photometry: the catalogue and the times of the three runs."""
    for file in ("/usr/share/source-extractor/default.nnw",):
        nnw = ["-STARNNW_NAME", file] if Path(file).exists() else []
    command = ["source-extractor", "data.fits", "-c", "/dev/null", *nnw]
    times = {}
    first = _settings(folder, "first.cat", FIRST, PHOT_APERTURES="10")
    times["source-extractor for PSFEx"] = run([*command, *first], folder)
    psfex = [
        "psfex", "first.cat", "-c", "/dev/null", "-BASIS_TYPE", "PIXEL", "-PSF_SAMPLING", "0.5",
        "-PSF_SIZE", "51,51", "-PSFVAR_DEGREES", "2", "-SAMPLE_MINSN", "50",
        "-SAMPLE_FWHMRANGE", "1.0,4.0", "-CHECKPLOT_TYPE", "NONE", "-CHECKIMAGE_TYPE", "NONE",
        "-WRITE_XML", "N", "-NTHREADS", "2",
    ]  # fmt: skip
    times["psfex"] = run(psfex, folder)
    full = _settings(folder, "full.cat", FULL, PSF_NAME="first.psf")
    times["source-extractor with PSF"] = run([*command, *full], folder)
    return Table.read(folder / "full.cat", hdu=2), times


def main() -> None:
    folder = Path(sys.argv[2])
    export(sys.argv[1], folder)
    table, times = source_extractor(folder)
    for name, row in times.items():
        print(f"{name:30s}{row['wall']:8.1f} s{row['cpu']:8.1f} s CPU{row['peak_gib']:7.2f} GiB")
    print(f"{len(table)} sources")


if __name__ == "__main__":
    main()
