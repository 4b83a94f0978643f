import matplotlib.image
import numpy as np
from matplotlib.axes import Axes

from roman_dms.planning.footprints import footprints
from roman_dms.planning.preview import draw_plan


def test_a_picture_is_drawn_across_the_meridian(planned, tmp_path):
    path = tmp_path / "plan.png"
    draw_plan([planned(ra=0.01), planned(ra=359.99, exposure=2)], path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert matplotlib.image.imread(path)[..., :3].std() > 0.01


def test_detectors_lie_where_the_gnomonic_projection_puts_them(planned, tmp_path, monkeypatch):
    """Offsets from the middle of the corners, by rotations of unit vectors."""
    drawn, kept = [], Axes.add_collection
    monkeypatch.setattr(
        Axes,
        "add_collection",
        lambda self, polygons: drawn.append(polygons) or kept(self, polygons),
    )
    exposure = planned(ra=359.9, dec=62.0)
    draw_plan([exposure], tmp_path / "plan.png")
    corners = np.radians(np.concatenate(list(footprints(exposure).values())))
    ra, dec = corners.T
    vectors = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    outward = vectors.mean(axis=1) / np.linalg.norm(vectors.mean(axis=1))
    east = np.cross([0, 0, 1], outward)
    east /= np.linalg.norm(east)
    places = np.stack([east, np.cross(outward, east)]) @ vectors / (outward @ vectors)
    found = np.concatenate([path.vertices[:4] for path in drawn[0].get_paths()])
    np.testing.assert_allclose(found, np.degrees(places.T), atol=1e-9)
