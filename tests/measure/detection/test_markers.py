import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.measure.detection import detect, matched_filter, segments_of
from tests.measure.detection.drawn_stars import draw, kernel, noise

SHAPE = (128, 128)


def field():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(4, 124, (2, 60))
    light = draw(SHAPE, x, y, rng.uniform(30, 2000, 60)) + noise(SHAPE, 2)
    return light, np.ones(SHAPE, np.float32)


def test_sources_that_were_detected_get_the_pixels_that_detection_gave_them():
    light, variance = field()
    detection = detect(light, variance, kernel())
    significance = matched_filter(light, variance, kernel().mean(axis=0))
    segments = segments_of(significance, detection.x, detection.y)
    assert len(detection.x) > 30
    assert np.mean(segments == detection.segments) > 0.99
    assert ((segments > 0) == (detection.segments > 0)).mean() > 0.999


def test_a_footprint_is_divided_among_its_sources_by_distance():
    light = draw(SHAPE, [60.0], [60.0], [1000.0])
    significance = matched_filter(light, np.ones(SHAPE, np.float32), kernel().mean(axis=0))
    segments = segments_of(significance, [58.6, 61.4, 100.0], [60.0, 60.0, 20.0])
    rows, columns = np.nonzero(segments)
    whole = significance > 2
    assert segments[20, 100] == 3
    assert ((segments > 0) == (whole | (segments == 3))).all()
    inside = segments[rows, columns] != 3
    assert ((columns < 60) == (segments[rows, columns] == 1))[inside & (columns != 60)].all()


def test_what_is_no_source_of_anyone_is_sky():
    light = draw(SHAPE, [30.0, 90.0], [30.0, 90.0], [1000.0, 1000.0])
    significance = matched_filter(light, np.ones(SHAPE, np.float32), kernel().mean(axis=0))
    segments = segments_of(significance, [30.0], [30.0])
    assert segments[30, 30] == 1
    assert not segments[80:, 80:].any()
    assert not segments_of(significance, [], []).any()


def test_threads_change_nothing():
    light, variance = field()
    significance = matched_filter(light, variance, kernel().mean(axis=0))
    places = np.random.default_rng(3).uniform(0, 127, (2, 200))
    one, many = (segments_of(significance, *places, workers=n) for n in (1, 5))
    assert (one == many).all()


@pytest.mark.parametrize("x", [-1.0, 128.0, np.nan])
def test_sources_off_the_image_are_refused(x):
    with pytest.raises(UsageError, match="1 of 2 sources are not on the image"):
        segments_of(np.zeros(SHAPE, np.float32), [5.0, x], [5.0, 5.0])
