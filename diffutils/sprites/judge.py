"""Reads a picture back into the grammar: the legal sprite most likely behind it, exactly.

`judge(images)` compares each picture with every legal sprite (all parts, all palettes) and
answers with a `Verdict`. Two readings, both exact:
    - if a legal sprite lies within `TOLERANCE` grey levels at every pixel, it is the one that
      was drawn: there cannot be two, since any two legal sprites differ by more than twice
      the tolerance somewhere. The picture is flawless.
    - otherwise the sprite of the smallest squared error, which is the maximum of the
      likelihood under normally distributed pixel noise. Equal errors go to the earlier shape.

How all sprites are compared in a millisecond or two. With white as zero, y = x - 255 and
d = colour - 255, the squared error of a sprite beyond that of an empty page is
    sum over its pixels of |d|^2 - 2 y . d
which is a sum over colour roles, and given the shape the best palette of one role does not
depend on the others'. The pixels of letters with one palette are a matrix product for each band
of rows, shared by all shapes that look alike there. For the other letters the sum of y under a
letter's mask is a matrix product, shared by all shapes with that mask and by all palettes.
These run in float32; shapes within its rounding error of the best are weighed again in exact
arithmetic, so rounding never decides.

The module also holds the summaries of many verdicts, as shares with 95 % intervals. The search
that proves the tolerance is in closest.py. Not measured: how much a near miss looks like a
sprite to the eye.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from diffutils.expect import as_array, check_kind, check_numbers
from diffutils.pixels import to_uint8
from diffutils.sprites import forge

CLOSEST = 80  # grey levels between the two closest legal sprites, by closest_sprites()
TOLERANCE = (CLOSEST - 1) // 2
CHUNK = 64  # pictures at a time
BLOCK = 2**14  # shapes times pictures at a time
BANDS = 4  # of 4 rows each
PIXELS = forge.HEIGHT**2
# A float32 product of 768 terms, |y d| <= 255^2 each, is off by less than
# 768 * 2^-24 * 768 * 255^2 = 2290; doubled in the error, and again for two shapes compared.
ROUNDING = 4 * 2400


@dataclass
class Verdict:
    """What `judge` read in n pictures; compare `correct`, `flawless` with the legal sprite.

    correct      float64 (n,), the share of pixels within TOLERANCE of the sprite read
    flawless     bool (n,), all pixels are
    class_       int64 (n,), index into forge.CLASSES
    worst_error  int64 (n,), largest difference in a channel, grey levels 0..255
    mean_error   float64 (n,), mean difference over pixels and channels, grey levels
    factors      structured (n,), class, parts and palettes as forge_sprites gives them
    """

    correct: np.ndarray
    flawless: np.ndarray
    class_: np.ndarray
    worst_error: np.ndarray
    mean_error: np.ndarray
    factors: np.ndarray


def judge(images) -> Verdict:
    """Read each picture as the legal sprite most likely behind it.

    images   uint8 (n, 16, 16, 3), or floats (n, 3, 16, 16) in [-1, 1], an array or a tensor;
             floats are clipped and rounded to grey levels, as they would be saved

    Raises TypeError or ValueError where `images` is something else, or not finite.
    """
    images = as_grey_levels(images).reshape(-1, PIXELS, 3)
    if not len(images):
        return compare(images, np.empty(0, forge.FACTORS))
    parts = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    return compare(images, np.concatenate([read_factors(part) for part in parts]))


def as_grey_levels(images) -> np.ndarray:
    """uint8 (n, 16, 16, 3) of either form of images."""
    images = as_array("judge", "images", images)
    height = forge.HEIGHT
    if images.dtype == np.uint8:
        expected = (height, height, 3)
    elif np.issubdtype(images.dtype, np.floating):
        expected = (3, height, height)
    else:
        raise TypeError(f"judge: images holds {images.dtype}; expected uint8 or floats")
    if images.ndim != 4 or images.shape[1:] != expected:
        raise ValueError(
            f"judge: images has shape {images.shape}; expected {('n', *expected)} "
            f"for {images.dtype}"
        )
    if images.dtype == np.uint8:
        return images
    if not np.isfinite(images).all():
        raise ValueError("judge: images holds a value that is not finite; expected [-1, 1]")
    return to_uint8(torch.from_numpy(np.ascontiguousarray(images, np.float64)))


def compare(images: np.ndarray, factors: np.ndarray) -> Verdict:
    """The verdict of images (n, 256, 3) against the sprites of `factors`."""
    drawn = forge.render(factors).reshape(-1, PIXELS, 3)
    error = np.abs(images.astype(np.int16) - drawn)
    correct = (error.max(2) <= TOLERANCE).mean(1) if len(error) else np.empty(0)
    return Verdict(
        correct,
        correct == 1,
        factors["class"].astype(np.int64),
        error.max((1, 2), initial=0).astype(np.int64),
        error.mean((1, 2)) if len(error) else np.empty(0),
        factors,
    )


def read_factors(images: np.ndarray) -> np.ndarray:
    """Factors (b,) of images uint8 (b, 256, 3)."""
    errors = squared_errors(images)  # (S, b)
    shapes = all_shapes()
    shape, picture = np.nonzero(errors <= errors.min(0) + ROUNDING)
    exact, choices = weigh(shapes.labels(shape), images[picture])
    order = np.lexsort((shape, exact, picture))
    first = order[np.unique(picture[order], return_index=True)[1]]
    shape, choices = shape[first], choices[first]
    # pictures within the tolerance of a sprite that is not the closest in squared error
    blank = ((images.astype(np.float64) - 255) ** 2).sum((1, 2))
    limit = 3 * PIXELS * TOLERANCE**2 - blank + ROUNDING
    flawless = within(shapes.labels(shape), choices, images)
    for b in np.flatnonzero(~flawless & (exact[first] <= limit)):
        near = np.flatnonzero(errors[:, b] <= limit[b])
        found = find_within(shapes.labels(near), images[b])
        if found is not None:
            shape[b], choices[b] = near[found[0]], found[1]
    return shapes.factors(shape, choices)


# --- every shape of every class -------------------------------------------------------


@dataclass
class Shapes:
    """The shapes of all classes, one after the other: class_ (S,) and parts (S, 8), -1 in the
    slots that a class does not have."""

    class_: np.ndarray
    parts: np.ndarray

    def labels(self, shape: np.ndarray) -> np.ndarray:
        """uint8 (n, 256), the letters of shapes (n,)."""
        found = np.empty((len(shape), PIXELS), np.uint8)
        for k, name in enumerate(forge.CLASSES):
            rows, first = np.flatnonzero(self.class_[shape] == k), np.searchsorted(self.class_, k)
            found[rows] = forge.class_table(name).labels(shape[rows] - first)
        return found

    def factors(self, shape: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """Structured factors (n,) of shapes (n,) in palettes (n, 10)."""
        columns = np.column_stack([self.class_[shape], self.parts[shape], choices])
        records = [tuple(row) for row in columns.tolist()]
        return np.array(records, forge.FACTORS)


@functools.cache
def all_shapes() -> Shapes:
    """The Shapes of the grammar, built once."""
    tables = [forge.class_table(name) for name in forge.CLASSES]
    width = len(forge.SLOT_FIELDS)
    parts = [
        np.pad(table.parts, ((0, 0), (0, width - len(table.slots))), constant_values=-1)
        for table in tables
    ]
    class_ = np.repeat(range(len(tables)), [len(table) for table in tables])
    return Shapes(class_, np.concatenate(parts))


@functools.cache
def letter_colours() -> np.ndarray:
    """float64 (34, P, 3), each letter's colour in each palette, minus white."""
    table = forge.colour_table()
    most = table.shape[1]
    plain = np.repeat(np.array(forge.PLAIN_COLOURS)[:, None], most, axis=1)
    coloured = table.transpose(0, 2, 1, 3).reshape(-1, most, 3)
    return np.concatenate([plain, coloured]) - 255.0


