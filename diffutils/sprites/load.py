"""Real sprites from the course's .npy pair, a folder of pictures, or one sheet cut on a grid.

`load_sprites` answers with a `SpriteSet`: uint8 images over white, float32 contexts, the names
of the classes, and a report of what was read, kept and dropped, with the reason for each drop.

A file is treated as if a stranger had made it. Arrays are read without pickle; what a header
claims is compared with the limits and with the size of the file before memory is set aside;
a picture's width and height are read from its first bytes before a decoder sees it; links
that leave the folder, devices and pipes are not opened. Nothing is fetched from the network.
Names are shown with control characters escaped.

What looks right and is not is said: pictures in another range of values, labels that are class
numbers, a sheet whose grid would cut its sprites, folders inside the folders of the classes.
"""

import io
import math
import os
import re
import stat
import struct
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffutils.sprites.grid import Grid, better_grid, cuts_too_much, find_grid, look_at

COURSE_CLASSES = ("hero", "non-hero", "food", "spell", "side-facing")
PICTURE_SUFFIXES = (".png", ".gif", ".webp")
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
NPY_VERSIONS = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}  # bytes of the header's length

# Together these keep a reader below 1 GB of memory.
MAX_ARRAY_BYTES = 2**27  # the course's 89,400 sprites take 2**26
MAX_HEADER_BYTES = 4096
MAX_PICTURE_BYTES = 2**25
MAX_PICTURE_PIXELS = 2**24
MAX_FOLDER_ENTRIES = 200_000
MAX_FOLDER_DEPTH = 32
MAX_SPRITES = 2**18  # in an array or on a sheet
MAX_CLASSES = 256
MAX_LABELS = 2**24  # numbers in all of them
MAX_HEIGHT = 256


class Unreadable(ValueError):
    """A file that cannot be used; the text is the reason, the same for all files of its kind."""


@dataclass
class LoadReport:
    """What became of the pictures: `read` = `unique` + the sum of `dropped` {reason: count}.

    `notes` tell how they were read: the grid of a sheet, what was made smaller.
    """

    read: int = 0
    unique: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        lost = f"{sum(self.dropped.values())} ({reasons})" if reasons else "none"
        return "; ".join([f"read {self.read}, unique {self.unique}, dropped {lost}", *self.notes])


@dataclass
class SpriteSet:
    """Different sprites and their contexts.

    images       uint8 (n, height, height, 3), over white, no two alike
    contexts     float32 (n, k), each in [0, 1]; one-hot, or fractions where the labels were
    class_names  k names, printable
    report       a LoadReport
    """

    images: np.ndarray
    contexts: np.ndarray
    class_names: tuple[str, ...]
    report: LoadReport


def load_sprites(source, *, height: int = 16, cell=None, spacing=None) -> SpriteSet:
    """Read the sprites of `source`, each once, as squares of `height` pixels.

    source   a pair of paths (images.npy, labels.npy): images uint8 (n, h, h, 3) or with alpha
             (n, h, h, 4), labels (n, k) in [0, 1];
             the path of images.npy alone, the labels' file beside it differing from it only
             in the words sprites, images, labels and nc;
             a folder of PNG, GIF (first frame) or WebP pictures: sub-folders are the classes in
             order of their names, a folder without sub-folders is one class; folders that hold
             nothing but one folder are passed through;
             or one such picture, a sheet cut on a grid, one class.
    height   the sprites' height and width in pixels, 1..256
    cell     of a sheet: the side of a sprite there, a multiple of height; if None, it is found:
             height, or the largest multiple of which each pixel is exactly a block
    spacing  of a sheet: pixels between two sprites; if None, it is found from the rows and columns
             that have one colour

    Arrays and pictures that are k times too large are averaged over k x k pixels, k whole: one
    that was enlarged by repeating pixels comes back exactly. Transparent pixels become white.
    Labels carry no names: five columns take the course's, in its order; others are numbered.
    The first of equal pictures is kept. Cells of one colour are dropped from a sheet.

    Raises TypeError, ValueError or FileNotFoundError, saying what came and what was expected.
    Warns of labels that are perhaps not what they look like.
    """
    check_height(height)
    check_cell(cell, spacing, height)
    if isinstance(source, tuple | list):
        if len(source) != 2:
            raise ValueError(
                f"load_sprites: source has {len(source)} paths; expected (images, labels)"
            )
        return load_pair(existing_path(source[0]), existing_path(source[1]), height)
    path = existing_path(source)
    if (cell, spacing) != (None, None) and path.suffix.lower() not in PICTURE_SUFFIXES:
        raise ValueError(
            f"load_sprites: cell or spacing is given, but {printable(path)} is no sheet; "
            "expected a picture in PNG, GIF or WebP"
        )
    if path.is_dir():
        return load_folder(path, height)
    if path.suffix.lower() == ".npy":
        return load_pair(path, find_labels(path), height)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return load_sheet(path, height, cell, spacing)
    raise ValueError(
        f"load_sprites: source is {printable(path)}; expected a .npy pair, a folder, "
        "or a sheet in PNG, GIF or WebP"
    )


