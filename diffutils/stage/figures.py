"""Arrays in, `Figure` out: the pictures of the lessons, each with its text twin.

    show_sprites(images, labels)          sprites on a grid, at an integer scale
    show_rows(rows, row_labels, ...)      labelled rows of pictures, a caption under each
    show_maps(maps, labels)               the channels inside a network
    plot_lines(curves, ...)               curves named at their ends
    plot_schedules(schedules)             signal and noise over the levels
    plot_histogram(values, ...)           numbers against the normal curve
    plot_bars(bars, ...)                  amounts with error bars
    plot_dots(dots, ...)                  small differences, with error bars
    bits_by_level(levels, parts, total)   what each level leaves open, one part on the other

A colour means the same everywhere: SIGNAL blue, NOISE orange, IDEAL green, NETWORK purple. They
are Okabe and Ito's, told apart by colour-blind readers, but for the purple, which is darker.
Images are (B, C, H, W) floats in [-1, 1] or uint8 (B, H, W, 3); `pixels.to_uint8` is the one map
between them, never stretched.
Nothing here computes what a lesson claims: it shows what it is given.
"""

import base64
import html
import io
import math
import re
import textwrap
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image, ImageDraw, ImageFont

from diffutils.expect import (
    as_array,
    check_count,
    check_images,
    check_kind,
    check_list,
    check_number,
    check_numbers,
    check_text,
)
from diffutils.pixels import to_float, to_uint8
from diffutils.schedule import NoiseSchedule

__all__ = [
    "AVERAGE", "Figure", "IDEAL", "INK", "NETWORK", "NOISE", "OTHER", "QUIET", "SIGNAL",
    "bits_by_level", "plot_bars", "plot_dots", "plot_histogram", "plot_lines", "plot_schedules",
    "show_maps", "show_rows", "show_sprites", "style", "to_float", "to_uint8",
]  # fmt: skip

SIGNAL, NOISE, IDEAL, NETWORK = "#0072B2", "#D55E00", "#009E73", "#751C75"
AVERAGE, OTHER = "#E69F00", "#56B4E9"
INK, QUIET, FAINT = "#222222", "#767676", "#D9D9D9"
CYCLE = (OTHER, AVERAGE, QUIET, INK)  # for what has no colour of its own

WIDTH = 900  # pixels on the page: 9 inches at 100 dpi
SHARP = 2  # pixels of a picture for one on the page, so that a projector shows no stairs
MOST_PIXELS = 2**24  # of one picture
FONT_PIXELS = 18  # 13 points at 100 dpi
STYLE = {
    "figure.figsize": (9, 4),
    "figure.dpi": 100,
    "savefig.dpi": 100 * SHARP,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
    "axes.labelsize": 13,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "grid.color": "#EBEBEB",
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "image.interpolation": "nearest",
    "image.cmap": "gray",
}


def style():
    """Give every later matplotlib plot the look of the lessons; `lesson.setup` calls it once."""
    matplotlib.rcParams.update(STYLE)


def house_style():
    """A context in which plots look so, whatever else has been set."""
    return matplotlib.style.context(["default", STYLE])


class Figure:
    """A picture and its text twin: the same facts in words, from the same arrays.

    png    the bytes of a PNG file
    text   a sentence or two with the key numbers; alternative text, and what nbval compares
    size   (width, height) on the page, in pixels; the file has SHARP times as many each way
    """

    def __init__(self, png, text):
        self.png, self.text = png, text

    @property
    def size(self):
        width, height = Image.open(io.BytesIO(self.png)).size
        return width // SHARP, height // SHARP

    def save(self, path):
        """Write the PNG file."""
        Path(path).write_bytes(self.png)

    def __repr__(self):
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = self.size
        return {
            "text/plain": self.text,
            "text/html": f'<img src="{data_uri(self.png)}" alt="{html.escape(self.text)}" '
            f'width="{width}" height="{height}" style="max-width:100%;height:auto">',
        }


# Pictures of sprites -----------------------------------------------------------------------------


def show_sprites(images, labels=None, *, columns=None, scale=None, title=None, text=None):
    """Sprites on a grid, each pixel a crisp square, each with its label beneath.

    images    (B, C, H, W) floats in [-1, 1], or uint8 (B, H, W, 3)
    labels    B texts, or None
    columns   pictures a row; by default up to 8, or 16 for many
    scale     screen pixels a sprite's pixel; by default as many as fit, 2..8
    title     one line above
    text      the text twin; by default made from the title and the labels

        show_sprites(x0[:8], labels=["hero"] * 8, title="Eight sprites of the training set")
    """
    images = as_bytes("show_sprites", "images", images)
    return lay_sprites("show_sprites", "images", images, labels, columns, scale, title, text)


