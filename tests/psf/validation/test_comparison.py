import numpy as np
import pytest

from roman_dms.errors import FileError, UsageError
from roman_dms.psf.validation.comparison import compare, validate
from roman_dms.psf.validation.stars import Stars
from tests.psf.validation.closed_form import grid, star

TRUE = grid(0.8, 0.8)


def stars(sigma, *, count=200, noise=20.0, flux=None, colour=None):
    rng = np.random.default_rng(5)
    x, y = rng.uniform(100, 3900, (2, count))
    light = np.geomspace(2e4, 5e5, count) if flux is None else flux
    width = np.broadcast_to(sigma, count)
    images = np.array(
        [
            f * star(s, s, a - np.round(a), b - np.round(b))
            for f, s, a, b in zip(light, width, x, y, strict=True)
        ]
    )
    images = images + rng.normal(size=images.shape) * noise
    errors = np.full(images.shape, noise, np.float32)
    return Stars(images.astype(np.float32), errors, x, y, light, colour)


def value(found, name, number=0):
    return [row for row in found.table() if row.name == name][number]


def test_the_true_psf_passes():
    found = validate(TRUE, stars(0.8), radii=(1.0, 3.0, 20.0))

    assert found.passes()
    for name in ("size", "e1", "e2", "flux", "x", "y", "within 1", "within 3"):
        row = value(found, name)
        assert abs(row.value) < 4 * row.error, name
    assert found.radii == (1.0, 3.0)
    assert all(abs(value(found, "chi2", i).value - 1) < 0.03 for i in range(3))
    assert value(found, "residual").value < 1e-3
    assert value(found, "rho1").value < 1e-5
    assert found.peak == pytest.approx(star(0.8, 0.8).max(), rel=1e-3)


def test_a_psf_that_is_too_sharp_does_not():
    found = validate(grid(0.78, 0.78), stars(0.8))

    # T of a Gaussian in pixels, as adaptive moments tell it, grows with its variance
    grown = (0.8**2 - 0.78**2) / (0.78**2 + 1 / 12)
    assert value(found, "size").value == pytest.approx(grown, rel=0.05)
    assert not found.passes()
    assert {line.split()[0] for line in found.failures()} == {"size", "flux"}
    brightest, faintest = value(found, "chi2", 2), value(found, "chi2", 0)
    assert brightest.value > 10 * faintest.value
    assert value(found, "residual").value == pytest.approx(0.02, rel=0.5)


def test_errors_that_differ_from_place_to_place():
    rng = np.random.default_rng(4)
    width = np.sqrt(0.8**2 + rng.normal(0, 0.01, 300))
    given = stars(width, count=300, noise=5.0, flux=np.full(300, 5e4))

    found = validate(TRUE, given)
    quiet = validate(TRUE, stars(0.8, count=300, noise=5.0, flux=np.full(300, 5e4)))

    assert value(found, "size scatter").value == pytest.approx(0.01 / (0.8**2 + 1 / 12), rel=0.15)
    assert abs(value(found, "size").value) < 4 * value(found, "size").error
    assert value(quiet, "size scatter").value < 3e-4


def test_light_that_depends_on_colour_is_told():
    width = np.repeat([0.78, 0.8, 0.82], 60)
    given = stars(width, count=180, noise=1.0, flux=np.full(180, 1e5), colour=width)

    found = validate(TRUE, given)

    by_colour = [value(found, "flux by colour", i).value for i in range(3)]
    assert by_colour[0] > 5e-3
    assert abs(by_colour[1]) < 1e-4
    assert by_colour[2] < -5e-3


def test_two_psfs_in_closed_form():
    found = compare(TRUE, grid(0.82, 0.8), places=(2, 2))

    xx, yy = 0.82**2 + 1 / 12, 0.8**2 + 1 / 12
    assert value(found, "size").value == pytest.approx((xx - yy) / (2 * yy), rel=0.03)
    assert value(found, "e1").value == pytest.approx((xx - yy) / (xx + yy), rel=0.03)
    assert value(found, "e2").value == pytest.approx(0, abs=1e-6)
    assert value(found, "x").value == pytest.approx(0, abs=1e-5)
    # Light within 2 pixels: pixels count with the part that is inside
    half = 12
    stamps = [star(s, 0.8, half=half) for s in (0.82, 0.8)]
    place = np.arange(-half, half + 1)
    fine = (np.arange(-49, 50, 2) / 100)[:, None, None, None]
    inside = np.hypot(place[:, None] + fine, place + fine[:, :, :, 0][:, None]) < 2
    expected = (inside.mean(axis=(0, 1)) * (stamps[0] - stamps[1])).sum()
    assert value(found, "within 2").value == pytest.approx(expected, rel=0.2)
    assert not found.passes()
    assert compare(TRUE, TRUE, places=(2, 2)).passes({"size": 1e-9, "e1": 1e-9, "flux": 1e-5})


def test_limits_and_pictures(tmp_path):
    found = validate(TRUE, stars(0.8, count=40))

    with pytest.raises(UsageError, match="limits"):
        found.passes({"beauty": 1.0})
    assert found.failures({"size": 1e-12})
    found.draw(tmp_path / "validation.png")
    assert (tmp_path / "validation.png").read_bytes().startswith(b"\x89PNG")
    compare(TRUE, TRUE, places=(2, 2)).draw(tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").stat().st_size > 10_000
    with pytest.raises(UsageError, match="drawn"):
        found.draw(tmp_path / "validation.xyz")
    with pytest.raises(FileError, match="written"):
        found.draw(tmp_path / "nowhere" / "validation.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_meant():
    with pytest.raises(UsageError, match="WFI02"):
        compare(TRUE, grid(0.8, 0.8, detector="WFI02"))
    nothing = Stars(
        np.zeros((5, 21, 21), np.float32), np.ones((5, 21, 21), np.float32), *np.ones((2, 5))
    )
    with pytest.raises(UsageError, match="0 of 5"):
        validate(TRUE, nothing)