def load_pair(images_path: Path, labels_path: Path, height: int) -> SpriteSet:
    """The course's pair of arrays, checked against each other."""
    images = read_named(read_array, images_path)
    check_share(images_path.name, "sprites", len(images), MAX_SPRITES)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (3, 4):
        raise ValueError(
            f"load_sprites: {printable(images_path.name)} holds {images.dtype} {images.shape}; "
            f"expected uint8 (n, height, height, 3){remedy(images)}"
        )
    check_alpha(images, images_path.name)
    labels = read_named(read_array, labels_path)
    check_labels(labels, len(images), labels_path.name)
    if not factor_of(images.shape[1:3], height):
        raise ValueError(
            f"load_sprites: {printable(images_path.name)} holds sprites of "
            f"{images.shape[1]} x {images.shape[2]}; expected {height} x {height} "
            "or a whole multiple" + remedy_of_sizes(Counter(["{2} x {1}".format(*images.shape)]))
        )
    contexts = labels.astype(np.float32)
    count = contexts.shape[1]
    named = count == len(COURSE_CLASSES)
    names = COURSE_CLASSES if named else tuple(f"class {column}" for column in range(count))
    warn_of_labels(contexts, labels_path.name)
    collector = Collector(height)
    empty = int((contexts == 0).all(1).sum())
    if empty:
        collector.note(f"{empty} of no class, their labels are all 0")
    for image, context in zip(images, contexts, strict=True):
        collector.add_reduced(over_white(image), context)
    return collector.finish(names, images_path.name)


def load_folder(folder: Path, height: int) -> SpriteSet:
    """Every picture under `folder`; the first folder on its way down is its class."""
    paths = list(walk_folder(folder))
    pictures = [path for path in paths if path.suffix.lower() in PICTURE_SUFFIXES]
    top = common_folder(pictures, folder)
    names = sorted({class_folder(path, top) for path in pictures} - {""})
    check_share(folder.name, "class folders", len(names), MAX_CLASSES)
    contexts = dict(zip(names or [""], np.eye(max(1, len(names)), dtype=np.float32), strict=True))
    collector = Collector(height)
    if top != folder:
        collector.note(f"the classes are the folders of {printable(top.relative_to(folder))}"
                       if names else f"all are in {printable(top.relative_to(folder))}")
    deeper = {path.parent.name for path in pictures if len(path.relative_to(top).parts) > 2}
    if deeper:
        shown = ", ".join(printable(name) for name in sorted(deeper)[:5])
        collector.note(f"folders inside the class folders are no classes of their own: {shown}"
                       + ", ..." * (len(deeper) > 5))
    for path in paths:
        try:
            picture = decode_picture(read_inside(path, folder))
            if not factor_of(picture.shape[:2], height):
                collector.odd_sizes["{1} x {0}".format(*picture.shape)] += 1
                raise Unreadable(f"not a whole multiple of {height} x {height}")
        except Unreadable as reason:
            collector.drop(str(reason))
            continue
        context = contexts.get(class_folder(path, top))
        if context is None:
            collector.drop("beside the class folders")
        else:
            collector.add_reduced(picture, context)
    shown = names or [top.resolve().name or "sprites"]
    return collector.finish(tuple(printable(name) for name in shown), folder.name)