def lay_sprites(where, name, images, labels, columns, scale, title, text):
    """`show_sprites` of uint8 images, the argument `name` of the function `where`."""
    check_look(where, title, text, columns=columns, scale=scale)
    check_length(where, "labels", labels, len(images), f"one for each of {name}")
    columns = columns or (len(images) if len(images) <= 8 else 8 if len(images) <= 32 else 16)
    starts = range(0, len(images), columns)
    rows = [list(images[k : k + columns]) for k in starts]
    captions = labels and [list(labels[k : k + columns]) for k in starts]
    size = "x".join(str(side) for side in images.shape[2:0:-1])
    shown = f"{len(images)} picture{'s'[: len(images) != 1]} of {size} pixels"
    auto = sentences(title, shown + (": " + ", ".join(map(str, labels)) if labels else ""))
    return draw_grid(where, rows, None, None, captions, scale, title, text or auto)


def show_rows(
    rows, row_labels=None, column_labels=None, *, captions=None, scale=None, title=None, text=None
):
    """Labelled rows of pictures, such as Bob at four levels and what a model thinks of each.

    rows            a list of rows; a row is a batch of images as in `show_sprites`, or a list
                    whose cells are single images (C, H, W) or (H, W, 3), or None for a gap;
                    a column of gaps is narrow.
                    Cells of other sizes (8x8, 4x4) are scaled to the same box
    row_labels      a text a row, left of it
    column_labels   a text a column, above it; it spreads over the columns whose text is ""
    captions        texts under the pictures, a list a row; "" or None for none
    scale, title, text   as in `show_sprites`

        show_rows([x_t, x0_guess], ["at level 250", "the ideal's guess"], captions=[None, shares])
    """
    check_look("show_rows", title, text, scale=scale)
    check_list("show_rows", "rows", rows)
    rows = [as_cells("show_rows", row) for row in rows]
    if all(cell is None for row in rows for cell in row):
        raise ValueError("show_rows: rows holds no images")
    columns = max(map(len, rows))
    each = "one for each of rows"
    check_length("show_rows", "row_labels", row_labels, len(rows), each)
    check_length("show_rows", "captions", captions, len(rows), each)
    each = "one for each picture in rows"
    check_length("show_rows", "column_labels", column_labels, columns, each, fewer=True)
    for row, said in zip(rows, captions or [], strict=False):
        check_length("show_rows", "a row of captions", said, len(row), each, fewer=True)
    described = []
    for k, row in enumerate(rows):
        said = (captions[k] if captions else None) or [""] * len(row)
        heads = [*(column_labels or []), *[""] * len(row)]
        pairs = zip(heads[: len(said)], said, strict=True)
        cells = [" ".join(filter(None, map(one_line, pair))) for pair in pairs]
        start = one_line(row_labels[k]) if row_labels else f"row {k + 1}"
        listed = ", ".join(filter(None, cells)) or f"{len(row)} pictures"
        alone = not row_labels and len(rows) == 1
        described.append(listed if alone else f"{start}: {listed}")
    auto = sentences(title, *described)
    return draw_grid(
        "show_rows", rows, row_labels, column_labels, captions, scale, title, text or auto
    )


def show_maps(maps, labels=None, *, columns=8, limit=None, scale=None, title=None, text=None):
    """The channels inside a network: white is 0, purple above, dark grey below, on one scale.

    maps    (C, H, W) floats, a tensor or an array, of any range
    limit   the number that gets the full colour; by default the largest there is
    the rest as in `show_sprites`

        show_maps(features[0, :8], title="After the first block: 64 maps of 16x16, 8 of them")
    """
    maps = check_numbers("show_maps", "maps", maps)
    if maps.ndim != 3 or 0 in maps.shape or maps.size > MOST_PIXELS:
        raise ValueError(f"show_maps: maps has shape {maps.shape}; expected (C, H, W)")
    if not np.isfinite(maps).all():
        raise ValueError("show_maps: maps holds numbers that are not finite")
    if limit is not None:
        check_positive("show_maps", "limit", limit)
    check_text("show_maps", "title", title)
    limit = limit or np.abs(maps).max() or 1.0
    part = np.clip(maps / limit, -1, 1)[..., None]
    above, below = colour_values(NETWORK), colour_values("#333333")
    colours = 255 + np.maximum(part, 0) * (above - 255) + np.maximum(-part, 0) * (below - 255)
    auto = sentences(title, f"{len(maps)} maps of {maps.shape[1]}x{maps.shape[2]} numbers")
    images = colours.round().astype(np.uint8)
    check_text("show_maps", "text", text)
    return lay_sprites("show_maps", "maps", images, labels, columns, scale, title, text or auto)


# Plots -------------------------------------------------------------------------------------------


