"""Forge game sprites from parts and palettes: 16x16 pixels, five classes, known factors.

A sprite is one part for each slot of its class (body, garment, head, held item ...),
painted in order on a white grid, and one palette for each colour role that shows.
The parts are text pictures in art/<class>.txt, the palettes are lines of art/palettes.txt.

Contract: the same seed gives the same bytes on every platform. Only PCG64's raw 64-bit
numbers and integer arithmetic decide what is drawn. Images are uint8 (n, 16, 16, 3).

    letters  .            transparent (white where nothing covers it)
             o w i        outline, gleam, pupil
             S s z ...    one role in three tones: light, mid, shade
"""
from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib

import numpy as np

from diffutils.expect import MOST_NUMBERS, check_choice, check_count, check_list

HEIGHT = 16
CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")
SPLITS = ("train", "held_out", "all")
HELD_OUT_EVERY = 5
MOST_PER_CLASS = 60_000
ROLE_LETTERS = {
    "skin": "Ssz", "hair": "Hhj", "cloth": "Ccd", "trim": "Tty", "main": "Aaq",
    "accent": "Eef", "metal": "Mmn", "brown": "Bbv", "leaf": "Llg", "fire": "Rrx",
}
ROLES = tuple(ROLE_LETTERS)
LETTERS = ".owi" + "".join(ROLE_LETTERS.values())
PLAIN_COLOURS = ((255, 255, 255), (44, 22, 48), (255, 250, 235), (28, 20, 40))
ROLE_OF_LABEL = np.array([-1] * len(PLAIN_COLOURS) + [k for k in range(len(ROLES))
                                                      for _ in range(3)], np.int8)
MAX_SLOTS = 8
SLOT_FIELDS = tuple(f"slot_{k}" for k in range(MAX_SLOTS))
FACTORS = np.dtype([(name, np.int16) for name in ("class", *SLOT_FIELDS, *ROLES)])
BOB = {"garment": "cape", "face": "smile", "head": "spiky", "held": "sword",
       "skin": "fair", "hair": "ginger", "cloth": "blue", "trim": "gold"}
ART = pathlib.Path(__file__).parent / "art"


@dataclasses.dataclass(frozen=True)
class Part:
    """One text picture, placed on the grid: labels uint8 (16, 16), indices into LETTERS."""

    slot: str
    name: str
    labels: np.ndarray
    where: str


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """All legal shapes of one class. S shapes, K slots, 10 roles.

    slots        names of the slots, in the order of painting
    part_names   for each slot, the names of its parts
    pictures     for each slot, uint8 (parts, 256), each pixel's index into LETTERS
    parts        int16 (S, K), the part in each slot
    shows        bool (S, 10), whether a role shows in the shape
    held_out     bool (S,), whether the shape is kept out of the split "train"
    sprites      int64 (S,), how many palette choices each shape has
    """

    name: str
    slots: tuple[str, ...]
    part_names: tuple[tuple[str, ...], ...]
    pictures: tuple[np.ndarray, ...]
    parts: np.ndarray
    shows: np.ndarray
    held_out: np.ndarray
    sprites: np.ndarray

    def __len__(self):
        return len(self.parts)

    def labels(self, shapes=slice(None)):
        """uint8 (n, 256) of these shapes, or of all, as `paint` makes them: not kept, 6 MB."""
        return paint(self.pictures, self.parts[shapes])


# --- reading the art -----------------------------------------------------------------


def read_palettes(path):
    """Palettes of each role: {role: (names, uint8 (palettes, 3 tones, 3 channels))}."""
    found = {role: ([], []) for role in ROLES}
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 6 or words[0] != "palette" or words[1] not in found:
            raise ValueError(f"{path}:{number}: got {line!r}, expected "
                             "'palette <role> <name> <light> <mid> <shade>'")
        names, tones = found[words[1]]
        names.append(words[2])
        tones.append([read_colour(word, f"{path}:{number}") for word in words[3:]])
    empty = [role for role, (names, _) in found.items() if not names]
    if empty:
        raise ValueError(f"{path}: no palette for the role {empty[0]!r}")
    return {role: (tuple(names), np.array(tones, np.uint8))
            for role, (names, tones) in found.items()}


