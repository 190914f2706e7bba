"""The plots of lesson 07: how near solvers come to where a path leads, and what calls buy.

    errors = {"DDIM": [thousandths(x, exact) for x in ends], ...}      with 20, 40, 80 steps
    order, line = fit_order([20, 40, 80], errors["DDIM"])
    plot_errors([20, 40, 80], errors, title="An ideal network")
    plot_frontier("calls")                     the table of `frontier`

A solver of order k whose steps are halved has an error 2^k times smaller, where the path is smooth:
on axes that both count in powers of ten a straight line that falls by k.
"""

import numpy as np

from diffutils.expect import check_choice, check_images, check_like
from diffutils.stage.figures import plot_lines
from diffutils.stage.frontier import DDIM, DDPM, DPM, ETA_1, HEUN, frontier, share
from diffutils.stage.look import AVERAGE, NETWORK, NOISE, OTHER, SIGNAL

SHOWN = {DDPM: AVERAGE, ETA_1: OTHER, DDIM: NOISE, HEUN: SIGNAL, DPM: NETWORK}
AXES = {"calls": "calls of the network", "seconds": "seconds, in units of what 500 calls take"}


def thousandths(x, exact):
    """The root mean square difference of a pixel, in thousandths; images like each other."""
    check_images("thousandths", "exact", exact)
    check_like("thousandths", "x", x, "exact", exact)
    return 1000 * float((x - exact).double().square().mean().sqrt())


def fit_order(counts, errors):
    """(order, errors on the fitted line): the least squares line through the logarithms.

    counts, errors   lists of numbers above 0, equally long, two or more
    """
    falling, start = np.polyfit(np.log(counts), np.log(errors), 1)
    return float(-falling), np.exp(start + falling * np.log(counts)).tolist()


def plot_errors(counts, errors, *, title, fit=True, colours=SHOWN, dashed=()):
    """Errors by steps on logarithmic axes, with the fitted lines and their orders, or joined.

    errors   {name: list of numbers}, one for each of counts
    """
    lines = {name: fit_order(counts, values) for name, values in errors.items()} if fit else {}
    label = {name: f"{name}, order {lines[name][0]:.2f}" if fit else name for name in errors}
    return plot_lines(
        {label[name]: (counts, values) for name, values in errors.items()},
        fits={label[name]: line for name, (_, line) in lines.items()},
        colours={label[name]: colours[name] for name in errors}, dashed=dashed, title=title,
        x_log=True, y_log=True, x_label="steps", y_label="error, thousandths",
    )  # fmt: skip


def plot_frontier(column):
    """Flawless samples with their intervals against "calls" or "seconds", above 40 percent."""
    check_choice("plot_frontier", "column", column, AXES)
    curves, bars = {}, {}
    for name in SHOWN:
        rows = [row for row in frontier()["rows"] if row["sampler"] == name]
        rows.sort(key=lambda row: row[column])
        shares = [share(row) for row in rows]
        curves[name] = [row[column] for row in rows], [100 * one.share for one in shares]
        bars[name] = [100 * one.low for one in shares], [100 * one.high for one in shares]
    return plot_lines(
        curves, bars=bars, colours=SHOWN, x_log=True, x_label=AXES[column], y_label="flawless, %",
        y_limits=(40, 100), title=f"Quality against {column}, above 40 %",
    )  # fmt: skip


def noise_left(run):
    """The std of what is in x_t besides its own finished sprite, at each level; the median."""
    faded = [run.schedule.alpha_bar[i].sqrt() * run.x[-1] for i in run.levels]
    pairs = zip(run.x, faded, strict=True)
    return [float((x - sprite).flatten(1).std(1).median()) for x, sprite in pairs]