def plot_lines(
    curves, *, x_label, y_label, title=None, colours=None, bands=None, bars=None, fits=None,
    dashed=(), marks=None, x_log=False, y_log=False, y_limits=None, text=None,
):  # fmt: skip
    """Curves, each named at its end in its own colour; twelve points or fewer get dots.

    Where ends meet, a curve that runs by itself elsewhere is named there.

    curves     {name: (x, y)}, lists of numbers; one that has no points yet is left out
    colours    {name: colour}; the others take the next colour
    bands      {name: (low, high)}, shaded round the curve of that name
    bars       {name: (low, high)}, the ends of an error bar at each of its points
    fits       {name: y} of a line drawn dashed where the curve of that name is; the curve itself
               is then dots alone
    dashed     names of the curves to draw dashed
    marks      {text: x}, vertical lines worth naming
    x_log, y_log   logarithmic axes
    y_limits   (lowest, highest) of the axis
    text       the text twin; by default each curve's ends and extremes, two digits

        plot_lines({"training loss": (steps, loss)}, x_label="step", y_label="loss",
                   colours={"training loss": NETWORK})
    """
    where = "plot_lines"
    check_look(where, title, text)
    check_axis(where, x_label=x_label, y_label=y_label)
    check_kind(where, "x_log", x_log, bool)
    check_kind(where, "y_log", y_log, bool)
    curves = {name: check_curve(where, "curves", name, xy)
              for name, xy in check_named(where, "curves", curves).items()}
    bands = {name: check_curve(where, "bands", name, band, curves)
             for name, band in check_named(where, "bands", bands).items()}
    bars = {name: check_curve(where, "bars", name, ends, curves)
            for name, ends in check_named(where, "bars", bars).items()}
    fits = {name: check_curve(where, "fits", name, (y, y), curves)[0]
            for name, y in check_named(where, "fits", fits).items()}
    if y_log and not all((y > 0).any() for _, y in curves.values() if len(y)):
        raise ValueError("plot_lines: y_log is True; expected numbers above 0 in each curve")
    check_limits(where, "y_limits", y_limits, y_log)
    marks = check_marks(where, marks)
    if not isinstance(dashed, list | tuple | set):
        raise TypeError(f"{where}: dashed is a {type(dashed).__name__}; expected a list of names")
    colours = with_colours(where, curves, colours)
    curves = {name: xy for name, xy in curves.items() if len(xy[0])}
    with house_style():
        canvas, (axes,) = new_canvas(1, title)
        for name, (x, y) in curves.items():
            dots = "o" if len(x) <= 12 or name in fits else None
            dash = "none" if name in fits else "--" if name in dashed else "-"
            axes.plot(x, y, linestyle=dash, marker=dots, markersize=8, color=colours[name])
            if name in fits:
                axes.plot(x, fits[name], "--", color=colours[name], linewidth=1.5)
            if name in bars:
                low, high = bars[name]
                axes.vlines(x, low, high, color=colours[name], linewidth=1.8, alpha=0.8)
            if name in bands:
                axes.fill_between(x, *bands[name], color=colours[name], alpha=0.2, linewidth=0)
        axes.set(xlabel=plain(x_label), ylabel=plain(y_label))
        if x_log:
            axes.set_xscale("log")
            count_in_tens(axes.xaxis)
        if y_log:
            axes.set_yscale("log")
            count_in_tens(axes.yaxis)
        if y_limits:
            axes.set_ylim(*y_limits)
        for mark, x in marks.items():
            axes.axvline(x, color=QUIET, linewidth=1.5, linestyle=":")
            axes.text(x, 1.0, f" {plain(mark)}", transform=axes.get_xaxis_transform(), va="top")
        name_ends(canvas, axes, curves, colours)
        described = [describe_curve(name, x, y, x_label) for name, (x, y) in curves.items()]
        return finish(canvas, text or sentences(title, y_label + " by " + x_label, *described))


def bits_by_level(levels, parts, total, *, title=None, text=None):
    """The bits that each level leaves open, one part on the other, below a line at all of them.

    levels   (K,), two or more, in any order
    parts    {name: (K,) bits, at least 0}, one to four; the first lies at the bottom
    total    bits of all parts where nothing is seen at all

        bits_by_level(levels, {"palettes": ..., "shape": ..., "class": ...}, 20.188)
    """
    where = "bits_by_level"
    check_look(where, title, text)
    check_positive(where, "total", total)
    x = check_numbers(where, "levels", levels)
    if x.ndim != 1 or len(x) < 2 or not (np.abs(x) <= 1e6).all() or len(set(x)) < len(x):
        raise ValueError(f"{where}: levels has shape {x.shape}; expected two or more that differ")
    parts = check_named(where, "parts", parts)
    if not 1 <= len(parts) <= 4:
        raise ValueError(f"{where}: parts has {len(parts)} parts; expected one to four")
    order, heights = np.argsort(x), []
    for name, bits in parts.items():
        bits = check_numbers(where, f"parts[{name!r}]", bits)
        if bits.shape != x.shape or not (np.abs(bits) <= 1e6).all():
            raise ValueError(f"{where}: parts[{name!r}] has shape {bits.shape}; expected bits for "
                             f"each of {len(x)} levels")
        heights.append(bits[order].clip(0))
    x, heights = x[order], np.array(heights)
    tops = heights.cumsum(0)
    colours = dict(zip(parts, (OTHER, SIGNAL, NETWORK, AVERAGE), strict=False))
    with house_style():
        canvas, (axes,) = new_canvas(1, title)
        axes.stackplot(x, heights, colors=[colours[name] for name in parts], alpha=0.85)
        axes.axhline(total, color=INK, linestyle="--", linewidth=1.5)
        axes.set(xlabel="level", ylabel="bits still open", xlim=(x[0], x[-1]),
                 ylim=(0, 1.12 * max(total, tops.max())))  # fmt: skip
        axes.annotate(f"all there is to tell: {number(total, 4)} bits", (0.02, total),
                      xycoords=("axes fraction", "data"), va="bottom", xytext=(0, 3),
                      textcoords="offset points", color=INK)  # fmt: skip
        middles = tops[:, -1] - heights[:, -1] / 2
        canvas.draw_without_rendering()
        low, high = axes.transAxes.transform([(0, 0), (1, 1)])[:, 1]
        ys = [axes.transData.transform((x[-1], m))[1] for m in middles]
        for name, y in zip(parts, spread_apart(ys, 21), strict=True):
            axes.annotate(plain(name), (1.01, (y - low) / (high - low)), va="center",
                          xycoords="axes fraction", color=darker(colours[name]),
                          fontweight="bold")  # fmt: skip
        told = [f"{name}: {number(y[-1], 3)} bits open at level {number(x[-1])}, "
                f"half of that at {number(half_way(x, y))}"
                for name, y in zip(parts, heights, strict=True)]
        at_last = total - tops[-1, -1]
        told += [f"level {number(x[-1])} has told {number(at_last, 2)} of {number(total, 4)} bits"]
        return finish(canvas, text or sentences(title, *told))