def common_folder(pictures: list[Path], folder: Path) -> Path:
    """The deepest folder in which all pictures are; `folder` itself where there are none."""
    parents = [path.relative_to(folder).parts[:-1] for path in pictures]
    if not parents:
        return folder
    return folder.joinpath(*os.path.commonprefix([list(parts) for parts in parents]))


def class_folder(path: Path, top: Path) -> str:
    """The first folder on the way from `top` down to `path`; "" where there is none."""
    parts = path.relative_to(top).parts if path.is_relative_to(top) else ()
    return parts[0] if len(parts) > 1 else ""


def load_sheet(path: Path, height: int, cell, spacing) -> SpriteSet:
    """One picture cut into cells, row by row."""
    sheet = read_named(lambda p: decode_picture(read_bytes(p, MAX_PICTURE_BYTES)), path)
    grid = grid_of(sheet, path.name, height, cell, spacing)
    count = grid.rows.count * grid.columns.count
    side = grid.rows.cell
    check_share(path.name, f"cells of {side} x {side}", count, MAX_SPRITES)
    collector = Collector(height)
    collector.note(f"cut into {grid}")
    for row in grid.rows.starts():
        for column in grid.columns.starts():
            one = sheet[row : row + side, column : column + side]
            if (one == one[0, 0]).all():
                collector.drop("of one colour")
            else:
                collector.add_reduced(one, np.ones(1, np.float32))
    return collector.finish((printable(path.stem),), path.name)


def grid_of(sheet: np.ndarray, name: str, height: int, cell, spacing) -> Grid:
    """The grid on which a sheet is cut; ValueError where none fits, or it would cut sprites."""
    sides = look_at(sheet)
    grid = find_grid(sides, height, cell, spacing)
    start = (f"load_sprites: sheet {printable(name)} is {sheet.shape[0]} high and "
             f"{sheet.shape[1]} wide")
    if grid is None and (cell, spacing) != (None, None):
        raise ValueError(
            f"{start}; no grid of cells of {cell or height} pixels, "
            f"{'any number' if spacing is None else spacing} apart, has all that is drawn inside "
            "its cells; expected another cell (--cell) or spacing (--spacing)"
        )
    better = None
    if cell is None and (grid is None or grid.rows.cell == height and cuts_too_much(grid)):
        better = better_grid(sides, height)
    if better is not None:
        found = f"; {better} would fit: say {call_for(better, height)}"
    else:
        found = "; say how large a sprite is there and how far apart they are: cell (--cell), " \
                "spacing (--spacing)"
    if grid is None:
        raise ValueError(f"{start}; expected whole multiples of {height}, or sprites of "
                         f"{height} x {height} with empty lines between them{found}")
    if better is not None:
        raise ValueError(f"{start}; {grid} would cut through drawings at {grid.crossed} of "
                         f"{grid.lines} lines{found}, or cell={height} (--cell {height}) if not")
    return grid


def call_for(grid: Grid, height: int) -> str:
    """The arguments for which a sheet is cut on this grid."""
    side = grid.rows.cell
    if side % height:
        return f"height={side} (--height {side})"
    return f"cell={side} (--cell {side})"


