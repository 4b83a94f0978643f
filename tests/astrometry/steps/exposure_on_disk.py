"""An exposure on disk whose header is wrong about where the telescope looked.

Catalogues are made of the true places of stars, by a WCS that the files do not
have; the way of a star from Gaia's epoch is that of the simulator, not of the
alignment.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import gwcs
import numpy as np
import pyarrow as pa
from astropy.modeling.models import AffineTransformation2D
from astropy.table import Table
from pyarrow import parquet

from roman_dms.formats.catalogues import catalogue_path, write_catalogue
from roman_dms.formats.exposures import RATE, tree_of_rate
from roman_dms.formats.tables import write_table
from roman_dms.formats.writing import write_tree
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.exposure import RateImage
from roman_dms.products.sources import Sources
from roman_dms.simulation.scenes.astrometry import (
    MILLIARCSECOND,
    displaced,
    julian_year,
    parallactic,
)
from roman_dms.simulation.steps.image import no_borders
from roman_dms.simulation.steps.metadata import image_metadata, raw_metadata
from roman_dms.simulation.steps.pointing import attitude_of
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.observatory import observatory_position
from roman_dms.sky.wcs import Pointing, build_wcs

SHAPE = (4088, 4088)
PLANNED = PlannedExposure(
    ra=270.0, dec=66.0, position_angle=20.0, element="F158", ma_table=4, start=61557.0
)
TINY = Detector("WFI01", 32, 128)
"""Of the pixels in the files, which nobody reads."""


@dataclass
class ExposureOnDisk:
    files: list[Path]
    gaia: Path
    truth: dict[str, gwcs.WCS]
    stars: Table = field(default_factory=Table)

    def errors(self, wcs: gwcs.WCS, detector: str, nodes: int = 30) -> np.ndarray:
        """Lengths of the errors of a WCS over a grid of the detector [mas]."""
        x, y = np.meshgrid(*2 * [np.linspace(0, 4087, nodes)])
        return separation(wcs(x, y), self.truth[detector](x, y))


def separation(one, other) -> np.ndarray:
    """Angles between close places (ra, dec) [mas]."""
    (ra, dec), (ra2, dec2) = one, other
    return 3.6e6 * np.hypot((ra - ra2) * np.cos(np.radians(dec2)), dec - dec2)


def make_exposure(
    folder: Path,
    detectors=("WFI01", "WFI08", "WFI16"),
    *,
    planned: PlannedExposure = PLANNED,
    stars: int = 300,
    off: tuple[float, float, float] = (1.5, -0.9, 25.0),
    misplaced: float = 0.02,
    places: dict[str, np.ndarray] | None = None,
    seed: int = 1,
) -> ExposureOnDisk:
    """Write images, catalogues and a Gaia-like catalogue.

    Parameters
    ----------
    stars
        On each detector; a third of them is unknown to Gaia.
    off
        Error of the pointing to the east and north, and of its roll [arcsec].
    misplaced
        Error of the place of a detector, standard deviation an axis [arcsec].
    places
        By detector: its error, where exposures have it in common [arcsec].
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    files, truth, rows = [], {}, []
    for name in detectors:
        moved = places[name] if places else misplaced * random.normal(size=2)
        header, true = wcs_pair(planned, name, off, moved)
        x, y = random.uniform(0, 4087, (2, stars))
        magnitude = np.sort(random.uniform(16, 20.5, stars))[random.permutation(stars)]
        path = folder / f"{planned.stem(name)}_cal.asdf"
        write_image(planned, name, header, path)
        write_catalogue_of(path, header, x, y, magnitude, random)
        ra, dec = true(x, y)
        known = random.random(stars) < 2 / 3
        rows.append(np.stack([ra, dec, magnitude])[:, known])
        files.append(path)
        truth[name] = true
    table = gaia_table(*np.concatenate(rows, axis=1), planned, random)
    write_table(table, folder / "gaia.parquet")
    return ExposureOnDisk(files, folder / "gaia.parquet", truth, table)


def wcs_pair(planned, name, off, moved) -> tuple[gwcs.WCS, gwcs.WCS]:
    """The WCS that the header has, and the true one."""
    attitude = attitude_of(planned)
    east = off[0] / 3600 / np.cos(np.radians(attitude.dec))
    right = dataclasses.replace(
        attitude, ra=attitude.ra + east, dec=attitude.dec + off[1] / 3600,
        roll=attitude.roll + off[2] / 3600,
    )  # fmt: skip
    place = AffineTransformation2D(np.eye(2), moved)
    place.inverse = AffineTransformation2D(np.eye(2), -np.asarray(moved))
    distortion = distortion_model(name)
    return (
        build_wcs(distortion, pointing(attitude, name), SHAPE),
        build_wcs(distortion | place, pointing(right, name), SHAPE),
    )


