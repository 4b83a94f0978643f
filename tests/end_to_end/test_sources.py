"""From a scene to a catalogue: the sources come back, and the mission's tools read them."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
import roman_datamodels
from astropy.table import Table
from scipy.spatial import cKDTree

from roman_dms.catalogs.steps.files import catalogue_l2
from roman_dms.catalogs.steps.source_catalog import SourceCatalogParameters
from roman_dms.errors import UsageError
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.products import read_product
from roman_dms.formats.tables import read_table, write_table
from roman_dms.pipeline.process import process_file
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.source_columns import BY_NAME
from roman_dms.recipes import load
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.request import ExposureRequest

EXPOSURE = aimed(
    PlannedExposure(ra=270.0, dec=66.0, position_angle=0.0, element="F158", ma_table=4,
                    start=61557.0), "WFI01",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(miniature_store, tmp_path_factory):
    """An idealised image of 400 sources of 17 to 27 mag, a fifth of them galaxies."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(8)
    number = 400
    east, north = rng.uniform(-0.0152, 0.0152, (2, number))
    galaxy = np.arange(number) % 5 == 0
    scene = Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)),
            "dec": 66 + north,
            "type": np.where(galaxy, "SER", "PSF"),
            "n": np.full(number, 1.0),
            "half_light_radius": np.full(number, 0.3),
            "ba": np.full(number, 0.6),
            "F158": 10 ** (-0.4 * np.linspace(17, 27, number)),
        }
    )
    write_table(scene, folder / "scene.ecsv")
    request = ExposureRequest(scene=folder / "scene.ecsv", store=miniature_store, seed=4)
    image, truth = make_image(request, EXPOSURE, "WFI01", folder)[:2]
    return image, read_table(truth)


@pytest.fixture(scope="module")
def done(files, references):
    return catalogue_l2(files[0], references, SourceCatalogParameters())


@pytest.fixture(scope="module")
def matched(done, files):
    """Rows of the catalogue and of the truth of the same source."""
    table, truth = Table.read(done.catalogue), files[1]
    inside = (np.abs(truth["x"] - 507.5) < 500) & (np.abs(truth["y"] - 507.5) < 500)
    truth = truth[inside]
    tree = cKDTree(np.column_stack([table["x_psf"], table["y_psf"]]))
    distance, row = tree.query(np.column_stack([truth["x"], truth["y"]]), distance_upper_bound=1)
    found = np.isfinite(distance)
    assert found[truth["magnitude"] < 24.5].mean() > 0.97
    return table[row[found]], truth[found]


def test_hardly_any_source_is_false(done, files):
    table, truth = Table.read(done.catalogue), files[1]
    tree = cKDTree(np.column_stack([truth["x"], truth["y"]]))
    distance, _ = tree.query(np.column_stack([table["x_psf"], table["y_psf"]]))
    assert np.mean(distance < 3) > 0.98


def test_fluxes_of_stars_are_those_of_the_scene(matched):
    table, truth = matched
    stars = (truth["type"] == "PSF") & (truth["magnitude"] < 25)
    ratio = (table["psf_flux"] / truth["flux"])[stars & (truth["magnitude"] < 20)]
    assert np.median(ratio) == pytest.approx(1, abs=3e-3)
    pull = ((table["psf_flux"] - truth["flux"]) / table["psf_flux_err"])[stars]
    assert np.std(pull[np.abs(pull) < 5]) == pytest.approx(1, abs=0.15)
    assert np.mean(np.abs(pull) < 5) > 0.97


def test_places_are_those_of_the_scene(matched):
    table, truth = matched
    stars = (truth["type"] == "PSF") & (truth["magnitude"] < 24)
    for axis in "xy":
        pull = ((table[f"{axis}_psf"] - truth[axis]) / table[f"{axis}_psf_err"])[stars]
        assert np.std(pull[np.abs(pull) < 5]) == pytest.approx(1, abs=0.15)
        assert abs(np.median(pull)) < 0.25
    bright = stars & (truth["magnitude"] < 19)
    off = np.abs(table["dec"] - truth["dec"])[bright] * 3.6e6
    assert np.percentile(off, 90) < 1.0  # mas; a few stars lie within 3 pixels of another


def test_stars_are_told_from_galaxies(matched):
    table, truth = matched
    bright = truth["magnitude"] < 23
    galaxy = truth["type"] == "SER"
    assert table["is_extended"][bright & galaxy].mean() > 0.95
    assert table["is_extended"][bright & ~galaxy].mean() < 0.05


