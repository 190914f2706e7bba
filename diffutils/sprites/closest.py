"""The two closest legal sprites, found by an exact search over the whole grammar.

The distance of two sprites is the largest difference of any channel of any pixel, in grey
levels. The judge's tolerance follows from the smallest: two sprites further apart than twice
the tolerance cannot both be within it of one picture.

There are some 10^13 pairs of sprites, but the distance of two shapes, in the palettes that bring
them closest, needs no enumeration of sprites:
    1. Two letters, each in its best palette, have a smallest distance. The largest of these
       over the 256 pixels is a lower bound for two shapes. Stripes of 8 pixels are compared
       first, each different stripe once, and shapes that differ in one stripe are dropped.
    2. What is left depends only on which letters meet which. For each such set, every palette
       of one sprite's roles is tried; given those, the other sprite's roles choose apart.
Two sprites of one shape are closest if they differ in one role's palette.

    python -m diffutils.sprites.closest

prints the pair. After a change to the art, CLOSEST in judge.py is to be the distance it names.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffutils.sprites import forge
from diffutils.sprites.judge import all_shapes, letter_colours

STRIPE = 8


@dataclass
class Pair:
    """Two legal sprites: their distance in grey levels and their factors (2,)."""

    distance: int
    factors: np.ndarray

    def __str__(self) -> str:
        first, second = (describe(one) for one in self.factors)
        return f"{self.distance} grey levels between\n  {first}\n  {second}"


def describe(factors) -> str:
    """One sprite's factors in words: 'food: body apple, face none; main berry'."""
    table = forge.class_table(forge.CLASSES[factors["class"]])
    parts = [
        f"{slot} {names[factors[field]]}"
        for slot, names, field in zip(
            table.slots, table.part_names, forge.SLOT_FIELDS, strict=False
        )
    ]
    colours = [
        f"{role} {forge.palettes()[role][0][factors[role]]}"
        for role in forge.ROLES
        if factors[role] >= 0 and len(forge.palettes()[role][0]) > 1
    ]
    return f"{table.name}: {', '.join(parts)}; {', '.join(colours) or 'fixed colours'}"


def closest_sprites() -> Pair:
    """The two legal sprites with the smallest distance; the first found among equals."""
    best = min(same_shape_pairs(), key=lambda pair: pair.distance)
    for pair in different_shape_pairs(best.distance):
        if pair.distance < best.distance:
            best = pair
    return best


def letter_distances() -> np.ndarray:
    """int16 (34, P, 34, P): the largest channel difference of two letters in two palettes."""
    colours = letter_colours().astype(np.int16)
    return np.abs(colours[:, :, None, None] - colours).max(4)


def palettes_of_letter() -> np.ndarray:
    """int (34,), how many palettes each letter's role has; 1 for the plain letters."""
    return np.where(forge.ROLE_OF_LABEL < 0, 1, forge.palette_counts()[forge.ROLE_OF_LABEL])


def same_shape_pairs() -> Iterator[Pair]:
    """For each role and each set of tones shown alone, its two closest palettes in a shape."""
    shapes, distances = all_shapes(), letter_distances()
    labels = shapes.labels(np.arange(len(shapes.class_)))
    for role in np.flatnonzero(forge.palette_counts() > 1):
        letters = len(forge.PLAIN_COLOURS) + 3 * role + np.arange(3)
        shown = np.stack([(labels == letter).any(1) for letter in letters], 1)
        for tones in np.unique(shown[shown.any(1)], axis=0):
            shape = np.flatnonzero((shown == tones).all(1))[0]
            tables = [distances[letter, :, letter, :] for letter in letters[tones]]
            table = np.max(tables, axis=0)[: forge.palette_counts()[role]]
            table = table[:, : len(table)] + 256 * np.eye(len(table), dtype=np.int16)
            first, second = np.unravel_index(table.argmin(), table.shape)
            choices = np.where(forge.roles_shown(labels[[shape, shape]]), 0, -1)
            choices[:, role] = first, second
            yield Pair(int(table.min()), shapes.factors(np.array([shape, shape]), choices))


