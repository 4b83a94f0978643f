"""Brightness to grey and colour.

The stretch is an inverse hyperbolic sine: linear in the noise, logarithmic in the bright, after
Lupton et al. (2004, PASP 116, 133), who also give the colours: the stretch acts on the mean of the
three bands and leaves their ratios, so that the colour of an object does not depend on how bright
it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Stretch:
    """From surface brightness to 0 (black) to 1 (white)."""

    black: float
    """Brightness that is black [unit of the data]."""

    white: float
    """Brightness that is white."""

    soft: float
    """Brightness above black where the logarithm takes over."""

    def __post_init__(self) -> None:
        if not self.white > self.black or not self.soft > 0:
            raise UsageError(
                f"Nothing can be shown between {self.black:g} (black) and {self.white:g} (white).",
                "a lower and a higher number",
            )

    def __call__(self, image: Image) -> Image:
        """Values from 0 to 1; NaN stays NaN."""
        top = np.arcsinh((self.white - self.black) / self.soft)
        grey = np.arcsinh((image - np.float32(self.black)) / np.float32(self.soft))
        return np.clip(grey / np.float32(top), 0, 1)


def stretch_for(sample: Image) -> Stretch:
    """From what a survey looks like: three sigma below its middle to its bright sources.

    Sigma is that of the lower half, which sources do not widen; white is the brightest 0.1 per
    cent, and at least thirty sigma.
    """
    values = sample[np.isfinite(sample)]
    if values.size == 0:
        return Stretch(0.0, 1.0, 0.1)
    low, middle, top = np.percentile(values, [15.87, 50, 99.9]).tolist()
    noise = max(middle - low, 1e-6 * max(abs(middle), 1e-30))
    return Stretch(middle - 3 * noise, max(top, middle + 30 * noise), 3 * noise)


def grey(image: Image, stretch: Stretch) -> NDArray[np.uint8]:
    """(rows, columns, 2): grey and opacity of a band."""
    known = np.isfinite(image)
    level = np.where(known, stretch(image), 0)
    return np.stack([_bytes(level), np.where(known, np.uint8(255), np.uint8(0))], axis=-1)


@dataclass(frozen=True)
class Palette:
    """How three bands make a colour."""

    black: tuple[float, float, float]
    """Brightness of the sky in red, green, blue [unit of the data]."""

    scale: tuple[float, float, float]
    """Brightness above it that is white in each."""

    soft: float
    """Part of white where the logarithm takes over."""


def palette_for(samples: Sequence[Image], balance: Sequence[float] = (1, 1, 1)) -> Palette:
    """Each band's own sky is black and each one's bright sources are white.

    Parameters
    ----------
    samples
        Red, green, blue: what each band looks like.
    balance
        Factors on them.
    """
    stretches = [stretch_for(sample) for sample in samples]
    scales = [
        (stretch.white - stretch.black) / factor
        for stretch, factor in zip(stretches, balance, strict=True)
    ]
    soft = float(np.median([s.soft / (s.white - s.black) for s in stretches]))
    red, green, blue = (stretch.black for stretch in stretches)
    return Palette((red, green, blue), (scales[0], scales[1], scales[2]), soft)


def colour(bands: Sequence[Image], palette: Palette) -> NDArray[np.uint8]:
    """(rows, columns, 4): red, green, blue and opacity.

    Where a band is missing it takes the mean of the others, which adds no colour.
    """
    scaled = np.stack([
        (band - np.float32(black)) / np.float32(scale)
        for band, black, scale in zip(bands, palette.black, palette.scale, strict=True)
    ])  # fmt: skip
    known = np.isfinite(scaled)
    count = known.sum(axis=0, dtype=np.float32)
    mean = np.where(known, scaled, 0).sum(axis=0) / np.maximum(count, 1)
    scaled = np.where(known, np.maximum(scaled, 0), np.maximum(mean, 0))
    intensity = scaled.mean(axis=0)
    soft = np.float32(palette.soft)
    level = np.arcsinh(intensity / soft) / np.arcsinh(1 / soft)
    shown = scaled * (level / np.maximum(intensity, np.float32(1e-9)))
    shown /= np.maximum(shown.max(axis=0), 1)  # too bright is white in its colour, not cut
    opaque = np.where(count > 0, np.uint8(255), np.uint8(0))
    return np.concatenate([_bytes(np.moveaxis(shown, 0, -1)), opaque[..., np.newaxis]], axis=-1)


def _bytes(level: Image) -> NDArray[np.uint8]:
    return (255 * level + 0.5).astype(np.uint8)
