"""Traces of sources against independent integrals and the published dispersion."""

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.dispersion import ZEROTH_ORDER, dispersion
from roman_dms.instrument.throughput import effective_area, electrons_per_jansky, wavelengths
from roman_dms.simulation.dispersion import band, disperse, zeroth_order
from roman_dms.simulation.sources import PixelSources

PLANCK = 6.62607015e-34  # J s
JANSKY = 1e-26  # W / m2 / Hz


def stars(count=1, sersic=0.0, radius=0.0):
    places = np.linspace(100.25, 900.5, count)
    shape = np.tile(np.eye(2) * radius, (count, 1, 1))
    none = np.zeros(count)
    return PixelSources(places, places[::-1].copy(), none, none, np.full(count, sersic), shape)


def points(*asked, **options):
    return list(disperse(*asked, **options))


def together(parts):
    arrays = ([getattr(part, name) for part in parts] for name in PixelSources.__annotations__)
    return PixelSources(*(np.concatenate(values) for values in arrays))


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_flat_spectra_count_as_the_whole_band(element):
    grid = band("WFI07", element)
    found = together(points(stars(3), np.full((3, grid.size), 2e-6), grid, "WFI07", element))
    expected = 2e-6 * electrons_per_jansky("WFI07", element)
    for x in np.unique(found.x):
        # the trapezoidal rule of the expected value is good to a few parts in a million
        assert np.sum(found.rate[found.x == x]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_a_curved_spectrum_counts_as_its_integral(element):
    """Against the trapezoidal rule on 1.2 million wavelengths."""

    def jansky(wavelength):
        return 1e-6 * (1 + np.sin(3 * wavelength)) * wavelength**-2

    grid = band("WFI01", element)
    fine = np.linspace(grid[0], grid[-1], 1_200_001)
    area = np.interp(fine, wavelengths("WFI01"), effective_area("WFI01", element))
    counts = JANSKY / PLANCK * area / fine * jansky(fine)
    expected = np.trapezoid(counts, fine)
    found = together(points(stars(), jansky(grid)[None], grid, "WFI01", element))
    assert np.sum(found.rate) == pytest.approx(expected, rel=3e-6)
    mean = np.trapezoid(counts * fine, fine) / expected
    assert np.average(found.wavelength, weights=found.rate) == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(("element", "line"), [("GRISM", 1.2834), ("PRISM", 0.90713)])
def test_an_emission_line_lands_where_the_table_says(element, line):
    grid = np.union1d(band("WFI01", element), line + np.array([-1e-5, 0, 1e-5]))
    flux = np.where(grid == line, 1.0, 0.0)[None]
    found = together(points(stars(), flux, grid, "WFI01", element))
    assert np.all(np.diff(np.sort(found.y)) < 0.02)
    centre = np.average(found.y, weights=found.rate) - stars().y[0]
    assert centre == pytest.approx(float(dispersion(element).displacement(line)), abs=2e-3)
    area = np.interp(line, wavelengths("WFI01"), effective_area("WFI01", element))
    expected = JANSKY / PLANCK * area / line * 1e-5  # a triangle of half-width 1e-5 micron
    assert np.sum(found.rate) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("element", "length"), [("GRISM", 880), ("PRISM", 195)])
def test_points_are_close_and_along_the_column(element, length):
    grid = band("WFI01", element)
    found = together(points(stars(), np.ones((1, grid.size)), grid, "WFI01", element))
    order = np.argsort(found.y)
    assert np.all(found.x == stars().x[0])
    # mean wavelengths of neighbouring bins, at most a bin apart where the area is smooth
    assert np.max(np.diff(found.y[order])[2:-2]) <= 0.52
    assert np.ptp(found.y) == pytest.approx(length, rel=0.04)
    np.testing.assert_allclose(
        found.y - stars().y[0], dispersion(element).displacement(found.wavelength), atol=1e-9
    )