def half_way(x, y):
    """The largest x at which y is at most half of its last number."""
    below = np.flatnonzero(y <= y[-1] / 2)
    return x[below[-1]] if len(below) else x[0]


def plot_schedules(schedules, *, title=None, marks=None, text=None):
    """Signal sqrt(alpha_bar) and noise sqrt(1 - alpha_bar) over the levels; the second one dashed.

    schedules   {name: NoiseSchedule}, one to three of them
    marks       {text: level}

        plot_schedules({"linear": linear_schedule(), "cosine": cosine_schedule()})
    """
    check_look("plot_schedules", title, text)
    schedules = check_named("plot_schedules", "schedules", schedules)
    if not 1 <= len(schedules) <= 3:
        raise ValueError(f"plot_schedules: schedules holds {len(schedules)}; expected 1..3")
    for schedule in schedules.values():
        check_kind("plot_schedules", "one of schedules", schedule, NoiseSchedule)
    marks = check_marks("plot_schedules", marks)
    strokes = ("-", (0, (4, 2)), (0, (1, 1.5)))
    described = []
    with house_style():
        canvas, panels = new_canvas(2, title, height=4.2)
        for stroke, (name, schedule) in zip(strokes, schedules.items(), strict=False):
            signal = schedule.alpha_bar.sqrt().numpy()
            noise = (1 - schedule.alpha_bar).sqrt().numpy()
            panels[0].plot(signal, linestyle=stroke, color=SIGNAL, label=plain(name))
            panels[1].plot(noise, linestyle=stroke, color=NOISE, label=plain(name))
            half = int(np.argmax(signal < noise))
            described.append(
                f"{name}: signal from 1 at level 0 to {number(signal[-1])} at level "
                f"{schedule.timesteps}; noise is more than signal from level {half}"
            )
        panels[0].set(title="signal, sqrt(alpha_bar)", xlabel="level", ylim=(-0.03, 1.03))
        panels[1].set(title="noise, sqrt(1 - alpha_bar), std", xlabel="level", ylim=(-0.03, 1.03))
        for axes in panels:
            for mark, level in marks.items():
                axes.axvline(level, color=QUIET, linewidth=1.5, linestyle=":")
                axes.text(level, 0.02, f" {plain(mark)}", transform=axes.get_xaxis_transform())
            if len(schedules) > 1:
                axes.legend(handlelength=2.6)
        return finish(canvas, text or sentences(title, *described))


