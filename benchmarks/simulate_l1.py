"""Simulate a full-size L1 exposure with romanisim on the reference files of a store.

Run it in an environment with romanisim 0.14; it imports nothing of this project::

    python benchmarks/simulate_l1.py STORE OUTPUT --detector 1 --filter F158

The store is used as a cache of the stock ``crds`` client in serverless mode, so
romanisim selects and reads our files exactly as it would the mission's.  The
scene has 1,800 stars and 3,200 galaxies with known magnitudes, the mission's sky,
dark current and cosmic rays.  romanisim gives science pixels alone; noise that
channels share, border pixels and amplifier 33 are added here (``--no-reference-noise``
leaves them out), from the statement of the noise below.

Written: the L1 file, ``*_truth.asdf`` (electrons without cosmic rays or read
noise, hit pixels) and ``*_catalog.ecsv``.  About 8 minutes and 9 GB.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

ROWS, WIDTH, CHANNELS, PAUSE, BORDER = 4096, 128, 32, 12, 4
SUPPLY_NOISE = 1.6  # DN a read, 1/f, seen by amplifier 33 and by channels with couplings near 1
BIAS_NOISE = 1.0  # DN a read, 1/f, seen by channels and border alike
AMP33_NOISE = 2.0  # DN a read, white
BORDER_NOISE = 5.0  # DN a read, white
COUPLING_SCATTER = 0.05
BORDER_LEVEL, AMP33_LEVEL = 5500.0, 5300.0  # DN
CENTRE = (270.0, 66.0)  # RA, Dec of the centre of the field of view [deg]
DITHERS = ((0.0, 0.0), (-14.3, 9.7), (11.9, 17.1))  # arcsec east, north
STARS, GALAXIES = 1800, 3200


def main():
    options = parse(sys.argv[1:])
    use_store(options.store)
    run(options)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--detector", type=int, default=1)
    parser.add_argument("--filter", default="F158")
    parser.add_argument("--ma-table", type=int, default=4)
    parser.add_argument("--exposure", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-reference-noise", action="store_true")
    return parser.parse_args(arguments)


def use_store(store):
    """Point the CRDS client at the store; this must come before crds is imported."""
    os.environ["CRDS_PATH"] = str(store.resolve())
    os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
    os.environ["CRDS_OBSERVATORY"] = "roman"
    os.environ["CRDS_READONLY_CACHE"] = "1"
    os.environ.pop("CRDS_CONTEXT", None)


def run(options):
    import galsim
    from romanisim import image, l1, persistence, ris_make_utils
    from romanisim.models import parameters, wcs

    parameters.reference_data = dict.fromkeys(parameters.reference_data)
    parameters.reference_data["ipc"] = "none"
    meta = ris_make_utils.set_metadata(
        date="2027-06-01T00:00:00",
        bandpass=options.filter,
        sca=options.detector,
        ma_table_number=options.ma_table,
        usecrds=True,
    )
    wcs.fill_in_parameters(meta, pointing(options.exposure), boresight=False, pa_aper=0.0)
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / (
        f"r0000101001001001001_{options.exposure:04d}_wfi{options.detector:02d}"
        f"_{options.filter.lower()}"
    )
    catalog = scene(wcs.get_wcs(meta, usecrds=True), options)
    catalog.write(f"{stem}_catalog.ecsv", overwrite=True)

    kept = keep_counts(image)
    noise = None
    if not options.no_reference_noise:
        noise = SharedNoise(meta["exposure"]["read_pattern"], options.seed + options.exposure)
        add_before_quantisation(l1, noise)
    exposure, extras = image.simulate(
        meta,
        catalog,
        usecrds=True,
        psftype="galsim",
        level=1,
        crparam={},
        persistence=persistence.Persistence(),
        rng=galsim.UniformDeviate(100 * options.seed + options.exposure),
    )
    if noise is not None:
        noise.fill_references(exposure)
    save(exposure, extras, kept, f"{stem}_uncal.asdf", f"{stem}_truth.asdf")


def pointing(exposure):
    from astropy.coordinates import SkyCoord

    east, north = DITHERS[exposure - 1]
    ra = CENTRE[0] + east / 3600 / np.cos(np.radians(CENTRE[1]))
    return SkyCoord(ra, CENTRE[1] + north / 3600, unit="deg")


def scene(frame, options):
    """Stars and galaxies around the centre of the detector in the first exposure."""
    from astropy.table import Table

    random = np.random.default_rng(options.seed)
    centre = frame._radec(np.array([2043.5]), np.array([2043.5]))  # noqa: SLF001 - [rad]
    ra0, dec0 = (np.degrees(v)[0] for v in centre)
    number = STARS + GALAXIES
    east, north = random.uniform(-0.0715, 0.0715, (2, number))
    dec = dec0 + north
    stars = np.clip(24.5 - random.exponential(2.2, STARS), 15.5, 25.5)
    galaxies = np.clip(25.3 - random.exponential(1.1, GALAXIES), 18.5, 26)
    magnitude = np.r_[stars, galaxies]
    sersic = np.round(4 * random.uniform(0.8, 3.5, GALAXIES)) / 4  # GalSim keeps a table for each
    size = np.clip(random.lognormal(np.log(0.25), 0.45, GALAXIES), 0.06, 1.5)
    angle, ratio = random.uniform(0, 180, GALAXIES), random.uniform(0.25, 1, GALAXIES)
    zeros = np.zeros(STARS)
    return Table(
        {
            "ra": ra0 + east / np.cos(np.radians(dec)),
            "dec": dec,
            "type": ["PSF"] * STARS + ["SER"] * GALAXIES,
            "n": np.r_[zeros - 1, sersic],
            "half_light_radius": np.r_[zeros, size],
            "pa": np.r_[zeros, angle],
            "ba": np.r_[zeros + 1, ratio],
            options.filter: 10 ** (-magnitude / 2.5),
            "mag": magnitude,
        }
    )


def keep_counts(image):
    """Keep the electrons that romanisim collects before it reads them out."""
    kept = {}
    simulate_counts = image.simulate_counts

    def keeping(*arguments, **keywords):
        counts, objects = simulate_counts(*arguments, **keywords)
        kept["electrons"] = counts.array.astype(np.float32)
        return counts, objects

    image.simulate_counts = keeping
    return kept


def add_before_quantisation(l1, noise):
    add_read_noise = l1.add_read_noise_to_resultants

    def adding(resultants, *arguments, **keywords):
        resultants = add_read_noise(resultants, *arguments, **keywords)
        science = (slice(BORDER, -BORDER),) * 2
        for number in range(len(resultants)):
            resultants[number] += noise.frame(number)[science]
        return resultants

    l1.add_read_noise_to_resultants = adding


class SharedNoise:
    """Noise that channels, border and amplifier 33 share, one realisation a resultant.

    All 33 outputs are clocked together, 128 pixels and a pause of 12 clocks a row;
    every other channel is read from right to left.  A resultant of n reads has
    1/sqrt(n) of the noise of a read.
    """

    def __init__(self, read_pattern, seed):
        self.random = np.random.default_rng([seed, 33])
        self.scale = [1 / np.sqrt(len(reads)) for reads in read_pattern]
        self.couplings = 1 + COUPLING_SCATTER * self.random.standard_normal(CHANNELS)
        shape = (ROWS, WIDTH + PAUSE)
        self.supply = [scale * pink(self.random, SUPPLY_NOISE, shape) for scale in self.scale]
        self.bias = [scale * pink(self.random, BIAS_NOISE, shape) for scale in self.scale]

    def frame(self, resultant):
        """Shared noise of every pixel of a resultant, 4096 x 4096 [DN]."""
        supply, bias = self.supply[resultant][:, :WIDTH], self.bias[resultant][:, :WIDTH]
        channels = [coupling * supply + bias for coupling in self.couplings]
        turned = [c[:, ::-1] if number % 2 else c for number, c in enumerate(channels)]
        return np.concatenate(turned, axis=1).astype(np.float32)

    def fill_references(self, exposure):
        """Write border and amplifier 33 of an L1 exposure."""
        border = np.ones((ROWS, ROWS), dtype=bool)
        border[BORDER:-BORDER, BORDER:-BORDER] = False
        for number, scale in enumerate(self.scale):
            white = BORDER_NOISE * scale * self.random.standard_normal(np.count_nonzero(border))
            values = BORDER_LEVEL + self.frame(number)[border] + white
            exposure["data"][number][border] = np.round(values)
            white = AMP33_NOISE * scale * self.random.standard_normal((ROWS, WIDTH))
            values = AMP33_LEVEL + self.supply[number][:, :WIDTH] + white
            exposure["amp33"][number] = np.round(values)


def pink(random, deviation, shape):
    """1/f noise of a frame, in the order of reading."""
    length = shape[0] * shape[1]
    real, imaginary = random.standard_normal((2, length // 2 + 1))
    amplitude = np.zeros(length // 2 + 1)
    amplitude[1:] = 1 / np.sqrt(np.arange(1, length // 2 + 1))
    noise = np.fft.irfft(amplitude * (real + 1j * imaginary), length)
    expected = np.sqrt(4 * np.sum(1.0 / np.arange(1, length // 2 + 1))) / length
    return (deviation / expected * noise).reshape(shape)


def save(exposure, extras, kept, path, truth_path):
    import asdf
    from romanisim import ris_make_utils

    name = Path(path).name
    exposure["meta"]["observation"].update(**ris_make_utils.parse_filename(name))
    exposure["meta"]["observation"].update(
        visit_file_group=0, visit_file_sequence=1, visit_file_activity="01"
    )
    exposure["meta"]["filename"] = name
    asdf.AsdfFile({"roman": exposure}).write_to(path, all_array_compression="lz4")
    truth = {
        "electrons": kept["electrons"],
        "exposure_time": float(exposure["meta"]["exposure"]["exposure_time"]),
        "hit": np.packbits((extras["dq"] & 4) != 0, axis=-1),
        "description": "electrons collected in the exposure by each science pixel, with photon "
        "noise and dark current, without cosmic rays and read noise; hit: packed bits "
        "(resultant, row, column / 8) of pixels that a cosmic ray struck, with border",
    }
    asdf.AsdfFile(truth).write_to(truth_path, all_array_compression="lz4")


if __name__ == "__main__":
    main()
