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

Images are (B, C, H, W) floats in [-1, 1] or uint8 (B, H, W, 3); `pixels.to_uint8` is the one map
between them, never stretched. The colours and their meanings are in `look`.
Nothing here computes what a lesson claims: it shows what it is given.
"""

import math
import textwrap

import numpy as np

from diffutils.expect import (
    check_count,
    check_kind,
    check_list,
    check_numbers,
    check_text,
)
from diffutils.schedule import NoiseSchedule
from diffutils.stage.axes import (
    colour_values,
    count_in_tens,
    darker,
    finish,
    name_ends,
    new_canvas,
    plain,
    spread_apart,
    with_colours,
)
from diffutils.stage.given import (
    MOST_PIXELS,
    as_bytes,
    as_cells,
    check_axis,
    check_bar,
    check_curve,
    check_length,
    check_limits,
    check_look,
    check_marks,
    check_named,
    check_positive,
)
from diffutils.stage.look import (
    AVERAGE,
    FAINT,
    IDEAL,
    INK,
    NETWORK,
    NOISE,
    OTHER,
    QUIET,
    SIGNAL,
    STYLE,
    Figure,
    house_style,
)
from diffutils.stage.sheet import draw_grid
from diffutils.stage.words import amount, describe_curve, number, one_line, sentences

__all__ = [
    "AVERAGE", "Figure", "IDEAL", "INK", "NETWORK", "NOISE", "OTHER", "QUIET", "SIGNAL",
    "bits_by_level", "plot_bars", "plot_dots", "plot_histogram", "plot_lines", "plot_schedules",
    "show_maps", "show_rows", "show_sprites",
]  # fmt: skip


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