class Collector:
    """Keeps the first of equal pictures and counts the fate of the others."""

    def __init__(self, height: int):
        self.height = height
        self.kept: dict[bytes, bytes] = {}
        self.labels: dict[bytes, bytes] = {}  # each once
        self.dropped: Counter[str] = Counter()
        self.averaged: Counter[str] = Counter()  # made smaller with a loss, by size
        self.odd_sizes: Counter[str] = Counter()
        self.notes: list[str] = []

    def add_reduced(self, picture: np.ndarray, context: np.ndarray) -> None:
        small = reduce_area(picture, self.height)
        times = len(picture) // self.height
        if times > 1 and not (small.repeat(times, 0).repeat(times, 1) == picture).all():
            self.averaged[f"{len(picture)} x {len(picture)}"] += 1
        self.add(small, context)

    def add(self, picture: np.ndarray, context: np.ndarray) -> None:
        pixels, label = picture.tobytes(), context.tobytes()
        if pixels not in self.kept:
            self.kept[pixels] = self.labels.setdefault(label, label)
        else:
            same = self.kept[pixels] == label
            self.drop("duplicate" if same else "duplicate under another label")

    def drop(self, reason: str) -> None:
        self.dropped[reason] += 1

    def note(self, words: str) -> None:
        self.notes.append(words)

    def finish(self, class_names: tuple[str, ...], name: str) -> SpriteSet:
        unique, lost = len(self.kept), sum(self.dropped.values())
        for size, count in self.averaged.most_common(3):
            self.note(f"{count} of {size} averaged down to {self.height} x {self.height}")
        if self.odd_sizes:
            self.note("sizes that do not fit: " + sizes_in_words(self.odd_sizes))
        report = LoadReport(unique + lost, unique, dict(sorted(self.dropped.items())),
                            tuple(self.notes))
        if not unique:
            raise ValueError(f"load_sprites: no sprites in {printable(name)}: {report}"
                             + (remedy_of_sizes(self.odd_sizes) or remedy_of_kinds(self.dropped)))
        images = np.frombuffer(bytearray().join(self.kept), np.uint8)
        check_range(images, name)
        contexts = np.frombuffer(bytearray().join(self.kept.values()), np.float32)
        return SpriteSet(
            images.reshape(unique, self.height, self.height, 3),
            contexts.reshape(unique, len(class_names)),
            class_names,
            report,
        )


def check_height(height) -> None:
    if isinstance(height, bool) or not isinstance(height, int | np.integer):
        raise TypeError(f"load_sprites: height is {height!r}; expected a whole number")
    if not 1 <= height <= MAX_HEIGHT:
        raise ValueError(f"load_sprites: height is {height}; expected 1..{MAX_HEIGHT}")


def check_cell(cell, spacing, height) -> None:
    for name, value, lowest in (("cell", cell, 1), ("spacing", spacing, 0)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"load_sprites: {name} is {value!r}; expected a whole number")
        if not lowest <= value <= 4096:
            raise ValueError(f"load_sprites: {name} is {value}; expected {lowest}..4096")
    if cell is not None and cell % height:
        raise ValueError(f"load_sprites: cell is {cell} (--cell); expected a whole multiple of "
                         f"{height}, the height (--height)")


def check_range(values: np.ndarray, name: str) -> None:
    """ValueError where all pictures together are black, or white: another range was meant."""
    low, high = int(values.min()), int(values.max())
    if high <= 1:
        raise ValueError(f"load_sprites: {printable(name)} holds values {low}..{high}, all black; "
                         "expected 0..255: multiply by 255 first")
    if low >= 254:
        raise ValueError(f"load_sprites: {printable(name)} holds values {low}..{high}, all white; "
                         "expected 0..255, and an alpha channel, if any, of 255 where a pixel is "
                         "to be seen")


def check_alpha(images: np.ndarray, name: str) -> None:
    """ValueError where a fourth channel of 0 and 1 would let every picture vanish."""
    if images.shape[3] == 4 and images[..., 3].max() <= 1:
        raise ValueError(f"load_sprites: {printable(name)} holds alpha 0..{images[..., 3].max()}, "
                         "which no eye can see; expected 0..255: multiply it by 255, or leave it "
                         "out with images[..., :3]")


