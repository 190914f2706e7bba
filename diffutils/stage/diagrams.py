"""The pictures in diagrams/, drawn from our sprites, our schedule and the trained network.

    python -m diffutils.stage.diagrams              draws all of them
    python -m diffutils.stage.diagrams sampling     draws the one of that name

Nothing is faked: every noisy picture is `perturb_input`, every thought the ideal denoiser's,
every new sprite a sample of `load_pretrained()`. Drawing again changes no byte on the same
machine; on another the samples may differ by a rounding that nobody sees.
"""

import argparse
import hashlib
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffutils.descent import guess_noise
from diffutils.expect import check_list
from diffutils.ideal import IdealDenoiser
from diffutils.measure import distance_to_average, mean_and_error, variety_and_error
from diffutils.noising import perturb_input
from diffutils.pixels import to_float, to_uint8
from diffutils.sampling import denoise_add_noise, sample_ddim, sample_ddpm
from diffutils.schedule import linear_schedule
from diffutils.sprites.forge import CLASSES, bob, bob_factors, forge_sprites, render
from diffutils.sprites.judge import judge
from diffutils.sprites.relatives import relatives
from diffutils.stage import frontier
from diffutils.stage.given import as_bytes
from diffutils.stage.look import (
    FAINT,
    IDEAL,
    INK,
    NETWORK,
    NOISE,
    QUIET,
    SIGNAL,
    Figure,
    house_style,
)
from diffutils.weights import KINDS, load_pretrained, pretrained_path, weights_metadata

FOLDER = Path(__file__).resolve().parents[2] / "diagrams"
WIDE = 1600  # pixels; half of it on a page, so that letters of 30 are 15 there
NAME, BODY, SMALL = 40, 30, 26  # sizes of letters, in pixels


# The pictures ------------------------------------------------------------------------------------


def add_noise():
    """Bob from clean to "no idea", and what the ideal network thinks at each level."""
    page = Page(WIDE, 1010, "What should the network be thinking?")
    ideal, noise = ideal_of_bobs_world(), normal((1, 3, 16, 16), seed=5)
    others = normal((200, 3, 16, 16), seed=6)
    thoughts = {
        60: ("This is Bob.", "Keep Bob."),
        250: ("Bob, or a relative.", "Suggest details."),
        430: ("Some hero or other.", "Suggest an outline."),
        500: ("It could be anyone.", "No idea."),
    }
    page.words((158, 112), "Bob", bold=True)
    page.words((340, 112), "more noise", NOISE, align="left", bold=True)
    page.arrow((545, 112), (1560, 112), NOISE, thick=5)
    page.sprite(30, 155, to_float(bob()[None]), 16, "level 0")
    page.words((30, 481), "Left of Bob", SIGNAL, align="left")
    page.words((30, 680), "What the ideal\nnetwork thinks:\nthe average of\nall sprites that\n"
               "this could be", IDEAL, align="left", valign="top")  # fmt: skip
    told = []
    for k, (level, (sees, does)) in enumerate(thoughts.items()):
        x = 318 + 320 * k
        x_t = perturb_input(to_float(bob()[None]), level, noise, schedule=ideal.schedule)
        page.sprite(x + 25, 155, x_t, 16, f"level {level}")
        left = f"{ideal.schedule.alpha_bar[level].sqrt():.0%}"
        page.words((x + 153, 481), left, SIGNAL, size=34, bold=True)
        page.bubble(x, 580, 306, 400, IDEAL)
        page.sprite(x + 73, 605, ideal.guess_x0(x_t, level), 10)
        page.words((x + 153, 805), sees, size=SMALL)
        page.words((x + 153, 845), does, IDEAL, size=25, bold=True)
        bobs = perturb_input(to_float(bob()[None]).expand_as(others), level, others,
                             schedule=ideal.schedule)
        possible = about(float(ideal.effective_number(bobs, level).mean()))
        page.words((x + 153, 895), "still possible, on average", QUIET, size=20)
        page.words((x + 153, 932), possible, QUIET, size=26, bold=True)
        told.append(f"at level {level}, with {left} of Bob left: {sees} {does} "
                    f"Still possible: {possible}")
    return page.finish(
        "Bob the sprite at levels 0, 60, 250, 430 and 500, dissolving into noise. Under each "
        "stands the guess of the ideal network, an average that gets blurred. " + "; ".join(told)
    )


