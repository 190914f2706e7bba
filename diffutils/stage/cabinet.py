"""The pictures of the bug museum: any exhibit by its name, beside its healthy twin.

    show_exhibit("std")       the samples of both, and three plots that are always the same

The plots: how large the pictures are on the way down, in units of what they should be; the loss by
level, asked as the sampler asks; and the noise that the network is told of, against the noise that
is there. Purple is the exhibit, grey and dashed its healthy twin.
"""

import io

from PIL import Image

from diffutils.expect import check_list
from diffutils.sprites import judge
from diffutils.sprites.judge import class_agreement, flawless
from diffutils.stage.axes import count_in_tens, finish, new_canvas
from diffutils.stage.cases import classes_in_turn, healthy_of, open_case
from diffutils.stage.exhibits import EXHIBITS
from diffutils.stage.figures import show_rows
from diffutils.stage.given import check_size
from diffutils.stage.look import NETWORK, QUIET, Figure, as_png, house_style
from diffutils.stage.museum import LOSSES, size_on_the_way, there, told

SHOWN, WALKED, SEED = 10, 20, 0
PLOTS = ("way", "loss", "noise")
TITLES = {"way": "size on the way, 1 is right", "loss": "loss by level",
          "noise": "noise, told and there"}  # fmt: skip


def colours_of(case, x):
    """What is shown of samples, as pictures in [-1, 1]."""
    return 2 * case.lines.display(x) - 1


def draw_plot(axes, plot, case, colour, **look):
    """One of PLOTS of a case, on the axes of matplotlib."""
    if plot == "loss":
        losses = [min(case.loss(level), 9.9) for level in LOSSES]
        axes.plot(LOSSES, losses, marker="o", markersize=6, color=colour, **look)
        axes.set(xlabel="level", yscale="log", ylim=(8e-4, 12))
        return
    walk = case.walk(WALKED, SEED)
    if plot == "way":
        sizes = [min(size, 3.9) for size in size_on_the_way(walk)]
        axes.plot(walk.levels, sizes, color=colour, **look)
        axes.set(xlabel="level", ylim=(0, 4 if max(sizes) > 1.9 else 2))
    else:
        levels = walk.levels[:-1]
        noise = [min(std, 2) for std in there(walk)[:-1]]
        axes.plot(told(case, levels), noise, color=colour, **look)
        axes.set(xlabel="told, std", ylim=(0, 2.1 if max(noise) > 1.3 else 1.3))


def show_plots(case, twin=None, plots=PLOTS, title=None):
    """Some of PLOTS of a case side by side, and of its healthy twin if it is given."""
    check_list("show_plots", "plots", plots)
    with house_style():
        canvas, panels = new_canvas(len(plots), title, height=2.9)
        for axes, plot in zip(panels, plots, strict=True):
            if twin is not None:
                draw_plot(axes, plot, twin, QUIET, linestyle="--", linewidth=2)
            draw_plot(axes, plot, case, NETWORK)
            axes.set_title(TITLES[plot], fontsize=13)
            if twin is not None and plot == plots[0]:
                for height, name, colour in ((0.92, "healthy", QUIET), (0.8, "this one", NETWORK)):
                    axes.text(0.97, height, name, transform=axes.transAxes, color=colour,
                              ha="right", va="center", fontweight="bold")  # fmt: skip
            if plot == "loss":
                count_in_tens(axes.yaxis)
        return finish(canvas, f"{title or 'plots'}: {', '.join(TITLES[plot] for plot in plots)}.")


def verdict_line(case, n=SHOWN, seed=SEED):
    """What the judge says of n samples, in a line."""
    samples = case.walk(n, seed).x[-1].clamp(-1, 1)
    verdict = judge(samples)
    asked = class_agreement(verdict, classes_in_turn(n)).count
    return (f"{flawless(verdict).count} of {n} flawless, {100 * verdict.correct.mean():.0f} % of "
            f"the pixels right, class as asked {asked} of {n}")


def show_exhibit(name):
    """A Figure: samples of the healthy twin and of the exhibit, and its three plots."""
    case, twin = open_case(name), healthy_of(name)
    pairs = (("healthy", twin), ("the bug", case))
    rows = [colours_of(one, one.walk(WALKED, SEED).x[-1][:SHOWN]) for _, one in pairs]
    said = [f"{label}: {verdict_line(one, WALKED)}" for label, one in pairs]
    sprites = show_rows(rows, [label for label, _ in pairs], scale=4,
                        title=EXHIBITS[name].title, text=". ".join(said) + ".")  # fmt: skip
    return stacked(sprites, show_plots(case, twin, title=None))


def stacked(*figures):
    """Figures one above the other, as one."""
    pictures = [Image.open(io.BytesIO(figure.png)).convert("RGB") for figure in figures]
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures)
    check_size("stacked", width, height, "figures")
    whole, y = Image.new("RGB", (width, height), "white"), 0
    for picture in pictures:
        whole.paste(picture, (0, y))
        y += picture.height
    whole = whole.quantize(200, dither=Image.Dither.NONE)
    return Figure(as_png(whole, level=9), " ".join(figure.text for figure in figures))


