import time

import galsim
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from roman_dms.errors import UsageError
from roman_dms.measure.background import background_of
from roman_dms.measure.detection import DetectionSettings, detect
from roman_dms.measure.image import Image
from roman_dms.measure.noise import noise_of
from tests.measure.detection.drawn_stars import SCALE, draw, kernel, noise, optics, stamp

SHAPE = (256, 256)


def found(light, sigma=1.0, **options):
    return detect(light, np.full(light.shape, sigma**2, np.float32), kernel(), **options)


def grid(count, spacing, seed):
    """Places of stars, nowhere in particular in their pixels."""
    rng = np.random.default_rng(seed)
    y, x = spacing * (np.indices((count, count)).reshape(2, -1) + 0.5)
    return x + rng.uniform(-0.5, 0.5, x.size), y + rng.uniform(-0.5, 0.5, x.size)


def matched(detection, x, y, within=1.0):
    """Which true stars were found, and which sources are true."""
    truth, sources = np.column_stack([x, y]), np.column_stack([detection.x, detection.y])
    near = cKDTree(sources).query(truth)[0] < within
    return near, cKDTree(truth).query(sources)[0] < 2 * within


class TestStars:
    def test_nine_of_ten_are_found_within_a_fifth_of_a_magnitude_of_the_ideal(self):
        """Ideal: the place is known and nothing is lost, threshold 5 (90 % at 5 + 1.28)."""
        spacing, count, sigma = 16, 64, 0.3
        x, y = grid(count, spacing, 1)
        brightness = np.linspace(4.5, 8.5, x.size)  # ideal significance
        places = np.round(32 * (np.stack([x, y], axis=1) - np.rint([x, y]).T)) / 32
        ideal = [np.sqrt(np.sum(stamp(*place) ** 2)) for place in places.tolist()]
        flux = brightness * sigma / np.array(ideal)
        light = draw((count * spacing,) * 2, x, y, flux, size=9) + noise(
            (count * spacing,) * 2, 2, sigma
        )

        near, true = matched(found(light, sigma), x, y, within=1.5)

        rising = np.convolve(near, np.ones(301) / 301, mode="valid")
        limit = brightness[150:-150][np.argmax(rising > 0.9)]
        assert 2.5 * np.log10(limit / (5 + 1.28)) < 0.2
        assert true.mean() >= 0.99

    def test_places_are_good_to_a_fraction_of_a_pixel(self):
        x, y = grid(12, 20, 3)
        detection = found(draw(SHAPE, x, y, np.full(x.size, 1000.0)) + noise(SHAPE, 4))
        distance, _ = cKDTree(np.column_stack([x, y])).query(
            np.column_stack([detection.x, detection.y])
        )
        assert len(detection.x) == x.size
        assert distance.max() < 0.25

    def test_each_has_its_pixels_and_its_row(self):
        x, y = grid(12, 20, 3)
        detection = found(draw(SHAPE, x, y, np.full(x.size, 300.0)) + noise(SHAPE, 4))
        at = np.rint(detection.y).astype(int), np.rint(detection.x).astype(int)
        assert (detection.segments[at] == np.arange(len(detection.x)) + 1).all()
        assert (np.diff(at[0]) >= 0).all()
        assert detection.segments.max() == len(detection.x)
        assert len(set(detection.group)) == len(detection.x)

    @pytest.mark.parametrize("bright", [1e4, 1e6])
    def test_a_bright_star_is_one(self, bright):
        light = draw(SHAPE, [128.3], [127.6], [bright], size=201)
        detection = found(light + noise(SHAPE, 5), wings=stamp(0, 0, 401), per_light=0.1)
        assert len(detection.x) == 1

    def test_a_saturated_star_is_one(self):
        light = draw(SHAPE, [128.3, 180.2], [127.6, 90.0], [1e6, 500], size=201)
        saturated = light > 3e3
        light += noise(SHAPE, 5)
        light[saturated] = 0
        variance = np.where(saturated, np.inf, 1).astype(np.float32)
        detection = detect(light, variance, kernel(), saturated=saturated, wings=stamp(0, 0, 401))
        assert saturated.sum() > 20
        np.testing.assert_allclose(np.sort(detection.x), [128.3, 180.2], atol=1)

    def test_a_ragged_core_is_one_where_it_is(self):
        """Single pixels beside the core that are lost as well, each a region of its own."""
        light = draw(SHAPE, [128.3], [127.6], [1e6], size=201)
        saturated = light > 3e3
        rows, columns = np.nonzero(saturated)
        for row, column in ((rows.max() + 3, 128), (127, columns.max() + 3), (rows.min() - 3, 129)):
            saturated[row, column] = True
        light += noise(SHAPE, 5)
        light[saturated] = 0
        variance = np.where(saturated, np.inf, 1).astype(np.float32)
        detection = detect(light, variance, kernel(), saturated=saturated, wings=stamp(0, 0, 401))
        assert len(detection.x) == 1
        assert np.hypot(detection.x[0] - 128.3, detection.y[0] - 127.6) < 1.5