def plot_dots(dots, *, x_label, limits, title=None, colours=None, marks=None, text=None):
    """Amounts as dots with error bars, a row for each thing measured: small differences are seen.

    dots      {row: {name: (value, error)}}, the same names in every row; 0 or more
    limits    (lowest, highest) of the axis, which need not start at zero
    colours   {name: colour}, as in `plot_lines`
    marks     {text: x}, vertical lines worth naming

        plot_dots({"variety": {"with": (98, 1), "without": (92, 1)}}, x_label="%", limits=(80, 105))
    """
    where = "plot_dots"
    check_look(where, title, text)
    check_axis(where, x_label=x_label)
    check_limits(where, "limits", limits, False)
    marks = check_marks(where, marks)
    rows = {row: {name: check_bar(where, name, value, "dots")
                  for name, value in check_named(where, "dots", values).items()}
            for row, values in check_named(where, "dots", dots).items()}
    names = list(next(iter(rows.values()), {}))
    if not names or not all(list(values) == names for values in rows.values()):
        raise ValueError(f"{where}: dots holds rows without names, or with different ones")
    colours = with_colours(where, names, colours)
    height, apart = 1.5 + (0.25 + 0.27 * len(names)) * len(rows), 0.75 / len(names)
    with house_style():
        canvas, (axes,) = new_canvas(1, title, height=height)
        for k, values in enumerate(rows.values()):
            for n, (name, (value, error)) in enumerate(values.items()):
                y, colour = k + (n - (len(names) - 1) / 2) * apart, colours[name]
                axes.errorbar(value, y, xerr=error, fmt="o", markersize=9, color=colour, capsize=4,
                              linewidth=2.5, label=plain(name) if k == 0 else None)  # fmt: skip
                axes.annotate(
                    f"{value:.0f}", (value + error, y), xytext=(7, 0), textcoords="offset points",
                    va="center", color=darker(colour), fontweight="bold",
                )  # fmt: skip
        for k in range(1, len(rows)):
            axes.axhline(k - 0.5, color=FAINT, linewidth=1)
        for mark, x in marks.items():
            axes.axvline(x, color=INK, linewidth=1.5, linestyle=":", zorder=0)
            axes.text(x, 1.0, plain(mark), transform=axes.get_xaxis_transform(), va="top",
                      ha="center", backgroundcolor="white").set_in_layout(False)  # fmt: skip
        axes.set(xlim=limits, ylim=(len(rows) - 0.5, -0.5 - 0.3 * bool(marks)))
        axes.set_yticks(range(len(rows)))
        said = [plain("\n".join(textwrap.wrap(row, 28))) for row in rows]  # a name in its margin
        axes.set_yticklabels(said, fontsize=STYLE["axes.labelsize"])
        axes.set_xlabel(plain(x_label))
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        canvas.get_layout_engine().set(rect=(0, 0, 0.77, 1))  # the names stand in the rest
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
        legend.set_in_layout(False)
        for told, name in zip(legend.get_texts(), names, strict=True):
            told.set(color=darker(colours[name]), fontweight="bold")
        said = [f"{row}: " + ", ".join(f"{n} {v:.0f} ± {e:.1f}" for n, (v, e) in values.items())
                for row, values in rows.items()]
        return finish(canvas, text or sentences(title, x_label, *said))


def plot_histogram(values, *, x_label="value", title=None, colours=None, limit=4.0, text=None):
    """The share of numbers in each bin against the normal curve of mean 0 and std 1.

    values   {name: numbers of any shape}, one to three, side by side on the same axes
    limit    the axis runs from -limit to limit, in bins of limit / 25

        plot_histogram({"Bob at level 500": x_T}, x_label="pixel value")
    """
    where = "plot_histogram"
    check_look(where, title, text)
    check_axis(where, x_label=x_label)
    check_positive(where, "limit", limit)
    values = {name: check_numbers(where, "values", numbers).ravel()
              for name, numbers in check_named(where, "values", values).items()}
    if not 1 <= len(values) <= 3:
        raise ValueError(f"{where}: values holds {len(values)}; expected 1..3")
    if not all(numbers.size and np.isfinite(numbers).all() for numbers in values.values()):
        raise ValueError(f"{where}: values holds no numbers, or some that are not finite")
    colours = with_colours(where, values, colours or dict.fromkeys(values, NOISE))
    grid = np.linspace(-limit, limit, 401)
    described = []
    with house_style():
        canvas, panels = new_canvas(len(values), title, height=3.8)
        for axes, (name, numbers) in zip(panels, values.items(), strict=True):
            bins = np.linspace(-limit, limit, 51)
            shown = numbers[np.abs(numbers) <= limit]
            axes.hist(shown, bins, density=len(shown) > 0, color=colours[name], alpha=0.55,
                      linewidth=0)  # fmt: skip
            axes.plot(grid, np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi), color=INK)
            axes.set(title=plain(name), xlim=(-limit, limit), yticks=[])
            axes.spines["left"].set_visible(False)
            within = [100 * np.mean(np.abs(numbers) < k) for k in (1, 2)]
            described.append(
                f"{name}: {len(numbers)} numbers, mean {round(numbers.mean(), 2) + 0:.2f}, "
                f"std {numbers.std():.2f}, {within[0]:.0f} % within 1 of zero "
                f"and {within[1]:.0f} % within 2"
            )
        canvas.supxlabel(plain(x_label), fontsize=STYLE["axes.labelsize"])
        highest = max(axes.get_ylim()[1] for axes in panels)
        for axes in panels:
            axes.set_ylim(0, highest)
        normal = "The black curve is the normal distribution: 68 % and 95 %"
        return finish(canvas, text or sentences(title, *described, normal))


