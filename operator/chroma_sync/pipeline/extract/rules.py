"""Takes the rules of tables and the shades of their cells out of a picture: they hide words from a
program that reads."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

_DARK: Final = 128
_NOT_WHITE: Final = 200
_SHRUNK: Final = 8
_LENGTH: Final = 12  # a rule is as long as the shorter side of the picture over this
_NEIGHBOURS: Final = ((0, 1), (0, -1), (1, 0), (-1, 0), (0, 2), (0, -2), (2, 0), (-2, 0))

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def without_rules(picture: Image.Image) -> Image.Image:
    """A picture in shades of grey, with a white ground and no long lines."""
    pixels = np.asarray(picture)
    length = max(min(pixels.shape) // _LENGTH, 20)
    ground = np.maximum(_ground(picture), 1)
    flat = np.minimum(pixels.astype(np.uint16) * 255 // ground, 255).astype(np.uint8)
    # The edges of shades are lines too.
    mask = np.zeros(pixels.shape, np.bool_)
    for dark in (pixels < _DARK, flat < _NOT_WHITE):
        mask |= _rows_of(dark, length) | _rows_of(dark.T, length).T
    for step in _NEIGHBOURS:
        mask |= np.roll(mask, step, (0, 1))
    flat[mask] = 255
    return Image.fromarray(flat)


def _rows_of(dark: Mask, length: int) -> Mask:
    """Where at least so many dark pixels stand side by side in a row."""
    height, width = dark.shape
    if width < length:
        return np.zeros_like(dark)
    sums = np.zeros((height, width + 1), np.int32)
    np.cumsum(dark, axis=1, out=sums[:, 1:])
    full = (sums[:, length:] - sums[:, :-length]) == length
    edges = np.zeros((height, width + 1), np.int32)
    edges[:, : full.shape[1]] += full
    edges[:, length:] -= full
    return np.cumsum(edges, axis=1)[:, :width] > 0


def _ground(picture: Image.Image) -> Grey:
    """The shade behind the words, everywhere."""
    size = (max(picture.width // _SHRUNK, 1), max(picture.height // _SHRUNK, 1))
    small = picture.resize(size, Image.Resampling.BOX)
    spread = small.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.MedianFilter(5))
    return np.asarray(spread.resize(picture.size, Image.Resampling.NEAREST))
