"""RAD epsf files: read by romancal, given back exactly, and the mission's kind of file."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import convolve

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.reference_files import read_reference
from roman_dms.formats.writing import write_tree
from roman_dms.instrument.starlight import star_wavelength
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Epsf
from roman_dms.psf.build import psf_grid
from roman_dms.psf.colours import colours
from roman_dms.psf.effective import EXACT_NODES, FITTED_NODES, PsfModel
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.optics import optical_psf
from roman_dms.psf.steps.reference_files import (
    TAG,
    baseline_epsf,
    epsf_tree,
    file_grid,
    read_epsf,
    read_model,
    write_epsf,
)
from tests.psf import galsim_truth


@pytest.fixture(scope="module")
def grid():
    """Of the middle column, for all columns: it is made in a fifth of the time."""
    one = psf_grid("WFI18", "F158", nodes=(1, 4), size=17, wing_size=65, cache=False)
    return replace(one, nodes_x=np.array([0.0, 4087.0]), samples=one.samples.repeat(2, axis=2))


@pytest.fixture(scope="module")
def file(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("epsf") / "epsf.asdf"
    write_epsf(grid, path, description="a test", useafter="2027-01-01")
    return path


def test_a_file_gives_back_its_grid(grid, file):
    found = read_epsf(read_reference(file))
    model = read_model(file)

    assert (found.detector, found.element, found.oversample) == ("WFI18", "F158", 4)
    for name in ("nodes_x", "nodes_y", "wavelengths"):
        np.testing.assert_allclose(getattr(found, name), getattr(grid, name), rtol=1e-12)
    assert np.abs(found.samples - grid.samples).max() < 1e-5 * grid.samples.max()
    assert np.abs(found.wings - grid.wings).max() < 1e-5 * grid.wings.max()
    assert (model.jitter, model.between) == (0.014, FITTED_NODES)
    assert model.origin == str(file)


def test_three_components_and_errors_come_back(tmp_path):
    random = np.random.default_rng(1)
    samples = 0.1 + random.random((3, 2, 3, 53, 53), dtype=np.float32) / 1e2
    nodes_x, nodes_y = np.linspace(0, 4087, 3), np.linspace(0, 4087, 2)
    waves = np.array([1.13, 1.40, 1.68])
    grid = PsfGrid(
        "WFI01", "F146", 4, nodes_x, nodes_y, waves, samples, samples[0, 0, 0, 2::4, 2::4]
    )
    scatter = random.random((2, 3, 53, 53), dtype=np.float32)
    model = PsfModel(grid.moved(100, 200), 0.02, scatter, EXACT_NODES)
    write_epsf(model, tmp_path / "e.asdf", description="a test")

    found = read_model(tmp_path / "e.asdf")

    np.testing.assert_allclose(found.grid.samples, samples, rtol=3e-5)
    np.testing.assert_array_equal(found.scatter, scatter)
    np.testing.assert_allclose(found.grid.nodes_y, [-200, 3887])
    assert (found.jitter, found.between) == (0.02, EXACT_NODES)


def test_romancal_draws_the_star_that_galsim_draws(galsim_pupil, tmp_path):
    """Its own code for L2, at a place in a pixel; GalSim's bins make 2e-4 of the difference."""
    import galsim
    from roman_datamodels import datamodels
    from romancal.source_catalog.psf import get_gridded_psf_model, render_stamp

    x, y, wave = 1000.4, 3000.7, 1.58
    one = optical_psf("WFI18", "F158", x, y, [wave], size=21).astype(np.float32)
    everywhere = np.broadcast_to(one, (1, 2, 2, *one.shape))
    edges = np.array([0.0, 4087.0])
    grid = PsfGrid("WFI18", "F158", 4, edges, edges, np.array([wave]), everywhere, one[2::4, 2::4])
    write_epsf(grid, tmp_path / "e.asdf", description="a test")
    with datamodels.open(tmp_path / "e.asdf") as model:
        assert model.validate() is None
        gridded = get_gridded_psf_model(model, focus=0, spectral_type=1)
    yy, xx = np.mgrid[2995:3008, 995:1008]
    stamp = gridded.evaluate(xx, yy, 1, x, y)
    centred = render_stamp(x, y, gridded, 13)

    scale = galsim.roman.pixel_scale
    profile = galsim.Convolve(
        galsim_truth.optics("WFI18", "F158", x, y, wave),
        galsim.Gaussian(sigma=np.hypot(0.014, 0.1 * scale)),
        galsim.Pixel(scale),
        gsparams=galsim_truth.ACCURATE,
    )
    settings = {"nx": 13, "ny": 13, "scale": scale, "method": "no_pixel"}
    truth = profile.drawImage(offset=(-0.6, -0.3), **settings).array
    middle = profile.drawImage(**settings).array
    assert np.abs(stamp - truth).max() < 1e-3 * truth.max()
    assert np.abs(centred - middle).max() < 1e-3 * middle.max()