def plot_bars(bars, *, x_label="", title=None, colours=None, digits=2, text=None):
    """Amounts as bars from zero with their numbers beside them, and error bars where given.

    bars      {name: value} or {name: (value, error)}; or {panel: {name: ...}}, panels side by side
    digits    significant digits of the numbers, beside the bars and in the text twin

        plot_bars({"with noise": (4.1, 0.2), "without": (2.2, 0.1)}, x_label="distance")
    """
    where = "plot_bars"
    check_look(where, title, text)
    check_axis(where, x_label=x_label)
    check_count(where, "digits", digits, highest=15)
    bars = check_named(where, "bars", bars)
    panels = bars if all(isinstance(v, dict) for v in bars.values()) else {x_label: bars}
    panels = {panel: {name: check_bar(where, name, value)
                      for name, value in check_named(where, "bars", values).items()}
              for panel, values in panels.items()}
    if not panels or not all(panels.values()):
        raise ValueError(f"{where}: bars holds no bars")
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    colours = with_colours(where, names, colours)
    described = []
    with house_style():
        canvas, all_axes = new_canvas(len(panels), title, height=1.5 + 0.55 * len(names))
        for k, (axes, (panel, pairs)) in enumerate(zip(all_axes, panels.items(), strict=True)):
            for row, name in enumerate(names):
                value, error = pairs.get(name, (0, 0))
                axes.barh(row, value, color=colours[name], height=0.6)
                if error:
                    axes.errorbar(value, row, xerr=error, color=INK, capsize=5, linewidth=2)
                axes.annotate(
                    " " + amount(value, error, digits), (value + error, row),
                    xytext=(4, 0), textcoords="offset points", va="center",
                )  # fmt: skip
            top = max(value + error for value, error in pairs.values())
            axes.set(xlim=(0, (top or 1) * (1.25 + 0.15 * len(panels))), yticks=range(len(names)))
            axes.set_yticklabels(map(plain, names) if k == 0 else [])
            axes.set_xlabel(plain(panel))
            axes.invert_yaxis()
            axes.grid(False)
            axes.tick_params(axis="y", length=0)
            said = ", ".join(f"{n} {amount(*pair, digits)}" for n, pair in pairs.items())
            described.append(f"{panel}: {said}" if panel else said)
        return finish(canvas, text or sentences(title, *described))


# What the functions above share ------------------------------------------------------------------


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


def split(text):
    """The lines of a text; none for None or an empty one."""
    text = "" if text is None else visible(str(text))
    return text.split("\n") if text else []


def visible(text):
    """A text with a mark in place of what no font can draw: control characters, half characters."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


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


def as_png(picture, level=6):
    """A Pillow picture as PNG bytes; with 256 colours or fewer as a palette, which is smaller.

    level   of compression; 9 takes 7 times as long as 6, for 3 % less of a sprite, 10 % of a plot
    """
    if picture.mode == "RGB" and picture.getcolors(256):
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    held = io.BytesIO()
    picture.save(held, "PNG", compress_level=level)
    return held.getvalue()


def in_few_colours(picture, count=64):
    """An RGB picture in its most frequent colours, kept exactly; the others go to the nearest."""
    red, green, blue = np.asarray(picture, np.int32).reshape(-1, 3).T
    packed = red << 16 | green << 8 | blue
    drawn = np.append(True, packed[1:] != packed[0])  # most of a plot is paper, as its corner
    found, where, often = np.unique(packed[drawn], return_inverse=True, return_counts=True)
    often[where[0]] += packed.size - drawn.sum()
    split_up = np.stack([found >> 16, found >> 8 & 255, found & 255], 1)  # (colours, 3)
    kept = split_up[np.argsort(-often, kind="stable")[:count]]
    nearest = ((split_up[:, None] - kept) ** 2).sum(2).argmin(1).astype(np.uint8)
    chosen = np.full(packed.size, nearest[where[0]])
    chosen[drawn] = nearest[where]
    result = Image.fromarray(chosen.reshape(picture.height, picture.width), "P")
    result.putpalette(kept.astype(np.uint8).tobytes())
    return result


def data_uri(png):
    """PNG bytes as the address of an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def as_bytes(where, name, images):
    """Images as uint8 (B, H, W, 3): floats through the pixel map, greys as three equal channels."""
    if isinstance(images, torch.Tensor) and images.is_floating_point():
        check_images(where, name, images)
        images = to_uint8(images)
    images = as_array(where, name, images)
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"{where}: {name} has shape {images.shape} and holds {images.dtype}; expected floats "
            "(B, C, H, W) in [-1, 1] or uint8 (B, H, W, 3)"
        )
    if images.size == 0:
        raise ValueError(f"{where}: {name} holds no images")
    if images.size > 3 * MOST_PIXELS:
        raise ValueError(f"{where}: {name} has shape {images.shape}, too many to show")
    return images.repeat(3, axis=3) if images.shape[3] == 1 else images


def as_cells(where, row):
    """A row as a list of uint8 (H, W, 3) or None."""
    if not isinstance(row, list | tuple):
        return list(as_bytes(where, "rows", row))
    for cell in row:
        if cell is not None and not isinstance(cell, torch.Tensor | np.ndarray):
            raise TypeError(f"{where}: rows has a {type(cell).__name__}; expected images or None")
    return [None if cell is None else as_bytes(where, "rows", cell[None])[0] for cell in row]


def check_length(where, name, values, length, meaning, fewer=False):
    """A list, where there is one, has the length that the pictures ask for, or is no longer."""
    if values is None:
        return
    check_list(where, name, values)
    if len(values) > length or len(values) < length and not fewer:
        raise ValueError(f"{where}: {name} has {len(values)}; expected {length}, {meaning}")


def check_look(where, title, text, **sizes):
    """Title and text twin are texts; columns and scale are counts, or None to be chosen."""
    check_text(where, "title", title)
    check_text(where, "text", text)
    for name, size in sizes.items():
        if size is not None:
            check_count(where, name, size, highest=64 if name == "scale" else None)


def check_size(where, width, height, of):
    """A picture that can be drawn."""
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{where}: {of} ask for a picture of {width}x{height} pixels; expected at most "
            f"{MOST_PIXELS}"
        )


