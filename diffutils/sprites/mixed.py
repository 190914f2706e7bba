"""Two classes in one picture: is it of the one, of the other, of both, or of neither?

A picture that a legal sprite explains but for fewer than `PIECE` pixels is of that sprite's class:
there is no room in it for a piece of another. Any other picture is read twice, as the closest
sprite of either class. A *piece* of a class is a patch of at least `PIECE` painted pixels, joined
by their sides, that the reading as this class gets right, within the judge's tolerance, and the
reading as the other one does not. So paper, outlines and faces that both have are no piece. A
hybrid, "both", shows a piece of each; a picture that shows none, such as noise, or two sprites laid
over each other half and half, is "neither".
"""

import numpy as np

from diffutils.sprites import forge
from diffutils.sprites.judge import (
    CHUNK,
    PIXELS,
    ROUNDING,
    TOLERANCE,
    all_shapes,
    as_grey_levels,
    judge,
    squared_errors,
    weigh,
)

PIECE = 16  # pixels of 256


def read_as(images, class_):
    """The factors (n,) of the closest legal sprite of one class, in squared error.

    images   as `judge` takes them
    class_   a name of forge.CLASSES; ValueError for another
    """
    if class_ not in forge.CLASSES:
        raise ValueError(f"read_as: class_ is {class_!r}; expected one of {forge.CLASSES}")
    images = as_grey_levels(images).reshape(-1, PIXELS, 3)
    parts = [closest(images[k : k + CHUNK], class_) for k in range(0, len(images), CHUNK)]
    return np.concatenate([np.empty(0, forge.FACTORS), *parts])


def closest(images, class_):
    """`read_as` of a few images uint8 (b, 256, 3); equal errors go to the earlier shape."""
    shapes = all_shapes()
    rows = np.flatnonzero(shapes.class_ == forge.CLASSES.index(class_))
    errors = squared_errors(images)[rows]  # (S, b)
    shape, picture = np.nonzero(errors <= errors.min(0) + ROUNDING)
    exact, choices = weigh(shapes.labels(rows[shape]), images[picture])
    order = np.lexsort((shape, exact, picture))
    first = order[np.unique(picture[order], return_index=True)[1]]
    return shapes.factors(rows[shape[first]], choices[first])


def shows_pieces(images, one, other):
    """bool (n, 2): whether each picture has a piece of class `one`, of class `other`.

    images       as `judge` takes them
    one, other   two different names of forge.CLASSES
    """
    if one == other:
        raise ValueError(f"shows_pieces: one and other are both {one!r}; expected two classes")
    images = as_grey_levels(images)
    drawn = [forge.render(read_as(images, class_)) for class_ in (one, other)]
    right = [agrees(images, sprites) for sprites in drawn]
    alone = right[0] & ~right[1], right[1] & ~right[0]
    painted = [(sprites != 255).any(3) for sprites in drawn]
    sizes = [largest_patch(mask & paint) for mask, paint in zip(alone, painted, strict=True)]
    return np.stack(sizes, axis=1) >= PIECE


def agrees(images, sprites):
    """bool (n, 16, 16): the pixel is within the tolerance of the sprite's; uint8 both."""
    return np.abs(images.astype(np.int16) - sprites).max(3) <= TOLERANCE


def largest_patch(masks):
    """int (n,), the pixels of the largest patch of each mask, bool (n, H, W), joined by sides."""
    height, width = masks.shape[1:]
    names = masks * np.arange(1, height * width + 1).reshape(height, width)
    while True:  # each pixel takes the largest name among its neighbours', until none changes
        wide = np.pad(names, ((0, 0), (1, 1), (1, 1)))
        near = [wide[:, :-2, 1:-1], wide[:, 2:, 1:-1], wide[:, 1:-1, :-2], wide[:, 1:-1, 2:]]
        spread = np.maximum.reduce([names, *near]) * masks
        if (spread == names).all():
            break
        names = spread
    counts = [np.bincount(one[one > 0], minlength=1).max() for one in names]
    return np.array(counts, np.int64)


def verdicts(images, one, other):
    """What each picture is, (n,) texts: the name of `one` or `other`, "both" or "neither".

    images       as `judge` takes them
    one, other   two different names of forge.CLASSES
    """
    first, second = shows_pieces(images, one, other).T
    found = np.where(
        first & second, "both", np.where(first, one, np.where(second, other, "neither")))
    whole = judge(images)
    names = np.array(forge.CLASSES)[whole.class_]
    names = np.where(np.isin(names, (one, other)), names, "neither")
    return np.where((1 - whole.correct) * PIXELS < PIECE - 0.5, names, found)
