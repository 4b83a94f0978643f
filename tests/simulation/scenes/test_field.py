"""Whole scenes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.field import Population, draw_scene
from roman_dms.simulation.scenes.picture import draw_picture
from roman_dms.simulation.scenes.region import Region

REGION = Region(270.0, 66.0, 0.05)


def test_scene_has_stars_and_galaxies_in_the_region():
    scene = draw_scene(REGION, Population(limit=24.0), seed=1)
    assert set(scene.bands) == set(FILTERS)
    assert {"PSF", "SER"} == set(np.unique(scene["type"]))
    centre = SkyCoord(270, 66, unit="deg")
    assert centre.separation(SkyCoord(scene["ra"], scene["dec"], unit="deg")).deg.max() < 0.0501
    assert -2.5 * np.log10(scene["F158"].min()) < 24.01
    for element in (*FILTERS, "GRISM", "PRISM"):
        rates = scene.count_rates("WFI01", element, 61557.0)
        assert np.all(np.isfinite(rates))
        assert np.all(rates > 0)


def test_same_seed_same_scene_and_parts_are_independent():
    one, two = (draw_scene(REGION, Population(limit=23.0), seed=5) for _ in range(2))
    for name in one.table.colnames:
        np.testing.assert_array_equal(one.table[name], two.table[name])
    # Galaxies do not depend on whether there are stars.
    galaxies = draw_scene(REGION, Population(limit=23.0, stars="none"), seed=5)
    np.testing.assert_array_equal(galaxies["ra"], one["ra"][one["type"] == "SER"])


def test_filters_can_be_chosen():
    scene = draw_scene(REGION, Population(limit=22.0), filters=["F158", "F062"])
    assert scene.bands == ("F062", "F158")
    with pytest.raises(UsageError, match="F999"):
        draw_scene(REGION, Population(), filters=["F999"])
    with pytest.raises(UsageError):
        draw_scene(REGION, Population(), filters=[])


def test_epoch_is_that_of_the_positions():
    scene = draw_scene(REGION, Population(galaxies=False, limit=20.0), mjd=61557.0)
    ra, dec = scene.positions(61557.0)
    np.testing.assert_allclose(ra, scene["ra"], atol=1e-9)
    later = scene.positions(61557.0 + 3652.5)
    moved = np.hypot((later[0] - ra) * np.cos(np.deg2rad(dec)), later[1] - dec) * 3.6e6
    np.testing.assert_allclose(
        moved, 10 * np.hypot(scene["pmra"], scene["pmdec"]), rtol=1e-3, atol=1e-3
    )


def test_bulge_and_nothing():
    bulge = Population(galaxies=False, stars="bulge", star_count=5000)
    assert len(draw_scene(REGION, bulge)) == 5000
    assert len(draw_scene(REGION, Population(galaxies=False, stars="none"))) == 0


@pytest.mark.parametrize(
    "request_", [{"limit": np.nan}, {"limit": 99.0, "galaxies": False}, {"star_count": 5}]
)
def test_requests_that_cannot_be_meant(request_):
    with pytest.raises(UsageError):
        draw_scene(REGION, Population(**request_))


def test_picture_is_a_png():
    scene = draw_scene(REGION, Population(limit=22.0))
    for part in (scene, scene.select(scene["type"] == "PSF"), scene.select(slice(0, 1))):
        file = io.BytesIO()
        draw_picture(part, file)
        assert file.getvalue().startswith(b"\x89PNG")