def no_idea_level_of_noise():
    """Training takes noise out of known sprites; new sprites start where only noise is left."""
    nn_model, schedule = best_guesser()
    page = Page(WIDE, 1130, "Learn to take noise out, then start from noise alone")
    x0, noise, fresh = to_float(bob()[None]), normal((1, 3, 16, 16), 4), normal((1, 3, 16, 16), 5)
    level, scale = 150, 12
    x_t = perturb_input(x0, level, noise, schedule=schedule)
    guess = guess_noise(nn_model, x_t, level, schedule=schedule)

    page.heading(105, "Training: which noise did we add?")
    y = 140
    page.sprite(30, y, x0, scale, "a sprite", SIGNAL)
    page.words((259, y + 96), "+", size=56)
    page.sprite(296, y, noise, scale, "noise", NOISE)
    page.words((525, y + 96), "=", size=56)
    page.sprite(562, y, x_t, scale, f"level {level}", INK)
    page.arrow((768, y + 96), (828, y + 96), INK)
    page.box(842, y + 26, 220, 140, "network", NETWORK)
    page.arrow((1076, y + 96), (1136, y + 96), INK)
    page.sprite(1152, y, guess, scale, "its guess", NETWORK)
    page.words((1368, y + 96), "The loss: the\nmean square of\nguess - noise", size=SMALL,
               align="left")  # fmt: skip

    page.line(430)
    page.heading(470, "At level 500, Bob's numbers are normally distributed")
    y = 505
    last = perturb_input(x0, 500, noise, schedule=schedule)
    page.sprite(50, y, last, scale, "Bob, level 500", INK)
    page.histogram(262, y, 400, 180, last)
    page.words((785, y + 96), "hardly to be\ntold from", size=BODY)
    page.sprite(910, y, fresh, scale, "noise alone", NOISE)
    page.histogram(1120, y, 400, 180, fresh)

    page.line(795)
    page.heading(835, "So start from noise alone, and get new sprites")
    y = 870
    best = best_first()
    page.sprite(30, y, new_sprites().x[0, best[:1]], scale, "level 500", NOISE)
    page.arrow((236, y + 96), (296, y + 96), INK)
    page.box(312, y + 26, 300, 140, "network,\n500 times", NETWORK)
    page.arrow((626, y + 96), (686, y + 96), INK)
    for k in range(4):
        page.sprite(705 + 217 * k, y, new_sprites().x[-1, best[k : k + 1]], scale)
    page.words((1126, y + 225), "level 0: four of many", SIGNAL, bold=True)
    return page.finish(
        "Training: a sprite plus noise is a noisy sprite, and the network guesses the noise in it. "
        "At level 500 the numbers of Bob follow the same bell curve as noise alone. So new "
        "sprites start from noise alone, and the network takes it out in 500 steps."
    )