def check_axis(where, **labels):
    """The names of axes are texts."""
    for name, label in labels.items():
        check_kind(where, name, label, str)


def check_named(where, name, values):
    """A dictionary of texts to something, or None for an empty one."""
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise TypeError(f"{where}: {name} is a {type(values).__name__}; expected {{text: ...}}")
    return values


def check_curve(where, name, key, pair, curves=None):
    """A pair of lists of numbers, equally long; a band has as many as the curve of its name.

    What is not finite is a gap; a curve has x everywhere, and y somewhere.
    """
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise TypeError(f"{where}: {name}[{key!r}] is a {type(pair).__name__}; expected two lists")
    first, second = (check_numbers(where, f"{name}[{key!r}]", part) for part in pair)
    length = first.shape if curves is None else curves[key][0].shape if key in curves else (0,)
    if first.ndim != 1 or not first.shape == second.shape == length:
        raise ValueError(
            f"{where}: {name}[{key!r}] has {first.shape} and {second.shape} numbers; "
            "expected as many of both" + ("" if curves is None else ", as its curve in curves has")
        )
    both = np.concatenate([first, second])
    if (np.abs(both[np.isfinite(both)]) > 1e100).any():
        raise ValueError(f"{where}: {name}[{key!r}] has numbers above 1e100")
    nothing = len(second) and not np.isfinite(second).any()
    if curves is None and (nothing or not np.isfinite(first).all()):
        raise ValueError(f"{where}: {name}[{key!r}] has numbers that are not finite")
    return first, np.where(np.isfinite(second), second, np.nan)


def check_marks(where, marks):
    """{text: number}"""
    for x in check_named(where, "marks", marks).values():
        check_number(where, "marks", x, -1e100, 1e100)
    return marks or {}


def check_limits(where, name, limits, log):
    """`limits` is None, or a lower and a higher number; above 0 where the axis is logarithmic."""
    if limits is None:
        return
    if not isinstance(limits, list | tuple) or len(limits) != 2:
        raise TypeError(f"{where}: {name} is {limits!r}; expected (lowest, highest)")
    for limit in limits:
        check_number(where, name, limit, -1e100, 1e100)
    if not limits[0] < limits[1] or log and limits[0] <= 0:
        raise ValueError(f"{where}: {name} is {limits!r}; expected (lowest, highest)")


def check_bar(where, name, value, argument="bars"):
    """A number as (number, 0), or (number, error), both 0 or more."""
    value = value if isinstance(value, tuple) else (value, 0)
    if len(value) != 2:
        raise ValueError(f"{where}: {argument}[{name!r}] has {len(value)} numbers; expected 1 or 2")
    for part in value:
        check_number(where, f"{argument}[{name!r}]", part, 0, 1e100)
    return float(value[0]), float(value[1])


def check_positive(where, name, value):
    """`value` is a number above 0, not too near and not too far for an axis."""
    check_number(where, name, value, 1e-100, 1e100)


def colour_values(colour):
    """"#rrggbb" as three numbers 0..255."""
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], np.float64)


def darker(colour):
    """The colour, dark enough to be read as text on white."""
    values = colour_values(colour)
    light = values @ [0.2126, 0.7152, 0.0722]
    return "#" + "".join(f"{int(v * min(1, 110 / max(light, 1))):02x}" for v in values)


def with_colours(where, names, colours):
    """A colour for each name: the one given, else the next of the cycle that is not taken."""
    given = dict(check_named(where, "colours", colours))
    for colour in given.values():
        if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
            raise ValueError(f"{where}: colours has {colour!r}; expected '#rrggbb'")
    free = [colour for colour in CYCLE if colour not in given.values()] or list(CYCLE)
    rest = [name for name in names if name not in given]
    return given | {name: free[k % len(free)] for k, name in enumerate(rest)}


def new_canvas(panels, title, height=4.0):
    """A canvas 9 inches wide with this many axes side by side."""
    canvas = Canvas(figsize=(9, height))
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(1, panels, squeeze=False)[0]
    if title:
        canvas.suptitle(plain(title), x=0.01, ha="left", fontsize=16, fontweight="bold")
    return canvas, axes


def name_ends(canvas, axes, curves, colours):
    """Write each curve's name beside its right end, moved apart where two would overlap.

    A curve whose end meets another's is named where it runs by itself, if it does anywhere.
    """
    axes.margins(x=0.01)
    canvas.draw_without_rendering()
    paths = {n: rightwards(axes.transData.transform(np.column_stack([x, y])[np.isfinite(y)]))
             for n, (x, y) in curves.items()}  # fmt: skip
    ends = {name: path[-1, 1] for name, path in paths.items()}
    spots = dict(ends)  # of the names that stay at the ends
    for name in curves:
        meets = any(abs(ends[name] - ends[n]) < 4 for n in curves if n != name)
        if meets and (place := clearing(axes, name, paths)):
            axes.annotate(
                plain(name), place, xycoords="axes fraction", color=darker(colours[name]),
                ha="center", va="center", fontweight="bold",
            )  # fmt: skip
            spots.pop(name)
    low, high = axes.transAxes.transform([(0, 0), (1, 1)])[:, 1]
    order = sorted(spots, key=spots.get)
    heights = spread_apart([min(max(spots[n], low), high) for n in order], 21)
    for name, height in zip(order, heights, strict=True):
        axes.annotate(
            plain(name), (1.01, (height - low) / (high - low)), xycoords="axes fraction",
            color=darker(colours[name]), va="center", fontweight="bold",
        )  # fmt: skip