def remedy(images: np.ndarray) -> str:
    """What makes an array of another kind the one expected, as far as one can tell."""
    steps = ""
    if images.ndim == 4 and images.shape[1] in (3, 4) and images.shape[3] not in (3, 4):
        steps = ".transpose(0, 2, 3, 1)"
    if images.ndim == 2:
        return ": are images and labels in the wrong order?"
    if images.ndim == 3:
        return ": for grey pictures, np.repeat(images[..., None], 3, axis=3)"
    if images.dtype != np.uint8:
        low, high = (float(images.min()), float(images.max())) if images.size else (0, 0)
        steps += ".astype(np.uint8)"
        if -1 <= low < 0 and high <= 1:
            return f": values are {low:g}..{high:g}, so ((images + 1) * 127.5).round(){steps}"
        if 0 <= low and high <= 1:
            return f": values are {low:g}..{high:g}, so (images * 255.0).round(){steps}"
        if not (0 <= low and high <= 255):
            return f": values are {low:g}..{high:g}, to be brought to 0..255"
    return f": images{steps}" if steps else ""


def sizes_in_words(sizes: Counter) -> str:
    return ", ".join(f"{size} ({count})" for size, count in sizes.most_common(5))


def remedy_of_sizes(sizes: Counter) -> str:
    """What takes pictures of the most frequent size: another height, or cutting them as sheets."""
    if not sizes:
        return ""
    width, height = map(int, sizes.most_common(1)[0][0].split(" x "))
    if width == height and height <= MAX_HEIGHT:
        return f"; expected height={height} (--height {height}) for these"
    return "; expected square pictures, or one of these as a sheet: its own path as source"


def remedy_of_kinds(dropped: Counter) -> str:
    """Where other kinds of picture were the most."""
    if dropped.get("not PNG, GIF or WebP", 0) > sum(dropped.values()) / 2:
        return "; expected pictures saved as PNG, GIF or WebP"
    return ""


def warn_of_labels(contexts: np.ndarray, name: str) -> None:
    """Warns of labels that are allowed and yet perhaps not what they look like."""
    start = f"load_sprites: {printable(name)} holds "
    count, columns = contexts.shape
    if columns == 1 and set(np.unique(contexts)) == {0, 1}:
        tell(f"{start}one column of 0 and 1: 0 means no class at all; if these are the numbers of "
             "two classes, store np.eye(2)[labels[:, 0].astype(int)]")
    if columns > 1 and count > 1 and (contexts == contexts[0]).all():
        tell(f"{start}{count} equal rows: one class only; expected rows that tell classes apart")


def tell(message: str) -> None:
    warnings.warn(message, stacklevel=5)


def check_share(name: str, what: str, count: int, most: int) -> None:
    """No more of something than memory has room for."""
    if count > most:
        raise ValueError(
            f"load_sprites: {printable(name)} holds {count} {what}; expected at most {most}"
        )


def check_labels(labels: np.ndarray, count: int, name: str) -> None:
    """Labels must be (count, k) numbers in [0, 1], k at least 1."""
    start = f"load_sprites: {printable(name)} holds "
    if labels.ndim != 2 or len(labels) != count or labels.shape[1] == 0:
        hint = ""
        if labels.shape == (count,):
            hint = ": for class numbers, np.eye(k)[labels]"
        elif labels.ndim == 2 and labels.shape[1] == count:
            hint = ": labels.T"
        raise ValueError(f"{start}labels of shape {labels.shape}; expected ({count}, k){hint}")
    check_share(name, "columns of labels", labels.shape[1], MAX_CLASSES)
    check_share(name, "labels", labels.size, MAX_LABELS)
    if labels.size and not ((labels >= 0) & (labels <= 1)).all():
        hint = ""
        if labels.shape[1] == 1 and labels.dtype.kind in "iuf" and (labels == labels // 1).all():
            hint = ": for class numbers, np.eye(k)[labels[:, 0].astype(int)]"
        raise ValueError(
            f"{start}a label outside [0, 1]; expected one-hot or fractional rows{hint}")


def existing_path(source) -> Path:
    """`source` as a Path to something that is there."""
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"load_sprites: source is {type(source).__name__}; expected a path or a pair of paths"
        )
    if not os.fspath(source):
        raise ValueError("load_sprites: source is an empty text; expected a file or folder")
    path = Path(source)
    try:
        path.stat()
    except OSError as error:
        raise FileNotFoundError(
            f"load_sprites: source {printable(path)} is not there; expected a file or folder"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"load_sprites: source {printable(path)} is no path; expected a file or folder"
        ) from error
    return path


