"""What the drawing functions are given, checked: pictures, curves, texts, sizes."""

import numpy as np
import torch

from diffutils.expect import (
    as_array,
    check_count,
    check_images,
    check_kind,
    check_list,
    check_number,
    check_numbers,
    check_text,
)
from diffutils.pixels import to_uint8

MOST_PIXELS = 2**24  # of one picture


def as_bytes(where, name, images):
    """Images as uint8 (B, H, W, 3): floats through the pixel map, greys as three equal channels."""
    if isinstance(images, torch.Tensor) and images.is_floating_point():
        check_images(where, name, images)
        images = to_uint8(images)
    images = as_array(where, name, images)
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"{where}: {name} has shape {images.shape} and holds {images.dtype}; expected floats "
            "(B, C, H, W) in [-1, 1] or uint8 (B, H, W, 3)"
        )
    if images.size == 0:
        raise ValueError(f"{where}: {name} holds no images")
    if images.size > 3 * MOST_PIXELS:
        raise ValueError(f"{where}: {name} has shape {images.shape}, too many to show")
    return images.repeat(3, axis=3) if images.shape[3] == 1 else images


def as_cells(where, row):
    """A row as a list of uint8 (H, W, 3) or None."""
    if not isinstance(row, list | tuple):
        return list(as_bytes(where, "rows", row))
    for cell in row:
        if cell is not None and not isinstance(cell, torch.Tensor | np.ndarray):
            raise TypeError(f"{where}: rows has a {type(cell).__name__}; expected images or None")
    return [None if cell is None else as_bytes(where, "rows", cell[None])[0] for cell in row]


def check_length(where, name, values, length, meaning, fewer=False):
    """A list, where there is one, has the length that the pictures ask for, or is no longer."""
    if values is None:
        return
    check_list(where, name, values)
    if len(values) > length or len(values) < length and not fewer:
        raise ValueError(f"{where}: {name} has {len(values)}; expected {length}, {meaning}")


def check_look(where, title, text, **sizes):
    """Title and text twin are texts; columns and scale are counts, or None to be chosen."""
    check_text(where, "title", title)
    check_text(where, "text", text)
    for name, size in sizes.items():
        if size is not None:
            check_count(where, name, size, highest=64 if name == "scale" else None)


def check_size(where, width, height, of):
    """A picture that can be drawn."""
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{where}: {of} ask for a picture of {width}x{height} pixels; expected at most "
            f"{MOST_PIXELS}"
        )


def check_axis(where, **labels):
    """The names of axes are texts."""
    for name, label in labels.items():
        check_kind(where, name, label, str)


def check_named(where, name, values):
    """A dictionary of texts to something, or None for an empty one."""
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise TypeError(f"{where}: {name} is a {type(values).__name__}; expected {{text: ...}}")
    return values


def check_curve(where, name, key, pair, curves=None):
    """A pair of lists of numbers, equally long; a band has as many as the curve of its name.

    What is not finite is a gap; a curve has x everywhere, and y somewhere.
    """
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise TypeError(f"{where}: {name}[{key!r}] is a {type(pair).__name__}; expected two lists")
    first, second = (check_numbers(where, f"{name}[{key!r}]", part) for part in pair)
    length = first.shape if curves is None else curves[key][0].shape if key in curves else (0,)
    if first.ndim != 1 or not first.shape == second.shape == length:
        raise ValueError(
            f"{where}: {name}[{key!r}] has {first.shape} and {second.shape} numbers; "
            "expected as many of both" + ("" if curves is None else ", as its curve in curves has")
        )
    both = np.concatenate([first, second])
    if (np.abs(both[np.isfinite(both)]) > 1e100).any():
        raise ValueError(f"{where}: {name}[{key!r}] has numbers above 1e100")
    nothing = len(second) and not np.isfinite(second).any()
    if curves is None and (nothing or not np.isfinite(first).all()):
        raise ValueError(f"{where}: {name}[{key!r}] has numbers that are not finite")
    return first, np.where(np.isfinite(second), second, np.nan)


def check_marks(where, marks):
    """{text: number}"""
    for x in check_named(where, "marks", marks).values():
        check_number(where, "marks", x, -1e100, 1e100)
    return marks or {}


def check_limits(where, name, limits, log):
    """`limits` is None, or a lower and a higher number; above 0 where the axis is logarithmic."""
    if limits is None:
        return
    if not isinstance(limits, list | tuple) or len(limits) != 2:
        raise TypeError(f"{where}: {name} is {limits!r}; expected (lowest, highest)")
    for limit in limits:
        check_number(where, name, limit, -1e100, 1e100)
    if not limits[0] < limits[1] or log and limits[0] <= 0:
        raise ValueError(f"{where}: {name} is {limits!r}; expected (lowest, highest)")


def check_bar(where, name, value, argument="bars"):
    """A number as (number, 0), or (number, error), both 0 or more."""
    value = value if isinstance(value, tuple) else (value, 0)
    if len(value) != 2:
        raise ValueError(f"{where}: {argument}[{name!r}] has {len(value)} numbers; expected 1 or 2")
    for part in value:
        check_number(where, f"{argument}[{name!r}]", part, 0, 1e100)
    return float(value[0]), float(value[1])


def check_positive(where, name, value):
    """`value` is a number above 0, not too near and not too far for an axis."""
    check_number(where, name, value, 1e-100, 1e100)
