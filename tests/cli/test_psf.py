"""``rdms psf``: what is printed and written is what was asked for."""

import hashlib
import json
import re
from types import SimpleNamespace

import asdf
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from scipy.special import erf

from roman_dms.cli.main import main
from roman_dms.cli.psf import command
from roman_dms.errors import CalibrationError, FileError, ReferenceDataError, UsageError
from roman_dms.psf.build import psf_grid
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.library import PsfLibrary
from roman_dms.psf.steps.reference_files import write_epsf


def gaussian(half, sigma, oversample=4, x=0.0, y=0.0):
    def line(centre):
        place = np.arange(-half, half + 1) / oversample - centre
        upper, lower = ((place + side) / (np.sqrt(2) * sigma) for side in (0.5, -0.5))
        return (erf(upper) - erf(lower)) / 2

    return np.outer(line(y), line(x))


def gaussian_file(path, sigma=1.0, detector="WFI01"):
    nodes = np.array([0.0, 4087.0])
    samples = np.broadcast_to(gaussian(40, sigma), (1, 2, 2, 81, 81)).astype(np.float32)
    wings = gaussian(10, sigma, 1).astype(np.float32)
    grid = PsfGrid(detector, "F158", 4, nodes, nodes, np.array([1.58]), samples, wings)
    write_epsf(grid, path, description="a Gaussian")
    return path


@pytest.fixture
def file(tmp_path):
    return gaussian_file(tmp_path / "epsf.asdf")


@pytest.fixture
def small_model(monkeypatch):
    """The optical model with one node and small stamps, made in a second."""

    def small(detector, element, **settings):
        settings |= {"nodes": (1, 1), "size": 13, "wing_size": 33, "cache": False}
        return psf_grid(detector, element, **settings)

    for place in ("effective", "steps.reference_files", "steps.named", "steps.making"):
        monkeypatch.setattr(f"roman_dms.psf.{place}.psf_grid", small)


def run(*arguments):
    result = CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_query_prints_and_writes_what_a_gaussian_is(file, tmp_path):
    text = run(
        "query", "wfi01", "f158", "--at", 100.3, 50.8, "--at", 7, 7, "--source", file, "--size", 9,
        "-o", tmp_path / "a.fits", "--preview", tmp_path / "a.png", "--covariance",
        "--spectrum", "K5V",
    )  # fmt: skip
    truth = gaussian(4, 1.0, 1, 0.3, -0.2)

    brightest = re.search(r"x   100.300 .* brightest (\S+) \+- (\S+)  sum (\S+)", text)
    assert float(brightest[1]) == pytest.approx(truth.max(), abs=2e-5)
    assert float(brightest[3]) == pytest.approx(truth.sum(), abs=2e-4)
    assert str(file) in text
    with fits.open(tmp_path / "a.fits") as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["PSF", "ERROR", "SCATTER", "COVARIANCE", "PLACES"]
        np.testing.assert_allclose(hdus["PSF"].data[0], truth, atol=2e-5)
        assert hdus["COVARIANCE"].data.shape == (2, 81, 81)
        assert list(hdus["PLACES"].data["middle_x"]) == [100, 7]
        assert hdus["PSF"].header["OVERSAMP"] == 1
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_query_at_any_sampling_with_jitter(file, tmp_path):
    jitter = np.hypot(0.014, 0.055)
    run(
        "query", "WFI01", "F158", "--at", 5.3, 5.3, "--source", file, "--oversample", 2.5,
        "--centred", "--size", 9, "--jitter", jitter, "-o", tmp_path / "a.asdf",
    )  # fmt: skip
    with asdf.open(tmp_path / "a.asdf") as opened:
        found = np.array(opened["psf"])
        assert opened["meta"]["oversample"] == 2.5
    truth = gaussian(10, np.hypot(1.0, 0.5), 2.5)
    np.testing.assert_allclose(found[0], truth, atol=5e-5)