def rightwards(path):
    """A path (points, 2) so that it does not end left of where it began."""
    return path if path[-1, 0] >= path[0, 0] else path[::-1]


def clearing(axes, name, paths, far=45):
    """The place beside a curve where all others are farthest, or None if they are near all along.

    paths   {name: (points, 2)} in pixels; the place is a fraction of the axes
    far     in pixels
    """
    if any((np.diff(path[:, 0]) <= 0).any() for path in paths.values()):
        return None  # a path that turns back has no one height
    (left, low), (right, high) = axes.transAxes.transform([(0, 0), (1, 1)])
    x = np.linspace(left + 0.15 * (right - left), left + 0.85 * (right - left), 71)
    heights = {n: np.interp(x, path[:, 0], path[:, 1]) for n, path in paths.items()}
    own = heights.pop(name)
    apart = np.min([abs(other - own) for other in heights.values()], axis=0)
    others = np.array(list(heights.values()))
    over = np.where(others > own, others - own, np.inf).min(axis=0)
    under = np.where(others < own, own - others, np.inf).min(axis=0)
    rooms = (np.where(np.isinf(over), 2 * (high - own), over),
             np.where(np.isinf(under), 2 * (own - low), under))
    off = 16 + np.minimum(abs(np.gradient(own, x)) * 5 * len(name), 40)  # beside half a name
    height = np.where(rooms[0] > rooms[1], own + off, own - off)
    inside = (low < own) & (own < high) & (low + 10 < height) & (height < high - 10)
    k = int(apart.argmax())
    if not inside[k] or apart[k] < far:
        return None
    return (x[k] - left) / (right - left), (height[k] - low) / (high - low)


def count_in_tens(axis):
    """A logarithmic axis with plain numbers: 1, 10, 100; 1, 2, 5, 10 where it spans few tens."""
    low, high = sorted(axis.get_view_interval())
    steps = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.12g}"))
    axis.set_minor_formatter(NullFormatter())


def plain(text):
    """A text that matplotlib draws as it is, without reading what is between $ as a formula."""
    return visible(text).replace("$", r"\$")


def spread_apart(heights, least):
    """Sorted heights moved as little as needed to lie `least` apart, their middle kept."""
    groups = []  # (heights placed together)
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and bottom(groups[-1], least) - top(groups[-2], least) < least:
            last = groups.pop()
            groups[-1] += last
    return [bottom(group, least) + k * least for group in groups for k in range(len(group))]


def bottom(group, least):
    """The lowest place of heights that stand together round their mean."""
    return sum(group) / len(group) - (len(group) - 1) * least / 2


def top(group, least):
    """The highest place of heights that stand together round their mean."""
    return sum(group) / len(group) + (len(group) - 1) * least / 2


def finish(canvas, text):
    """The canvas as a Figure."""
    held = io.BytesIO()
    canvas.savefig(held, format="png", metadata={"Software": None})
    canvas.clear()  # its parts point at each other: left alone, they stay until Python tidies up
    canvas.set_canvas(None)  # and so does the image that they were drawn on, 2 MB
    picture = Image.open(held).convert("RGB")
    return Figure(as_png(in_few_colours(picture), level=9), text)


def sentences(*parts):
    """The parts that are there, each closed with a full stop, as one text."""
    told = [part.strip() for part in parts if part]
    return " ".join(part if part[-1] in ".?!" else part + "." for part in told)


def one_line(text):
    """A text without its line breaks; "" for None."""
    return " ".join(split(text))


def number(value, digits=2):
    """A number in `digits` significant digits, without an exponent where that reads well.

    >>> number(1234.5), number(0.012345), number(250)
    ('1200', '0.012', '250')
    """
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if not -6 < places < 9:
        return f"{value:.{digits - 1}e}"
    return f"{round(value, places):.{max(places, 0)}f}"


def amount(value, error, digits):
    """A number, with its error where there is one: "14.1 ± 0.2"."""
    if not error:
        return number(value, digits)
    places = -math.floor(math.log10(abs(error)))
    if not -6 < places < 9:
        return f"{number(value, digits)} ± {number(error, 1)}"
    return f"{round(value, places):.{max(places, 0)}f} ± {number(error, 1)}"


def describe_curve(name, x, y, x_label):
    """Where a curve starts, ends, and is lowest and highest, in words."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    told = f"{name}: from {number(y[0])} at {x_label} {number(x[0])} "
    told += f"to {number(y[-1])} at {x_label} {number(x[-1])}"
    for word, k in (("lowest", int(np.nanargmin(y))), ("highest", int(np.nanargmax(y)))):
        if k not in (0, len(y) - 1):
            told += f", {word} {number(y[k])} at {number(x[k])}"
    return told