def read_lines(path):
    """The lines of a plain ASCII file, trailing blanks removed."""
    lines = pathlib.Path(path).read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.isascii():
            raise ValueError(f"{path}:{number}: got {line!r}, expected plain ASCII")
    return [line.decode("ascii").rstrip() for line in lines]


def read_colour(word, where):
    """'#rrggbb' as a tuple of three integers 0..255."""
    digits = word[1:]
    if len(word) != 7 or word[0] != "#" or set(digits) - set("0123456789abcdefABCDEF"):
        raise ValueError(f"{where}: got the colour {word!r}, expected '#rrggbb'")
    return tuple(int(digits[i:i + 2], 16) for i in (0, 2, 4))


def read_art(path, class_):
    """The parts of one class from its art file: {slot: [Part, ...]}, in painting order.

    A file holds blocks with blank lines between them; a block is

        part <class> <slot> <name> <row> <column>
        ..oo..
        .oSSo.

    A line `slots <class> <slot> <slot> ...` sets the order of painting; without it, the
    slots are painted in the order in which the file first mentions them.
    """
    lines = read_lines(path)
    slots, order = {}, None
    number = 0
    while number < len(lines):
        words, where = lines[number].split(), f"{path}:{number + 1}"
        if words and not words[0].startswith("#"):
            if words[0] not in ("part", "slots") or words[1:2] != [class_]:
                raise ValueError(f"{where}: got {lines[number]!r}, expected 'part {class_} "
                                 f"...', 'slots {class_} ...', '# ...' or a blank line")
            if words[0] == "slots":
                order = words[2:]
            else:
                picture = list(itertools.takewhile(str.strip, lines[number + 1:]))
                add_part(slots, read_part(words, picture, path, number + 1))
                number += len(picture)
        number += 1
    return slots if order is None else in_order(slots, order, path)


def read_part(words, picture, path, number):
    """One block as a Part; checks the header on line `number`, the size and the letters."""
    where = f"{path}:{number}"
    if len(words) != 6 or not (words[4].isdecimal() and words[5].isdecimal()):
        raise ValueError(f"{where}: got {' '.join(words)!r}, "
                         "expected 'part <class> <slot> <name> <row> <column>'")
    if not picture:
        raise ValueError(f"{where}: part {words[3]!r} has no picture")
    row, column, width = int(words[4]), int(words[5]), len(picture[0])
    if row + len(picture) > HEIGHT or column + width > HEIGHT:
        raise ValueError(f"{where}: a picture of {len(picture)}x{width} at row {row}, column "
                         f"{column} leaves the {HEIGHT}x{HEIGHT} grid")
    for k, text in enumerate(picture, number + 1):
        check_row(text, width, f"{path}:{k}")
    labels = np.zeros((HEIGHT, HEIGHT), np.uint8)
    labels[row:row + len(picture), column:column + width] = [
        [LETTERS.index(letter) for letter in text] for text in picture]
    return Part(words[2], words[3], labels, where)


def check_row(text, width, where):
    """A row of a picture: as wide as the first, known letters only."""
    if len(text) != width:
        raise ValueError(f"{where}: got {len(text)} letters, expected {width} "
                         "as in the first row")
    unknown = sorted(set(text) - set(LETTERS))
    if unknown:
        raise ValueError(f"{where}: got the letter {unknown[0]!r}, expected one of {LETTERS!r}")


def add_part(slots, part):
    """Append a part to its slot; a name may come once a slot."""
    same = [other for other in slots.get(part.slot, []) if other.name == part.name]
    if same:
        raise ValueError(f"{part.where}: part {part.name!r} of slot {part.slot!r} "
                         f"was drawn before, at {same[0].where}")
    slots.setdefault(part.slot, []).append(part)


def in_order(slots, order, path):
    """The slots in the order of painting; the order must name each slot once."""
    if sorted(order) != sorted(slots):
        raise ValueError(f"{path}: the line 'slots' names {order}, expected each of "
                         f"{sorted(slots)} once")
    return {slot: slots[slot] for slot in order}


# --- the grammar ---------------------------------------------------------------------


@functools.cache
def palettes():
    """{role: (names, uint8 (palettes, 3, 3))} from art/palettes.txt, read once."""
    return read_palettes(ART / "palettes.txt")