def test_query_of_the_optical_model(small_model):
    sharp, blurred = (
        float(re.search(r"brightest (\S+)", run(
            "query", "WFI01", "F158", "--at", 10, 10, "--size", 9, *more
        ))[1])
        for more in ((), ("--defocus", 0.1, "--jitter", 0.02))
    )  # fmt: skip
    assert 0.2 < blurred < 0.95 * sharp < 0.3


def test_a_spectrum_in_a_file(file, tmp_path):
    spectrum = tmp_path / "line.txt"
    spectrum.write_text("# micron  energy\n1.59 0\n1.60 1\n1.61 0\n")
    text = run("query", "WFI01", "F158", "--at", 1, 1, "--source", file, "--spectrum", spectrum)
    assert "1.600 micron" in text


def test_build_keep_and_query(small_model, tmp_path):
    library = tmp_path / "library"
    run("build", "WFI01", "f158", "F129", "-o", tmp_path / "out", "--preview", tmp_path / "p.png")
    for _ in range(2):
        run(
            "build", "WFI01", "F158", "--add", "--library", library, "--state", "focus=0.02",
            "--valid-from", "2027-01-01", "--description", "second light",
        )  # fmt: skip

    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"roman_wfi01_{band}_optical_epsf.asdf" for band in ("f129", "f158")]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    entries = PsfLibrary(library).entries()
    assert [entry.version for entry in entries] == [1, 2]
    assert entries[0].engineering == {"jitter": 0.014, "defocus": 0.0, "focus": 0.02}
    assert (entries[0].description, entries[0].valid_from) == ("second light", "2027-01-01")
    text = run(
        "query", "WFI01", "F158", "--at", 5, 5, "--size", 5, "--source", "library",
        "--library", library, "--date", "2027-03-01", "--version", 1,
    )  # fmt: skip
    assert "library entry 1: 1 entry of WFI01 in F158" in text
    assert "optical, version 1" in text


def test_build_from_images(small_model, tmp_path, monkeypatch):
    """What stars give (tests of psf.empirical) goes to the library with where it is from."""
    one = psf_grid("WFI01", "F158", nodes=(1, 1), size=13, wing_size=33, cache=False)
    nodes = np.array([0.0, 4087.0])
    samples = np.broadcast_to(one.at(0, 0, 1.57), (1, 2, 2, 49, 49)).copy()
    found = SimpleNamespace(
        grid=PsfGrid("WFI01", "F158", 4, nodes, nodes, np.array([1.57]), samples, one.wings),
        errors=np.full((2, 2, 49, 49), 1e-4, np.float32), exposures=("a_cal.asdf",), stars=77,
        images=300, chi_squared=1.02, position_rms=0.01, degree=1, dates=("2027-03-02T10:00:00",),
    )  # fmt: skip
    asked = {}

    def build(images, stars, nodes):
        asked.update(images=images, stars=stars, nodes=nodes)
        return found

    monkeypatch.setattr("roman_dms.psf.steps.empirical.build_empirical", build)
    image = tmp_path / "a_cal.asdf"
    image.write_bytes(b"pixels")
    run("build", image, "--add", "--library", tmp_path / "library", "--nodes", 2)
    (entry,) = PsfLibrary(tmp_path / "library").entries()

    assert asked == {"images": [image], "stars": None, "nodes": (2, 2)}
    assert (entry.kind, entry.stars, entry.valid_from) == ("empirical", 77, "2027-03-02T00:00:00")
    assert entry.inputs == {"a_cal.asdf": hashlib.sha256(b"pixels").hexdigest()}
    assert entry.quality["measured_wavelength"] == 1.57
    assert len(entry.wavelengths) == 2  # colours of the optical model
    text = run(
        "query", "WFI01", "F158", "--at", 9, 9, "--size", 5, "--source", "library",
        "--library", tmp_path / "library", "--wavelength", 1.57,
    )  # fmt: skip
    brightest, error = re.search(r"brightest (\S+) \+- (\S+)", text).groups()
    assert float(brightest) == pytest.approx(samples.max(), abs=2e-4)
    assert float(error) == pytest.approx(1e-4, abs=2e-5)