@functools.cache
def different_colours() -> tuple[np.ndarray, np.ndarray]:
    """(int16 (C, 3), each colour once; int (34, P), which one a letter has in a palette)."""
    colours = (letter_colours() + 255).astype(np.int16)
    different, index = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True)
    return different, index.reshape(colours.shape[:2])


# --- all errors of a batch, in float32 ------------------------------------------------


@dataclass
class RoleReader:
    """One role's pixels in the shapes of a class, and what its palettes cost.

    role      int, which one of ROLES
    tones     for each tone, (columns (K,), masks bool (U, K)): the different masks
    which     int (V, 3), the three masks of each different way the role is drawn
    of_shape  int (S,), the way the role is drawn in each shape
    colours   float32 (P, 9), minus white, tone by tone
    base      float32 (P, V, 1), sum of |d|^2 over the role's pixels
    """

    role: int
    tones: list
    which: np.ndarray
    of_shape: np.ndarray
    colours: np.ndarray
    base: np.ndarray

    def best_errors(self, y: np.ndarray) -> np.ndarray:
        """float32 (V, b): the error of the best palette, from y float32 (256, 3, b)."""
        pictures = y.shape[2]
        totals = []
        for columns, masks in self.tones:
            total = masks.astype(np.float32) @ y[columns].reshape(-1, 3 * pictures)
            totals.append(total.reshape(-1, 3, pictures))
        best = np.empty((len(self.which), pictures), np.float32)
        for ways in blocks(len(best), pictures):
            sums = [
                total.take(self.which[ways, tone], axis=0).swapaxes(0, 1)  # channel, way, picture
                for tone, total in enumerate(totals)
            ]
            products = -2 * self.colours @ np.concatenate(sums).reshape(9, -1)
            products = products.reshape(len(self.colours), -1, pictures)
            products += self.base[:, ways]
            products.min(0, out=best[ways])
        return best