def find_labels(images_path: Path) -> Path:
    """The labels' file beside the images': sprites_16x16.npy has labels_16x16.npy."""
    beside = [
        path
        for path in sorted(images_path.parent.glob("*.npy"))
        if "label" in path.stem.lower() and path.name != images_path.name
        and distinctive_words(path.stem) == distinctive_words(images_path.stem)
    ]
    if len(beside) == 1:
        return beside[0]
    wanted = "_".join(["labels", *distinctive_words(images_path.stem)]) + ".npy"
    if beside:
        raise ValueError(
            f"load_sprites: {len(beside)} files could hold the labels of "
            f"{printable(images_path.name)}; expected one, or the pair (images, labels)"
        )
    raise FileNotFoundError(
        f"load_sprites: no labels beside {printable(images_path.name)}; "
        f"expected {printable(wanted)}, or the pair (images, labels)"
    )


def distinctive_words(stem: str) -> list[str]:
    """The words of a file's name without those that tell images from labels."""
    common = {"sprite", "sprites", "image", "images", "label", "labels", "nc"}
    return [word for word in re.split(r"[^a-z0-9]+", stem.lower()) if word not in common]


def printable(name) -> str:
    """`name` with backslashes and every character that is not printable escaped."""
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode("ascii")
        for c in str(name)
    )


def read_named(read, path: Path) -> np.ndarray:
    """`read(path)`, its refusal as an error that names the file."""
    try:
        return read(path)
    except Unreadable as reason:
        raise ValueError(f"load_sprites: {printable(path.name)} is {reason}") from reason


def walk_folder(folder: Path) -> Iterator[Path]:
    """Files and links under `folder` in order of their names; names with a leading dot are not."""
    count = 0
    for parent, folders, files in os.walk(folder, followlinks=False):
        depth = len(Path(parent).relative_to(folder).parts)
        check_share(folder.name, "folders in one another", depth, MAX_FOLDER_DEPTH)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([name for name in files if not name.startswith(".")] + links):
            count += 1
            if count > MAX_FOLDER_ENTRIES:
                raise ValueError(
                    f"load_sprites: {printable(folder.name)} holds too many files; "
                    f"expected at most {MAX_FOLDER_ENTRIES}"
                )
            yield Path(parent, name)