def sampling():
    """One big step lands on a blur; many small ones on a sprite."""
    page = Page(WIDE, 840, "The guess is only a guess: take many small steps")
    run, scale, picked = new_sprites(), 12, [foggiest()]
    x, eps, first = (part[0, picked] for part in (run.x, run.eps, run.x0))
    page.heading(105, "All of the guessed noise at once")
    y = 140
    page.sprite(60, y, x, scale, "noise,\nlevel 500", NOISE)
    page.words((300, y + 96), "-", size=64)
    page.sprite(348, y, eps, scale, "the network's\nguess of it", NETWORK)
    page.words((588, y + 96), "=", size=56)
    page.sprite(636, y, first, scale, "a blur", INK)
    page.words((890, y + 96), "At level 500 it could be\nnearly any sprite. The best\n"
               "guess is near their average.", align="left")  # fmt: skip
    page.sprite(1348, y, world().mean(0, keepdim=True), scale, "average of\n5,000 sprites", QUIET)
    page.line(460)
    page.heading(500, "A little of it, 500 times, with a new guess each time")
    for k, level in enumerate((500, 400, 300, 200, 100, 0)):
        at, left = run.levels.index(level), 30 + 270 * k
        name = f"level {level}" if level else "a new sprite"
        colour = INK if level else SIGNAL
        page.sprite(left, 545, run.x[at, picked], scale, name, colour)
        if k:
            page.arrow((left - 66, 641), (left - 12, 641), NETWORK)
    return page.finish(
        "Taking out all of the guessed noise at level 500 leaves a blur near the average of all "
        "sprites. Taking out a little at a time, with a new guess each time, turns the same noise "
        "into a new sprite between levels 500 and 0."
    )


def sample():
    """One run: the picture, the guess of the noise, and the sprite they point at."""
    page = Page(WIDE, 790, "One run of 500 steps, and what the network guesses on the way")
    run, picked = new_sprites(), best_first()[:1]
    levels = (500, 460, 400, 340, 280, 200, 100, 0)
    rows = (
        ("x_t", "the picture", run.x, INK),
        ("eps", "the network's\nguess of the\nnoise in it", run.eps, NETWORK),
        ("x0", "the sprite\nthat x_t and\neps point at", run.x0, SIGNAL),
    )
    for k, level in enumerate(levels):
        page.words((310 + 170 * k, 125), str(level), bold=True)
    page.words((30, 125), "level", align="left", bold=True)
    for r, (name, meaning, pictures, colour) in enumerate(rows):
        y = 160 + 205 * r
        page.words((30, y + 28), name, colour, size=36, align="left", bold=True)
        page.words((30, y + 52), meaning, size=SMALL, align="left", valign="top")
        for k, level in enumerate(levels):
            if name == "eps" and level == 0:
                page.words((310 + 170 * k, y + 80), "none left", QUIET, size=SMALL)
            else:
                picture = pictures[run.levels.index(level), picked]
                page.sprite(230 + 170 * k, y, picture, 10)
    return page.finish(
        "A sampling run at levels 500, 460, 400, 340, 280, 200, 100 and 0, in three rows: the "
        "picture itself, from noise to a sprite; the noise that the network sees in it; and the "
        "sprite that the two point at, from a blur to the finished sprite."
    )