def test_any_number_at_a_time_gives_the_same_points():
    grid = band("WFI01", "PRISM")
    flux = np.random.default_rng(3).random((40, grid.size))
    whole = points(stars(40), flux, grid, "WFI01", "PRISM")
    parts = points(stars(40), flux, grid, "WFI01", "PRISM", points=3000)
    assert len(whole) == 1
    assert len(parts) >= 5
    assert max(len(part) for part in parts) <= 3500
    for name in PixelSources.__annotations__:
        np.testing.assert_array_equal(
            getattr(together(parts), name), getattr(together(whole), name)
        )


@pytest.mark.parametrize(("radius", "index"), [(0.3, 1.0), (1.9, 2.5), (6.0, 4.0)])
def test_a_galaxy_has_its_light_and_centre(radius, index):
    grid = band("WFI01", "GRISM")
    flux = np.ones((1, grid.size))
    star = together(points(stars(), flux, grid, "WFI01", "GRISM"))
    galaxy = together(points(stars(1, index, radius), flux, grid, "WFI01", "GRISM"))
    assert np.all(galaxy.sersic == 0)
    assert np.sum(galaxy.rate) == pytest.approx(np.sum(star.rate), rel=1e-9)
    for axis, tolerance in (("x", 1e-9), ("y", 2e-3)):
        centres = [np.average(getattr(s, axis), weights=s.rate) for s in (galaxy, star)]
        assert centres[0] == pytest.approx(centres[1], abs=tolerance)


def test_a_continuum_has_the_profile_of_an_exponential_disc():
    """Across the trace and blurred, against a fine raster of the disc."""
    grid = band("WFI01", "PRISM")
    galaxy = stars(1, 1.0)
    galaxy.shape[0] = [[2.5, -1.0], [0.5, 1.5]]
    found = together(points(galaxy, np.ones((1, grid.size)), grid, "WFI01", "PRISM"))
    x = np.linspace(-12, 12, 241)
    blur = np.exp(-0.5 * ((x[:, None] - (found.x - galaxy.x)) / 0.62) ** 2) / 0.62
    blurred = blur @ found.rate / np.sum(found.rate) / np.sqrt(2 * np.pi)
    # the disc exp(-1.67835 s) on a fine raster of its own circle, carried into the image
    raster = (np.arange(1200) + 0.5) / 60 - 10
    u, v = np.meshgrid(raster, raster)
    light = np.exp(-1.67835 * np.hypot(u, v)).ravel()
    across = (galaxy.shape[0, 0, 0] * u + galaxy.shape[0, 0, 1] * v).ravel()
    marginal, edges = np.histogram(across, np.arange(-40, 40.01, 0.02), weights=light)
    places = (edges[1:] + edges[:-1]) / 2
    kernel = np.exp(-0.5 * ((x[:, None] - places) / 0.62) ** 2) / 0.62 / np.sqrt(2 * np.pi)
    expected = kernel @ marginal / np.sum(light)
    np.testing.assert_allclose(blurred, expected, atol=0.007 * expected.max())


def test_a_line_of_a_galaxy_is_as_wide_as_the_galaxy():
    """The variance of an exponential disc along any axis is 3 (r_e / 1.67835)^2."""
    grid = np.union1d(band("WFI01", "PRISM"), 0.9 + np.array([-1e-5, 0, 1e-5]))
    flux = np.where(grid == 0.9, 1.0, 0.0)[None]
    found = together(points(stars(1, 1.0, 4.0), flux, grid, "WFI01", "PRISM"))
    for values in (found.x, found.y):
        mean = np.average(values, weights=found.rate)
        variance = np.average((values - mean) ** 2, weights=found.rate)
        assert variance == pytest.approx(3 * (4 / 1.67835) ** 2, rel=0.03)


def test_stars_and_galaxies_may_be_mixed():
    grid = band("WFI01", "PRISM")
    flux = np.random.default_rng(1).random((6, grid.size))
    mixed = stars(6)
    mixed.sersic[[1, 4]], mixed.shape[[1, 4]] = 1.0, 3 * np.eye(2)
    found = together(points(mixed, flux, grid, "WFI01", "PRISM", points=500))
    for place, spectrum in zip(mixed.x, flux, strict=True):
        alone = together(points(stars(), spectrum[None], grid, "WFI01", "PRISM"))
        near = np.abs(found.x - place) < 80  # half way to the next source
        assert np.sum(found.rate[near]) == pytest.approx(np.sum(alone.rate), rel=1e-9)


