"""``rdms simulate image``: idealised rate images (L2)."""

from __future__ import annotations

from typing import Any

import click

from roman_dms.cli.simulate.one_exposure import asked, exposure_options, tell


@click.command()
@exposure_options
def command(**options: Any) -> None:
    """Simulate idealised rate images (L2): no signatures, the noise of a perfect fit.

    \b
    rdms simulate image scene.parquet --filter F129 --detector WFI07 -o l2
    rdms simulate image --rate rate.fits --ra 270 --dec 66 -o l2

    Beside each image its sources are written as they were drawn (_truth.parquet).
    """
    from rich.console import Console

    from roman_dms.pipeline.memory import keep_freed_memory
    from roman_dms.simulation.steps.image import make_image

    keep_freed_memory()
    work, console = asked(options), Console(stderr=True)
    for detector in work.detectors:
        with console.status(f"simulating {detector}"):
            paths = make_image(work.request, work.exposure, detector, work.output)
        tell(paths, detector)
