"""Plots by matplotlib: a canvas, the names of its curves, and the Figure that it becomes."""

import io
import re

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from diffutils.stage.given import check_named
from diffutils.stage.look import CYCLE, Figure, as_png, in_few_colours
from diffutils.stage.words import visible


def new_canvas(panels, title, height=4.0):
    """A canvas 9 inches wide with this many axes side by side."""
    canvas = Canvas(figsize=(9, height))
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(1, panels, squeeze=False)[0]
    if title:
        canvas.suptitle(plain(title), x=0.01, ha="left", fontsize=16, fontweight="bold")
    return canvas, axes


def finish(canvas, text):
    """The canvas as a Figure."""
    held = io.BytesIO()
    canvas.savefig(held, format="png", metadata={"Software": None})
    canvas.clear()  # its parts point at each other: left alone, they stay until Python tidies up
    canvas.set_canvas(None)  # and so does the image that they were drawn on, 2 MB
    picture = Image.open(held).convert("RGB")
    return Figure(as_png(in_few_colours(picture), level=9), text)


def plain(text):
    """A text that matplotlib draws as it is, without reading what is between $ as a formula."""
    return visible(text).replace("$", r"\$")


def count_in_tens(axis):
    """A logarithmic axis with plain numbers: 1, 10, 100; 1, 2, 5, 10 where it spans few tens."""
    low, high = sorted(axis.get_view_interval())
    steps = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.12g}"))
    axis.set_minor_formatter(NullFormatter())


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
