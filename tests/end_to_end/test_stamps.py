"""Stars of simulated dithers on linear-optimal stamps, measured by GalSim."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from astropy.table import Table

from roman_dms.formats.tables import write_table
from roman_dms.mosaics.steps.stamps import StampRequest, make_stamp
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.request import ExposureRequest

STARS = 4
SCALE, FWHM = 0.055, 0.22
SIGMA = FWHM / SCALE / np.sqrt(8 * np.log(2))


@pytest.fixture(scope="module")
def stars(tmp_path_factory):
    """Solar-type stars of 17 mag, anywhere in the middle of a miniature detector."""
    rng = np.random.default_rng(11)
    east, north = rng.uniform(-0.008, 0.008, (2, STARS))
    scene = Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)),
            "dec": 66 + north,
            "type": np.full(STARS, "PSF"),
            "n": np.full(STARS, -1.0),
            "half_light_radius": np.zeros(STARS),
            "ba": np.ones(STARS),
            "F158": np.full(STARS, 10 ** (-0.4 * 17.0)),
            "sed": np.full(STARS, "blackbody:5800"),
        }
    )
    path = tmp_path_factory.mktemp("scene") / "scene.ecsv"
    write_table(scene, path)
    return path, scene


@pytest.fixture(scope="module")
def dithers(stars, miniature_store, tmp_path_factory):
    """Four exposures, of any fraction of a pixel and two turns."""
    folder, rng = tmp_path_factory.mktemp("l2"), np.random.default_rng(3)
    request = ExposureRequest(scene=stars[0], store=miniature_store, seed=5)
    paths = []
    for number in range(4):
        dx, dy = rng.uniform(-3, 3, 2)
        planned = PlannedExposure(
            ra=270 + dx / 3600 / np.cos(np.radians(66)), dec=66 + dy / 3600,
            position_angle=20.0 * (number % 2), element="F158", ma_table=4, start=61557.0,
            exposure=number + 1,
        )  # fmt: skip
        paths.append(make_image(request, aimed(planned, "WFI01"), "WFI01", folder)[0])
    return paths


def moments(image):
    found = galsim.Image(image.astype(float)).FindAdaptiveMom()
    return np.array([found.moments_sigma, found.observed_shape.e1, found.observed_shape.e2])