def test_galaxies_keep_their_light_and_shape(matched):
    table, truth = matched
    galaxies = (truth["type"] == "SER") & (truth["magnitude"] < 21.5)
    ratio = (table["kron_flux"] / truth["flux"])[galaxies]
    assert np.median(ratio) == pytest.approx(0.95, abs=0.04)  # what Kron's ellipse holds of n = 1
    assert 0.05 < np.median(table["ellipticity"][galaxies]) < 0.4


def test_the_map_and_the_catalogue_agree(done):
    table = Table.read(done.catalogue)
    assert table.colnames == list(BY_NAME)
    with asdf.open(done.segments) as file:
        segments = np.array(file["roman"]["data"])
    for row in table[::37]:
        there = np.argwhere(segments == row["label"])
        assert (there.min(axis=0) == (row["bbox_ymin"], row["bbox_xmin"])).all()
        assert (there.max(axis=0) == (row["bbox_ymax"], row["bbox_xmax"])).all()


def test_the_mission_reads_the_products(done):
    with roman_datamodels.open(done.segments) as model:
        model.validate()
        assert type(model).__name__ == "SegmentationMapModel"
        meta = model.meta.copy()
    table = Table.read(done.catalogue)
    catalogue = roman_datamodels.datamodels.ImageSourceCatalogModel.create_minimal({"meta": meta})
    catalogue.meta.image = {"filename": str(done.image.name), "file_date": meta["file_date"]}
    catalogue.source_catalog = table[[c for c in table.colnames if BY_NAME[c].type != "bool"]]
    catalogue.source_catalog["is_extended"] = table["is_extended"]
    catalogue.validate()


def test_the_image_names_its_catalogue(done):
    meta = read_product(done.image).meta
    assert meta["cal_step.source_catalog"] == "COMPLETE"
    assert meta["source_catalog.tweakreg_catalog_name"] == done.catalogue.name
    with roman_datamodels.open(done.image) as model:
        model.validate()


def test_romancal_aligns_with_our_catalogue(done, files, tmp_path, monkeypatch):
    from romancal.tweakreg import TweakRegStep

    truth = files[1]
    stars = truth[(truth["type"] == "PSF") & (truth["magnitude"] < 22)]
    table = Table({"ra": stars["ra"], "dec": stars["dec"]})
    table.write(tmp_path / "stars.ecsv")
    monkeypatch.chdir(done.image.parent)
    model = roman_datamodels.open(done.image)
    library = TweakRegStep(abs_refcat=str(tmp_path / "stars.ecsv"), abs_minobj=5).run([model])
    with library:
        aligned = library.borrow(0)
        assert aligned.meta.cal_step.tweakreg == "COMPLETE"
        library.shelve(aligned, modify=False)


def test_the_pipeline_writes_them_in_one_go(miniature_raw, references, tmp_path):
    done = process_file(str(miniature_raw), tmp_path, load(), references)
    names = sorted(path.name.rpartition("_")[2] for path in tmp_path.iterdir())
    assert names == ["cal.asdf", "cat.parquet", "segm.asdf"]
    meta = read_product(done.output).meta
    assert meta["cal_step.source_catalog"] == "COMPLETE"
    table = read_table(next(tmp_path.glob("*_cat.parquet")))
    assert len(table) > 20
    assert np.isfinite(table["psf_flux"]).mean() > 0.9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"exposure.type": "WFI_SPECTRAL"}, "WFI_SPECTRAL"),
     ({"program.subcategory": "GBTD"}, "bulge survey")],
)  # fmt: skip
def test_what_the_science_support_center_catalogues(files, references, tmp_path, changes, reason):
    path = tmp_path / files[0].name
    path.write_bytes(files[0].read_bytes())
    update_metadata(path, changes)
    with pytest.raises(UsageError, match=reason):
        catalogue_l2(path, references, SourceCatalogParameters())


def test_bulge_exposures_say_why_they_have_no_catalogue(miniature_raw, references, tmp_path):
    raw = tmp_path / miniature_raw.name
    raw.write_bytes(miniature_raw.read_bytes())
    update_metadata(raw, {"program.subcategory": "GBTD"})
    done = process_file(str(raw), tmp_path, load(), references)
    meta = read_product(done.output).meta
    assert meta["cal_step.source_catalog"] == "N/A"
    assert any("bulge survey" in line for line in meta["cal_logs"])
    assert not list(tmp_path.glob("*_cat.parquet"))
