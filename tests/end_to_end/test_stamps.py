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

STARS = 3
SIZE = 24
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


def measured(stamp):
    """Width and ellipticity by GalSim's adaptive moments, the width in that of the target."""
    found = galsim.Image(stamp.data.astype(float)).FindAdaptiveMom()
    return found.moments_sigma / SIGMA, found.observed_shape.e1, found.observed_shape.e2


@pytest.fixture(scope="module")
def stamps(stars, dithers, miniature_store):
    """A stamp of each star, with the PSFs that the reference data have."""
    asked = [
        StampRequest(ra, dec, size=SIZE, target_fwhm=FWHM, store=miniature_store)
        for ra, dec in zip(stars[1]["ra"], stars[1]["dec"], strict=True)
    ]
    return [make_stamp(dithers, one) for one in asked]


def test_stars_are_as_wide_as_the_target_and_round(stamps):
    """The noise of one star is 0.05 % of its width and 0.001 of its shape."""
    widths, *shapes = np.transpose([measured(made.stamp) for made in stamps])
    assert widths == pytest.approx(1, abs=2e-3)
    assert widths.mean() == pytest.approx(1, abs=1e-3)
    assert np.abs(shapes).max() < 4e-3


def test_light_and_psf_are_as_told(stamps, stars):
    """The light of the scene to 0.6 %: noise is 0.1 %, leakage allows 0.5 % (its square root)."""
    area = np.deg2rad(SCALE / 3600) ** 2
    at = np.arange(SIZE) - (SIZE - 1) / 2
    target = np.exp(-np.add.outer(at**2, at**2) / 2 / SIGMA**2) / (2 * np.pi * SIGMA**2)
    squared = (target**2).sum()
    for made in stamps:
        stamp = made.stamp
        light = stars[1]["F158"][0] * 3631e-6 / area * np.mean(stamp.enclosed)
        assert (stamp.data * target).sum() / squared == pytest.approx(light, rel=6e-3)
        missed = ((stamp.data / light - target) ** 2).sum() / squared
        noise = stamp.variance.sum() / light**2 / squared
        assert stamp.leakage.max() < 5e-5
        assert missed < stamp.leakage.mean() + 2 * noise


def test_without_capacitance_the_psf_is_another(stamps, stars, dithers):
    """Why the optical model is not what stamps are made with: stars come out too wide."""
    ra, dec = stars[1]["ra"][0], stars[1]["dec"][0]
    made = make_stamp(dithers, StampRequest(ra, dec, size=SIZE, psf="{detector}/{element}"))
    assert measured(made.stamp)[0] - measured(stamps[0].stamp)[0] > 0.01