@pytest.mark.parametrize("sersic", [0.0, 1.0])
@pytest.mark.parametrize("brightness", [1e-4, 2e-3, 0.02, 0.2])
def test_faint_traces_keep_their_light_and_place(sersic, brightness):
    """Coarse points against fine ones, in blocks of 16 pixels along the trace."""
    grid = band("WFI01", "GRISM")
    unit = together(points(stars(), np.ones((1, grid.size)), grid, "WFI01", "GRISM"))
    flux = np.full((1, grid.size), brightness * np.ptp(unit.y) / unit.rate.sum())
    source = stars(1, sersic, 2.0) if sersic else stars()
    coarse = together(points(source, flux, grid, "WFI01", "GRISM"))
    fine = together(points(source, flux, grid, "WFI01", "GRISM", faint=0.0))
    if brightness < 0.005:
        assert len(coarse) < len(fine) / 3
        assert coarse.rate.max() <= 0.01
    assert coarse.rate.sum() == pytest.approx(fine.rate.sum(), rel=1e-9)
    bins = np.arange(fine.y.min() - 8, fine.y.max() + 24, 64)
    profiles = [np.histogram(one.y, bins, weights=one.rate)[0] for one in (coarse, fine)]
    assert np.abs(profiles[0] - profiles[1]).max() < 0.3 * profiles[1].max()
    assert np.average(coarse.x, weights=coarse.rate) == pytest.approx(source.x[0], abs=1e-6)


def test_the_zeroth_order_is_an_image_of_the_source():
    grid = band("WFI01", "GRISM_0")
    found = zeroth_order(stars(4), np.full((4, grid.size), 1e-3), grid, "WFI01")
    assert len(found) == 4
    np.testing.assert_array_equal(found.y, stars(4).y + ZEROTH_ORDER)
    np.testing.assert_allclose(
        found.rate, 1e-3 * electrons_per_jansky("WFI01", "GRISM_0"), rtol=1e-4
    )
    assert np.all((found.wavelength > 1.0) & (found.wavelength < 1.93))


def test_dark_sources_have_no_points():
    grid = band("WFI01", "PRISM")
    assert sum(map(len, points(stars(2), np.zeros((2, grid.size)), grid, "WFI01", "PRISM"))) == 0
    nobody = stars(2)[np.zeros(2, bool)]
    assert points(nobody, np.zeros((0, grid.size)), grid, "WFI01", "PRISM") == []


def test_what_cannot_be_is_refused():
    grid = band("WFI01", "PRISM")
    flux = np.ones((2, grid.size))
    with pytest.raises(UsageError, match="'F158' does not disperse"):
        disperse(stars(2), flux, grid, "WFI01", "F158")
    with pytest.raises(UsageError, match="the whole band"):
        disperse(stars(2), flux[:, 5:], grid[5:], "WFI01", "PRISM")
    with pytest.raises(UsageError, match="do not increase"):
        disperse(stars(2), flux, grid[::-1], "WFI01", "PRISM")
    with pytest.raises(UsageError, match=r"shape \(2, 3\)"):
        disperse(stars(2), flux[:, :3], grid, "WFI01", "PRISM")
    with pytest.raises(UsageError, match=r"source 1 at .* is -1\.0 Jy"):
        disperse(stars(2), flux * [[1], [-1]], grid, "WFI01", "PRISM")
    with pytest.raises(UsageError, match="is nan Jy"):
        disperse(stars(2), flux * [[1], [np.nan]], grid, "WFI01", "PRISM")
    with pytest.raises(UsageError, match="0 pixels apart"):
        disperse(stars(2), flux, grid, "WFI01", "PRISM", step=0)
