"""Linear-optimal stamps on disk: FITS, ASDF, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.errors import UsageError
from roman_dms.formats.preview import limits
from roman_dms.formats.writing import replacing, write_plain
from roman_dms.mosaics.steps.stamps import MadeStamp

UNIT = "MJy / sr"
FORMATS = (".fits", ".asdf", ".png")


def write_stamp(made: MadeStamp, path: Path, *, covariance: bool = False) -> None:
    """Write a stamp in the format that the suffix names.

    Parameters
    ----------
    covariance
        Write the covariance of all pixels, too; the weights must have been kept.

    Raises
    ------
    UsageError
        For another suffix.
    FileError
        If the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"{path.name} has the ending {path.suffix!r}.", ", ".join(FORMATS))
    if path.suffix == ".png":
        _draw(made, path)
        return
    images, inputs = _images(made, covariance), _inputs(made)
    if path.suffix == ".asdf":
        header = {key: value for key, value, _ in _about(made)}
        wcs = made.request.plane.wcs((made.request.size, made.request.size))
        tree = {"meta": {**header, "wcs": wcs}, "inputs": inputs, **images}
        write_plain(tree, path)
        return
    header = made.request.plane.header()
    header["BUNIT"] = UNIT
    for key, value, comment in _about(made):
        header[key] = (value, comment)
    hdus: list[Any] = [fits.PrimaryHDU(images.pop("data"), header)]
    hdus += [fits.ImageHDU(image, name=name.upper()) for name, image in images.items()]
    hdus.append(fits.BinTableHDU(inputs, name="INPUTS"))
    with replacing(path) as file:
        fits.HDUList(hdus).writeto(file)


def _images(made: MadeStamp, covariance: bool) -> dict[str, NDArray[np.float32]]:
    stamp = made.stamp
    images = {
        "data": stamp.data,
        "err": np.sqrt(stamp.variance),
        **stamp.variances,
        "leakage": stamp.leakage,
        "noise": stamp.noise,
        "coverage": stamp.coverage,
        "kappa": stamp.kappa,
        "psf": stamp.psf,
    }
    if covariance:
        images["covariance"] = stamp.covariance()
    return {name: image.astype(np.float32) for name, image in images.items()}


def _inputs(made: MadeStamp) -> Table:
    return Table(
        {
            "name": list(made.names),
            "sky": np.array(made.levels),
            "enclosed": np.array(made.stamp.enclosed),
            "psf": list(made.origins),
        }
    )


def _about(made: MadeStamp) -> list[tuple[str, Any, str]]:
    request, stamp = made.request, made.stamp
    return [
        ("FILTER", made.element, "optical element"),
        ("TARGET", "broadened" if request.broadened else "gaussian", "PSF that was wanted"),
        ("FWHM", request.target_fwhm, "[arcsec] of the Gaussian"),
        ("RADIUS", request.radius, "[arcsec] around a tile, of input pixels"),
        ("PIXSCALE", request.scale, "[arcsec] side of a pixel"),
        ("LEAKAGE", float(np.median(stamp.leakage)), "median U / C"),
        ("NIMAGES", len(made.names), "images"),
        ("CREATOR", f"roman_dms {__version__}", "software"),
    ]


def _draw(made: MadeStamp, path: Path) -> None:
    """The stamp, its leakage and the target side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(12, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = [
        (made.stamp.data, f"{made.element} [{UNIT}]"),
        (np.log10(made.stamp.leakage), "log10 leakage U / C"),
        (made.stamp.psf, f"target, {made.request.target_fwhm:g} arcsec"),
    ]
    for axes, (image, title) in zip(figure.subplots(1, 3), panels, strict=True):
        low, high, _ = limits(image.astype(np.float32))
        shown = axes.imshow(image, origin="lower", cmap="inferno", vmin=low, vmax=high)
        axes.set_title(title, fontsize=10)
        figure.colorbar(shown, ax=axes, fraction=0.046)
    with replacing(path) as file:
        figure.savefig(file, format="png")
