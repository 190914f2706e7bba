"""The one pixel map of the project: floats in [-1, 1] inside, bytes 0..255 at the edges.

-1 is 0, +1 is 255, and nothing is ever stretched to fit: the same number has the same grey in
every picture. Bytes survive the way there and back exactly.
"""

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from diffutils.expect import as_array, check_images


def to_uint8(x):
    """Images as bytes to look at: (x + 1) * 127.5, rounded; what lies outside [-1, 1] is clipped.

    x         (B, C, H, W) floats, a tensor on any device
    returns   uint8 (B, H, W, C), a numpy array
    Raises ValueError where a number is not finite: a picture would hide it.
    """
    check_images("to_uint8", "x", x)
    values = ((x.detach().double().cpu() + 1) * 127.5).round().clamp(0, 255)
    return np.ascontiguousarray(values.byte().permute(0, 2, 3, 1).numpy())


def to_float(images):
    """Bytes as images to compute with: images / 127.5 - 1, the inverse of `to_uint8`.

    images    uint8 (B, H, W, C), a numpy array
    returns   float32 (B, C, H, W), a tensor in [-1, 1]
    """
    images = as_array("to_float", "images", images)
    if images.dtype != np.uint8:
        raise TypeError(f"to_float: images holds {images.dtype}; expected uint8 in 0..255")
    if images.ndim != 4:
        raise ValueError(f"to_float: images has shape {images.shape}; expected (B, H, W, C)")
    values = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))
    return values.float() / 127.5 - 1


def fold(x):
    """Pixels (B, 3, H, W) as blocks of 2x2, each with its four colours (B, H / 2, W / 2, 4, 3)."""
    return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 2, 4, 3, 5, 1).flatten(3, 4)


def unfold(pixels):
    """The inverse of `fold`."""
    return pixels.unflatten(3, (2, 2)).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def resized(maps, size):
    """Maps (B, C, H, W) averaged down or spread out to size (h, w); themselves if they have it."""
    return maps if maps.shape[2:] == size else adaptive_avg_pool2d(maps, size)
