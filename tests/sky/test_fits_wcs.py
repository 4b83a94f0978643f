import numpy as np
import pytest
from astropy import wcs as astropy_wcs
from astropy.io import fits
from gwcs import WCS

from roman_dms.errors import FormatError
from roman_dms.instrument.apertures import aperture
from roman_dms.instrument.detectors import NAMES
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.fits_wcs import fit_sip
from roman_dms.sky.wcs import Pointing, build_wcs

CENTRE = aperture("WFI_CEN")
SHAPE = (4088, 4088)


def _wcs(detector="WFI01", ra=80.0, dec=30.0, shape=SHAPE):
    pointing = Pointing(CENTRE.v2_ref, CENTRE.v3_ref, ra, dec, 77.0, 1.00005)
    return build_wcs(distortion_model(detector, shape=shape), pointing, shape)


def _pixels(shape, n=3000):
    edges = np.array(np.meshgrid([-0.5, shape[1] - 0.5], [-0.5, shape[0] - 0.5])).reshape(2, 4)
    inside = np.random.default_rng(5).random((2, n)) * [[shape[1]], [shape[0]]] - 0.5
    return np.concatenate([edges, inside], axis=1)


def _forward_error(header, wcs, x, y):
    """Distance on the sky, in nominal pixels."""
    found = np.deg2rad(astropy_wcs.WCS(header).all_pix2world(x, y, 0))
    exact = np.deg2rad(wcs(x, y, with_bounding_box=False))
    east = (found[0] - exact[0] + np.pi) % (2 * np.pi) - np.pi
    offset = np.hypot(east * np.cos(exact[1]), found[1] - exact[1])
    return np.rad2deg(offset).max() * 3600 / 0.105


def _inverse_error(header, wcs, x, y):
    """The polynomials of the header, spelled out [pixel]."""
    linear = astropy_wcs.WCS(header)
    u, v = linear.wcs_world2pix(*wcs(x, y, with_bounding_box=False), 1)
    u, v = u - header["CRPIX1"], v - header["CRPIX2"]

    def polynomial(name):
        degree = header[f"{name}_ORDER"]
        powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
        return sum(header.get(f"{name}_{i}_{j}", 0) * u**i * v**j for i, j in powers)

    found_x = u + polynomial("AP") + header["CRPIX1"] - 1
    found_y = v + polynomial("BP") + header["CRPIX2"] - 1
    return np.hypot(found_x - x, found_y - y).max()


@pytest.mark.parametrize(
    ("detector", "ra", "dec"),
    [(name, 80, 30) for name in NAMES] + [("WFI18", 0, 0), ("WFI09", 10, 89.9), ("WFI01", 0, -90)],
)
def test_a_fits_reader_finds_the_sky_to_a_hundredth_of_a_pixel(detector, ra, dec):
    wcs = _wcs(detector, ra, dec)
    fit = fit_sip(wcs)
    x, y = _pixels(SHAPE)
    assert _forward_error(fit.header, wcs, x, y) < 0.01
    assert _inverse_error(fit.header, wcs, x, y) < 0.01


def test_the_header_tells_its_residuals_honestly():
    wcs = _wcs("WFI18")
    for tolerance in (0.1, 0.01, 1e-4):
        fit = fit_sip(wcs, tolerance=tolerance)
        x, y = _pixels(SHAPE)
        assert fit.header["SIPMXERR"] == fit.residual <= tolerance
        assert fit.header["SIPIVERR"] == fit.inverse_residual <= tolerance
        assert _forward_error(fit.header, wcs, x, y) < 1.1 * fit.residual + 2e-7
        assert _inverse_error(fit.header, wcs, x, y) < 1.1 * fit.inverse_residual + 2e-7


def test_a_tighter_tolerance_takes_a_higher_degree():
    wcs = _wcs()
    degrees = [fit_sip(wcs, tolerance=tolerance).degree for tolerance in (0.1, 0.01, 1e-4)]
    assert degrees == sorted(set(degrees))
    assert degrees[0] == 3


def test_the_header_survives_a_file(tmp_path):
    wcs = _wcs("WFI09")
    fits.PrimaryHDU(np.zeros((2, 2)), fit_sip(wcs).header).writeto(tmp_path / "image.fits")
    header = fits.getheader(tmp_path / "image.fits")
    x, y = _pixels(SHAPE)
    assert _forward_error(header, wcs, x, y) < 0.01
    assert header["CTYPE1"] == "RA---TAN-SIP"
    assert header["RADESYS"] == "ICRS"


def test_a_small_image_is_fitted_over_its_own_pixels():
    shape = (248, 504)
    wcs = _wcs("WFI01", shape=shape)
    fit = fit_sip(wcs)
    assert (fit.header["CRPIX1"], fit.header["CRPIX2"]) == (252.5, 124.5)
    assert fit.degree == 3
    x, y = _pixels(shape)
    assert _forward_error(fit.header, wcs, x, y) < 1e-4


def test_a_shape_stands_in_for_the_bounding_box():
    wcs = _wcs()
    fit = fit_sip(wcs, (100, 200))
    assert (fit.header["CRPIX1"], fit.header["CRPIX2"]) == (100.5, 50.5)
    bare = WCS(wcs.pipeline)
    bare.bounding_box = None
    assert fit_sip(bare, (100, 200)).header["CRVAL1"] == pytest.approx(fit.header["CRVAL1"])
    with pytest.raises(FormatError, match="no bounding box"):
        fit_sip(bare)


def test_what_cannot_be_fitted_is_an_error():
    with pytest.raises(FormatError, match="degree 9 is wrong by"):
        fit_sip(_wcs(), tolerance=1e-12)