@dataclass
class BandReader:
    """Four rows of the grid: the colours of letters with one palette, each pattern once.

    columns   (K,), the pixels of the band where some shape has such a letter
    colours   int16 (V, 3 K), minus white
    base      float32 (V, 1), their sum of squares
    of_shape  int (S,), the pattern of each shape
    """

    columns: np.ndarray
    colours: np.ndarray
    base: np.ndarray
    of_shape: np.ndarray

    def errors(self, y: np.ndarray) -> np.ndarray:
        """float32 (V, b), from y float32 (256, 3, b)."""
        products = self.colours.astype(np.float32) @ y[self.columns].reshape(-1, y.shape[2])
        products *= -2
        products += self.base
        return products


def blocks(count: int, pictures: int) -> Iterator[slice]:
    """The rows below `count`, some at a time: what is computed of them stays small."""
    step = max(1, BLOCK // pictures)
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def different_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the different rows, the index of each row among them)."""
    rows = np.ascontiguousarray(rows)
    keys = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], index


def only(letters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels with every letter transparent but those where `letters`, bool (34,), is true."""
    return (letters * np.arange(len(letters), dtype=np.uint8))[labels]


def role_reader(labels: np.ndarray, role: int) -> RoleReader:
    """The RoleReader of labels uint8 (S, 256)."""
    first = len(forge.PLAIN_COLOURS) + 3 * role
    drawn, of_shape = different_rows(only(forge.ROLE_OF_LABEL == role, labels))
    tones, which = [], []
    for letter in range(first, first + 3):
        masks, index = different_rows(drawn == letter)
        columns = np.flatnonzero(masks.any(0))
        tones.append((columns, masks[:, columns]))
        which.append(index)
    colours = letter_colours()[first : first + 3, : forge.palette_counts()[role]]
    counts = np.stack([(drawn == letter).sum(1) for letter in range(first, first + 3)])
    base = (colours**2).sum(2).T @ counts
    return RoleReader(
        role,
        tones,
        np.stack(which, 1),
        of_shape,
        colours.swapaxes(0, 1).reshape(-1, 9).astype(np.float32),
        base[:, :, None].astype(np.float32),
    )


