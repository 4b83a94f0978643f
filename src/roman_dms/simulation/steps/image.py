"""Idealised rate images (L2): the sky as a detector without faults would measure it.

What no calibration takes back stays: pixels are coupled by their capacitance, where the
context has a reference for it, so that one effective PSF serves these images and real ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.formats import write_product
from roman_dms.formats.tables import write_table
from roman_dms.instrument.backgrounds import detector_noise
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.products.exposure import Borders, RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Ipc
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.idealised import NoisyRate, with_noise
from roman_dms.simulation.signatures.interpixel_capacitance import coupled
from roman_dms.simulation.steps.capacitance import capacitance_of
from roman_dms.simulation.steps.light import Light, light_for
from roman_dms.simulation.steps.metadata import image_metadata, raw_metadata
from roman_dms.simulation.steps.request import ExposureRequest
from roman_dms.simulation.steps.seeds import exposure_seed
from roman_dms.simulation.steps.view import View, view_of


def make_image(
    request: ExposureRequest,
    exposure: PlannedExposure,
    detector: str,
    output: Path,
    _previous: Path | None = None,
) -> list[Path]:
    """Simulate an idealised rate image and write it, with the truth beside it.

    Parameters
    ----------
    request
        What to simulate and with what.
    exposure, detector
        Which image.
    output
        Folder, which must exist.

    Returns
    -------
    list
        Paths of the image (``_cal.asdf``) and of its sources (``_truth.parquet``).
    """
    image, light = simulate_image(request, exposure, detector)
    stem = exposure.stem(detector)
    truth = output / f"{stem}_truth.parquet"
    write_table(light.truth, truth)
    product = output / f"{stem}_cal.asdf"
    write_product(image, product, keep_date=True)
    return [product, truth]


def simulate_image(
    request: ExposureRequest, exposure: PlannedExposure, detector: str
) -> tuple[RateImage, Light]:
    """The idealised image of a detector in an exposure, and the light that made it."""
    pattern = ma_table(exposure.ma_table).read_pattern
    references = request.references()
    meta = raw_metadata(exposure, detector, pattern)
    view = view_of(meta, references)
    light = light_for(request, exposure, view, pattern)
    rate, capacitance = _seen(light.mean_rate(pattern.exposure_time), references, meta)
    noise = detector_noise(detector)
    noisy = with_noise(
        rate,
        pattern,
        read_noise=noise.read_noise,
        dark_current=noise.dark_current,
        seed=exposure_seed(
            request.seed, exposure.visit_id, exposure.exposure, detector, "idealised"
        ),
        workers=request.threads,
    )
    meta = raw_metadata(
        exposure, detector, pattern, wcs=view.wcs,
        reference_files=view.references | capacitance, context=references.context,
    )  # fmt: skip
    return _product(meta, view, noisy), light


def _seen(
    rate: NDArray[np.float32], references: SelectedReferences, meta: Metadata
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """What the pixels show of the light on them, and the reference file that tells it."""
    found = capacitance_of(references, meta)
    if found is None:
        return rate, {}
    name, kernel = found
    return coupled(rate, kernel), {Ipc.kind: name}


def _product(meta: Metadata, view: View, noisy: NoisyRate) -> RateImage:
    """The image in DN, with flags and quality of fit of a detector without faults."""
    shape = view.detector.science_shape
    inverse = np.float32(1 / view.gain)
    data = noisy.rate * inverse
    photons, reads = noisy.photon_variance * inverse**2, noisy.read_variance * inverse**2
    dq, nothing = np.zeros(shape, np.uint32), np.zeros(shape, np.float32)
    row = view.photometry
    meta = image_metadata(
        meta, view.wcs, data, dq,
        conversion=row["photmjsr"], conversion_uncertainty=row["uncertainty"],
        pixel_area=row["pixelareasr"],
    )  # fmt: skip
    return RateImage(
        meta=meta,
        detector=view.detector,
        data=data,
        dq=dq,
        err=np.sqrt(photons + reads),
        var_poisson=photons,
        var_rnoise=reads,
        chisq=nothing,
        dumo=nothing,
        amp33=np.zeros((0, view.detector.rows, 128), np.uint16),
        borders=no_borders(view.detector),
    )


def no_borders(detector: Detector) -> Borders:
    """The frame of a detector that has no reference pixels to show."""
    upright, level = (detector.rows, 4), (4, detector.columns)
    return Borders(
        left=np.zeros((0, *upright), np.float32),
        right=np.zeros((0, *upright), np.float32),
        top=np.zeros((0, *level), np.float32),
        bottom=np.zeros((0, *level), np.float32),
        dq_left=np.zeros(upright, np.uint32),
        dq_right=np.zeros(upright, np.uint32),
        dq_top=np.zeros(level, np.uint32),
        dq_bottom=np.zeros(level, np.uint32),
    )
