"""Print the count of the grammar and write a sheet of sprites.

    python -m diffutils.sprites --class hero --seed 0 --count 64 --out sheet.png
"""
import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from diffutils.commands import Parser, count, run_command
from diffutils.sprites import forge
from diffutils.sprites.grid import MOST_TIMES
from diffutils.sprites.load import MAX_PICTURE_PIXELS

PROGRAM = "python -m diffutils.sprites"


def sheet(images, columns, scale, border=1):
    """One image uint8 (H, W, 3): the sprites in rows of `columns`, enlarged by `scale`."""
    rows = -(-len(images) // columns)
    cells = np.full((rows * columns, *images.shape[1:]), 255, np.uint8)
    cells[:len(images)] = images
    cells = np.pad(cells, ((0, 0), (border, border), (border, border), (0, 0)),
                   constant_values=255)
    side = cells.shape[1]
    grid = cells.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    return grid.reshape(rows * side, columns * side, 3).repeat(scale, 0).repeat(scale, 1)


def drawn_classes():
    """The classes whose art file is there."""
    return [name for name in forge.CLASSES if (forge.ART / f"{name}.txt").exists()]


def main(arguments=None):
    """Parse the command line, print the counts, write the sheet."""
    chosen = parse(arguments)
    names = chosen.classes or drawn_classes()
    for name in names:
        table = forge.class_table(name)
        print(f"{name}: {len(table)} shapes, {table.sprites.sum():,} sprites")
    print(f"together: {sum(forge.class_table(name).sprites.sum() for name in names):,}")
    if chosen.out:
        images, _, _ = forge.forge_sprites(chosen.count, chosen.seed, split=chosen.split,
                                           classes=names)
        write_png(Path(chosen.out), sheet(images, chosen.columns, chosen.scale))
        print(f"wrote {chosen.out}")


def write_png(path, image):
    """The whole picture or none of it; its folder is made if it is missing."""
    held = io.BytesIO()
    Image.fromarray(image).save(held, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(held.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def parse(arguments):
    """The command line, checked: what is written can be read back by `load_sprites`."""
    parser = Parser(prog=PROGRAM, description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--class", dest="classes", action="append", choices=forge.CLASSES,
                        help="a class; may be given again; all classes without it")
    parser.add_argument("--seed", type=count(0), default=0)
    parser.add_argument("--count", type=count(), default=64, help="sprites on the sheet")
    parser.add_argument("--split", choices=forge.SPLITS, default="all")
    parser.add_argument("--columns", type=count(), default=10)
    parser.add_argument("--scale", type=count(1, MOST_TIMES), default=4,
                        help="screen pixels a sprite pixel")
    parser.add_argument("--out", help="the PNG file to write")
    chosen = parser.parse_args(arguments)
    refusal = what_is_wrong(chosen)
    if refusal:
        parser.error(refusal)
    return chosen


def what_is_wrong(chosen):
    """Why the sheet cannot be written as asked for; "" where it can."""
    if chosen.out is None:
        return ""
    path = Path(chosen.out)
    if path.suffix.lower() != ".png" or path.is_dir():
        return f"--out is {chosen.out}; expected the name of a PNG file, ending in .png"
    if path.exists() and path.read_bytes()[:4] not in (b"\x89PNG", b""):
        return f"--out is {chosen.out}, which is there and is no PNG picture; expected another name"
    rows = -(-chosen.count // chosen.columns)
    pixels = rows * chosen.columns * ((forge.HEIGHT + 2) * chosen.scale) ** 2
    if pixels > MAX_PICTURE_PIXELS:
        return (f"--count {chosen.count} in --columns {chosen.columns} at --scale {chosen.scale} "
                f"make a sheet of {pixels} pixels; expected at most {MAX_PICTURE_PIXELS}")
    return ""


if __name__ == "__main__":
    run_command(main, PROGRAM)