def band_reader(labels: np.ndarray, pixels: np.ndarray) -> BandReader:
    """The BandReader of labels uint8 (S, 256) without letters of several palettes."""
    drawn, of_shape = different_rows(labels[:, pixels])
    used = drawn.any(0)
    colours = letter_colours()[drawn[:, used], 0].reshape(len(drawn), -1)
    base = (colours**2).sum(1, keepdims=True).astype(np.float32)
    return BandReader(pixels[used], colours.astype(np.int16), base, of_shape)


@functools.cache
def class_readers(name: str) -> tuple[list[BandReader], list[RoleReader]]:
    """What reads the shapes of a class, built once."""
    table = forge.class_table(name)
    several = forge.palette_counts() > 1
    roles, labels = np.flatnonzero(several & table.shows.any(0)), table.labels()
    plain = only((forge.ROLE_OF_LABEL < 0) | ~several[forge.ROLE_OF_LABEL], labels)
    bands = np.split(np.arange(PIXELS), BANDS)
    return (
        [band_reader(plain, pixels) for pixels in bands if plain[:, pixels].any()],
        [role_reader(labels, k) for k in roles],
    )


def squared_errors(images: np.ndarray) -> np.ndarray:
    """float32 (S, b): squared error beyond an empty page's of each shape's best palettes."""
    y = np.ascontiguousarray(images.transpose(1, 2, 0), np.float32) - 255  # (256, 3, b)
    errors = np.empty((len(all_shapes().class_), len(images)), np.float32)
    start = 0
    for name in forge.CLASSES:
        bands, roles = class_readers(name)
        pieces = [(band.errors(y), band.of_shape) for band in bands]
        pieces += [(role.best_errors(y), role.of_shape) for role in roles]
        end = start + len(forge.class_table(name))
        for shapes in blocks(end - start, len(images)):
            errors[start:end][shapes] = sum(
                found.take(of_shape[shapes], axis=0) for found, of_shape in pieces
            )
        start = end
    return errors


# --- single sprites, in exact arithmetic ----------------------------------------------


