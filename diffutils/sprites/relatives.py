"""The relatives of a sprite: all legal sprites that differ from it in one choice."""

import numpy as np

from diffutils.sprites.forge import (
    CLASSES,
    ROLES,
    SLOT_FIELDS,
    class_table,
    palette_counts,
    render,
    shape_index,
)


def relatives(factors):
    """The factors of every sprite one choice away: another part in one slot, or another palette.

    factors   one sprite's factors, a structured array (1,), as `forge_sprites` gives them
    returns   a structured array (m,), without the sprite itself; `render` draws them
    A role that a new part brings into view takes its first palette. Of two relatives that would
    look the same, one is kept. ValueError where factors is not one legal sprite.
    """
    shape = getattr(factors, "shape", None)
    if shape != (1,):
        raise ValueError(f"relatives: factors has shape {shape}; expected (1,)")
    try:
        render(factors)
    except ValueError as error:
        raise ValueError(f"relatives: factors is no legal sprite ({error})") from error
    table = class_table(CLASSES[factors["class"][0]])
    home = shape_index(table, factors)[0]
    found = [with_shape(factors, table, shape) for shape in one_part_away(table, home)]
    for role, count in zip(ROLES, palette_counts(), strict=True):
        if factors[role][0] >= 0:
            found += [with_palette(factors, role, k) for k in range(count)]
    return np.unique(np.concatenate([f for f in found if f != factors]))


def one_part_away(table, home):
    """Indices of the shapes whose parts differ from shape `home` in one slot."""
    return np.flatnonzero((table.parts != table.parts[home]).sum(1) == 1)


def with_shape(factors, table, shape):
    """The sprite with the parts of another shape; its palettes stay where their role shows."""
    changed = factors.copy()
    for field, part in zip(SLOT_FIELDS, table.parts[shape], strict=False):
        changed[field] = part
    for role, shows in zip(ROLES, table.shows[shape], strict=True):
        changed[role] = np.maximum(factors[role], 0) if shows else -1
    return changed


def with_palette(factors, role, palette):
    """The sprite with another palette for one role."""
    changed = factors.copy()
    changed[role] = palette
    return changed
