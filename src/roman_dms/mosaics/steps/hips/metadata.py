"""What a HiPS says of itself: properties and coverage (IVOA HiPS 1.0, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits
from mocpy import MOC

from roman_dms import __version__
from roman_dms.formats.writing import replacing
from roman_dms.instrument.optical_elements import ELEMENTS
from roman_dms.mosaics.hips.tiles import WIDTH, pixel_scale
from roman_dms.mosaics.steps.hips.building import Numbers
from roman_dms.mosaics.steps.hips.files import Folder
from roman_dms.mosaics.steps.hips.sources import Source, digest
from roman_dms.sky.tangent import unit_vectors

Properties = dict[str, str]


def write_moc(folder: Folder, order: int, numbers: Numbers) -> float:
    """Write the coverage, ``Moc.fits``, of all tiles of the deepest order.

    As numbered cells (NUNIQ), which readers of MOC 1.0, the version that HiPS 1.0 names, know as
    well as those of MOC 2.0.

    Returns
    -------
    float
        Part of the sky that they cover.
    """
    depth = np.full(numbers.size, order, np.uint8)
    moc = MOC.from_healpix_cells(numbers.astype(np.uint64), depth, order)
    header = fits.Header()
    header["MOCVERS"], header["MOCDIM"] = "2.0", "SPACE"
    header["ORDERING"], header["COORDSYS"] = "NUNIQ", "C"
    header["MOCORDER"] = header["MOCORD_S"] = order
    header["MOCTOOL"] = f"roman_dms {__version__}"
    cells = fits.Column("UNIQ", "K", array=np.sort(moc.uniq_hpx).astype(np.int64))
    with replacing(folder.path / "Moc.fits") as file:
        table = fits.BinTableHDU.from_columns([cells], header)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return float(moc.sky_fraction)


def described(sources: Sequence[Source], order: int, title: str, sky_fraction: float) -> Properties:
    """Properties that follow from the mosaics."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    ra, dec, size = _view(sources)
    elements = sorted({source.element for source in sources})
    return {
        "creator_did": f"ivo://roman-dms/P/{digest(title, *elements)}",
        "obs_collection": "Roman",
        "obs_title": title,
        "obs_description": f"{len(sources)} mosaics (L3) of {', '.join(elements)}",
        "obs_regime": "Infrared",
        "prov_progenitor": "Roman WFI mosaics (L3)",
        "dataproduct_type": "image",
        "hips_version": "1.4",
        "hips_builder": f"roman_dms {__version__}",
        "hips_creation_date": now,
        "hips_release_date": now,
        "hips_status": "private master unclonable",
        "hips_frame": "equatorial",
        "hips_order": str(order),
        "hips_order_min": "0",
        "hips_tile_width": str(WIDTH),
        "hips_pixel_bitpix": "-32",
        "hips_pixel_scale": f"{pixel_scale(order) / 3600:.10g}",
        "s_pixel_scale": f"{min(source.plane.scale for source in sources) / 3600:.10g}",
        "hips_sampling": "lagrange, 6 x 6 pixels",
        "hips_overlay": "mean, weighted by the mosaics",
        "hips_hierarchy": "mean, weighted by covered area",
        "hips_initial_ra": f"{ra:.6f}",
        "hips_initial_dec": f"{dec:.6f}",
        "hips_initial_fov": f"{size:.6f}",
        "moc_sky_fraction": f"{sky_fraction:.6g}",
        "moc_order": str(order),
        **_band(elements),
        **_times(sources),
    }


def _view(sources: Sequence[Source]) -> tuple[float, float, float]:
    """A field that shows all of them: right ascension, declination, size [deg]."""
    corners = np.concatenate([unit_vectors(*source.corners()) for source in sources])
    middle = corners.mean(axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-12)
    radius = np.rad2deg(np.arccos(np.clip(corners @ middle, -1, 1)).max())
    ra = np.rad2deg(np.arctan2(middle[1], middle[0])) % 360
    return float(ra), float(np.rad2deg(np.arcsin(middle[2]))), float(min(2.1 * radius, 180))


def _band(elements: Sequence[str]) -> Properties:
    """Wavelengths [m]."""
    known = [ELEMENTS[name] for name in elements if name in ELEMENTS]
    blue = [element.blue_edge for element in known if element.blue_edge]
    red = [element.red_edge for element in known if element.red_edge]
    if not blue or not red:
        return {}
    return {"em_min": f"{min(blue) * 1e-6:.6g}", "em_max": f"{max(red) * 1e-6:.6g}"}


def _times(sources: Sequence[Source]) -> Properties:
    """First and last exposure [MJD]."""
    times = [source.times for source in sources if source.times]
    if not times:
        return {}
    first, last = min(first for first, _ in times), max(last for _, last in times)
    return {"t_min": f"{first:.6f}", "t_max": f"{last:.6f}"}


def read_properties(path: Path) -> Properties:
    """The properties of a HiPS; none where there is no file."""
    if not path.exists():
        return {}
    pairs = (line.split("=", 1) for line in path.read_text("utf-8").splitlines()
             if "=" in line and not line.startswith("#"))  # fmt: skip
    return {key.strip(): value.strip() for key, value in pairs}


def properties_text(properties: Mapping[str, str]) -> str:
    """The content of the file."""
    return "".join(f"{key:<20} = {value}\n" for key, value in properties.items())
