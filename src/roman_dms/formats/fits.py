"""L2 images and L3 mosaics to FITS and back, without loss.

The arrays become image extensions.  The rest of the tree, with the exact WCS,
is an ASDF file in the table extension ``ASDF``, where each array is named by
its extension (``source: fits:SCI,1``) instead of being stored twice.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from asdf.tagged import TaggedDict
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.container import scan
from roman_dms.formats.exposures import RATE
from roman_dms.formats.mosaics import MOSAIC
from roman_dms.formats.rad import split_tag
from roman_dms.formats.sources import FilePath, MemorySource, unreadable
from roman_dms.formats.trees import Lowering, open_tagged, parse
from roman_dms.formats.writing import Compression, replacing, root_of, write_asdf, write_tree
from roman_dms.products.arrays import pixel_fields
from roman_dms.products.exposure import RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.sky.fits_wcs import fit_sip
from roman_dms.sky.tangent import TangentPlane

TREE = "ASDF"
"""Name of the extension that holds the tree."""
_NAMES = {"data": "SCI"}
"""Extensions that are not called like their array."""
_STORED = {"float16": "float32"}
"""FITS has no float16; the tree remembers that it was one."""
_TYPES = {"uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"}

_COMMON_KEYWORDS = {
    "TELESCOP": ("telescope", "telescope"),
    "INSTRUME": ("instrument.name", "instrument"),
    "FILTER": ("instrument.optical_element", "optical element"),
    "FILENAME": ("filename", "name of the file"),
    "ORIGIN": ("origin", "who made the data"),
    "CAL_SW": ("calibration_software_name", "calibration software"),
    "CAL_VER": ("calibration_software_version", "its version"),
}
_RATE_KEYWORDS = {
    "DETECTOR": ("instrument.detector", "detector"),
    "EXP_TYPE": ("exposure.type", "type of the exposure"),
    "DATE-OBS": ("exposure.start_time", "UTC at the start of the exposure"),
    "DATE-END": ("exposure.end_time", "UTC at the end of the exposure"),
    "EXPTIME": ("exposure.exposure_time", "[s] exposure time"),
    "EFFEXPTM": ("exposure.effective_exposure_time", "[s] effective exposure time"),
    "NRESULT": ("exposure.nresultants", "number of resultants"),
    "TARG_RA": ("pointing.target_ra", "[deg] target"),
    "TARG_DEC": ("pointing.target_dec", "[deg] target"),
    "PA_V3": ("pointing.pa_v3", "[deg] position angle of V3"),
    "PHOTMJSR": ("photometry.conversion_megajanskys", "[MJy/sr / (DN/s)] conversion"),
    "PIXAR_SR": ("photometry.pixel_area", "[sr] area of a pixel"),
}
_MOSAIC_KEYWORDS = {
    "SKYCELL": ("wcsinfo.skycell_name", "sky cell"),
    "DATE-BEG": ("coadd_info.time_first", "UTC at the start of the first exposure"),
    "DATE-END": ("coadd_info.time_last", "UTC at the end of the last exposure"),
    "EXPTIME": ("coadd_info.exposure_time", "[s] exposure time of a pixel"),
    "NEXPOSUR": ("resample.pointings", "number of exposures"),
}
_KEYWORDS = {
    RATE: _COMMON_KEYWORDS | _RATE_KEYWORDS,
    MOSAIC: _COMMON_KEYWORDS | _MOSAIC_KEYWORDS,
}
"""Keywords of the primary header of each schema, and where their values are in ``meta``."""

_PLANE_TOLERANCE = 1e-6
"""How far a WCS may be from a tangent plane to be written as one [pixel]."""


def convert(
    source: FilePath, target: str | os.PathLike[str], *, compression: Compression = "lz4"
) -> None:
    """Convert an L2 image or L3 mosaic between ASDF and FITS; the names tell the direction.

    Raises
    ------
    FormatError
        If the source is neither, or a FITS file that was not made here.
    FileError
        If a file cannot be read or written.
    """
    if str(source).endswith((".fits", ".fit", ".fits.gz")):
        tag, tree = read_fits(source)
        write_tree(tag, tree, target, compression=compression)
        return
    file = open_tagged(source)
    if file.schema not in _KEYWORDS:
        raise FormatError(
            f"The file {file.name} has the schema {file.schema!r}.",
            f"{RATE!r}, an L2 image, or {MOSAIC!r}, an L3 mosaic",
        )
    write_fits(file.tag, file.live(), target)


def write_fits(tag: str, tree: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the live tree of an L2 image or L3 mosaic to FITS.

    Parameters
    ----------
    tag
        The tag of RAD that the tree has in ASDF.

    Raises
    ------
    FileError
        If the file cannot be written; nothing is left behind then.
    """
    arrays = {key: value for key, value in tree.items() if _fits_type(value)}
    lowering = Lowering()
    lowered = {
        key: _reference(key, value) if key in arrays else lowering.lower(value)
        for key, value in tree.items()
    }
    content = io.BytesIO()
    write_asdf(content, root_of(tag, lowered), lowering.arrays, "lz4")
    meta, schema, shape = Metadata(tree["meta"]), split_tag(tag)[0], arrays["data"].shape
    wcs = _wcs_header(meta, shape)
    hdus = fits.HDUList([fits.PrimaryHDU(header=_primary_header(meta, schema))])
    hdus += [_image(key, value, wcs, shape, _UNITS[schema]) for key, value in arrays.items()]
    hdus.append(_table(content.getvalue()))
    with replacing(Path(path)) as file:
        hdus.writeto(file)