def sampling_iteration_details():
    """The step from level i to i - 1: take out, scale, put back."""
    _, schedule = best_guesser()
    run, level, z = new_sprites(), 200, normal((1, 3, 16, 16), seed=6)
    x, eps = (part[run.levels.index(level), best_first()[:1]] for part in (run.x, run.eps))
    after = denoise_add_noise(x, level, eps, z, schedule=schedule)
    beta, alpha, alpha_bar = (
        float(part[level]) for part in (schedule.beta, schedule.alpha, schedule.alpha_bar)
    )
    out, scale_up, back = beta / (1 - alpha_bar) ** 0.5, alpha**0.5, beta**0.5
    page = Page(WIDE, 930, f"One step in detail: from level {level} to level {level - 1}")
    page.heading(105, "Ask: how much of this is noise?")
    y, scale = 140, 11
    page.sprite(140, y, x, scale, f"x, level {level}", INK)
    page.arrow((335, y + 88), (415, y + 88), INK)
    page.box(432, y + 18, 330, 140, "network", NETWORK)
    page.words((597, y + 195), f"t = i / T = {level / schedule.timesteps:.1f}", size=BODY)
    page.arrow((779, y + 88), (859, y + 88), INK)
    page.sprite(878, y, eps, scale, "eps", NETWORK)
    page.words((1090, y + 88), f"The network sees the picture\nand is told its level,\n"
               f"i = {level} of T = {schedule.timesteps}.", size=SMALL, align="left")  # fmt: skip

    page.line(405)
    page.heading(445, "Take a little of it out, scale, put fresh noise back")
    y = 490
    page.words((38, y + 88), "(", size=120)
    page.sprite(70, y, x, scale, f"level {level}", INK)
    page.words((366, y + 88), f"- {out:.4f} x", NETWORK, bold=True, size=32)
    page.sprite(484, y, eps, scale, "eps", NETWORK)
    page.words((694, y + 88), ")", size=120)
    page.words((794, y + 88), f"/ {scale_up:.4f}", bold=True, size=32)
    page.words((986, y + 88), f"+ {back:.4f} x", NOISE, bold=True, size=32)
    page.sprite(1104, y, z, scale, "z, fresh", NOISE)
    page.words((1336, y + 88), "=", size=64)
    page.sprite(1394, y, after, scale, f"level {level - 1}", INK)
    y = 775
    for x_middle, name, formula, colour in (
        (480, "take out", "beta / sqrt(1 - alpha_bar)", NETWORK),
        (794, "scale", "sqrt(alpha)", INK),
        (1090, "put back", "sqrt(beta), a std", NOISE),
    ):
        page.words((x_middle, y), name, colour, bold=True)
        page.words((x_middle, y + 40), formula, colour, size=SMALL)
    page.words((800, 885), f"Most of the noise stays, because a picture at level {level - 1} has "
               "it too. At the last step z is 0.", QUIET)  # fmt: skip
    return page.finish(
        f"One sampling step at level {level}. The network gets the picture x and its level and "
        f"returns eps, its guess of the noise. The next picture is (x - {out:.4f} eps) / "
        f"{scale_up:.4f} + {back:.4f} z, where z is fresh noise and 0 at the last step. Most of "
        "the noise stays, because a picture at the next level has it too."
    )


def sample_and_noise():
    """The same start with fresh noise put back at each step, and without: sprites and less."""
    page = Page(WIDE, 760, "Why put noise back?")
    run, other_run = new_sprites(kind="plain"), new_sprites(inject_noise=False, kind="plain")
    start, kept, bare = run.x[0], run.x[-1], other_run.x[-1]
    far = [mean_and_error(distance_to_average(x, world())) for x in (kept, bare)]
    apart = [variety_and_error(x) for x in (kept, bare)]
    for (with_noise, error), (without, other) in (far, apart):
        if with_noise - without < 3 * (error**2 + other**2) ** 0.5:
            raise RuntimeError("sample_and_noise: these samples do not show what the picture says")
    (far, _), (apart, _) = zip(*far, strict=True), zip(*apart, strict=True)
    rows = (
        (start, "The same start:\nnoise, level 500", QUIET, ("to the\naverage", "to each\nother")),
        (kept, "Fresh noise put\nback each step", NOISE, (f"{far[0]:.2f}", f"{apart[0]:.2f}")),
        (bare, "No noise\nput back", INK, (f"{far[1]:.2f}", f"{apart[1]:.2f}")),
    )
    page.words((1466, 105), "distance", QUIET, size=SMALL, bold=True)
    for r, (pictures, name, colour, numbers) in enumerate(rows):
        y = 125 + 180 * r
        page.words((30, y + 56), name, colour, align="left", bold=True)
        for k in range(8):
            page.sprite(330 + 128 * k, y, pictures[k : k + 1], 7)
        for k, told in enumerate(numbers):
            page.words((1412 + 118 * k, y + 56), told, colour, size=SMALL if r == 0 else 38,
                       bold=r > 0)  # fmt: skip
    page.words((30, 700), "Only the fresh noise differs. Without it samples are more alike, and\n"
               "nearer to the average of all sprites: means of 256, of which eight are shown.",
               QUIET, align="left")  # fmt: skip
    return page.finish(
        f"Samples with fresh noise put back at each step lie {far[0]:.2f} a pixel from the average "
        f"of all sprites and {apart[0]:.2f} from each other. From the same start without it they "
        f"are more alike: {far[1]:.2f} from the average and {apart[1]:.2f} from each other. Means "
        "of 256 samples, of which eight are shown."
    )