def test_romancals_photometry_with_our_file(grid, file):
    """PSF fluxes of stars that our PSF, finely interpolated, has drawn."""
    from astropy.table import Table
    from photutils.psf import PSFPhotometry
    from roman_datamodels import datamodels
    from romancal.source_catalog.psf import get_gridded_psf_model

    from roman_dms.psf.effective import effective_psf

    random = np.random.default_rng(7)
    x, y = 60 * np.arange(1, 5) + random.uniform(-0.5, 0.5, (2, 4))
    stars = effective_psf("WFI18", "F158", x, y, size=19, source=grid, temperature=5800)
    image = np.zeros((300, 300))
    for stamp, column, row in zip(stars.images, stars.middle_x, stars.middle_y, strict=True):
        image[int(row) - 9 : int(row) + 10, int(column) - 9 : int(column) + 10] += 1000 * stamp
    with datamodels.open(file) as model:
        photometry = PSFPhotometry(get_gridded_psf_model(model), (5, 5), aperture_radius=5)
    start = Table({"x_init": x + 0.1, "y_init": y - 0.1, "flux_init": np.full(4, 900.0)})
    found = photometry(image, init_params=start)

    np.testing.assert_allclose(found["flux_fit"], 1000, rtol=1e-3)
    np.testing.assert_allclose(found["x_fit"], x, atol=1e-3)
    np.testing.assert_allclose(found["y_fit"], y, atol=1e-3)


def test_romancals_jitter_on_our_file(grid, file):
    """It takes out the file's and puts in the image's: as if the optics had that jitter."""
    from roman_datamodels import datamodels
    from romancal.source_catalog.psf import add_jitter

    guide_star = {"jitter_major": 30.0, "jitter_minor": 30.0, "jitter_position_angle": 0.0}
    image = SimpleNamespace(meta=SimpleNamespace(guide_star=guide_star))
    with datamodels.open(file) as model:
        changed = add_jitter(model, image)
    light = colours("WFI18", "F158")
    wave = star_wavelength("WFI18", "F158", 5800)
    shares = grid.weights(np.array([wave]))[0] @ light.shares
    narrow, wide = (
        optical_psf("WFI18", "F158", 2043.5, 0, light.wavelengths, shares, size=17, jitter=jitter)
        for jitter in (0.014, 0.030)
    )
    difference = changed[0, 1, 0] - grid.at(0, 0, wave)
    assert np.abs(wide - narrow).max() > 0.05 * narrow.max()
    assert np.abs(difference - (wide - narrow)).max() < 5e-4 * narrow.max()


