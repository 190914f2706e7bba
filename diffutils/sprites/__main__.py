"""Print the count of the grammar and write a sheet of sprites.

    python -m diffutils.sprites --class hero --seed 0 --count 64 --out sheet.png
"""
import argparse

import numpy as np
from PIL import Image

from diffutils.sprites import forge


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


def main():
    """Parse the command line, print the counts, write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m diffutils.sprites", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--class", dest="classes", action="append", choices=forge.CLASSES,
                        help="a class; may be given again; all classes without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=64, help="sprites on the sheet")
    parser.add_argument("--split", choices=forge.SPLITS, default="all")
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--scale", type=int, default=4, help="screen pixels a sprite pixel")
    parser.add_argument("--out", help="the PNG file to write")
    chosen = parser.parse_args()
    names = chosen.classes or drawn_classes()
    for name in names:
        table = forge.class_table(name)
        print(f"{name}: {len(table)} shapes, {table.sprites.sum():,} sprites")
    print(f"together: {sum(forge.class_table(name).sprites.sum() for name in names):,}")
    if chosen.out:
        images, _, _ = forge.forge_sprites(chosen.count, chosen.seed, split=chosen.split,
                                           classes=names)
        Image.fromarray(sheet(images, chosen.columns, chosen.scale)).save(chosen.out)
        print(f"wrote {chosen.out}")


if __name__ == "__main__":
    main()
