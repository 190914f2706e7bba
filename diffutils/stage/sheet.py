"""Pictures on a grid with their texts, drawn by Pillow at an integer scale."""

import math
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from diffutils.stage.given import check_size
from diffutils.stage.look import FAINT, INK, SHARP, WIDTH, Figure, as_png
from diffutils.stage.words import split

FONT_PIXELS = 18  # 13 points at 100 dpi


def draw_grid(where, rows, row_labels, column_labels, captions, scale, title, text):
    """Rows of cells, each a uint8 (H, W, 3) array or None, as one picture with its texts."""
    columns, gap, edge = max(len(row) for row in rows), 10, 8
    blank = [all(k >= len(row) or row[k] is None for row in rows) for k in range(columns)]
    side = max(max(cell.shape[:2]) for row in rows for cell in row if cell is not None)
    left = edge
    if row_labels:
        lines = [line for label in row_labels for line in split(label)]
        left += min(250, max(map(text_width, lines), default=0)) + 16
    shown = columns - sum(blank)
    scale = scale or max(2, min(8, (WIDTH - left - gap * columns) // (max(shown, 1) * side)))
    box = side * scale
    wide = max(box, 80) if captions or column_labels else box  # room for a caption
    widths = [32 if empty else wide for empty in blank]
    places = [left + sum(widths[:k]) + gap * k for k in range(columns)]
    right = places[-1] + widths[-1]

    labels = [wrap(label, left - edge - 16) for label in row_labels or [""] * len(rows)]
    heads = column_heads(column_labels or [], places, right)
    said = [
        [wrap(caption, wide + gap - 4) for caption in (captions[k] if captions else None) or []]
        for k in range(len(rows))
    ]
    titles = wrap(title, max(right - edge, 600), bigger=3)
    y = edge + line_height(len(titles), 3) + bool(titles) * 6
    heads_end = y + line_height(max([len(lines) for _, lines in heads], default=0))
    heights = [
        max(box + line_height(max(map(len, row_said), default=0)), line_height(len(label)))
        for row_said, label in zip(said, labels, strict=True)
    ]
    width = max([right, *[edge + text_width(line, 3, True) for line in titles]]) + edge
    height = heads_end + sum(heights) + gap * (len(rows) - 1) + edge
    check_size(where, width, height, "scale, columns and texts")
    picture = Image.new("RGB", (SHARP * width, SHARP * height), "white")
    pen = ImageDraw.Draw(picture)
    write(pen, (edge, edge - 2), titles, bigger=3, bold=True)
    for middle, lines in heads:
        write(pen, (middle, heads_end - line_height(len(lines)) - 2), lines, "ma")
    y = heads_end
    for row, row_said, label, height in zip(rows, said, labels, heights, strict=True):
        write(pen, (edge, y + max(0, (box - line_height(len(label))) // 2)), label)
        for k, cell in enumerate(row):
            if cell is not None:
                paste(picture, cell, places[k] + (widths[k] - box) // 2, y, box)
            if k < len(row_said):
                write(pen, (places[k] + widths[k] // 2, y + box + 3), row_said[k], "ma")
        y += height + gap
    return Figure(as_png(picture), text)


def column_heads(labels, places, right):
    """(middle, lines) of each column's text; one may spread over the empty ones after it."""
    named = [k for k, label in enumerate(labels) if label]
    heads = []
    for k, after in zip(named, [*named, len(places)][1:], strict=True):
        end = places[after] - 10 if after < len(places) else right
        heads.append(((places[k] + end) // 2, wrap(labels[k], end - places[k] + 6)))
    return heads


def paste(picture, cell, x, y, box):
    """One cell at the largest integer scale that fits its box, in a thin frame; page pixels."""
    x, y, box = SHARP * x, SHARP * y, SHARP * box
    factor = SHARP * max(1, box // SHARP // max(cell.shape[:2]))
    image = Image.fromarray(cell).resize(
        (cell.shape[1] * factor, cell.shape[0] * factor), Image.Resampling.NEAREST
    )
    x, y = x + (box - image.width) // 2, y + (box - image.height) // 2
    ImageDraw.Draw(picture).rectangle(
        (x - SHARP, y - SHARP, x + image.width + SHARP - 1, y + image.height + SHARP - 1),
        outline=FAINT, width=SHARP,
    )  # fmt: skip
    picture.paste(image, (x, y))


@cache
def font(size, bold=False):
    """DejaVu Sans, which comes with matplotlib: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)


def text_width(text, bigger=0, bold=False):
    """Pixels that a line takes."""
    return math.ceil(font(FONT_PIXELS + bigger, bold).getlength(text))


def line_height(count, bigger=0):
    """Pixels that lines take, one below the other."""
    return count * (FONT_PIXELS + bigger + 6)


def wrap(text, width, bigger=0):
    """A text as lines no wider than `width` pixels where its words allow."""
    lines = []
    for paragraph in split(text):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, bigger) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def write(pen, place, lines, anchor="la", *, bigger=0, bold=False, colour=INK):
    """Lines of text, the first at `place` on the page; anchor "la" is left, "ma" is centred."""
    letters = font(SHARP * (FONT_PIXELS + bigger), bold)
    for k, line in enumerate(lines):
        at = (SHARP * place[0], SHARP * (place[1] + line_height(k, bigger)))
        pen.text(at, line, fill=colour, font=letters, anchor=anchor)