class TestNotStars:
    @pytest.mark.parametrize(
        "shape",
        [
            [[1]],
            [[1, 0.8]],
            [[1, 0, 0], [0, 1, 0], [0, 0, 0.5]],
            [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
        ],
        ids=["hot pixel", "two", "track", "leak of a repaired pixel"],
    )
    def test_what_is_sharper_than_the_psf_is_left_out(self, shape):
        light = noise(SHAPE, 6)
        for row in range(20, 240, 20):
            for column in range(20, 240, 20):
                part = (slice(row, row + len(shape)), slice(column, column + len(shape[0])))
                light[part] += 20 * np.array(shape)
        assert len(found(light).x) <= 2

    def test_noise_is_quiet(self):
        """Rice's count of maxima of a Gaussian field above u, Adler & Taylor 2007, 11.7."""
        shape, threshold = (1400, 1400), 4.5
        correlated = gaussian_filter(noise(shape, 7), 0.7, mode="wrap")
        correlated /= correlated.std()
        image = Image.of(10 + correlated, np.ones(shape))
        middle = kernel().mean(axis=0)
        background = background_of(image)
        noisy = noise_of(image, background, kernel=middle)
        detection = detect(
            image.data - background.level, noisy.variance, middle,
            settings=DetectionSettings(threshold=threshold, sharpness=1e9),
            correlation=noisy.correlation,
        )  # fmt: skip
        expected = rice(middle, 0.7) * image.data.size * threshold * np.exp(-(threshold**2) / 2)
        assert noisy.correlation > 1.3
        assert expected / 2.5 < len(detection.x) < 2 * expected + 5

    def test_nothing_usable_gives_nothing(self):
        nothing = np.full(SHAPE, np.inf, np.float32)
        detection = detect(np.zeros(SHAPE, np.float32), nothing, kernel())
        assert len(detection.x) == len(detection.group) == 0
        assert not detection.segments.any()


def rice(star, blur):
    """Maxima a pixel, over u exp(-u^2 / 2), of blurred noise filtered with a star."""
    size = 64
    response = np.zeros((size, size))
    response[:9, :9] = star
    frequency = 2 * np.pi * np.fft.fftfreq(size)
    ky, kx = np.meshgrid(frequency, frequency, indexing="ij")
    power = np.abs(np.fft.fft2(response)) ** 2 * np.exp(-(kx**2 + ky**2) * blur**2)
    slopes = [np.sum(power * k**2) / power.sum() for k in (kx, ky)]
    return np.sqrt(slopes[0] * slopes[1]) / (2 * np.pi) ** 1.5


class TestBlends:
    @pytest.mark.parametrize(
        ("separation", "ratio", "share"),
        [(2.4, 1, 0.7), (3, 1, 1), (3, 1.5, 0.6), (4, 1, 1), (4, 2.5, 1), (4, 5, 0.6), (6, 15, 1)],
    )
    def test_two_stars_are_two(self, separation, ratio, share):
        """The fainter one has a significance of 120."""
        angle = np.deg2rad(np.arange(0, 180, 5))
        shift = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 36))
        middle = 20 + 40 * np.indices((6, 6)).reshape(2, -1) + shift
        dx, dy = separation / 2 * np.cos(angle), separation / 2 * np.sin(angle)
        x, y = (np.concatenate([m - d, m + d]) for m, d in zip(middle, (dx, dy), strict=True))
        flux = np.repeat([400.0 * ratio, 400.0], 36)
        detection = found(draw(SHAPE, x, y, flux) + noise(SHAPE, 8))
        near, true = matched(detection, x, y, within=0.8)
        assert near[36:].mean() >= share
        assert true.all()
        assert len(set(detection.group)) == 36

    def test_structure_of_a_galaxy_is_not_sources(self):
        disc = galsim.Exponential(half_light_radius=1.2, flux=3e4).shear(
            q=0.6, beta=40 * galsim.degrees
        )
        knots = galsim.RandomKnots(40, profile=disc.withFlux(3e3), rng=galsim.BaseDeviate(5))
        soft = galsim.Convolve(knots, galsim.Gaussian(sigma=0.15))
        image = galsim.ImageD(*SHAPE, scale=SCALE)
        galsim.Convolve(disc + soft, optics()).drawImage(image)
        detection = found(image.array.astype(np.float32) + noise(SHAPE, 9))
        assert len(detection.x) <= 5  # of 40 knots, the outermost
        pixels = np.bincount(detection.segments.ravel())[1:]
        assert pixels.max() > 0.8 * pixels.sum()

    def test_a_star_on_a_galaxy_is_one_more(self):
        disc = galsim.Exponential(half_light_radius=1.2, flux=3e4)
        image = galsim.ImageD(*SHAPE, scale=SCALE)
        galsim.Convolve(disc, optics()).drawImage(image)
        light = image.array.astype(np.float32) + draw(SHAPE, [140.2], [135.7], [500.0])
        detection = found(light + noise(SHAPE, 10))
        assert len(detection.x) == 2
        assert detection.group.tolist() == [0, 0]