@functools.cache
def palette_counts():
    """int64 (10,), how many palettes each role has."""
    return np.array([len(palettes()[role][0]) for role in ROLES])


@functools.cache
def class_table(name):
    """The ClassTable of one class, from art/<name>.txt, built once."""
    if name not in CLASSES:
        raise ValueError(f"class_table: got the class {name!r}, expected one of {CLASSES}")
    path = ART / f"{name}.txt"
    return build_table(name, read_art(path, name), path)


def build_table(name, slots, where):
    """Paint every combination of parts and keep the shapes that look different."""
    if not 2 <= len(slots) <= MAX_SLOTS:
        raise ValueError(f"{where}: class {name!r} has {len(slots)} slots, "
                         f"expected 2..{MAX_SLOTS}")
    counts = [len(parts) for parts in slots.values()]
    parts = np.indices(counts).reshape(len(counts), -1).T.astype(np.int16)
    pictures = tuple(np.stack([part.labels.ravel() for part in slots[slot]]) for slot in slots)
    labels = paint(pictures, parts)
    rows = labels.view(np.dtype((np.void, labels.shape[1]))).ravel()
    first = np.sort(np.unique(rows, return_index=True)[1])
    parts, labels = parts[first], labels[first]
    shows = roles_shown(labels)
    sprites = np.where(shows, palette_counts(), 1).prod(1)
    names = tuple(tuple(part.name for part in slots[slot]) for slot in slots)
    return ClassTable(name, tuple(slots), names, pictures, parts, shows,
                      is_held_out(parts, counts), sprites)


def paint(pictures, parts):
    """Label maps uint8 (S, 256): later slots cover earlier ones where not transparent."""
    labels = np.zeros((len(parts), HEIGHT * HEIGHT), np.uint8)
    for of_slot, chosen in zip(pictures, parts.T, strict=True):
        layer = of_slot[chosen]
        np.copyto(labels, layer, where=layer > 0)
    return labels


def roles_shown(labels):
    """bool (S, 10): a role shows in a shape if any pixel has one of its three letters."""
    role = ROLE_OF_LABEL[labels]
    return np.stack([(role == k).any(1) for k in range(len(ROLES))], 1)


def is_held_out(parts, counts):
    """bool (S,): the pairs of parts kept out of "train".

    Of the two slots with the most parts, the pair (a, b) is held out if a + b leaves the
    remainder 4 after division by 5. Each part alone stays in.
    """
    a, b = np.argsort(counts, kind="stable")[-2:]
    return (parts[:, a] + parts[:, b]) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def count_sprites():
    """How many different sprites are legal: {class: count, ..., "total": count}."""
    counts = {name: int(class_table(name).sprites.sum()) for name in CLASSES}
    return {**counts, "total": sum(counts.values())}


# --- drawing -------------------------------------------------------------------------


@functools.cache
def colour_table():
    """uint8 (10 roles, palettes, 3 tones, 3): every palette; roles with fewer repeat one."""
    most = palette_counts().max()
    return np.stack([np.resize(palettes()[role][1], (most, 3, 3)) for role in ROLES])


@functools.cache
def packed_colours():
    """colour_table and PLAIN_COLOURS with each colour as one little-endian uint32."""
    def pack(colours):
        return (np.asarray(colours, np.uint32) << np.array([0, 8, 16], np.uint32)).sum(
            -1, dtype=np.uint32)
    return pack(PLAIN_COLOURS), pack(colour_table())


def colour_images(labels, choices):
    """Images uint8 (n, 16, 16, 3) of labels (n, 256) in palettes (n, 10); -1 is unused."""
    plain, coloured = packed_colours()
    tones = coloured[np.arange(len(ROLES)), np.maximum(choices, 0)]     # (n, 10, 3)
    lookup = np.concatenate([np.broadcast_to(plain, (len(labels), len(plain))),
                             tones.reshape(len(labels), -1)], 1)        # (n, 34)
    pixels = np.take_along_axis(lookup, labels, 1).astype("<u4")
    channels = pixels.view(np.uint8).reshape(-1, HEIGHT, HEIGHT, 4)
    return np.ascontiguousarray(channels[..., :3])