def pointing(attitude, name: str) -> Pointing:
    place = detector_aperture(name)
    ra, dec = attitude.sky(place.v2_ref, place.v3_ref)
    roll = attitude.roll_at(place.v2_ref, place.v3_ref)
    return Pointing(place.v2_ref, place.v3_ref, ra, dec, roll, attitude.velocity_scale)


def write_image(planned, name: str, wcs: gwcs.WCS, path: Path) -> None:
    """An L2 file with the WCS of a whole detector and the pixels of a tiny one."""
    detector = dataclasses.replace(TINY, name=name)
    data = np.random.default_rng(0).normal(1, 0.1, detector.science_shape).astype(np.float32)
    raw = raw_metadata(planned, name, ma_table(planned.ma_table).read_pattern, wcs=wcs)
    dq = np.zeros(data.shape, np.uint32)
    meta = image_metadata(
        raw, wcs, data, dq, conversion=0.7, conversion_uncertainty=0.01, pixel_area=2.8e-13
    )
    image = RateImage(
        meta=meta, detector=detector, data=data, dq=dq, err=data, var_poisson=data,
        var_rnoise=data, chisq=data, dumo=data, borders=no_borders(detector),
        amp33=np.zeros((0, detector.rows, 128), np.uint16),
    )  # fmt: skip
    write_tree(RATE, tree_of_rate(image) | {"meta": meta.tree()}, path)


def write_catalogue_of(path: Path, wcs, x, y, magnitude, random) -> None:
    """A catalogue as it comes of an image: noisy pixels, positions by the header's WCS."""
    error = 0.003 + 0.02 * 10 ** (0.3 * (magnitude - 20))
    x, y = (axis + error * random.normal(size=axis.size) for axis in (x, y))
    flux = 10 ** (-0.4 * (magnitude + random.normal(0.5, 0.3, magnitude.size) - 31.4))
    n = len(x)
    columns = {
        "label": np.arange(1, n + 1, dtype=np.int32),
        **{f"{a}_{kind}": v.astype(np.float32) for kind in ("centroid", "centroid_win", "psf")
           for a, v in (("x", x), ("y", y))},
        "x_psf_err": error.astype(np.float32), "y_psf_err": error.astype(np.float32),
    }  # fmt: skip
    ra, dec = wcs(x, y)
    for suffix in ("", "_centroid", "_centroid_win", "_psf"):
        columns |= {f"ra{suffix}": ra, f"dec{suffix}": dec}
    columns |= {
        "psf_flux": flux.astype(np.float32), "psf_flux_err": (flux / 100).astype(np.float32),
        "psf_flags": np.zeros(n, np.int32), "warning_flags": np.zeros(n, np.int32),
        "image_flags": np.zeros(n, np.int32), "is_extended": np.zeros(n, bool),
    }  # fmt: skip
    segments = np.zeros((4, 4), np.uint32)
    sources = Sources(columns=columns, segments=segments, settings={"threshold": 5})
    meta = {"filename": catalogue_path(path).name, "wcsinfo": {"s_region": "POLYGON ICRS"}}
    write_catalogue(sources, meta, catalogue_path(path))


def scramble(catalogue: Path) -> None:
    """Make the sources of a catalogue those of another field."""
    table = parquet.read_table(catalogue)
    n = len(table)
    for name, seed in (("x_psf", 1), ("y_psf", 2)):
        moved = np.random.default_rng(seed).uniform(0, SHAPE[0], n).astype(np.float32)
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(moved))
    parquet.write_table(table, catalogue)


def gaia_table(ra, dec, magnitude, planned, random) -> Table:
    """Gaia's catalogue of stars that are at (ra, dec) in the middle of the exposure."""
    n, mjd = len(ra), planned.start + planned.exposure_time / 2 / 86400
    pmra, pmdec = random.normal(0, 5, (2, n))
    parallax = random.uniform(0, 3, n)
    years = julian_year(mjd) - 2016.0
    factors = parallactic(ra, dec, observatory_position(mjd))
    shifts = [
        -MILLIARCSECOND * (years * motion + parallax * factor)
        for motion, factor in zip((pmra, pmdec), factors, strict=True)
    ]
    ra0, dec0 = displaced(ra, dec, *shifts)
    error = 0.05 * 10 ** (0.25 * np.clip(magnitude - 17, -1, 5))
    motion_error = 1.4 * error / 10
    noise = random.normal(size=(2, n)) * error / 3.6e6
    return Table(
        {
            "ra": (ra0 + noise[0] / np.cos(np.radians(dec0))) % 360, "dec": dec0 + noise[1],
            "ra_error": error, "dec_error": error,
            "pmra": pmra + motion_error * random.normal(size=n),
            "pmdec": pmdec + motion_error * random.normal(size=n),
            "pmra_error": motion_error, "pmdec_error": motion_error,
            "parallax": parallax, "parallax_error": error,
            "ref_epoch": np.full(n, 2016.0), "phot_g_mean_mag": magnitude, "ruwe": np.ones(n),
        }
    )  # fmt: skip
