"""Small products as the mission's own library writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roman_datamodels.datamodels as rdm

from roman_dms.formats import products
from roman_dms.products.exposure import RateImage, RawExposure

ROWS, COLUMNS, RESULTANTS = 32, 128, 4
PATTERN = [[1], [2, 3], [5], [7, 8, 9]]


@pytest.fixture(scope="session")
def raw_model() -> Any:
    """L1 of roman_datamodels, with pixels that differ."""
    model = rdm.ScienceRawModel.create_fake_data(shape=(RESULTANTS, ROWS, COLUMNS))
    rng = np.random.default_rng(1)
    model.data = rng.integers(0, 65536, (RESULTANTS, ROWS, COLUMNS), dtype=np.uint16)
    model.amp33 = rng.integers(4000, 4010, (RESULTANTS, ROWS, 128), dtype=np.uint16)
    set_exposure(model)
    return model


def set_exposure(model: Any) -> None:
    """A read pattern that fits the number of resultants."""
    model.meta.exposure.read_pattern = PATTERN
    model.meta.exposure.nresultants = RESULTANTS
    model.meta.exposure.frame_time = 3.16247
    model.meta["unheard_of"] = {"answer": 42, "list": [1, "two", None, True]}


@pytest.fixture(scope="session")
def rate_model() -> Any:
    """L2 of roman_datamodels, with pixels that differ and a branch that RAD does not name."""
    model = rdm.ImageModel.create_fake_data(shape=(RESULTANTS, ROWS - 8, COLUMNS - 8))
    rng = np.random.default_rng(2)
    science = (ROWS - 8, COLUMNS - 8)
    model.data = rng.normal(1, 0.1, science).astype(np.float32)
    model.dq = rng.integers(0, 8, science, dtype=np.uint32)
    for name in ("err", "var_poisson", "var_rnoise", "chisq", "dumo"):
        model[name] = rng.uniform(0.01, 2, science).astype(np.float16)
    model.amp33 = rng.integers(0, 9, (RESULTANTS, ROWS, 128), dtype=np.uint16)
    edges = {"left": (ROWS, 4), "right": (ROWS, 4), "top": (4, COLUMNS), "bottom": (4, COLUMNS)}
    for side, shape in edges.items():
        model[f"border_ref_pix_{side}"] = rng.normal(0, 1, (RESULTANTS, *shape)).astype("f4")
        model[f"dq_border_ref_pix_{side}"] = rng.integers(0, 8, shape, dtype=np.uint32)
    set_exposure(model)
    model.meta.wcs = None
    model["jump_indices"] = np.arange(12, dtype=np.int16).reshape(4, 3)
    return model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@pytest.fixture(scope="session")
def raw_path(raw_model: Any, folder: Path) -> Path:
    path = folder / "raw.asdf"
    raw_model.to_asdf(path, all_array_compression=None)
    return path


@pytest.fixture(scope="session")
def rate_path(rate_model: Any, folder: Path) -> Path:
    path = folder / "rate.asdf"
    rate_model.to_asdf(path, all_array_compression="lz4")
    return path


@pytest.fixture
def raw(raw_path: Path) -> RawExposure:
    return products.read_raw_exposure(raw_path)


@pytest.fixture
def rate(rate_path: Path) -> RateImage:
    return products.read_rate_image(rate_path)
