"""``rdms psf``: how a star looks, anywhere, and how well that is known."""

from __future__ import annotations

import click

from roman_dms.cli.lazy import LazyGroup

COMMANDS = {
    "build": "Effective PSFs from the optical model, or from the stars in images.",
    "kernel": "The kernel that turns one PSF into another.",
    "mosaic": "The image of a star at a place of a mosaic, from the mosaic alone.",
    "query": "The image of a star at given places, with its errors.",
    "validate": "Compare effective PSFs with stars, or with one another.",
}
"""The commands, each a module of this package, and what they are for."""


@click.command(cls=LazyGroup, package="roman_dms.cli.psf", commands=COMMANDS)
def command() -> None:
    """Point-spread functions: build, keep, query, match and validate them.

    An effective PSF is the fraction of a star's light that a pixel receives: optics,
    jitter, charge diffusion and the pixel itself. Files are the mission's (RAD epsf).
    The library keeps them with what is known of them, for ever: a folder, by default
    RDMS_PSF_LIBRARY, else ~/.local/share/rdms/psf.

    \b
    rdms psf query WFI01 F158 --at 1000.3 2000.8 -o star.fits --preview star.png
    rdms psf build WFI01 F158 --add              the optical model, into the library
    rdms psf build *_cal.asdf --add              from the stars in dithered images
    rdms psf kernel WFI01/F129 WFI01/F184 -o kernel.fits
    """
