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
from astropy.wcs import WCS

from roman_dms.catalogs.sky_frame import SkyFrame
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
    header = linear_header(image.meta["wcs"], image.data.shape)
    fits.writeto(folder / "data.fits", data.astype("f4"), header, overwrite=True)
    fits.writeto(folder / "rms.fits", err.astype("f4"), overwrite=True)
    flags = (image.dq & 0x7FFF).astype("i2")
    fits.writeto(folder / "flags.fits", flags, overwrite=True)


def linear_header(wcs, shape):
    """A TAN header that touches a WCS in the middle of the image; distortion is left out."""
    rows, columns = shape
    x, y = (columns - 1) / 2, (rows - 1) / 2
    to_sky = lambda x, y: wcs(x, y, with_bounding_box=False)  # noqa: E731
    frame = SkyFrame.at(to_sky, np.array([x]), np.array([y]))
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = frame.ra[0], frame.dec[0]
    header["CRPIX1"], header["CRPIX2"] = x + 1, y + 1
    for i, j in np.ndindex(2, 2):
        header[f"CD{i + 1}_{j + 1}"] = frame.jacobian[0, i, j] / 3600
    header["RADESYS"], header["EQUINOX"] = "ICRS", 2000.0
    return header


def scamp(folder, stars, shift):
    """Align the catalogue of `source_extractor` to stars; the WCS found, and the time.

    It starts from a WCS without distortion, which is off by an arcsec in the corners:
    with a smaller radius stars there are missed, and what is found is worse by 2.

    Parameters
    ----------
    stars
        Table with ra, dec [deg], their errors [mas] and magnitudes, at the epoch.
    shift
        (2,) by which the pointing is made wrong beforehand [arcsec].
    """
    with fits.open(folder / "full.cat") as hdus:
        cards = fits.Header.fromstring("\n".join(hdus[1].data[0][0]), sep="\n")
        cards["CRVAL1"] += shift[0] / 3600 / np.cos(np.radians(cards["CRVAL2"]))
        cards["CRVAL2"] += shift[1] / 3600
        (folder / "full.ahead").write_text(
            "".join(f"{c.image}\n" for c in cards.cards if c.keyword[:2] in ("CR", "CT", "CD"))
            + "END\n"
        )
    table = Table({
        "X_WORLD": stars["ra"], "Y_WORLD": stars["dec"],
        "ERRA_WORLD": stars["ra_error"] / 3.6e6, "ERRB_WORLD": stars["dec_error"] / 3.6e6,
        "ERRTHETA_WORLD": np.zeros(len(stars), "f4"), "MAG": stars["magnitude"].astype("f4"),
        "MAGERR": np.full(len(stars), 0.01, "f4"), "OBSDATE": np.full(len(stars), 2027.4),
        "FLAGS": np.zeros(len(stars), "i2"),
    })  # fmt: skip
    text = fits.Header().tostring(padding=False)
    image_header = fits.BinTableHDU.from_columns(
        [fits.Column("Field Header Card", f"{len(text)}A", array=[text])], name="LDAC_IMHEAD"
    )
    objects = fits.BinTableHDU(table, name="LDAC_OBJECTS")
    target = folder / "stars.cat"
    fits.HDUList([fits.PrimaryHDU(), image_header, objects]).writeto(target, overwrite=True)
    command = [
        "scamp", "full.cat", "-c", "/dev/null", "-ASTREF_CATALOG", "FILE", "-ASTREFCAT_NAME",
        "stars.cat", "-ASTREFMAG_KEY", "MAG", "-ASTREFMAGERR_KEY", "MAGERR", "-CENTROID_KEYS",
        "XPSF_IMAGE,YPSF_IMAGE", "-CENTROIDERR_KEYS",
        "ERRAWIN_IMAGE,ERRBWIN_IMAGE,ERRTHETAWIN_IMAGE", "-PHOTFLUX_KEY", "FLUX_PSF",
        "-PHOTFLUXERR_KEY", "FLUXERR_PSF", "-DISTORT_DEGREES", "3", "-POSITION_MAXERR", "0.1",
        "-POSANGLE_MAXERR", "1", "-CROSSID_RADIUS", "2", "-CHECKPLOT_TYPE", "NONE",
        "-WRITE_XML", "N", "-NTHREADS", "2", "-SOLVE_PHOTOM", "N", "-SN_THRESHOLDS", "10,50",
        "-AHEADER_SUFFIX", ".ahead", "-VERBOSE_TYPE", "FULL",
    ]  # fmt: skip
    times = run(command, folder)
    text = (folder / "full.head").read_text(errors="replace")
    lines = [line for line in text.splitlines() if line[:7] != "COMMENT" and line[:7] != "HISTORY"]
    return WCS(fits.Header.fromstring("\n".join(lines), sep="\n")), times


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
