"""``rdms associate``: which images belong together in a mosaic."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="L2FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=".",
              help="Folder of the associations; by default this one.")  # fmt: skip
@click.option("--by", "group", metavar="GROUP", default="visit", show_default=True,
              help="visit, pass, full, or a function of your own: file.py:name.")  # fmt: skip
@click.option("--release", default="p", show_default=True,
              help="Label of the data release; p for prompt products.")  # fmt: skip
@click.option("--from", "begin", metavar="DATE", help="Leave out exposures that start before.")
@click.option("--to", "end", metavar="DATE", help="Leave out exposures that start later.")
@click.option("--program", type=int, help="Leave out other programs.")
@click.option("--least-good", type=click.FloatRange(0, 1), default=0.0,
              help="Leave out images with fewer good pixels, as a share.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path, dir_okay=False),
              help="A table of sky cells in place of the mission's.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True,
              help="Files that are opened at the same time.")  # fmt: skip
def command(
    files: tuple[str, ...], output: Path, group: str, release: str, begin: str | None,
    end: str | None, program: int | None, least_good: float, cells: Path | None, threads: int,
) -> None:  # fmt: skip
    """Sort calibrated images (L2) into associations, one a filter, group and sky cell.

    \b
    rdms associate l2/*_cal.asdf -o asn --by visit
    rdms associate l2/*_cal.asdf -o asn --by full --release r1 --from 2027-06-01
    rdms mosaic --association asn/r00001_p_v..._270p65x50y50_f158_asn.json -o l3

    An association is a JSON file of the mission's form, which romancal reads as well. A rule
    of your own is a function that takes the metadata of an image and gives the name of its
    group: def by_month(meta): return str(meta["exposure.start_time"].isot)[:7]
    """
    from roman_dms.formats.associations import write_association
    from roman_dms.mosaics.steps.associations import KINDS, Selection, associations
    from roman_dms.mosaics.steps.members import Missing, open_members
    from roman_dms.pipeline.own_code import own_object
    from roman_dms.references.sky_cells import read_sky_cells
    from roman_dms.sky.tessellation import MISSION

    rule = group if group in KINDS else own_object(group, Path())
    chosen = Selection(begin, end, program, least_good)
    members = []
    for one in open_members(files, threads):
        if isinstance(one, Missing):
            raise one.error
        if chosen.takes(one):
            members.append(one)
    every = read_sky_cells(cells) if cells else MISSION
    output.mkdir(parents=True, exist_ok=True)
    count = 0
    for association in associations(members, every, rule, release=release):
        path = output / f"{association.name}_asn.json"
        write_association(association, path)
        click.echo(f"{path}  {len(association.members)} images")
        count += 1
    click.echo(f"{count} associations of {len(members)} images, {len(files)} files looked at")