def few_calls():
    """The same three starts in 500, 25, 10 and 5 calls, by DDPM and by DDIM."""
    page = Page(WIDE, 610, "From 500 calls of the network to 5")
    nn_model, schedule = load_pretrained("palette")
    told = []
    for r, (sampler, name, colour) in enumerate((
        ("DDPM", "DDPM: fresh\nnoise each step", NOISE),
        ("DDIM", "DDIM: the same\nnoise again", IDEAL),
    )):
        y = 160 + 210 * r
        page.words((30, y + 56), name, colour, size=SMALL, align="left", bold=True)
        for k, n in enumerate((500, 25, 10, 5)):
            x = 300 + 326 * k
            drawn, run = frontier.draw(sampler, n, 3, nn_model=nn_model, schedule=schedule,
                                       seed=6, dice=1)
            for j in range(3):
                page.sprite(x + 103 * j, y, drawn[j : j + 1].clamp(-1, 1), 6)
            flawless = f"{frontier.share(frontier.find(sampler, n)).share:.0%}"
            page.words((x + 151, y + 130), flawless, colour, size=34, bold=True)
            told.append(f"{sampler} in {run.calls} calls: {flawless}")
            if r == 0:
                page.words((x + 151, 118), f"{n} calls", bold=True)
    page.words((30, 570), "In percent: flawless, of 500 samples.", QUIET, align="left")
    return page.finish("Three starts, each drawn in fewer and fewer calls. Flawless, of 500 "
                       f"samples: {'; '.join(told)}.")  # fmt: skip


def sprites():
    """A sheet of the five classes."""
    page = Page(WIDE, 100 + 150 * len(CLASSES), "Five classes of sprites")
    for r, name in enumerate(CLASSES):
        images, _, _ = forge_sprites(10, seed=3, classes=[name])
        page.words((30, 100 + 150 * r + 64), name, align="left", bold=True)
        for k, image in enumerate(images):
            page.sprite(250 + 135 * k, 100 + 150 * r, to_float(image[None]), 8)
    return page.finish(f"Ten sprites of each class: {', '.join(CLASSES)}.")


def cover():
    """A wall of new sprites, a row a class, each at a moment of being drawn from noise."""
    nn_model, schedule = load_pretrained("palette")
    columns, rows, scale = 20, len(CLASSES), 5
    context = torch.eye(rows).repeat_interleave(columns, 0)  # (100, 5), a class a row
    _, run = sample_ddim(
        columns * rows, n=50, nn_model=nn_model, schedule=schedule, context=context,
        progress=False, generator=torch.Generator().manual_seed(8),
    )  # fmt: skip
    page = Page(columns * 16 * scale, rows * 16 * scale)
    for k in range(columns * rows):
        row, column = k // columns, k % columns
        level = 500 * max(0, 1 - column / (columns - 4)) ** 2.2
        at = min(range(len(run.levels)), key=lambda j: abs(run.levels[j] - level))
        page.sprite(column * 16 * scale, row * 16 * scale, run.x[at, k : k + 1], scale)
    return page.finish(
        "A wall of new game sprites that the network draws out of noise, from left to right: "
        f"{', '.join(CLASSES)}."
    )


# What they are drawn from ------------------------------------------------------------------------

PICTURES = {
    function.__name__: function
    for function in (
        add_noise, no_idea_level_of_noise, sampling, sample, sampling_iteration_details,
        sample_and_noise, few_calls, sprites, cover,
    )
}  # fmt: skip