def mission_tree(psf, x, y, **meta):
    """A file as the mission makes it: nothing but what its schema knows."""
    empty = np.zeros(1)
    any_grid = PsfGrid(
        "WFI05", "F106", 4, empty, empty, np.array([1.0]),
        np.ones((1, 1, 1, 5, 5), np.float32), np.ones((5, 5), np.float32),
    )  # fmt: skip
    tree = epsf_tree(any_grid, description="a test")
    for name in ("colours", "extended_oversample", "fitted_nodes"):
        del tree["meta"][name]
    tree["meta"].update(
        {"pixel_x": x, "pixel_y": y, "jitter_major": 8.0, "jitter_minor": 6.0} | meta
    )
    del tree["extended_psf"]
    return {**tree, "psf": np.asarray(psf, np.float32)}


def gaussian(half, sigma, oversample=4, pixels=True, shift=0.0):
    from scipy.special import erf

    place = np.arange(-half, half + 1) / oversample - shift
    if pixels:
        upper, lower = ((place + side) / (np.sqrt(2) * sigma) for side in (0.5, -0.5))
        line = (erf(upper) - erf(lower)) / 2
    else:
        line = np.exp(-(place**2) / (2 * sigma**2)) / np.sqrt(2 * np.pi) / sigma / oversample
    return np.outer(line, line)


def mission_psfs(pixels=True):
    """(defocus 3, spectral type 3, place 6): wider out of focus, in red, to the right."""
    widths = (
        1 + 0.3 * np.arange(3)[:, None, None] + 0.1 * np.arange(3)[:, None] + 0.01 * np.arange(6)
    )
    return np.array([[[gaussian(40, w, pixels=pixels) for w in b] for b in a] for a in widths])


X, Y = [4087.0, 0.0, 2043.5, 0.0, 2043.5, 4087.0], [0.0, 0.0, 0.0, 4087.0, 4087.0, 4087.0]


@pytest.mark.parametrize("pixels", [True, False])
def test_a_file_of_the_mission(tmp_path, pixels):
    """Places in any order, three foci, types by name, and light before the pixels, too."""
    tree = mission_tree(
        mission_psfs(pixels), X, Y, defocus=[0, 1, -1], spectral_type=["A0V", "G2V", "M6V"]
    )
    write_tree(TAG, tree, tmp_path / "m.asdf")
    model = read_model(tmp_path / "m.asdf")
    waves = [star_wavelength("WFI05", "F106", t) for t in (9700, 5800)]

    np.testing.assert_allclose(model.grid.wavelengths[:2], waves)
    np.testing.assert_allclose(model.grid.nodes_x, [0, 2043.5, 4087])
    assert model.jitter == pytest.approx(0.00707, abs=1e-5)
    for place, width in (((0, 0), 1.11), ((4087, 0), 1.10), ((2043.5, 4087), 1.14)):
        truth = gaussian(40, width)
        found = model.grid.at(*place, waves[1])
        assert np.abs(found - truth).max() < 2e-4 * truth.max()
    out_of_focus = read_model(tmp_path / "m.asdf", defocus=-1).grid.at(0, 0, waves[1])
    assert np.abs(out_of_focus - gaussian(40, 1.71)).max() < 2e-4 * out_of_focus.max()
    assert model.grid.wings.shape == (21, 21)
    with pytest.raises(UsageError, match="no defocus of 2"):
        read_model(tmp_path / "m.asdf", defocus=2)


def test_an_even_width_has_its_star_between_samples(tmp_path):
    even = gaussian(40, 1.2, shift=0.125)[1:, 1:]  # the star is half a sample from each
    tree = mission_tree(even[None, None, None], [0.0], [0.0], spectral_type=["G2V"])
    write_tree(TAG, tree, tmp_path / "e.asdf")

    found = read_model(tmp_path / "e.asdf").grid.samples[0, 0, 0]

    assert found.shape == (79, 79)
    truth = gaussian(39, 1.2)
    assert np.abs(found - truth).max() < 1e-4 * truth.max()


