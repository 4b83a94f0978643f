from dataclasses import replace

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.psf.colouring import with_colours
from tests.psf.test_effective import gaussian_grid

NODES = np.array([0.0, 4087.0])


def test_what_the_model_has_wrong_in_all_light_does_not_matter():
    """Truth: a Gaussian that widens with the wave; the model is one that is too sharp."""
    truth = gaussian_grid(lambda x, y, wave: 0.70 * wave, NODES, waves=(1.5, 1.6, 1.7))
    model = gaussian_grid(lambda x, y, wave: 0.68 * wave, NODES[:1], waves=(1.5, 1.6, 1.7))
    measured = gaussian_grid(lambda x, y, wave: 0.70 * 1.6, NODES, waves=(1.6,))

    found = with_colours(measured, model)

    np.testing.assert_allclose(found.samples[1], truth.samples[1], atol=1e-6)
    error = np.abs(found.samples - truth.samples).max()
    unchanged = np.abs(measured.samples - truth.samples).max()
    as_modelled = np.abs(model.samples - truth.samples).max()
    assert error < 0.15 * min(unchanged, as_modelled)


def test_what_does_not_belong_together():
    measured = gaussian_grid(lambda *_: 1.0, NODES)
    for other in (replace(measured, element="F184"), gaussian_grid(lambda *_: 1.0, NODES, reach=6)):
        with pytest.raises(UsageError, match="one colour"):
            with_colours(measured, other)
    two = gaussian_grid(lambda *_: 1.0, NODES, waves=(1.5, 1.6))
    with pytest.raises(UsageError):
        with_colours(two, measured)
