import dataclasses

import galsim
import numpy as np
import pytest

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.psf.empirical.build import (
    EmpiricalPsf,
    Settings,
    chosen_degree,
    empirical_psf,
)
from roman_dms.psf.empirical.finishing import centroid
from roman_dms.psf.empirical.gathering import StarList
from roman_dms.psf.empirical.starting import cutoff_frequency
from roman_dms.psf.evaluation import PsfField
from tests.psf.empirical import field


def shape(samples):
    """e1, e2 and width [sample] by adaptive moments, as GalSim measures them."""
    found = galsim.hsm.FindAdaptiveMom(galsim.Image(np.ascontiguousarray(samples, dtype=float)))
    return np.array([found.observed_shape.e1, found.observed_shape.e2, found.moments_sigma])


def true_shape(x):
    """The same of the truth, in closed form."""
    c = field.covariance(x)
    total = c[0, 0] + c[1, 1]
    return np.array(
        [(c[0, 0] - c[1, 1]) / total, 2 * c[0, 1] / total, 4 * np.linalg.det(c) ** 0.25]
    )


@pytest.fixture(scope="module")
def exposures():
    return field.dithered(seed=1)[0]


@pytest.fixture(scope="module")
def from_optics(exposures):
    settings = Settings(degree=1, origin="centroid", rounds=6)
    return empirical_psf(exposures, field.optical_model(), nodes=(3, 3), settings=settings)


@pytest.fixture(scope="module")
def from_nothing(exposures):
    settings = Settings(start="gaussian", degree=1, origin="centroid", rounds=12)
    return empirical_psf(exposures, field.optical_model(), nodes=(3, 3), settings=settings)


@pytest.mark.parametrize("start", ["from_optics", "from_nothing"])
def test_shape_and_size_are_those_of_the_truth(start, request):
    """With 400 images of 300 to 30,000 units the noise is 3e-4 in ellipticity."""
    psf: EmpiricalPsf = request.getfixturevalue(start)
    off = []
    for x in (30.0, 160.0, 290.0):
        found = shape(psf.grid.at(x, 160.0, field.WAVELENGTH))
        expected = true_shape(x)
        off.append([*(found[:2] - expected[:2]), found[2] / expected[2] - 1])
    off = np.array(off)
    assert np.abs(off[1, :2]).max() < 6e-4
    assert abs(off[1, 2]) < 6e-4
    assert np.abs(off).max() < 1.5e-3
    wrong = shape(field.optical_model().samples[0, 0, 0])
    assert abs(wrong[0] - true_shape(160.0)[0]) > 0.05  # where it started


@pytest.mark.parametrize("start", ["from_optics", "from_nothing"])
def test_rounds_end_because_the_psf_changes_no_more(start, request):
    psf: EmpiricalPsf = request.getfixturevalue(start)
    assert psf.converged
    assert psf.change < psf.settings.tolerance
    assert psf.rounds < 12


def test_what_has_not_converged_says_so(exposures):
    once = Settings(start="gaussian", degree=0, rounds=1)
    psf = empirical_psf(exposures, field.optical_model(), nodes=(1, 1), settings=once)
    assert not psf.converged
    assert psf.change > 0.01


@pytest.mark.parametrize("start", ["from_optics", "from_nothing"])
def test_errors_are_those_of_the_samples(start, request):
    psf: EmpiricalPsf = request.getfixturevalue(start)
    middle = slice(44 - 12, 44 + 13)
    pulls = [
        (psf.grid.samples[0, j, i] - field.oversampled(x))[middle, middle]
        / psf.errors[j, i][middle, middle]
        for i, x in enumerate(psf.grid.nodes_x)
        for j in range(3)
    ]
    assert 0.5 < np.sqrt(np.mean(np.square(pulls))) < 1.5  # at most twice too large
    assert (psf.errors[:, :, 0] == 0).all()  # far out stands the optical model


def test_core_holds_the_light_of_the_optical_model_and_is_centred(from_optics):
    radius = np.hypot(*np.meshgrid(*2 * [(np.arange(89) - 44) / 4]))
    for samples in from_optics.grid.samples[0].reshape(-1, 89, 89):
        light = samples[radius < 6].sum() / field.optical_model().samples[0, 0, 0][radius < 6].sum()
        assert abs(light - 1) < 1e-4
        assert np.abs(centroid(samples, 4)).max() < 1e-3


def test_held_out_stars_have_their_flux_and_place(from_optics):
    """Places without pixel-phase error, by a plain least-squares fit that is not ours."""
    rng = np.random.default_rng(5)
    psf = PsfField.of(from_optics.grid)
    flux_ratio, off, phase = [], [], []
    for x, y, flux in field.stars(rng, 144, 20000, 60000):
        image = field.exposure([(x, y, flux)], rng, noise=False)
        column, row = round(x), round(y)
        cut = np.s_[row - 6 : row + 7, column - 6 : column + 7]
        light = image.data[cut] - field.SKY
        place = np.array([x, y])
        step = 0.01
        for _ in range(3):
            model = _pixels(psf, place, column, row)
            by_x = (_pixels(psf, place + np.array([step, 0]), column, row) - model) / step
            by_y = (_pixels(psf, place + np.array([0, step]), column, row) - model) / step
            columns = np.stack([model.ravel(), flux * by_x.ravel(), flux * by_y.ravel()], 1)
            fit = np.linalg.lstsq(columns, light.ravel())[0]
            place = place + fit[1:]
        flux_ratio.append(fit[0] / flux - 1)
        off.append(place - [x, y])
        phase.append([x - column, y - row])
    off, phase = np.array(off), 2 * np.pi * np.array(phase)
    assert abs(np.mean(flux_ratio)) < 2e-3
    assert np.std(flux_ratio) < 2e-3
    amplitude = [2 * np.mean(off * wave(phase), axis=0) for wave in (np.sin, np.cos)]
    assert np.abs(amplitude).max() < 1e-3
    assert np.abs(off.mean(axis=0)).max() < 1e-3