def weigh(labels: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared error beyond an empty page's, and the palettes, of labels (n, 256) for each image.

    Returns (float64 (n,) of whole numbers, int (n, 10), -1 where a role does not show).
    """
    count, letters = len(labels), len(forge.LETTERS)
    keys = (np.arange(count)[:, None] * letters + labels).ravel()
    pixels = np.bincount(keys, minlength=count * letters).reshape(count, letters, 1)
    sums = [
        np.bincount(keys, images[:, :, channel].ravel() - 255.0, count * letters)
        for channel in range(3)
    ]
    sums = np.stack(sums, 1).reshape(count, letters, 3)
    colours = letter_colours()
    errors = pixels * (colours**2).sum(2) - 2 * np.einsum("nlc,lpc->nlp", sums, colours)
    plain = len(forge.PLAIN_COLOURS)
    role_errors = errors[:, plain:].reshape(count, -1, 3, colours.shape[1]).sum(2)
    total = errors[:, :plain, 0].sum(1) + role_errors.min(2).sum(1)
    return total, np.where(forge.roles_shown(labels), role_errors.argmin(2), -1)


def within(labels: np.ndarray, choices: np.ndarray, images: np.ndarray) -> np.ndarray:
    """bool (n,): every pixel of the image lies within TOLERANCE of the sprite."""
    drawn = forge.colour_images(labels, choices).reshape(-1, PIXELS, 3)
    return (np.abs(images.astype(np.int16) - drawn) <= TOLERANCE).all((1, 2))


def find_within(labels: np.ndarray, image: np.ndarray):
    """(row, palettes) of the sprite of labels (m, 256) within TOLERANCE of the image, or None."""
    colours, index = different_colours()
    close = np.abs(image.T[:, :, None] - colours.T[:, None]) <= TOLERANCE  # (3, 256, C)
    close = close.all(0)[:, index]  # (256, 34, P)
    possible = close.any(2)[np.arange(PIXELS), labels].all(1)
    for row in np.flatnonzero(possible):
        role = forge.ROLE_OF_LABEL[labels[row]]
        fits = close[np.arange(PIXELS), labels[row]]  # (256, P)
        fits = np.stack([fits[role == k].all(0) for k in range(len(forge.ROLES))])
        if fits.any(1).all():
            shown = forge.roles_shown(labels[row : row + 1])[0]
            return row, np.where(shown, fits.argmax(1), -1)
    return None


# --- summaries of many verdicts -------------------------------------------------------


@dataclass
class Share:
    """`count` of `total`, with the interval of Wilson (1927) at 95 %: `low` <= share <= `high`.

    With z = 1.96, p = count / total, n = total:
        (p + z^2 / 2n  +-  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    Of nothing, the share is not a number and the interval is 0..1.
    """

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total if self.total else math.nan

    @property
    def low(self) -> float:
        return self._bound(-1)

    @property
    def high(self) -> float:
        return self._bound(+1)

    def _bound(self, sign: int) -> float:
        if not self.total:
            return 0.0 if sign < 0 else 1.0
        p, n, z = self.share, self.total, 1.959964
        half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return min(1.0, max(0.0, (p + z**2 / (2 * n) + sign * half) / (1 + z**2 / n)))

    def __str__(self) -> str:
        if not self.total:
            return "0 of 0"
        low, high = 100 * self.low, 100 * self.high
        return f"{100 * self.share:.1f} % ({low:.1f}..{high:.1f}), {self.count} of {self.total}"


def share_of(hits: np.ndarray) -> Share:
    """The Share of True in a bool array."""
    hits = as_array("share_of", "hits", hits)
    if hits.dtype != bool:
        raise TypeError(f"share_of: hits holds {hits.dtype}; expected True and False")
    return Share(int(hits.sum()), hits.size)


def shares_apart(one: Share, other: Share) -> float:
    """How many standard errors lie between two shares of independent samples, one minus other.

    With p the share of both together: (p1 - p2) / sqrt(p (1 - p) (1 / n1 + 1 / n2)), the test of
    two proportions. Two shares of one law differ by more than 1.96 once in twenty times. 0 where
    both are 0 or both are 1; not a number where one is of nothing.
    """
    check_kind("shares_apart", "one", one, Share)
    check_kind("shares_apart", "other", other, Share)
    if not one.total or not other.total:
        return math.nan
    together = (one.count + other.count) / (one.total + other.total)
    error = math.sqrt(together * (1 - together) * (1 / one.total + 1 / other.total))
    return (one.share - other.share) / error if error else 0.0


def flawless(verdict: Verdict) -> Share:
    """Of all pictures, those with every pixel within the tolerance of a legal sprite."""
    check_kind("flawless", "verdict", verdict, Verdict)
    return share_of(verdict.flawless)


def seen(factors: np.ndarray, training_factors: np.ndarray) -> np.ndarray:
    """bool (n,): the very sprite, parts and palettes, is among the training set's."""
    factors = forge.check_factors("seen", "factors", factors)
    training_factors = forge.check_factors("seen", "training_factors", training_factors)
    known = set(training_factors.tolist())
    return np.array([row in known for row in factors.tolist()], bool)


def novel(verdict: Verdict, training_factors: np.ndarray) -> Share:
    """Of the flawless pictures, those that are no sprite of the training set."""
    check_kind("novel", "verdict", verdict, Verdict)
    forge.check_factors("novel", "training_factors", training_factors)
    return share_of(~seen(verdict.factors[verdict.flawless], training_factors))


def copied(verdict: Verdict, training_factors: np.ndarray) -> Share:
    """Of all pictures, those that are a sprite of the training set within the tolerance."""
    check_kind("copied", "verdict", verdict, Verdict)
    forge.check_factors("copied", "training_factors", training_factors)
    return share_of(verdict.flawless & seen(verdict.factors, training_factors))


def held_out(verdict: Verdict) -> Share:
    """Of the flawless pictures, those with a pair of parts that "train" never has."""
    check_kind("held_out", "verdict", verdict, Verdict)
    return share_of(is_held_out(verdict.factors[verdict.flawless]))


def is_held_out(factors: np.ndarray) -> np.ndarray:
    """bool (n,): the sprite's shape is kept out of the split "train"."""
    factors = forge.check_factors("is_held_out", "factors", factors)
    found = np.zeros(len(factors), bool)
    for k, name in enumerate(forge.CLASSES):
        rows = factors["class"] == k
        if rows.any():
            table = forge.class_table(name)
            shape = forge.shape_index(table, factors[rows], "is_held_out")
            found[rows] = table.held_out[shape]
    return found


def coverage(verdict: Verdict, training_factors: np.ndarray) -> dict[str, Share]:
    """For each factor, of the training sprites that have it, those whose value was drawn too.

    A value counts as drawn if a flawless picture has it. The factors are "class", the slots
    as "hero head", and the roles. 1 means that every part (or palette) of the training set
    comes up among the flawless pictures; rare parts weigh as much as they do in training.
    """
    check_kind("coverage", "verdict", verdict, Verdict)
    training_factors = forge.check_factors("coverage", "training_factors", training_factors)
    drawn = verdict.factors[verdict.flawless]
    found = {"class": share_of(np.isin(training_factors["class"], drawn["class"]))}
    for k, name in enumerate(forge.CLASSES):
        trained = training_factors[training_factors["class"] == k]
        ours = drawn[drawn["class"] == k]
        slots = forge.class_table(name).slots if len(trained) else ()
        for slot, part in zip(forge.SLOT_FIELDS, slots, strict=False):
            found[f"{name} {part}"] = share_of(np.isin(trained[slot], ours[slot]))
    for role in forge.ROLES:
        values = training_factors[role][training_factors[role] >= 0]
        if len(values):
            found[role] = share_of(np.isin(values, drawn[role]))
    return found


def different_parts(factors: np.ndarray) -> int:
    """How many different values sprites have in all: parts of each class, palettes of each role.

    factors   (n,), as `forge_sprites` gives them; what is not there, -1, does not count
    """
    factors = forge.check_factors("different_parts", "factors", factors)
    parts = [factors[factors["class"] == k][slot] for k in range(len(forge.CLASSES))
             for slot in forge.SLOT_FIELDS]
    values = [*parts, *(factors[role] for role in forge.ROLES)]
    return sum(len(np.unique(some[some >= 0])) for some in values)


def class_agreement(verdict: Verdict, contexts) -> Share:
    """Of the pictures asked for with one class above the others, those read as that class.

    contexts  (n, 5), what each picture was asked for; rows without a single largest value
              (mixtures of equals, no class at all) are not counted
    """
    check_kind("class_agreement", "verdict", verdict, Verdict)
    contexts = check_numbers("class_agreement", "contexts", contexts)
    if contexts.shape != (len(verdict.class_), len(forge.CLASSES)):
        raise ValueError(
            f"class_agreement: contexts has shape {contexts.shape}; "
            f"expected ({len(verdict.class_)}, {len(forge.CLASSES)})"
        )
    clear = (contexts == contexts.max(1, keepdims=True)).sum(1) == 1
    return share_of((contexts.argmax(1) == verdict.class_)[clear])