def test_far_wings_of_the_mission(tmp_path):
    core = gaussian(20, 1.2)[None, None, None]
    tree = mission_tree(core, [0.0], [0.0], spectral_type=["G2V"])
    wide = {**tree, "extended_psf": gaussian(80, 1.5).astype(np.float32)}
    write_tree(TAG, wide, tmp_path / "w.asdf")

    wings = read_model(tmp_path / "w.asdf").grid.wings

    assert wings.shape == (41, 41)
    np.testing.assert_allclose(wings[20, 30], gaussian(80, 1.5)[80, 120], rtol=1e-5)
    np.testing.assert_allclose(wings[20, 20], core.max(), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pixel_x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}, "no grid"),
        ({"pixel_x": X[:5], "pixel_y": Y[:5]}, "at 5 places"),
        ({"spectral_type": ["A0V", "G2V"]}, "3 spectra"),
        ({"spectral_type": ["A0V", "G2V", "quasar"]}, "no spectral type"),
        ({"psf": np.full((1, 3, 6, 9, 9), np.nan)}, "not finite"),
        ({"psf": np.zeros((1, 3, 6, 9, 9))}, "no light"),
        ({"psf": np.ones((1, 3, 6, 9, 11))}, "square"),
    ],
)
def test_files_that_make_no_sense(tmp_path, change, told):
    change = dict(change)
    psf = change.pop("psf", mission_psfs()[:1])
    meta = {"spectral_type": ["A0V", "G2V", "M6V"]} | change
    x, y = meta.pop("pixel_x", X), meta.pop("pixel_y", Y)
    tree = mission_tree(psf, x, y, **meta)
    path = tmp_path / "bad.asdf"
    write_tree(TAG, tree, path)
    with pytest.raises((FormatError, UsageError)) as error:
        read_model(path)
    assert told in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileError):
        read_model(tmp_path / "nothing.asdf")
    (tmp_path / "text.asdf").write_text("not a file of PSFs")
    with pytest.raises((FileError, FormatError)):
        read_model(tmp_path / "text.asdf")


def test_dispersed_light_has_no_file():
    grid = psf_grid("WFI01", "PRISM", nodes=(1, 1), size=5, wing_size=5, cache=False)
    with pytest.raises(UsageError, match="PRISM"):
        epsf_tree(grid, description="a test")


def test_how_far_a_file_of_a_baseline_errs(monkeypatch):
    """Between the nodes of a miniature's file: below 5e-4 of the peak."""

    def small(*names, **settings):
        return file_grid(*names, **settings, nodes=(1, 7), size=13, wing_size=33)

    monkeypatch.setattr("roman_dms.psf.steps.reference_files.file_grid", small)
    kernel = np.array([[0.0, 0.01, 0.0], [0.02, 0.9, 0.03], [0.0, 0.04, 0.0]])
    content = baseline_epsf("WFI10", "F087", (1536, 1024), kernel)
    light, x, y = colours("WFI10", "F087"), 507.5, 380.0
    tree = mission_tree(content["psf"], [], [])
    tree["meta"] |= content["meta"] | {"instrument": {**tree["meta"]["instrument"]}}
    tree["meta"]["instrument"] |= {"detector": "WFI10", "optical_element": "F087"}
    found = read_epsf(Epsf(meta=Metadata(tree["meta"]), psf=content["psf"]))

    assert content["psf"].shape[:3] == (1, 3, 7)
    assert min(content["meta"]["pixel_y"]) == -1024
    optical = optical_psf(
        "WFI10", "F087", x + 1536, y + 1024, light.wavelengths, light.shares[0], size=13
    )
    fine = np.zeros((9, 9))
    fine[::4, ::4] = kernel  # pixels of four samples
    truth = convolve(optical, fine, mode="nearest")
    assert content["meta"]["interpixel_capacitance"] == kernel.tolist()
    error = np.abs(found.at(x, y, light.means[0]) - truth).max()
    assert error < 5e-4 * truth.max()
