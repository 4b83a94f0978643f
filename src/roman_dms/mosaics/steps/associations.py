"""Which images of a holding make which mosaics: per visit, pass or full depth, filter and cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from astropy.time import Time

from roman_dms.errors import UsageError
from roman_dms.mosaics.steps.members import Member
from roman_dms.products.association import Association
from roman_dms.products.metadata import Metadata
from roman_dms.sky.tessellation import SkyCell, SkyCells

Group = Callable[[Metadata], str]
"""Takes the metadata of an image to the name of its group."""

KINDS = ("visit", "pass", "full")


@dataclass(frozen=True)
class Selection:
    """Which images of a holding are looked at."""

    begin: str | None = None
    """Start of the earliest exposure, ISO 8601."""

    end: str | None = None
    """Start of the latest."""

    program: int | None = None

    least_good: float = 0.0
    """Least share of good pixels."""

    def __post_init__(self) -> None:
        for value in (self.begin, self.end):
            _time(value)

    def takes(self, member: Member) -> bool:
        """Whether an image is among them."""
        start = member.meta["exposure.start_time"]
        good = member.meta.get("statistics.good_pixel_fraction", 1.0)
        return (
            (self.begin is None or start >= _time(self.begin))
            and (self.end is None or start <= _time(self.end))
            and self.program in {None, _number(member.meta, "program")}
            and not 0 <= good < self.least_good
        )


def associations(
    members: Sequence[Member],
    tessellation: SkyCells,
    group: str | Group = "visit",
    *,
    release: str = "p",
) -> Iterator[Association]:
    """Associations of images, a filter, group and sky cell each.

    Parameters
    ----------
    members
        Images.
    tessellation
        The sky cells.
    group
        ``visit``, ``pass``, ``full``, or a rule of one's own; images of different programs are
        never grouped.
    release
        Label of the data release, ``p`` for prompt products.

    Raises
    ------
    UsageError
        For another kind of group.
    """
    rule, kind = _rule(group)
    groups: dict[tuple[str, str, str, str], list[Member]] = {}
    cells: dict[str, SkyCell] = {}
    for member in members:
        program = f"{_number(member.meta, 'program'):05d}"
        element = member.meta.optical_element.lower()
        for cell in tessellation.touching_footprint(member.footprint):
            cells[str(cell.name)] = cell
            key = (program, rule(member.meta), str(cell.name), element)
            groups.setdefault(key, []).append(member)
    for (program, name, cell_name, element), chosen in sorted(groups.items()):
        yield Association(
            name=_name(program, release, name, cell_name, element),
            members=tuple(sorted(member.path for member in chosen)),
            target=cell_name,
            program=program,
            release=release,
            kind=kind,
            cell=cell_information(cells[cell_name]),
        )


def group_of(members: Sequence[Member]) -> tuple[str, str]:
    """Kind and name of the smallest group that images have in common: visit, pass or all."""
    for kind, rule in (("visit", _visit), ("pass", _pass)):
        names = {(_number(one.meta, "program"), rule(one.meta)) for one in members}
        if len(names) == 1:
            return kind, names.pop()[1]
    return "full", "full"


def product_name(members: Sequence[Member], group: str, cell: SkyCell, release: str) -> str:
    """Name of the mosaic of a cell, without suffix, as the mission writes it."""
    programs = {_number(one.meta, "program") for one in members}
    program = programs.pop() if len(programs) == 1 else 0
    ra, dec = cell.centre
    place = cell.name or f"{ra:.4f}{'p' if dec >= 0 else 'm'}{abs(dec):.4f}"
    element = members[0].meta.optical_element.lower()
    return _name(f"{program:05d}", release, group, place, element)


def _name(program: str, release: str, group: str, place: str, element: str) -> str:
    return f"r{program}_{release}_{group}_{place}_{element}"


def cells_of(
    association: Association, cells: Sequence[SkyCell] | SkyCells
) -> Sequence[SkyCell] | SkyCells:
    """The cell that an association is for, unless others were asked for."""
    if not isinstance(cells, SkyCells) or association.target is None:
        return cells
    return [cells.named(association.target)]


def cell_information(cell: SkyCell) -> dict[str, Any]:
    """Pixels of a cell as romancal's associations carry them, ``skycell_wcs_info``."""
    plane, (rows, columns) = cell.plane, cell.shape
    ra, dec = cell.centre
    return {
        "name": cell.name,
        "pixel_scale": plane.scale,
        "ra_projection_center": plane.ra,
        "dec_projection_center": plane.dec,
        "x0_projection": plane.x,
        "y0_projection": plane.y,
        "ra_center": ra,
        "dec_center": dec,
        "nx": columns,
        "ny": rows,
        "orientat": plane.position_angle((columns - 1) / 2, (rows - 1) / 2),
        "orientat_projection_center": plane.position_angle(plane.x, plane.y),
    }


def _time(value: str | None) -> Time | None:
    if value is None:
        return None
    try:
        return Time(value, scale="utc")
    except ValueError:
        raise UsageError(f"The date is {value!r}.", "YYYY-MM-DD or YYYY-MM-DDThh:mm:ss") from None


def _rule(group: str | Group) -> tuple[Group, str]:
    if callable(group):
        return group, "user"
    if group not in KINDS:
        raise UsageError(f"Associations by {group!r} were asked for.", f"one of {', '.join(KINDS)}")
    return {"visit": _visit, "pass": _pass, "full": lambda _meta: "full"}[group], group


def _visit(meta: Metadata) -> str:
    plan, *rest = (
        _number(meta, key) for key in ("execution_plan", "pass", "segment", "observation", "visit")
    )
    return f"v{plan:02d}" + "".join(f"{number:03d}" for number in rest)


def _pass(meta: Metadata) -> str:
    return f"p{_number(meta, 'execution_plan'):02d}{_number(meta, 'pass'):03d}"


def _number(meta: Metadata, key: str) -> int:
    value = meta.get(f"observation.{key}")
    return value if isinstance(value, int) else 0