def different_shape_pairs(limit: int) -> Iterator[Pair]:
    """Pairs of different shapes in their closest palettes, all with a distance below `limit`.

    One pair for each set of letters that meet; other pairs of shapes with that set are as close.
    """
    shapes, distances = all_shapes(), letter_distances()
    for first, second, meetings in meeting_letters(limit):
        distance, palettes = best_palettes(np.argwhere(meetings), distances)
        if distance < limit:
            pair = np.array([first, second])
            choices = np.where(forge.roles_shown(shapes.labels(pair)), palettes, -1)
            yield Pair(distance, shapes.factors(pair, choices))


def meeting_letters(limit: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """(shape, other shape, bool (34, 34) letters that meet) of shapes not known to be apart."""
    shapes, letters = all_shapes(), len(forge.LETTERS)
    labels = shapes.labels(np.arange(len(shapes.class_)))
    seen = set()
    for first, others in near_shapes(labels, limit):
        keys = labels[first].astype(np.int64) * letters + labels[others]
        meetings = np.zeros((len(others), letters**2), bool)
        meetings[np.arange(len(others))[:, None], keys] = True
        for second, row in zip(others, meetings, strict=True):
            packed = np.packbits(row).tobytes()
            if packed not in seen:
                seen.add(packed)
                yield first, second, row.reshape(letters, letters)


def near_shapes(labels: np.ndarray, limit: int) -> Iterator[tuple[int, np.ndarray]]:
    """(shape, later shapes (m,)) where no pixel's letters are `limit` apart in all palettes."""
    nearest = letter_distances().min((1, 3))
    stripes = []
    for start in range(0, labels.shape[1], STRIPE):
        different, index = np.unique(
            labels[:, start : start + STRIPE], axis=0, return_inverse=True
        )
        near = np.ones((len(different), len(different)), bool)
        for column in different.T:
            near &= nearest[column[:, None], column] < limit
        share = near[index][:, index].mean() if len(index) < 2000 else near.mean()
        stripes.append((share, near, index))
    stripes.sort(key=lambda stripe: stripe[0])
    for first in range(len(labels) - 1):
        others = np.arange(first + 1, len(labels))
        for _, near, index in stripes:
            others = others[near[index[first]][index[others]]]
        if len(others):
            yield first, others


def best_palettes(meetings: np.ndarray, distances: np.ndarray) -> tuple[int, np.ndarray]:
    """(distance, palettes (2, 10)) of two shapes whose letters meet as in `meetings` (m, 2)."""
    counts, role_of = palettes_of_letter(), forge.ROLE_OF_LABEL
    tables = {}
    for a, b in meetings:
        table = distances[a, : counts[a], b, : counts[b]]
        roles = int(role_of[a]), int(role_of[b])
        tables[roles] = np.maximum(tables[roles], table) if roles in tables else table
    firsts = {roles[0]: table.shape[0] for roles, table in tables.items()}
    grid = np.array(list(itertools.product(*map(range, firsts.values()))))  # (G, first roles)
    column = {role: k for k, role in enumerate(firsts)}
    worst, answers = np.zeros(len(grid), np.int16), {}
    for second in {roles[1] for roles in tables}:
        costs = [
            table[grid[:, column[roles[0]]]]
            for roles, table in tables.items()
            if roles[1] == second
        ]
        cost = np.max(costs, axis=0)  # (G, P)
        answers[second] = cost.argmin(1)
        worst = np.maximum(worst, cost.min(1))
    best = worst.argmin()
    palettes = np.zeros((2, len(forge.ROLES)), int)
    for role in firsts:
        palettes[0, role] = grid[best, column[role]] if role >= 0 else palettes[0, role]
    for role, answer in answers.items():
        palettes[1, role] = answer[best] if role >= 0 else palettes[1, role]
    return int(worst[best]), palettes


if __name__ == "__main__":
    print(closest_sprites())