def test_kernel_between_gaussians(tmp_path):
    """A Gaussian to one that is wider: the kernel is the Gaussian of the difference."""
    source, target = (
        gaussian_file(tmp_path / "a.asdf", 1.0),
        gaussian_file(tmp_path / "b.asdf", 1.25),
    )
    text = run("kernel", source, target, "-o", tmp_path / "k.fits", "--preview", tmp_path / "k.png")

    largest = float(re.search(r"largest residual\s+(\S+)", text)[1])
    assert largest < 5e-3
    with fits.open(tmp_path / "k.fits") as hdus:
        kernel = hdus["PIXELS"].data
        assert hdus["OVERSAMPLED"].header["OVERSAMP"] == 4
    place = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert (kernel.sum(axis=0) * place**2).sum() == pytest.approx(1.25**2 - 1, rel=0.02)
    image = tmp_path / "image.fits"
    hdu = fits.PrimaryHDU(gaussian(40, 1.25))
    hdu.header["OVERSAMP"] = 4
    hdu.writeto(image)
    again = run("kernel", source, image)
    assert float(re.search(r"largest residual\s+(\S+)", again)[1]) == pytest.approx(
        largest, rel=0.1
    )
    assert "kernel of" in run("kernel", source, "gaussian:3.0")


def test_validate_two_psfs(file, tmp_path):
    wider = gaussian_file(tmp_path / "wide.asdf", 1.001)
    rows = json.loads(run("validate", file, wider, "--json", "--limit", "size=0.01"))["rows"]
    size = next(row for row in rows if row["name"] == "size")
    assert size["value"] == pytest.approx(0.002 / (1 + 1 / 12), rel=0.1)
    with pytest.raises(CalibrationError, match="size"):
        run("validate", file, wider)
    assert "number" in run("validate", file, file, "--preview", tmp_path / "v.png")
    assert (tmp_path / "v.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("query WFI02 F158 --at 1 1 --source {file}", UsageError),
        ("query WFI01 F158 --at 1 1 --source {file} --jitter 0.001", UsageError),
        ("query WFI01 F158 --at 1 1 --source {file} --defocus 0.1", UsageError),
        ("query WFI01 F158 --at 1 1 --source {file} --date 2027-01-01", UsageError),
        ("query WFI01 F158 --at 1 1 --source {file} --wavelength 1.5 --temperature 9", UsageError),
        ("query WFI01 F158 --at 1 1 --source {file} -o {folder}/a.txt", UsageError),
        ("query WFI01 F158 --at 1 1 --source library --library {folder}", ReferenceDataError),
        ("query WFI01 F158 --at 1 1 --source {folder}/none.asdf", FileError),
        ("query WFI01 GRISM --at 1 1", UsageError),
        ("build WFI01", UsageError),
        ("build F158", UsageError),
        ("build WFI01 F158 {file}", UsageError),
        ("build {folder}/none.asdf", FileError),
        ("build WFI01 F158 --state focus", UsageError),
        ("kernel {file} nonsense", UsageError),
        ("kernel {file} gaussian:wide", UsageError),
        ("kernel {file} {folder}/none.fits", FileError),
        ("validate {file} {file} --limit beauty=1", UsageError),
        ("validate {file} {file} --colour rate", UsageError),
    ],
)
def test_mistakes_are_told(file, tmp_path, arguments, error):
    with pytest.raises(error) as told:
        run(*arguments.format(file=file, folder=tmp_path).split())
    assert told.value.expected or told.value.remedy or "cannot be read" in told.value.found


def test_it_is_a_command_of_rdms(capsys):
    with pytest.raises(SystemExit):
        main(["psf", "query", "--nonsense"])
    for name in ("build", "query", "kernel", "validate"):
        assert "rdms psf " + name in run(name, "--help")
