"""The baseline: valid, reproducible, sane, and the same seen through a window."""

from dataclasses import dataclass
from pathlib import Path

import asdf
import numpy as np
import pytest
from scipy.ndimage import convolve

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.quality import Pixel
from roman_dms.references.bootstrap import (
    MINIATURE,
    baseline,
    bootstrap,
    noise,
    optics,
    pixels,
    response,
)
from roman_dms.references.bootstrap.baseline import RECIPES
from roman_dms.references.bootstrap.frame import Frame

SIZE = 512
WHOLE = Frame(Detector("WFI07", SIZE, SIZE), seed=3)
WINDOW = Frame(Detector("WFI07", SIZE, SIZE), seed=3, window=(256, 100), size=256)


@dataclass(frozen=True)
class Store:
    path: Path
    context: str

    def tree(self, kind, number=1):
        path = self.path / "references" / "roman" / f"roman_wfi_{kind}_{number:04d}.asdf"
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            return file["roman"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    return Store(path, bootstrap(path, ["WFI01"], ["F158"], size=1024, seed=5))


@pytest.mark.parametrize("kind", [recipe.kind for recipe in RECIPES[:-1]])
def test_each_kind_is_valid_for_the_missions_own_library(store, kind):
    datamodels = pytest.importorskip("roman_datamodels.datamodels")
    path = store.path / "references" / "roman" / f"roman_wfi_{kind}_0001.asdf"
    with datamodels.open(path) as model:
        model.validate()
        assert model.meta.reftype == kind.upper()


def test_the_context_selects_the_files(store):
    from roman_dms.references.store import ReferenceStore

    header = {
        "ROMAN.META.INSTRUMENT.NAME": "WFI",
        "ROMAN.META.INSTRUMENT.DETECTOR": "WFI01",
        "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT": "F158",
        "ROMAN.META.EXPOSURE.TYPE": "WFI_IMAGE",
        "ROMAN.META.EXPOSURE.START_TIME": "2027-06-01 00:00:00",
    }
    context = ReferenceStore(store.path).context(store.context)
    for recipe in RECIPES:
        assert context.choose(header, recipe.kind) == f"roman_wfi_{recipe.kind}_0001.asdf"


def test_the_same_seed_gives_the_same_values_whatever_else_is_made(tmp_path, monkeypatch):
    few = tuple(recipe for recipe in RECIPES if recipe.kind in ("flat", "dark", "linearity"))
    monkeypatch.setattr(baseline, "RECIPES", few)
    bootstrap(tmp_path, ["WFI02", "WFI01"], ["F062", "F158"], size=256, seed=5)
    bootstrap(tmp_path / "again", ["WFI01"], ["F158"], size=256, seed=5)
    one, other = Store(tmp_path, ""), Store(tmp_path / "again", "")
    pairs = [("flat", 4, "data"), ("dark", 2, "dark_slope"), ("linearity", 2, "coeffs")]
    for kind, number, field in pairs:
        np.testing.assert_array_equal(one.tree(kind, number)[field], other.tree(kind)[field])
    assert not np.array_equal(one.tree("flat", 3)["data"], one.tree("flat", 4)["data"])
    assert not np.array_equal(one.tree("flat", 2)["data"], one.tree("flat", 4)["data"])


@pytest.mark.parametrize(
    ("kind", "field", "low", "high"),
    [
        ("saturation", "data", 51000, 57000),  # DN
        ("gain", "data", 1.65, 1.95),  # electron / DN
        ("readnoise", "data", 5, 8),  # DN: 17.49 electrons / sqrt(2) / 1.8, less what is shared
        ("dark", "dark_slope", 0.008, 0.013),  # DN / s: 0.019 electron / s / 1.8
        ("flat", "data", 0.99, 1.01),
        ("area", "data", 0.0115, 0.0123),  # arcsec2
    ],
)
def test_medians(store, kind, field, low, high):
    data = store.tree(kind)[field]
    assert np.all(np.isfinite(data))
    assert low < np.median(data) < high
    assert data.shape == ((1016, 1016) if kind in ("flat", "area") else (1024, 1024))


def test_bad_pixels_are_rare_and_consistent_between_kinds(store):
    dq = np.array(store.tree("mask")["dq"])
    science = dq[4:-4, 4:-4]
    reference = (dq & np.uint32(Pixel.REFERENCE_PIXEL)) != 0
    assert np.count_nonzero(reference) == 1024**2 - 1016**2
    assert 0.001 < np.mean((science & np.uint32(Pixel.DO_NOT_USE)) != 0) < 0.005
    hot = (science & np.uint32(Pixel.HOT)) != 0
    dark = store.tree("dark")["dark_slope"][4:-4, 4:-4]
    assert dark[hot].min() > 50 * np.median(dark[~hot])
    dead = (science & np.uint32(Pixel.DEAD)) != 0
    assert np.all(store.tree("flat")["data"][dead] == 0)


def test_the_dark_rate_holds_what_hot_pixels_leak(store):
    """As any dark that is measured on coupled pixels; those beside a hot one that is alone."""
    mask, dark = (np.array(store.tree("mask")["dq"]), np.array(store.tree("dark")["dark_slope"]))
    kernel = np.array(store.tree("ipc")["data"], dtype=float)
    usual, faulty = np.median(dark[4:-4, 4:-4]), (mask != 0).astype(float)
    alone = convolve(faulty, np.ones((5, 5)), mode="constant") == 1
    rows, columns = np.nonzero(alone & (dark > 3000 * usual))
    assert len(rows) > 200
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        leaked = (dark[rows + down, columns + right] - usual) / dark[rows, columns]
        expected = kernel[1 + down, 1 + right] / kernel[1, 1]
        assert np.median(leaked) == pytest.approx(expected, rel=0.02)


def test_inverse_linearity_undoes_linearity_up_to_saturation_and_beyond(store):
    to_linear = np.array(store.tree("linearity")["coeffs"], dtype=np.float64)
    to_measured = np.array(store.tree("inverselinearity")["coeffs"], dtype=np.float64)
    top = 1.1 * np.array(store.tree("saturation")["data"], dtype=np.float64)
    for fraction in (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        measured = fraction * top
        linear = evaluate(to_linear, measured)
        again = evaluate(to_measured, linear)
        assert np.max(np.abs(again / measured - 1)) < 2e-4
    science = (slice(4, -4),) * 2
    compression = np.median(evaluate(to_linear, top)[science] / top[science])
    assert 1.02 < compression < 1.10


def evaluate(coefficients, x):
    result = np.zeros_like(x)
    for coefficient in coefficients[::-1]:
        result = result * x + coefficient
    return result


def test_integral_nonlinearity_is_a_few_counts_and_smooth(store):
    tree = store.tree("integralnonlinearity")
    assert len(tree["inl_table"]) == 8
    for channel in tree["inl_table"].values():
        correction = np.array(channel["correction"])
        assert correction.shape == (65536,)
        assert 1 < np.max(np.abs(correction)) < 5
        assert np.max(np.abs(np.diff(correction))) < 0.01


@pytest.mark.parametrize(
    "make",
    [
        pixels.mask, pixels.saturation, pixels.gain, pixels.readnoise, pixels.dark,
        response.linearity, response.inverselinearity,
    ],
)  # fmt: skip
def test_a_window_is_a_part_of_the_whole_with_real_borders(make):
    whole, part = make(WHOLE), make(WINDOW)
    for name, values in part.items():
        assert values.shape[-2:] == (256, 256)
        everything = whole[name]
        interior = everything[..., 104:352, 260:508]
        np.testing.assert_array_equal(values[..., 4:-4, 4:-4], interior)
        np.testing.assert_array_equal(values[..., 4:-4, :4], everything[..., 104:352, :4])
        np.testing.assert_array_equal(values[..., -4:, 4:-4], everything[..., -4:, 260:508])


def test_a_window_of_the_flat_and_of_the_channels():
    whole, part = pixels.flat(WHOLE, "F158"), pixels.flat(WINDOW, "F158")
    np.testing.assert_array_equal(part["data"], whole["data"][100:348, 256:504])
    whole, part = (response.integralnonlinearity(frame)["inl_table"] for frame in (WHOLE, WINDOW))
    np.testing.assert_array_equal(
        part["science_channel_02"]["correction"], whole["science_channel_04"]["correction"]
    )
    np.testing.assert_array_equal(noise.couplings(WINDOW), noise.couplings(WHOLE)[2:])


def test_a_windows_pixels_look_where_those_of_the_whole_look():
    frame = Frame(Detector("WFI07"), window=(1024, 512), size=1024)
    whole = optics.distortion(Frame(Detector("WFI07")), "F158")["coordinate_distortion_transform"]
    part = optics.distortion(frame, "F158")["coordinate_distortion_transform"]
    np.testing.assert_allclose(part(10.0, 20.0), whole(1034.0, 532.0), rtol=0, atol=1e-9)


def test_weights_take_out_the_shared_noise_as_well_as_any():
    """Noise made from its definition in the time domain, weights from its spectra."""
    random = np.random.default_rng(1)
    rows, clocks = 4096, 140
    length = rows * clocks
    frequency = np.arange(length // 2 + 1) / length
    supply = pink(random, frequency, noise.SUPPLY_NOISE)
    bias = pink(random, frequency, noise.BIAS_NOISE)
    found = noise.weights(1.05, (1.0, 0.97), frequency, clocks, 4)
    streams = []
    for coupling in (1.0, 0.97):
        border = coupling * supply + bias + noise.BORDER_NOISE * random.standard_normal(length)
        seen = np.arange(length) % clocks < 4
        streams.append(np.where(seen, border * clocks / 4, 0))
    streams.append(supply + noise.AMP33_NOISE * random.standard_normal(length))
    parts = [
        np.fft.irfft(np.fft.rfft(stream) * weight, length)
        for stream, weight in zip(streams, found, strict=True)
    ]
    channel = 1.05 * supply + bias
    left = np.var(channel - sum(parts))
    # 39 % of the power of 1/f noise lies above half the row frequency, where the bias is unseen.
    assert left < 0.35 * np.var(channel)
    for number in range(3):
        for factor in (0.9, 1.1):
            changed = [factor * part if n == number else part for n, part in enumerate(parts)]
            assert np.var(channel - sum(changed)) > left


def pink(random, frequency, deviation):
    length = 2 * (frequency.size - 1)
    amplitude = np.zeros(frequency.size)
    amplitude[1:] = frequency[1:] ** -0.5
    spectrum = amplitude * (random.standard_normal((2, frequency.size)).T @ [1, 1j])
    stream = np.fft.irfft(spectrum, length)
    return deviation * stream / (2 * np.sqrt(np.sum(amplitude**2)) / length)


def test_weights_have_the_length_of_the_detectors_frame(store):
    tree = store.tree("refpix")
    assert tree["alpha"].shape == (8, 1024 * 140 // 2 + 1)
    assert tree["gamma"].dtype == np.complex128


def test_flux_conversion_is_the_published_zero_point(store):
    published = 26.32251053616207  # AB magnitude of 1 electron / s, WFI01, F158
    entry = store.tree("photom")["phot_table"]["F158"]
    gain = np.median(store.tree("gain")["data"])
    megajansky = 3631e-6 * 10 ** (-0.4 * published)
    assert entry["photmjsr"] == pytest.approx(megajansky * gain / entry["pixelareasr"], rel=0.02)
    assert store.tree("photom")["phot_table"]["GRISM"]["photmjsr"] is None


def test_psfs_are_normalised_and_apertures_agree(store):
    tree = store.tree("epsf")
    assert tree["psf"].shape == (1, 3, 9, 361, 361)
    np.testing.assert_allclose(np.sum(tree["psf"], axis=(3, 4)), 16, rtol=1e-4)
    sharpness = np.max(tree["psf"], axis=(3, 4))[0, :, 4]
    assert np.all(np.diff(sharpness) < 0)  # a red star is less sharp than a blue one
    for entry in store.tree("apcorr")["data"].values():
        assert np.all(np.diff(entry["ee_fractions"]) > 0)
        assert 0.3 < np.interp(1, entry["ee_radii"], entry["ee_fractions"]) < 0.75
        assert 0.95 < entry["ee_fractions"][-1] < 1
        np.testing.assert_allclose(entry["ap_corrections"] * entry["ee_fractions"], 1)


def test_effective_psfs_are_made_by_whoever_can(store, tmp_path, monkeypatch):
    """A model that the baseline is given is asked once for each filter, and its tree written.

    It is told the coupling of the pixels, as the baseline's own file has it.
    """
    few = tuple(recipe for recipe in RECIPES if recipe.kind == "epsf")
    monkeypatch.setattr(baseline, "RECIPES", few)
    asked = []

    def model(detector, element, corner, capacitance):
        asked.append((detector, element, corner))
        np.testing.assert_array_equal(capacitance, store.tree("ipc")["data"])
        places = {"pixel_x": [0.0], "pixel_y": [0.0], "oversample": 4}
        jitter = {"jitter_major": 14.0, "jitter_minor": 14.0, "jitter_position_angle": 0.0}
        return {"meta": places | jitter, "psf": np.full((1, 1, 1, 5, 5), 0.5, np.float32)}

    context = bootstrap(
        tmp_path, ["WFI02"], ["F106", "F158"], size=256, window=(1536, 1024), effective_psf=model
    )

    assert asked == [("WFI02", "F106", (1536, 1024)), ("WFI02", "F158", (1536, 1024))]
    tree = Store(tmp_path, context).tree("epsf", 2)
    assert tree["meta"]["instrument"]["optical_element"] == "F158"
    np.testing.assert_array_equal(tree["psf"], 0.5)


def test_a_grism_exposure_needs_no_flat_and_no_psf(tmp_path, monkeypatch):
    """As the mission's rules have it: both are N/A for dispersers."""
    from roman_dms.references.store import ReferenceStore

    kinds = ("dark", "distortion", "flat", "epsf", "ipc", "readnoise")
    few = tuple(recipe for recipe in RECIPES if recipe.kind in kinds)
    monkeypatch.setattr(baseline, "RECIPES", few)
    monkeypatch.setattr(optics, "STAMP", 21)
    context = bootstrap(tmp_path, ["WFI02"], ["GRISM", "F158", "PRISM"], size=256)
    header = {
        "ROMAN.META.INSTRUMENT.NAME": "WFI",
        "ROMAN.META.INSTRUMENT.DETECTOR": "WFI02",
        "ROMAN.META.EXPOSURE.TYPE": "WFI_SPECTRAL",
        "ROMAN.META.EXPOSURE.START_TIME": "2027-06-01 00:00:00",
    }
    rules = ReferenceStore(tmp_path).context(context)
    files = set()
    for element, number in (("GRISM", 1), ("F158", 2), ("PRISM", 3)):
        asked = header | {"ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT": element}
        files.add(rules.choose(asked, "distortion"))
        assert rules.choose(asked, "distortion") == f"roman_wfi_distortion_{number:04d}.asdf"
        assert rules.choose(asked, "dark") == "roman_wfi_dark_0001.asdf"
        if element != "F158":
            assert rules.choose(asked, "flat") in (None, "N/A")
            assert rules.choose(asked, "epsf") in (None, "N/A")
    assert len(files) == 3
    assert not (tmp_path / "references" / "roman" / "roman_wfi_flat_0002.asdf").exists()


def test_the_capacitance_of_neighbours_is_galsims(store):
    """Convolved, as RAD and romanisim have it, against GalSim's own routine."""
    galsim = pytest.importorskip("galsim")
    from galsim import roman

    image = galsim.ImageF(np.random.default_rng(2).random((20, 30), dtype=np.float32))
    found = convolve(image.array.astype(float), np.array(store.tree("ipc")["data"], dtype=float))
    roman.applyIPC(image, edge_treatment="crop")
    np.testing.assert_allclose(found[1:-1, 1:-1], image.array[1:-1, 1:-1], rtol=1e-5)
    assert np.sum(store.tree("ipc")["data"]) == pytest.approx(1, abs=1e-6)


def test_romanisim_reads_the_capacitance(store):
    models = pytest.importorskip("romanisim.models.ipc")
    path = store.path / "references" / "roman" / "roman_wfi_ipc_0001.asdf"
    model = models.IPC(usecrds=True, reffiles={"ipc": str(path)})
    np.testing.assert_allclose(model.ipc_kernel, store.tree("ipc")["data"], rtol=1e-6)


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no filter 'F999'"):
        bootstrap(tmp_path, ["WFI01"], ["F999"], size=256)
    with pytest.raises(UsageError, match="no detector 'WFI19'"):
        bootstrap(tmp_path, ["WFI19"], ["F158"], size=256)
    with pytest.raises(UsageError, match="No detector"):
        bootstrap(tmp_path, [], ["F158"], size=256)
    with pytest.raises(UsageError, match="x = 100"):
        bootstrap(tmp_path, ["WFI01"], ["F158"], size=1024, window=(100, 0))
    with pytest.raises(UsageError, match="y = 3500"):
        bootstrap(tmp_path, ["WFI01"], ["F158"], size=1024, window=(0, 3500))
    assert not list(tmp_path.rglob("*.asdf"))


def test_step_parameters_are_a_tree_that_the_mission_reads(store):
    path = store.path / "references" / "roman" / "roman_wfi_pars-rampfitstep_0001.asdf"
    with asdf.open(path) as file:
        assert file["class"].endswith("RampFitStep")
        assert file["parameters"]["algorithm"] == "likely"
        assert file["meta"]["reftype"] == "pars-rampfitstep"


def test_sky_cells_of_the_polar_region(store):
    """Against the first rows of the mission's own table."""
    cells = store.tree("skycells")["skycells"]
    first = cells[0]
    assert first["name"] == "135p90x25y49"
    assert first["ra_center"] == pytest.approx(132.70938996, abs=1e-8)
    assert first["dec_center"] == pytest.approx(88.16582739, abs=1e-8)
    assert first["x_tangent"] == 7299.5
    assert first["y_tangent"] == 122499.5
    assert first["ra_corn1"] == pytest.approx(131.58967235, abs=1e-8)
    regions = store.tree("skycells")["projection_regions"]
    assert regions["skycell_end"][0] == 1985
    assert regions["dec_min"][0] == pytest.approx(88.20062575, abs=1e-8)


def test_the_miniature_exposure_was_cut_where_its_references_are():
    path = Path(__file__).parents[1] / "data" / "miniature"
    with asdf.open(next(path.glob("*_uncal.asdf")), lazy_load=False, memmap=False) as file:
        exposure = file["roman"]
    origin = exposure["cut_from"]
    assert (origin["window_x"], origin["window_y"]) == MINIATURE["window"]
    assert origin["size"] == MINIATURE["size"] == exposure["data"].shape[1]
    assert exposure["meta"]["instrument"]["detector"] in MINIATURE["detectors"]
    assert exposure["meta"]["instrument"]["optical_element"] in MINIATURE["filters"]


def test_a_bootstrapped_window_undoes_what_the_simulator_did(tmp_path, monkeypatch):
    """Counts through the window's linearity and gain, against romanisim's truth."""
    kinds = ("linearity", "integralnonlinearity", "gain", "saturation")
    few = tuple(recipe for recipe in RECIPES if recipe.kind in kinds)
    monkeypatch.setattr(baseline, "RECIPES", few)
    store = Store(tmp_path, bootstrap(tmp_path, **MINIATURE))
    raw, electrons, struck, seconds = miniature()
    first, last = (linearised(raw["data"][n].astype(np.float64), store) for n in (0, -1))
    pattern = raw["meta"]["exposure"]["read_pattern"]
    reads = np.mean(pattern[-1]) - np.mean(pattern[0])
    collected = (last - first)[4:-4, 4:-4] * np.array(store.tree("gain")["data"])[4:-4, 4:-4]
    expected = electrons * reads * raw["meta"]["exposure"]["frame_time"] / seconds
    threshold = 0.95 * np.array(store.tree("saturation")["data"])[4:-4, 4:-4]
    usable = (raw["data"][-1][4:-4, 4:-4] < threshold) & ~struck[4:-4, 4:-4]
    for low, high in ((3e3, 1e4), (1e4, 3e4), (3e4, 1e5)):
        chosen = usable & (expected > low) & (expected < high)
        assert np.sum(collected[chosen]) == pytest.approx(np.sum(expected[chosen]), rel=1e-3)


def miniature():
    path = Path(__file__).parents[1] / "data" / "miniature"
    with asdf.open(next(path.glob("*_uncal.asdf")), lazy_load=False, memmap=False) as file:
        raw = file["roman"]
    with asdf.open(next(path.glob("*_truth.asdf")), lazy_load=False, memmap=False) as file:
        electrons = np.array(file["root_electrons"]).astype(np.float64) ** 2
        struck = np.zeros(raw["data"].shape[1:], dtype=bool)
        struck[file["hit"][:, 1], file["hit"][:, 2]] = True
        return raw, electrons, struck, file["exposure_time"]


def linearised(counts, store):
    table = store.tree("integralnonlinearity")["inl_table"]
    for channel in range(8):
        part = (slice(None), slice(128 * channel, 128 * channel + 128))
        correction = np.array(table[f"science_channel_{channel + 1:02d}"]["correction"])
        counts[part] += correction[counts[part].astype(np.int64)]
    return evaluate(np.array(store.tree("linearity")["coeffs"], dtype=np.float64), counts)
