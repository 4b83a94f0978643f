"""Do the sky cells cover the whole sky once, under names of their own, and how fast are they?

    python -m benchmarks.sky_cells [POSITIONS]

All cells are generated.  Random positions over the whole sky (10^7 by default) must each lie in
the core of the cell that is found for them and in its region, by a projection of its own here
(vectors, not angles), and that cell must be one of those generated.  Cells that footprints touch
are those that romancal finds for them in the part of the mission's table that it carries.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from roman_dms.sky.tangent import unit_vectors
from roman_dms.sky.tessellation import MISSION, Places

CHUNK = 200_000


def main() -> None:
    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    keys = all_cells()
    check_names(keys)
    check_positions(count, keys)
    time_footprints()
    next_to_romancal()


def all_cells() -> np.ndarray:
    """Sorted keys of all cells."""
    start = time.process_time()
    regions = range(MISSION.regions.ra.size)
    keys = np.concatenate([keys_of(MISSION.cells_in(region)) for region in regions])
    seconds = time.process_time() - start
    print(f"{len(regions)} regions, {keys.size} cells, generated in {seconds:.1f} s")
    return np.sort(keys)


def keys_of(places: Places) -> np.ndarray:
    """One number a cell."""
    return (places.region * 1000 + places.row + 500) * 1000 + places.column + 500


def check_names(keys: np.ndarray) -> None:
    """No two cells have the same name."""
    names = []
    for part in np.array_split(keys, 100):
        region, rest = np.divmod(part, 1_000_000)
        row, column = np.divmod(rest, 1000)
        names.append(MISSION.names(Places(region, column - 500, row - 500)).astype("S16"))
    different = np.unique(np.concatenate(names)).size
    print(f"{different} different names of {keys.size} cells")
    assert different == keys.size


def check_positions(count: int, keys: np.ndarray) -> None:
    """Each position lies in the core of its cell, in its region, and the cell exists."""
    random, seconds, outside, absent = np.random.default_rng(26), 0.0, 0, 0
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        ra = random.uniform(0, 360, size)
        dec = np.rad2deg(np.arcsin(random.uniform(-1, 1, size)))
        before = time.process_time()
        places = MISSION.locate(ra, dec)
        seconds += time.process_time() - before
        outside += size - np.count_nonzero(in_core(places, ra, dec))
        found = np.searchsorted(keys, keys_of(places)).clip(max=keys.size - 1)
        absent += np.count_nonzero(keys[found] != keys_of(places))
    print(f"{count} positions, {seconds / count * 1e6:.2f} us each (CPU)")
    print(f"{outside} outside of the core or the region, {absent} in cells that do not exist")
    assert outside == absent == 0


def in_core(places: Places, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Whether positions lie in the core of their cell (to 1e-6 pixel) and in their region."""
    of = MISSION.regions
    position, lon = unit_vectors(ra, dec), np.deg2rad(of.ra)
    east = np.stack([-np.sin(lon), np.cos(lon), 0 * lon], axis=-1)
    north = np.cross(of.vectors, east)
    depth, x, y = (np.einsum("ij,ij->i", position, axis[places.region])
                   for axis in (of.vectors, east, north))  # fmt: skip
    good = of.holds(places.region, ra, dec)
    for offset, place in ((x, places.column), (y, places.row)):
        pixel = offset / depth / MISSION.step - MISSION.pitch * place + (MISSION.size - 1) / 2
        good &= (pixel > MISSION.border - 0.5 - 1e-6) & (
            pixel < MISSION.size - MISSION.border - 0.5 + 1e-6
        )
    return good


def time_footprints() -> None:
    """Footprints of detectors all over the sky."""
    random, count = np.random.default_rng(5), 1000
    middles = random.uniform(0, 360, count), np.rad2deg(np.arcsin(random.uniform(-1, 1, count)))
    footprints = [MISSION.at(ra, dec).corners for ra, dec in zip(*middles, strict=True)]
    start = time.process_time()
    touched = sum(len(MISSION.touching_footprint(corners)) for corners in footprints)
    each = (time.process_time() - start) / count
    print(f"{count} footprints touch {touched} cells, {each * 1e3:.2f} ms each (CPU)")
    assert touched >= count


def next_to_romancal() -> None:
    """The same cells for footprints near the north pole, and both times."""
    tests = Path(find_spec("romancal").origin).parent / "skycell" / "tests"
    os.environ["SKYMAP_PATH"] = str(tests / "data" / "skymap_subset.asdf")
    from romancal.skycell import skymap
    from romancal.skycell.match import find_skycell_matches

    random = np.random.default_rng(1)
    middles = zip(random.uniform(-10, 10, 5), random.uniform(85.5, 89, 5), strict=True)
    footprints = [MISSION.at(ra, dec).corners for ra, dec in middles]
    seconds, found = {}, {}
    for name, find in (
        (
            "romancal",
            lambda corners: skymap.SKYMAP.model.skycells["name"][find_skycell_matches(corners)],
        ),
        ("ours", lambda corners: [cell.name for cell in MISSION.touching_footprint(corners)]),
    ):
        find(footprints[0])
        start = time.process_time()
        found[name] = [set(map(str, find(corners))) for corners in footprints[1:]]
        seconds[name] = (time.process_time() - start) / (len(footprints) - 1)
    ratio = seconds["romancal"] / seconds["ours"]
    print(f"romancal {seconds['romancal'] * 1e3:.0f} ms a footprint: {ratio:.0f} times ours")
    assert found["romancal"] == found["ours"]


if __name__ == "__main__":
    main()
