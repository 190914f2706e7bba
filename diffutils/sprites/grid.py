"""Where the sprites of a sheet lie: a grid that puts every line that is drawn on into a cell.

A line (a row or a column of pixels over the whole sheet) is plain if it has one colour. Between
the cells and around them there are plain lines only. Of the grids for which this holds, the one
is taken whose sprites are enlarged most (each of their pixels exactly k x k of the sheet's); then
one that does not cut through drawings; then the one whose margin is of the most usual kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MOST_TIMES = 128  # enlarged
MOST_APART = 256  # pixels


@dataclass(frozen=True)
class Axis:
    """Cells along one side of a sheet: `count` of them, `spacing` apart, the first at `first`."""

    first: int
    cell: int
    spacing: int
    count: int
    oddness: int = 0  # of its margins: 0 is the most usual

    def starts(self) -> np.ndarray:
        return self.first + np.arange(self.count) * (self.cell + self.spacing)


@dataclass(frozen=True)
class Grid:
    """The cells of a sheet; `crossed` of its `lines` between cells run through drawings."""

    rows: Axis
    columns: Axis
    crossed: int = 0
    lines: int = 0

    def __str__(self) -> str:
        rows, columns = self.rows, self.columns
        words = f"{rows.count} x {columns.count} cells of {rows.cell} x {rows.cell}"
        if rows.spacing or columns.spacing:
            apart = {axis.spacing for axis in (rows, columns) if axis.count > 1}
            words += f", {' and '.join(map(str, sorted(apart)))} apart" if apart else ""
        return words + (f", the first at ({rows.first}, {columns.first})"
                        if rows.first or columns.first else "")


class Lines:
    """What is known of all rows of pixels (n, m), or of all columns of the transposed."""

    def __init__(self, pixels: np.ndarray, background):
        self.size = len(pixels)
        plain = (pixels == pixels[:, :1]).all(1)
        same = pixels[1:] == pixels[:-1]
        self.changes = 1 + np.flatnonzero(~same.all(1))
        same &= pixels[1:] != background
        self.goes_on = np.concatenate([[0], same.sum(1)])  # pixels drawn on as on the line before
        self.drawn = np.concatenate([[0], np.cumsum(~plain)])  # lines that are, before each
        runs = np.diff(np.flatnonzero(np.concatenate([[True], ~plain, [True]]))) - 1
        self.leading, self.longest = int(runs[0]), int(runs.max())

    def fits(self, axis: Axis, times: int) -> bool:
        """Nothing lies outside the cells, and in them each pixel is enlarged `times` times."""
        starts = axis.starts()
        inside = (self.drawn[starts + axis.cell] - self.drawn[starts]).sum()
        if inside != self.drawn[-1]:
            return False
        places = self.changes - starts[np.searchsorted(starts, self.changes, "right") - 1]
        return times == 1 or not (places[(places > 0) & (places < axis.cell)] % times).any()

    def crossed(self, axis: Axis, times: int) -> int:
        """Lines between cells that touch where drawings go on as they do inside the cells."""
        starts = axis.starts()
        if axis.spacing or axis.count == 1:
            return 0
        inside = starts[:, None] + np.arange(times, axis.cell, times)
        usual = self.goes_on[inside].mean() if inside.size else 0.0
        return int((self.goes_on[starts[1:]] > usual / 2).sum())

    def may_be_enlarged(self, times: int, height: int) -> bool:
        """Whether changes are far enough apart; saves the search."""
        most = (self.size + MOST_APART) // (times * height)
        return (np.diff(self.changes) < times).sum() <= most + 1

    def axes(self, cell: int, spacings) -> Iterator[Axis]:
        """Every way to lay cells along this side, whatever is drawn there."""
        for spacing in spacings:
            most = (self.size + spacing) // (cell + spacing)
            for count in range(most, max(0, most - 3), -1):
                rest = self.size - count * cell - (count - 1) * spacing
                for oddness, first in enumerate(margins(rest, spacing, self.leading)):
                    if first is not None and 0 <= first <= rest:
                        yield Axis(first, cell, spacing, count, oddness)


def margins(rest: int, spacing: int, leading: int) -> list[int | None]:
    """Where the first cell may lie, the most usual first, if `rest` pixels are around the cells."""
    return [
        spacing // 2 if rest == spacing and spacing % 2 == 0 else None,  # a frame around each
        0 if rest == 0 else None,
        spacing if rest == 2 * spacing else None,
        0 if rest == spacing else None,
        spacing if rest == spacing else None,
        rest // 2 if rest % 2 == 0 else None,
        0,
        rest,
        spacing,
        leading,
    ]


def look_at(sheet: np.ndarray) -> list[Lines]:
    """The rows and the columns of a sheet uint8 (H, W, 3)."""
    packed = (sheet.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(2, dtype=np.uint32)
    sample = packed.reshape(-1)[:: 1 + packed.size // 2**16]
    colours, counts = np.unique(sample, return_counts=True)
    return [Lines(pixels, colours[counts.argmax()]) for pixels in (packed, packed.T)]


def find_grid(sides: list[Lines], height: int, cell=None, spacing=None) -> Grid | None:
    """The grid of a sheet as `look_at` sees it; None where none fits.

    cell      the side of a cell in pixels; if None, the largest multiple of `height` of which
              each pixel is exactly a block
    spacing   pixels between cells; if None, what fits best
    """
    longest = min(MOST_APART, max(side.longest for side in sides))
    if cell is not None:
        return best_grid(sides, cell, 1, spacings(spacing, min(cell, longest)))
    for times in range(min(MOST_TIMES, min(s.size for s in sides) // height), 0, -1):
        if all(side.may_be_enlarged(times, height) for side in sides):
            apart = spacings(spacing, min(times * height, longest))
            grid = best_grid(sides, times * height, times, apart)
            if grid is not None:
                return grid
    return None


def better_grid(sides: list[Lines], height: int) -> Grid | None:
    """A grid of larger cells that cuts through nothing, as of sprites that are not `height` high.

    None where there is none, or none of more than one cell each way or two one way.
    """
    longest = min(MOST_APART, max(side.longest for side in sides))
    found = [best_grid(sides, cell, 1, spacings(None, min(cell, longest)))
             for cell in range(height + 1, min(4 * height, *(s.size for s in sides)) + 1)]
    found = [grid for grid in found if grid and grid.lines > 1 and grid.crossed == 0]
    return min(found, key=lambda grid: (oddness_of_grid(grid), -grid.lines), default=None)


def cuts_too_much(grid: Grid) -> bool:
    """More than a quarter of the lines between cells run through drawings."""
    return 4 * grid.crossed > grid.lines


def spacings(spacing, most: int):
    return range(most + 1) if spacing is None else (spacing,)


def best_grid(sides, cell: int, times: int, apart) -> Grid | None:
    """The least odd grid of cells of one size that fits; the same spacing both ways if it can."""
    fitting = [{} for _ in sides]
    for side, found in zip(sides, fitting, strict=True):
        for axis in side.axes(cell, apart):
            known = found.get(axis.spacing)
            if (known is None or axis.oddness < known.oddness) and side.fits(axis, times):
                found[axis.spacing] = axis
    pairs = [(fitting[0][s], fitting[1][s]) for s in fitting[0] if s in fitting[1]]
    if not pairs:
        pairs = [(rows, columns) for rows in fitting[0].values() for columns in
                 fitting[1].values()]
    grids = [Grid(*pair, sum(side.crossed(axis, times) for side, axis in
                             zip(sides, pair, strict=True)),
                  sum(axis.count - 1 for axis in pair)) for pair in pairs]
    return min(grids, key=oddness_of_grid, default=None)


def oddness_of_grid(grid: Grid):
    rows, columns = grid.rows, grid.columns
    return (cuts_too_much(grid), rows.oddness + columns.oddness, rows.spacing + columns.spacing,
            abs(rows.first - columns.first))
