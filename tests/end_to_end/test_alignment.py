"""From a scene to an aligned image, through the commands a user gives.

The header is wrong by 1 arcsec because the sky was moved under it: the scene that
is drawn is the true one turned about the celestial pole.  The true WCS is
therefore the header's with a constant added to the right ascension.
"""

from __future__ import annotations

import numpy as np
import pytest
import roman_datamodels
from astropy.table import Table

from roman_dms.astrometry.steps.alignment_files import wcs_path
from roman_dms.catalogs.steps.files import catalogue_l2
from roman_dms.catalogs.steps.source_catalog import SourceCatalogParameters
from roman_dms.cli.main import main
from roman_dms.formats.products import read_product
from roman_dms.formats.tables import write_table
from roman_dms.references import ReferenceStore
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.request import ExposureRequest
from tests.end_to_end.test_sources import EXPOSURE

WRONG = 1 / 3600 / np.cos(np.radians(66))
"""Right ascension of the sky less that of the header [deg]: 1 arcsec to the east."""


def rdms(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


def true_scene():
    """250 stars of 16 to 21.5 mag that move as stars do."""
    random = np.random.default_rng(3)
    east, north = random.uniform(-0.0152, 0.0152, (2, 250))
    magnitude = np.linspace(16, 21.5, 250)
    return Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)), "dec": 66 + north,
            "type": np.full(250, "PSF"), "n": np.full(250, -1.0),
            "half_light_radius": np.zeros(250), "ba": np.ones(250),
            "pmra": random.normal(0, 5, 250), "pmdec": random.normal(0, 5, 250),
            "parallax": random.uniform(0, 2, 250), "F158": 10 ** (-0.4 * magnitude),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(miniature_store, tmp_path_factory):
    """The image with its catalogue, aligned, and its WCS and catalogue before."""
    folder = tmp_path_factory.mktemp("aligned")
    scene = true_scene()
    write_table(scene, folder / "scene.ecsv")
    scene["ra"] -= WRONG
    write_table(scene, folder / "drawn.ecsv")
    assert rdms("simulate", "gaia", folder / "scene.ecsv", "-o", folder / "gaia.parquet") == 0
    request = ExposureRequest(scene=folder / "drawn.ecsv", store=miniature_store, seed=4)
    image = make_image(request, EXPOSURE, "WFI01", folder)[0]
    references = SelectedReferences(ReferenceStore(miniature_store).context())
    done = catalogue_l2(image, references, SourceCatalogParameters())
    before = read_product(image).meta["wcs"], Table.read(done.catalogue)
    assert rdms("align", image, "--gaia", folder / "gaia.parquet", "--quiet") == 0
    return image, done.catalogue, *before


def off(ra, dec, ra_true, dec_true):
    """Angles between close places [mas]."""
    return 3.6e6 * np.hypot((ra - ra_true) * np.cos(np.radians(dec_true)), dec - dec_true)


def test_the_wcs_is_that_of_the_sky(made):
    """Gaia's motions over eleven years, known to 2 mas a star or so, are what limits it."""
    image, _, header, _ = made
    x, y = np.meshgrid(*2 * [np.linspace(0, 1015, 20)])
    ra, dec = header(x, y)
    assert off(ra, dec, ra + WRONG, dec).min() > 990
    error = off(*read_product(image).meta["wcs"](x, y), ra + WRONG, dec)
    assert np.sqrt(np.mean(error**2)) < 1.0


def test_the_catalogue_follows(made):
    _, path, header, before = made
    after = Table.read(path)
    np.testing.assert_array_equal(after["x_psf"], before["x_psf"])
    ra, dec = header(np.asarray(after["x_psf"], float), np.asarray(after["y_psf"], float))
    assert np.median(off(after["ra_psf"], after["dec_psf"], ra + WRONG, dec)) < 1.0
    assert np.median(off(after["ra"], after["dec"], before["ra"] + WRONG, before["dec"])) < 1.0


def test_the_mission_reads_it(made):
    with roman_datamodels.open(made[0]) as model:
        model.validate()
        assert model.meta.cal_step.tweakreg == "COMPLETE"
        assert model.meta.cal_step.source_catalog == "COMPLETE"
        assert model.meta.wcs_fit_results["status"] == "SUCCESS"
        assert model.meta.source_catalog.tweakreg_catalog_name == made[1].name
    with roman_datamodels.open(wcs_path(made[0])) as model:
        model.validate()