def read_inside(path: Path, folder: Path) -> bytes:
    """The bytes of a picture that lies in `folder`, its links resolved."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise Unreadable("a link out of the folder")
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise Unreadable("not PNG, GIF or WebP")
    return read_bytes(path, MAX_PICTURE_BYTES)


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("not a regular file")
        if status.st_size > limit:
            raise Unreadable(f"larger than {limit} bytes")
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise Unreadable("not open to reading") from error


def read_array(path: Path) -> np.ndarray:
    """A .npy array of plain numbers; the header must claim exactly the bytes that follow it."""
    data = read_bytes(path, MAX_ARRAY_BYTES)
    if data[:6] != b"\x93NUMPY" or len(data) < 12 or data[6:8] not in NPY_VERSIONS:
        raise Unreadable("not a .npy file")
    length_bytes = NPY_VERSIONS[data[6:8]]
    start = 8 + length_bytes
    end = start + int.from_bytes(data[8:start], "little")
    if end - start > MAX_HEADER_BYTES or end > len(data):
        raise Unreadable("a .npy file with a broken header")
    dtype, fortran_order, shape = parse_array_header(data[start:end].decode("latin-1"))
    if math.prod(shape) == 0:
        raise Unreadable("a .npy file of an empty array")
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise Unreadable(f"a .npy file whose header claims {dtype} {shape}, not what follows it")
    return np.frombuffer(data, dtype, offset=end).reshape(shape, order="FC"[not fortran_order])


def parse_array_header(header: str) -> tuple[np.dtype, bool, tuple[int, ...]]:
    """(dtype, fortran_order, shape) of a header that numpy writes for plain numbers."""
    match = re.fullmatch(
        r"\{'descr': '([<>|](?:b1|[iu][1248]|f[248]))', "
        r"'fortran_order': (True|False), 'shape': (\([0-9, ]*\)), ?\} *\n?",
        header,
    )
    sizes = re.findall(r"\d+", match[3]) if match else []
    if not match or not 1 <= len(sizes) <= 4 or max(map(len, sizes)) > 10:
        raise Unreadable("a .npy file of something other than plain numbers in 1 to 4 dimensions")
    shape = tuple(int(size) for size in sizes)
    if match[3] != str(shape):
        raise Unreadable("a .npy file with a broken header")
    return np.dtype(match[1]), match[2] == "True", shape


def picture_size(data: bytes) -> tuple[int, int]:
    """(width, height) claimed by the first bytes of a PNG, GIF or WebP file."""
    kind = data[12:16]
    if len(data) < 30:
        raise Unreadable("a damaged picture")
    if data[:8] == b"\x89PNG\r\n\x1a\n" and kind == b"IHDR":
        return struct.unpack(">II", data[16:24])
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return struct.unpack("<HH", data[6:10])
    if data[:4] + data[8:12] == b"RIFFWEBP" and kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[:4] + data[8:12] == b"RIFFWEBP" and kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[:4] + data[8:12] == b"RIFFWEBP" and kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise Unreadable("not PNG, GIF or WebP inside")


def decode_picture(data: bytes) -> np.ndarray:
    """The first frame over white, uint8 (height, width, 3).

    Pillow's decoders raise errors of a dozen kinds on damaged files; all become Unreadable.
    """
    from PIL import Image

    size = picture_size(data)
    if not 0 < size[0] * size[1] <= MAX_PICTURE_PIXELS:
        raise Unreadable(f"a picture of no pixels or more than {MAX_PICTURE_PIXELS}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG", "GIF", "WEBP")) as picture:
                if picture.size != size:
                    raise Unreadable("a picture larger inside than its header says")
                if picture.mode not in EIGHT_BIT_MODES:
                    raise Unreadable("a picture of more than 8 bits a channel")
                return over_white(np.asarray(picture.convert("RGBA")))
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("a damaged picture") from error


def over_white(image: np.ndarray) -> np.ndarray:
    """uint8 (height, width, 3 or 4) to 3 channels: alpha * colour + (1 - alpha) * white."""
    if image.shape[2] == 3:
        return image
    alpha = image[..., 3:].astype(np.uint16)
    mixed = image[..., :3] * alpha
    mixed += 255 * (255 - alpha) + 127
    mixed //= 255
    return mixed.astype(np.uint8)


def factor_of(size: tuple[int, ...], height: int) -> int:
    """k where `size` is (k * height, k * height), else 0."""
    factor = size[0] // height
    return factor if tuple(size) == (factor * height, factor * height) else 0


def reduce_area(image: np.ndarray, height: int) -> np.ndarray:
    """Mean over k x k pixels, rounded half up; uint8 (k h, k h, 3) to (h, h, 3)."""
    factor = factor_of(image.shape[:2], height)
    if factor == 0:
        raise Unreadable(f"not a whole multiple of {height} x {height}")
    if factor == 1:
        return image
    blocks = image.reshape(height, factor, height, factor, 3)
    total = blocks.sum(axis=(1, 3), dtype=np.uint64)
    return ((total + factor**2 // 2) // factor**2).astype(np.uint8)