def _pixels(psf, place, column, row):
    """A stamp around a given pixel, wherever the star is in it."""
    wide = psf.pixels(*place, 8)
    dx, dy = column - round(place[0]), row - round(place[1])
    return wide[2 + dy : 15 + dy, 2 + dx : 15 + dx]


def test_intruders_do_not_count(exposures, from_optics):
    """A faint neighbour beside every third star, particles, galaxies and a saturated star."""
    rng = np.random.default_rng(7)
    sources = field.dithered(seed=1)[1]
    spoilt = []
    for one, shift in zip(exposures, field.SHIFTS, strict=True):
        extra = [(x + 5, y + 2, 0.05 * flux) for x, y, flux in sources[::3]]
        data = one.data + field.exposure(extra, rng, shift, noise=False).data - field.SKY
        rows, columns = rng.integers(5, field.SIZE - 5, (2, 150))
        data[rows, columns] += 500
        saturated = one.saturated.copy()
        x, y = np.rint(sources[4, :2] + shift).astype(int)
        data[y - 1 : y + 2, x - 1 : x + 2] = 1e4
        saturated[y - 1 : y + 2, x - 1 : x + 2] = True
        spoilt.append(dataclasses.replace(
            one, data=data.astype(np.float32), saturated=saturated, usable=~saturated
        ))  # fmt: skip
    settings = Settings(degree=1, origin="centroid", rounds=6)
    psf = empirical_psf(spoilt, field.optical_model(), nodes=(3, 3), settings=settings)
    found, clean = (shape(p.grid.at(160, 160, 1.58)) for p in (psf, from_optics))
    assert psf.stars >= 80
    assert np.abs(found[:2] - clean[:2]).max() < 3e-4
    assert abs(found[2] / clean[2] - 1) < 5e-4


def test_stars_of_other_colours_do_not_widen_the_psf():
    """Bright stars are red and wider; the start knows nothing of it, stars of both colours do."""
    rng = np.random.default_rng(11)
    blue, red = 1.5, 1.66
    stars = field.stars(rng, 64)
    wide = stars[:, 2] > np.median(stars[:, 2])
    sources = np.column_stack([stars, np.where(wide, red / blue, 1)])
    exposures = [field.exposure(sources, rng, shift) for shift in field.SHIFTS]
    grey = field.optical_model()
    start = dataclasses.replace(
        grey, wavelengths=np.array([blue, red]), samples=np.repeat(grey.samples, 2, axis=0)
    )
    known = StarList(stars[:, :2], np.where(wide, red, blue))
    settings = Settings(degree=0, origin="centroid", rounds=4)
    options = {"nodes": (1, 1), "wavelength": blue, "settings": settings}
    with_colours = empirical_psf(exposures, start, catalogue=known, **options)
    without = empirical_psf(exposures, start, **options)
    sizes = [shape(psf.grid.at(160, 160, blue))[2] for psf in (with_colours, without)]
    expected = true_shape(160.0)[2]
    assert abs(sizes[0] / expected - 1) < 5e-3
    assert sizes[1] / expected - 1 > 0.05


def test_threads_change_nothing(exposures):
    few = Settings(degree=0, rounds=2, workers=1)
    one = empirical_psf(exposures[:2], field.optical_model(), nodes=(1, 1), settings=few)
    more = dataclasses.replace(few, workers=3)
    three = empirical_psf(exposures[:2], field.optical_model(), nodes=(1, 1), settings=more)
    np.testing.assert_array_equal(one.grid.samples, three.grid.samples)
    np.testing.assert_array_equal(one.errors, three.errors)


def test_what_cannot_be_built_is_said(exposures):
    optical = field.optical_model()
    nothing = dataclasses.replace(exposures[0], usable=np.zeros((field.SIZE, field.SIZE), bool))
    with pytest.raises(CalibrationError, match="0 bright stars"):
        empirical_psf([nothing], optical)
    with pytest.raises(UsageError, match="No images"):
        empirical_psf([], optical)
    for wrong in ({"start": "moffat"}, {"origin": "corner"}, {"half": 2}, {"rounds": 0}):
        with pytest.raises(UsageError):
            empirical_psf(exposures[:1], optical, settings=Settings(**wrong))
    small = dataclasses.replace(exposures[0], data=exposures[0].data[:50])
    with pytest.raises(UsageError, match="shapes"):
        empirical_psf([exposures[0], small], optical)


def test_degree_goes_with_the_number_of_stars():
    assert [chosen_degree(n, optics=False) for n in (10, 30, 150, 1000)] == [0, 1, 2, 3]
    assert [chosen_degree(n, optics=True) for n in (10, 30, 150, 1000)] == [0, 0, 1, 2]


def test_cutoff_is_that_of_the_pupil():
    """2.36 m at 1.380 micron and 0.11 arcsec: 0.912 cycles a pixel."""
    assert cutoff_frequency("F158") == pytest.approx(2.36 / 1.38e-6 * 0.11 / 206264.8, rel=1e-3)