def palette_choices(shows, code):
    """Palettes int16 (n, 10) from a mixed-radix code (n,); -1 where a role is hidden."""
    choices = np.full(shows.shape, -1, np.int16)
    code = np.array(code, np.int64)
    for k, count in enumerate(palette_counts()):
        choices[:, k] = np.where(shows[:, k], code % count, -1)
        code = np.where(shows[:, k], code // count, code)
    return choices


def class_factors(table, shape, code):
    """Structured factors (n,) of the shapes (n,) with palette codes (n,)."""
    factors = np.full(len(shape), -1, np.int16).astype(FACTORS)
    factors["class"] = CLASSES.index(table.name)
    for k in range(len(table.slots)):
        factors[SLOT_FIELDS[k]] = table.parts[shape, k]
    for k, column in enumerate(palette_choices(table.shows[shape], code).T):
        factors[ROLES[k]] = column
    return factors


def shape_index(table, factors, where="render"):
    """Which shape of the table each sprite has: int64 (n,); an error names what is not legal."""
    counts = [len(names) for names in table.part_names]
    chosen = np.stack([factors[field] for field in SLOT_FIELDS[:len(counts)]], 1)
    bad = ((chosen < 0) | (chosen >= counts)).any(1)
    known = np.full(np.prod(counts), -1)
    known[np.ravel_multi_index(table.parts.T, counts)] = np.arange(len(table.parts))
    shape = np.where(bad, -1, known[np.ravel_multi_index(chosen.T, counts, mode="clip")])
    if (shape < 0).any():
        wrong = chosen[shape < 0][0].tolist()
        raise ValueError(f"{where}: factors has the parts {wrong} for class {table.name!r}, "
                         f"expected a legal shape with parts below {counts}")
    return shape


def render(factors):
    """Images uint8 (n, 16, 16, 3) of factors (n,), a structured array as forge_sprites gives.

    ValueError if factors is not such an array or names a sprite that the grammar lacks.
    """
    factors = check_factors("render", "factors", factors)
    images = np.empty((len(factors), HEIGHT, HEIGHT, 3), np.uint8)
    for k in np.unique(factors["class"]):
        rows = np.flatnonzero(factors["class"] == k)
        table = class_table(CLASSES[k])
        shape = shape_index(table, factors[rows])
        choices = np.stack([factors[role][rows] for role in ROLES], 1)
        check_choices(table.shows[shape], choices)
        images[rows] = colour_images(table.labels(shape), choices)
    return images


def check_factors(where, name, factors):
    """Factors (n,): a structured array as forge_sprites gives, of the five classes."""
    if not isinstance(factors, np.ndarray | np.void) or factors.dtype != FACTORS:
        raise ValueError(f"{where}: {name} is a {type(factors).__name__}; expected a structured "
                         "array as forge_sprites returns")
    factors = np.atleast_1d(factors)
    if factors.ndim != 1 or len(factors) > MOST_NUMBERS // 3 // HEIGHT**2:
        raise ValueError(f"{where}: {name} has shape {factors.shape}; expected (n,)")
    if not np.isin(factors["class"], range(len(CLASSES))).all():
        raise ValueError(f"{where}: {name} has a class outside 0..4")
    return factors


def check_choices(shows, choices):
    """Each role that shows needs a palette of its own; each that does not, -1."""
    legal = np.where(shows, (choices >= 0) & (choices < palette_counts()), choices == -1)
    if not legal.all():
        row, k = np.argwhere(~legal)[0]
        raise ValueError(f"render: factors has {ROLES[k]} = {choices[row, k]}, expected "
                         + (f"0..{palette_counts()[k] - 1}" if shows[row, k]
                            else "-1: the role does not show"))


# --- sampling ------------------------------------------------------------------------


def forge_sprites(n, seed, *, split="train", classes=None):
    """Draw n different sprites with the factors they were drawn from.

    n        how many, 0 or more
    seed     0 or more; the same seed gives the same bytes, and a larger n only adds to them
    split    "train", "held_out" (pairs of parts that "train" never has) or "all"
    classes  names out of CLASSES; None means all five, in the course's order
    Returns images uint8 (n, 16, 16, 3), contexts float32 (n, 5) one-hot in the order of
    CLASSES, and factors, a structured array (n,) of int16: "class", "slot_0" .. "slot_7"
    and one field a role; -1 where a slot or a role does not apply.
    Classes take turns, so their counts differ by one at most. Shapes are equally likely,
    then the palettes of a shape are. TypeError or ValueError for wrong arguments, and when
    a class has fewer sprites in the split than are asked for.
    """
    check_count("forge_sprites", "n", n, lowest=0, highest=count_sprites()["total"])
    check_count("forge_sprites", "seed", seed, lowest=0)
    check_choice("forge_sprites", "split", split, SPLITS)
    names = check_classes(classes)
    factors = np.empty(n, FACTORS)
    for k, name in enumerate(names):
        share = len(range(k, n, len(names)))
        factors[k::len(names)] = draw_class(class_table(name), share, seed, split)
    contexts = np.eye(len(CLASSES), dtype=np.float32)[factors["class"]]
    return render(factors), contexts, factors


def training_counts():
    """{class: n}, what the command trains on: 60,000 sprites of a class, or a quarter of it.

    A quarter at most, so that of what a perfect network draws three quarters would be new.
    """
    counts = count_sprites()
    return {name: min(MOST_PER_CLASS, counts[name] // 4) for name in CLASSES}


def check_classes(classes):
    """The class names asked for; None means all."""
    if classes is None:
        return CLASSES
    names = (classes,) if isinstance(classes, str) else classes
    check_list("forge_sprites", "classes", names)
    names = tuple(name if isinstance(name, str) else None for name in names)
    if not names or len(set(names)) != len(names) or not set(names) <= set(CLASSES):
        raise ValueError(f"forge_sprites: classes is {classes!r}; expected different names "
                         f"out of {CLASSES}")
    return names


def draw_class(table, n, seed, split):
    """Factors (n,) of n different sprites of one class."""
    in_split = {"all": np.ones_like(table.held_out), "train": ~table.held_out,
                "held_out": table.held_out}[split]
    shapes = np.flatnonzero(in_split)
    available = int(table.sprites[shapes].sum())
    if n > available:
        raise ValueError(f"forge_sprites: n asks for {n} different sprites of class "
                         f"{table.name!r}, split {split!r} has {available}")
    stream = np.random.PCG64(np.random.SeedSequence([seed, CLASSES.index(table.name)]))
    ids = draw_ids(table.sprites[shapes], n, stream)
    ends = np.cumsum(table.sprites[shapes])
    place = np.searchsorted(ends, ids, side="right")
    code = ids - (ends - table.sprites[shapes])[place]
    return class_factors(table, shapes[place], code)


def draw_ids(sprites, n, stream, rounds=16):
    """n different sprite numbers below sprites.sum(): uniform in shape, then in palettes.

    sprites holds the number of sprites of each shape. Repeats are dropped and drawn again;
    what is still missing after the rounds comes from a shuffle of all numbers.
    """
    starts = np.cumsum(sprites) - sprites
    ids = np.empty(0, np.int64)
    for _ in range(rounds):
        if len(ids) >= n:
            break
        raw = stream.random_raw(2 * max(n - len(ids), 1024)).reshape(-1, 2)
        shape = (raw[:, 0] % np.uint64(len(sprites))).astype(np.int64)
        code = (raw[:, 1] % sprites[shape].astype(np.uint64)).astype(np.int64)
        ids = keep_first(np.concatenate([ids, starts[shape] + code]))
    else:
        shuffled = np.argsort(stream.random_raw(int(sprites.sum())), kind="stable")
        ids = keep_first(np.concatenate([ids, shuffled]))
    return ids[:n]


def keep_first(numbers):
    """The numbers without repeats, in the order of first appearance."""
    _, first = np.unique(numbers, return_index=True)
    return numbers[np.sort(first)]


def bob():
    """Bob, the hero on the cover: uint8 (16, 16, 3), the same in every lesson."""
    return render(bob_factors())[0]


def bob_factors():
    """What Bob is made of: factors (1,), as `forge_sprites` gives them."""
    table = class_table("hero")
    parts = [names.index(BOB[slot])
             for slot, names in zip(table.slots, table.part_names, strict=True)]
    factors = class_factors(table, np.flatnonzero((table.parts == parts).all(1)), [0])
    for role in set(ROLES) & set(BOB):
        factors[role] = palettes()[role][0].index(BOB[role])
    return factors