def normal(shape, seed):
    """N(0, 1) of this shape, the same for the same seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@cache
def best_guesser(kind="palette"):
    """A shipped network and its schedule: it gives its best guess, not a bold one."""
    nn_model, schedule = load_pretrained(kind)
    if kind == "palette":
        nn_model.conviction = 1.0
    return nn_model, schedule


@cache
def world():
    """Bob, his relatives and 5,000 others: (N, 3, 16, 16), the sprites of the first lesson."""
    images, _, _ = forge_sprites(5000, seed=1)
    return to_float(np.concatenate([bob()[None], render(relatives(bob_factors())), images]))


@cache
def ideal_of_bobs_world():
    """The ideal denoiser that knows all sprites of the first lesson."""
    return IdealDenoiser(world(), schedule=linear_schedule())


@cache
def new_sprites(inject_noise=True, kind="palette"):
    """The trajectory of 256 samples of a shipped network; the same start either way."""
    nn_model, schedule = best_guesser(kind)
    _, run = sample_ddpm(
        256, nn_model=nn_model, schedule=schedule, inject_noise=inject_noise, progress=False,
        generator=torch.Generator().manual_seed(7),
    )  # fmt: skip
    return run


@cache
def best_first():
    """The numbers of the first eight of them, the one with the most pixels right first."""
    return (-judge(new_sprites().x[-1, :8]).correct).argsort(kind="stable").tolist()


def foggiest():
    """Of the four best, the one whose first guess is nearest to the average of all sprites."""
    return min(best_first()[:4], key=lambda k: float(
        distance_to_average(new_sprites().x0[0, k : k + 1], world())))


@cache
def drawn_from():
    """A fingerprint of the art and the weights, kept in each picture: does it need a new one?"""
    stories = [weights_metadata(pretrained_path(kind)) for kind in KINDS]
    known = json.dumps([[w["weights_checksum"], w["config"]] for w in stories], sort_keys=True)
    return hashlib.sha256(known.encode() + to_uint8(world()).tobytes()).hexdigest()[:16]


def about(count):
    """A count of possible sprites in words: "1", "3.9", "about 830"."""
    if count < 9.95:
        return "1" if count < 1.05 else f"{count:.1f}"
    return f"about {float(f'{count:.2g}'):.0f}"


class Page:
    """A white sheet measured in pixels from its top left corner, with the house's marks on it."""

    def __init__(self, width, height, title=None):
        self.width, self.height = width, height
        with house_style():
            self.canvas = Canvas(figsize=(width / 100, height / 100), dpi=100, layout="none")
            FigureCanvasAgg(self.canvas)
            self.axes = self.canvas.add_axes((0, 0, 1, 1))
            self.axes.set(xlim=(0, width), ylim=(height, 0))
            self.axes.axis("off")
        self.sprites = []
        if title:
            self.words((30, 45), title, size=NAME, align="left", bold=True)

    def words(self, place, text, colour=INK, *, size=BODY, align="center", valign="center",
              bold=False):  # fmt: skip
        """Lines of text; `place` is their middle, or left or right end; size in pixels."""
        lines, pitch = text.split("\n"), 1.3 * size
        first = place[1] + 0.86 * size - (len(lines) - 1) * pitch / 2 - 0.5 * size
        if valign == "top":
            first = place[1] + 0.86 * size
        for k, line in enumerate(lines):
            self.axes.text(
                place[0], first + k * pitch, line, color=colour, fontsize=size * 0.72, ha=align,
                va="baseline", fontweight="bold" if bold else "normal", family="DejaVu Sans",
            )  # fmt: skip

    def heading(self, y, text):
        """The first line of a part of the page."""
        self.words((30, y), text, QUIET, align="left", bold=True)

    def sprite(self, x, y, image, scale, name="", colour=FAINT):
        """One image (1, 3, H, W), each pixel `scale` pixels wide, and its name beneath."""
        pixels = as_bytes("Page", "image", image)[0].repeat(scale, 0).repeat(scale, 1)
        self.sprites.append((x, y, pixels))
        high, wide = pixels.shape[:2]
        border = FAINT if colour == INK else colour
        self.frame(x - 3, y - 3, wide + 6, high + 6, border, facecolor=border, linewidth=0)
        if name:
            self.words((x + wide / 2, y + high + 12), name, INK if colour == FAINT else colour,
                       size=28, bold=True, valign="top")  # fmt: skip

    def frame(self, x, y, wide, high, colour, **look):
        """A rectangle with soft corners."""
        look = {"facecolor": "none", "linewidth": 2.5, "rounding": 3} | look
        rounding = look.pop("rounding")
        self.axes.add_patch(FancyBboxPatch(
            (x, y), wide, high, boxstyle=f"round,pad=0,rounding_size={rounding}",
            edgecolor=colour, **look,
        ))  # fmt: skip

    def box(self, x, y, wide, high, name, colour):
        """A machine with its name."""
        self.frame(x, y, wide, high, colour, facecolor=colour, rounding=18)
        self.words((x + wide / 2, y + high / 2), name, "white", bold=True, size=34)

    def bubble(self, x, y, wide, high, colour):
        """A thought: a cloudy frame with three small circles rising to what is thought about."""
        self.frame(x, y, wide, high, colour, rounding=40, linewidth=3)
        for k, radius in enumerate((11, 8, 5)):
            self.axes.add_patch(Circle(
                (x + wide / 2 + 8 * k, y - 18 - 20 * k), radius, edgecolor=colour,
                facecolor="white", linewidth=3,
            ))  # fmt: skip

    def arrow(self, start, end, colour, thick=4):
        """An arrow from one point to another."""
        self.axes.add_patch(FancyArrowPatch(
            start, end, arrowstyle="-|>,head_length=9,head_width=6", color=colour,
            linewidth=thick, shrinkA=0, shrinkB=0, mutation_scale=1.6,
        ))  # fmt: skip

    def line(self, y):
        """A thin line between parts of the page."""
        self.axes.plot((30, self.width - 30), (y, y), color=FAINT, linewidth=2)

    def histogram(self, x, y, wide, high, image):
        """The numbers of one image in bins from -4 to 4, under the normal curve."""
        edges = np.linspace(-4, 4, 33)
        share, _ = np.histogram(image.numpy().ravel(), edges, density=True)
        middle = (edges[1:] + edges[:-1]) / 2
        across, top = wide / 8, 0.52
        base = y + high
        self.axes.bar(x + (middle + 4) * across, -share / top * high, width=across * 0.25,
                      bottom=base, color=NOISE, alpha=0.55, linewidth=0)  # fmt: skip
        grid = np.linspace(-4, 4, 201)
        curve = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
        self.axes.plot(x + (grid + 4) * across, base - curve / top * high, color=INK, linewidth=3)
        for tick in (-2, 0, 2):
            self.words((x + (tick + 4) * across, base + 14), str(tick), QUIET, size=SMALL,
                       valign="top")  # fmt: skip

    def finish(self, text):
        """The page as a Figure whose text twin is `text`."""
        held = io.BytesIO()
        self.canvas.savefig(held, format="png", metadata={"Software": None})
        picture = Image.open(held).convert("RGB")
        for x, y, pixels in self.sprites:
            picture.paste(Image.fromarray(pixels), (x, y))
        notes = PngInfo()
        notes.add_text("Description", text)
        notes.add_text("Source", drawn_from())
        held = io.BytesIO()
        picture.save(held, "PNG", optimize=True, pnginfo=notes)
        return Figure(held.getvalue(), text)


def draw(names=None, folder=FOLDER):
    """Draw pictures into a folder, all of them or those named; returns {name: Figure}."""
    names = list(PICTURES) if names is None else names
    check_list("draw", "names", names)
    for name in names:
        if not isinstance(name, str) or name not in PICTURES:
            raise ValueError(f"draw: names has {name!r}; expected some of {list(PICTURES)}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    figures = {name: PICTURES[name]() for name in names}
    for name, figure in figures.items():
        figure.save(Path(folder) / f"{name}.png")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PICTURES)}; all if none")
    for name, figure in draw(parser.parse_args().names or None, FOLDER).items():
        print(f"diagrams/{name}.png: {figure.text}")


if __name__ == "__main__":
    main()
