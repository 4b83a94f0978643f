"""Simulate with the true detector, calibrate with what was measured of it: do rates come back?

    python benchmarks/accuracy_simulation.py [--filters F062 F158 ...] [--detector WFI01]

For each filter a light of 16 levels, from the sky to near saturation, falls on a
detector of 1024 x 1024 pixels.  It is simulated (L1, all effects but those named
by --without) with a baseline of reference files, and calibrated with another one
that carries the errors of a calibration programme ('rdms references bootstrap
--measured').  Printed for each level: the bias of the rate, with its error, and
the mean and the standard deviation of (measured - true) / error, over the pixels
that are good and were not hit.  Effects that move light between pixels or are
not corrected (interpixel capacitance) are left out by default, and are shown by
a second run with --without '' (see docs/guides/simulation.md).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from roman_dms.calibration import recipes
from roman_dms.formats import read_rate_image
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.pipeline.process import process_file
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.references.bootstrap import bootstrap
from roman_dms.references.overlay import open_context
from roman_dms.references.selected import SelectedReferences
from roman_dms.references.store import ReferenceStore
from roman_dms.simulation.steps.raw import make_raw
from roman_dms.simulation.steps.request import ExposureRequest

SIZE, LEVELS = 1024, 16
BRIGHTEST = 550.0  # electron / s: 90 % of the full well in 139 s
WORST = 5.0  # sigma; beyond it a pixel is an outlier, which is counted and left out


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--filters", nargs="+", default=list(FILTERS))
    parser.add_argument("--detector", default="WFI01")
    parser.add_argument("--ma-table", type=int, default=4)
    parser.add_argument("--without", nargs="*", default=["ipc", "persistence"])
    parser.add_argument("--exact", action="store_true", help="calibrate with the true references")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        stores = {"true": work / "true", "measured": work / "measured"}
        for name, store in stores.items():
            measured = 7 if name == "measured" and not options.exact else None
            bootstrap(store, [options.detector], options.filters, SIZE, measured=measured)
        pulls = [one_filter(element, stores, work, options) for element in options.filters]
    print(f"all filters and levels: pull {np.mean(pulls):.3f}, "
          f"from {np.min(pulls):.3f} to {np.max(pulls):.3f}")  # fmt: skip


def one_filter(element, stores, work, options):
    rate = light()
    np.save(work / "rate.npy", rate)
    request = ExposureRequest(
        rate=work / "rate.npy", store=stores["true"], seed=options.seed, truth_image=True,
        settings=dict.fromkeys(filter(None, options.without), False),
    )  # fmt: skip
    exposure = PlannedExposure(
        ra=270.0, dec=66.0, position_angle=0.0, element=element, ma_table=options.ma_table,
        start=61557.0,
    )  # fmt: skip
    paths = make_raw(request, exposure, options.detector, work)
    references = SelectedReferences(open_context(ReferenceStore(stores["measured"])))
    recipe = recipes.load().with_settings(["flat_field.include_var_flat=true"])
    done = process_file(str(paths[0]), work, recipe, references)
    return report(element, rate, read_rate_image(done.output), hits(paths[-1], rate.shape))


def light():
    """Blocks of one level each, over the whole detector [electron / s]."""
    side = SIZE - 8
    levels = np.geomspace(0.3, BRIGHTEST, LEVELS)
    block = (np.arange(side)[:, None] // 64 + np.arange(side) // 64 * 5) % LEVELS
    return levels[block].astype(np.float32)


def hits(path, shape):
    """Pixels that a cosmic ray struck."""
    import asdf

    with asdf.open(path, memmap=False) as file:
        _, row, column = np.array(file["cosmic_rays"]).T
    struck = np.zeros(shape, bool)
    struck[row, column] = True
    return struck


def report(element, rate, image, struck):
    """Print a line a level; the standard deviations of the pulls."""
    from roman_dms.instrument.throughput import PIXEL_AREA, electrons_per_jansky

    conversion = image.meta["photometry.conversion_megajanskys"]
    gain = conversion * 1e6 * electrons_per_jansky(image.meta.detector, element) * PIXEL_AREA
    truth = rate / np.float32(gain)
    good = ((image.dq & np.uint32(Pixel.DO_NOT_USE)) == 0) & ~struck & (image.err > 0)
    pull = np.where(good, (image.data - truth) / np.where(good, image.err, 1), np.nan)
    widths = []
    print(f"{element}:  e/s      bias [%]        mean pull    sd      outliers")
    for level in np.unique(rate):
        here = good & (rate == level)
        values = pull[here]
        inside = values[np.abs(values) < WORST]
        relative = (image.data[here] / truth[here] - 1)[np.abs(values) < WORST]
        widths.append(inside.std())
        print(f"{level:13.2f} {100 * relative.mean():9.4f} +- "
              f"{100 * relative.std() / np.sqrt(relative.size):6.4f} {inside.mean():9.3f} "
              f"{inside.std():9.3f} {np.mean(np.abs(values) >= WORST):10.1e}")  # fmt: skip
    return widths


if __name__ == "__main__":
    main()
