import io

import asdf
import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.sky.distortion import distortion_model


def _grid(columns, rows, n=41):
    """Positions from the outer edge of the first pixel to that of the last."""
    return np.meshgrid(np.linspace(-0.5, columns - 0.5, n), np.linspace(-0.5, rows - 0.5, n))


@pytest.mark.parametrize("detector", NAMES)
def test_forward_is_the_transform_of_pysiaf(siaf, detector):
    x, y = _grid(4088, 4088)
    ours = distortion_model(detector)(x, y)
    theirs = siaf[f"{detector}_FULL"].sci_to_tel(x + 1, y + 1)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("detector", NAMES)
def test_inverse_undoes_pysiaf_to_a_hundred_thousandth_of_a_pixel(siaf, detector):
    x, y = _grid(4088, 4088, 61)
    found = distortion_model(detector).inverse(*siaf[f"{detector}_FULL"].sci_to_tel(x + 1, y + 1))
    assert np.abs(np.subtract(found, (x, y))).max() < 1e-5


def test_inverse_holds_just_off_the_detector():
    model = distortion_model("WFI18")
    x, y = _grid(4188, 4188)
    x, y = x - 50, y - 50
    assert np.abs(np.subtract(model.inverse(*model(x, y)), (x, y))).max() < 1e-4


def test_a_rectangle_sees_its_part_of_the_detector(siaf):
    model = distortion_model("WFI07", 1000, 250, (504, 1016))
    x, y = _grid(1016, 504)
    theirs = siaf["WFI07_FULL"].sci_to_tel(x + 1001, y + 251)
    np.testing.assert_allclose(model(x, y), theirs, atol=1e-9)
    assert np.abs(np.subtract(model.inverse(*theirs), (x, y))).max() < 1e-5
    assert model.bounding_box.bounding_box(order="F") == ((-0.5, 1015.5), (-0.5, 503.5))


def test_a_rectangle_reaches_to_the_end_by_default():
    box = distortion_model("WFI01", 88, 4000).bounding_box.bounding_box(order="F")
    assert box == ((-0.5, 3999.5), (-0.5, 87.5))


def test_a_model_survives_a_file():
    model = distortion_model("WFI11", 8, 16, (1024, 2048))
    file = io.BytesIO()
    asdf.AsdfFile({"transform": model}).write_to(file)
    file.seek(0)
    with asdf.open(file) as opened:
        read = opened["transform"]
    x, y = _grid(2048, 1024, 5)
    np.testing.assert_array_equal(read(x, y), model(x, y))
    np.testing.assert_array_equal(read.inverse(*model(x, y)), model.inverse(*model(x, y)))
    assert read.bounding_box == model.bounding_box
    assert (read.inputs, read.outputs) == (("x", "y"), ("v2", "v3"))


@pytest.mark.parametrize(
    ("x0", "y0", "shape"),
    [(-1, 0, None), (0, -1, None), (0, 4088, None), (3000, 0, (100, 1089)), (0, 0, (0, 10))],
)
def test_a_rectangle_off_the_detector_is_an_error(x0, y0, shape):
    with pytest.raises(UsageError, match="4088 x 4088"):
        distortion_model("WFI01", x0, y0, shape)


def test_an_unknown_detector_is_an_error():
    with pytest.raises(UsageError, match="WFI20"):
        distortion_model("WFI20")