def test_it_agrees_with_sep_on_a_simple_field():
    sep = pytest.importorskip("sep")
    x, y = grid(12, 20, 11)
    light = draw(SHAPE, x, y, np.geomspace(100, 3000, x.size)) + noise(SHAPE, 12)
    theirs = sep.extract(light, 3.0, err=1.0, filter_kernel=kernel().mean(axis=0))
    ours = found(light)
    near, true = matched(ours, theirs["x"], theirs["y"])
    assert len(ours.x) == len(theirs) == x.size
    assert near.all()
    assert true.all()


def test_threads_change_nothing():
    x, y = grid(20, 12, 13)
    light = draw(SHAPE, x, y, np.geomspace(20, 3000, x.size)) + noise(SHAPE, 14)
    one, many = (found(light, workers=workers) for workers in (1, 7))
    for column in ("segments", "x", "y", "significance", "group"):
        assert (getattr(one, column) == getattr(many, column)).all()


def test_a_million_peaks_take_seconds():
    light = noise((3000, 3000), 15)
    start = time.perf_counter()
    settings = DetectionSettings(
        threshold=0.2, footprint=0.1, separation=1e-3, relief=0, contrast=0
    )
    detection = found(light, settings=settings)
    assert len(detection.x) > 300_000
    assert time.perf_counter() - start < 15


@pytest.mark.parametrize("bad", [np.ones((4, 4)), np.ones((3, 5)), np.zeros((5, 5)), np.ones(3)])
def test_a_kernel_that_cannot_be_a_psf_is_refused(bad):
    with pytest.raises(UsageError, match="PSF of shape"):
        detect(noise(SHAPE, 1), np.ones(SHAPE, np.float32), bad)


def test_footprints_above_the_threshold_are_refused():
    with pytest.raises(UsageError, match="Footprints end"):
        DetectionSettings(threshold=2, footprint=3)