def read_fits(path: FilePath) -> tuple[str, dict[str, Any]]:
    """Tag and live tree of an L2 image or L3 mosaic in a FITS file that was made here.

    Raises
    ------
    FileError
        If the file cannot be read or is damaged.
    FormatError
        If it was not made by :func:`write_fits`.
    """
    name = os.fspath(path)
    try:
        with fits.open(name, memmap=False) as hdus, warnings.catch_warnings():
            warnings.simplefilter("error", fits.verify.VerifyWarning)
            return _tree_of(hdus, name)
    except OSError as error:
        raise unreadable(name, error) from error
    except (ValueError, TypeError, LookupError, fits.VerifyError, UserWarning) as error:
        raise FileError(
            f"The FITS file {name} is damaged: {error}.",
            "an intact file",
            "fetch or make it again",
        ) from error


def _tree_of(hdus: fits.HDUList, name: str) -> tuple[str, dict[str, Any]]:
    if TREE not in hdus:
        raise FormatError(
            f"The FITS file {name} has no extension {TREE!r}.",
            "a FITS file made by 'rdms convert', which holds the whole tree",
        )
    content = hdus[TREE].data["ASDF_METADATA"][0].tobytes()
    file = parse(scan(MemorySource(f"{name}[{TREE}]", content)))
    tree: dict[str, Any] = {}
    for key, node in file.roman.items():
        place = node.get("source") if isinstance(node, Mapping) else None
        if isinstance(place, str) and place.startswith("fits:"):
            data = hdus[place.removeprefix("fits:").partition(",")[0]].data
            tree[key] = np.asarray(data).astype(np.dtype(node["datatype"]), copy=False)
            if list(tree[key].shape) != list(node["shape"]):
                raise FormatError(f"{key!r} of {name} is {tree[key].shape}.", str(node["shape"]))
        else:
            tree[key] = file.live(node)
    return file.tag, tree


def _fits_type(value: Any) -> str | None:
    """The type of an image extension, for what can be one."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or len(value.shape) < 2 or 0 in value.shape:
        return None
    stored = _STORED.get(dtype.name, dtype.name)
    return stored if stored in _TYPES else None


def _reference(key: str, array: Any) -> TaggedDict:
    node = {
        "source": f"fits:{_NAMES.get(key, key.upper())},1",
        "datatype": array.dtype.name,
        "byteorder": "big",
        "shape": list(array.shape),
    }
    return TaggedDict(node, "tag:stsci.edu:asdf/core/ndarray-1.1.0")


def _primary_header(meta: Metadata, schema: str) -> fits.Header:
    header = fits.Header()
    for keyword, (key, comment) in _KEYWORDS[schema].items():
        value = meta.get(key)
        if hasattr(value, "isot"):
            value = value.isot
        if isinstance(value, float) and not np.isfinite(value):
            value = None
        header[keyword] = (value, comment)
    return header


def _wcs_header(meta: Metadata, shape: tuple[int, ...]) -> fits.Header:
    """The FITS WCS nearest to the exact one, with its largest residual."""
    wcs = meta.get("wcs")
    header = fits.Header()
    if wcs is not None:
        found, residual = _plane_header(meta, shape) or _sip_header(meta, shape)
        header.update(found)
        header["WCSRESID"] = (residual, "[pixel] largest error of this WCS")
    return header


def _plane_header(meta: Metadata, shape: tuple[int, ...]) -> tuple[fits.Header, float] | None:
    """A plain tangent plane and its error, where the WCS is that of a mosaic."""
    if "wcsinfo.rotation_matrix" not in meta:
        return None
    try:
        plane = TangentPlane.of_wcsinfo(meta["wcsinfo"])
    except FormatError:
        return None  # its WCS may be good nevertheless
    x, y = (axis.ravel() for axis in np.meshgrid([0, shape[1] - 1], [0, shape[0] - 1]))
    expected = SkyCoord(*meta["wcs"](x, y, with_bounding_box=False), unit="deg")
    apart = SkyCoord(*plane.sky(x, y), unit="deg").separation(expected).arcsec
    residual = float(apart.max()) / plane.scale
    return (plane.header(), residual) if residual < _PLANE_TOLERANCE else None


def _sip_header(meta: Metadata, shape: tuple[int, ...]) -> tuple[fits.Header, float]:
    sip = fit_sip(meta["wcs"], (shape[0], shape[1]))
    return sip.header, sip.residual


def _image(
    key: str,
    array: Any,
    wcs: fits.Header,
    science_shape: tuple[int, ...],
    units: Mapping[str, str],
) -> fits.ImageHDU:
    pixels: NDArray[Any] = np.asarray(array)
    header = wcs.copy() if pixels.shape == science_shape else fits.Header()
    if key in units:
        header["BUNIT"] = units[key]
    name = _NAMES.get(key, key.upper())
    return fits.ImageHDU(pixels.astype(_fits_type(array), copy=False), header, name=name)


_UNITS = {
    schema: {name: field.unit for name, field in pixel_fields(product) if field.unit}
    for schema, product in ((RATE, RateImage), (MOSAIC, Mosaic))
}
_UNITS[RATE]["amp33"] = "DN"


def _table(content: bytes) -> fits.BinTableHDU:
    column = fits.Column(
        "ASDF_METADATA", f"{len(content)}B", array=np.frombuffer(content, np.uint8)[np.newaxis]
    )
    table = fits.BinTableHDU.from_columns([column], name=TREE)
    table.header["COMMENT"] = "Tree of the product, with the exact WCS, as an ASDF file"
    return table
