"""Exercises on what should be there: sizes on the way, a world of one sprite, dice from a ruler."""

import torch

from diffutils.noising import noise_in
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import call
from diffutils.stage.checks.coefficients import asks, at_levels
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check
from diffutils.stage.checks.levels import constant, images, label, schedules


def size_at(function):
    """function(i, square, *, schedule): the std round 0 of all numbers at level i.

    square   the mean square of the clean pictures' numbers
    """
    return check(SIZE_AT, function)


def oracle_noise(function):
    """function(x, i, x0, *, schedule): the noise in x if x0 is the only sprite in the world."""
    return check(ORACLE_NOISE, function)


def even_dice(function):
    """function(u): dice of mean 0 and variance 1, made of numbers u that are uniform in 0..1."""
    return check(EVEN_DICE, function)


# --- the size of a picture on the way ------------------------------------------------------------


def right_size(i, square, *, schedule):
    bar = schedule.alpha_bar[i]
    return (bar * square + 1 - bar) ** 0.5


def size_probes():
    long, short = schedules()
    at = [(500, 0.55, long), (250, 0.55, long), (250, 1.0, long), (100, 0.25, long),
          (0, 0.4, long), (5, 0.7, short), (15, 2.0, short)]  # fmt: skip
    return [(f"{label(i, s)}, square {q:g}", (i, q), {"schedule": s}) for i, q, s in at]


def measure_size(function):
    def at(i, square):
        return call(function, i, square, schedule=linear_schedule()).double().mean().item()

    return {"middle": at(250, 0.55), "clean": at(0, 0.55), "one": at(250, 1.0),
            "end": at(500, 0.55)}  # fmt: skip


def sized(form):
    """A wrong answer from form(alpha_bar, square)."""
    return lambda i, square, *, schedule: form(schedule.alpha_bar[i], square)


SIZE = "at level 250, square 0.55, yours is {your_middle:.3f} and the size is {right_middle:.3f}"
SIZES = (
    ("no-root", lambda a, q: a * q + 1 - a, "that is a mean of squares; a std is its root"),
    ("noise-root-missing", lambda a, q: (a * q + (1 - a) ** 2) ** 0.5, "the noise comes in with "
     "too small a variance, as in the first exhibit"),
    ("stds-added", lambda a, q: (a * q) ** 0.5 + (1 - a) ** 0.5, "stds of two things that have "
     "nothing to do with each other do not add up"),
    ("always-one", lambda a, q: a * 0 + 1, "that would be so for sprites of mean square 1"),
    ("sprite-alone", lambda a, q: (a * q) ** 0.5, "the noise is missing"),
    ("noise-alone", lambda a, q: (1 - a) ** 0.5 + 0 * q, "the sprite is missing"),
    ("square-squared", lambda a, q: (a * q**2 + 1 - a) ** 0.5, "the mean square is a square "
     "already"),
    ("square-rooted", lambda a, q: (a * q**0.5 + 1 - a) ** 0.5, "the mean square is what counts, "
     "not its root"),
    ("not-faded", lambda a, q: (q + 1 - a) ** 0.5, "the sprite is not faded"),
    ("faded-less", lambda a, q: (a**0.5 * q + 1 - a) ** 0.5, "a factor before a picture counts "
     "squared in its mean square"),
    ("faded-twice", lambda a, q: (a**2 * q + 1 - a) ** 0.5, "the sprite is faded once too often"),
    ("turned", lambda a, q: ((1 - a) * q + a) ** 0.5, "sprite and noise are in each other's place"),
    ("all-noise", lambda a, q: (a * q + 1) ** 0.5, "as if all of the noise were in it at each "
     "level"),
    ("noise-std", lambda a, q: (a * q + (1 - a) ** 0.5) ** 0.5, "the noise comes in with its std "
     "where its variance belongs"),
    ("squared", lambda a, q: (a * q + 1 - a) ** 2, "that is squared once more"),
    ("halved", lambda a, q: ((a * q + 1 - a) / 2) ** 0.5, "two parts, but it is their sum"),
    ("blend", lambda a, q: a * q**0.5 + 1 - a, "sizes are mixed where mean squares add up"),
)  # fmt: skip
SIZE_AT = Exercise(
    name="size_at",
    right=right_size,
    probes=size_probes,
    measure=measure_size,
    signs=(
        Sign("not-clean", lambda y, r: abs(y["clean"] - r["clean"]) > 1e-3, "at level 0 there is "
             "only the sprite, of size {right_clean:.3f}; yours is {your_clean:.3f}"),
        Sign("not-one", lambda y, r: abs(y["one"] - 1) > 1e-3, "sprites of mean square 1 keep the "
             "size 1 at every level; at 250 yours is {your_one:.3f}"),
        Sign("too-large", lambda y, r: y["middle"] > r["middle"], f"{SIZE}: too large"),
        Sign("too-small", lambda y, r: y["middle"] < r["middle"], f"{SIZE}: too small"),
    ),
    fact="gives {clean:.3f} for the sprite itself, {middle:.3f} at level 250 and {end:.3f} at 500",
    mistakes=tuple(Mistake(name, sized(form), f"{SIZE}: {said}") for name, form, said in SIZES),
)  # fmt: skip


# --- the oracle of one sprite --------------------------------------------------------------------


def right_oracle(x, i, x0, *, schedule):
    return noise_in(x, i, x0, schedule=schedule)


def oracle_probes():
    long, short = schedules()
    at = [(500, long), (250, long), (60, long), (1, long), (6, short), (15, short)]
    return [(label(i, s), (images(i), i, images(i + 1000)), {"schedule": s}) for i, s in at]


def measure_oracle(function):
    """Noise of 1 in a sprite of 0.5 at levels 250 and 20; what it says of the sprite alone."""
    schedule = linear_schedule()

    def at(i, noise):
        bar = schedule.alpha_bar[i]
        x = constant(float(bar**0.5 * 0.5 + (1 - bar) ** 0.5 * noise))
        answer = call(function, x, i, constant(0.5), schedule=schedule)
        return round(answer.double().mean().item(), 6) + 0.0  # no -0.000

    return {"middle": at(250, 1), "low": at(20, 1), "none": at(250, 0)}


def told(form):
    """A wrong answer from form(x, x0, a, s): a and s are the shares of sprite and noise."""
    def answer(x, i, x0, *, schedule):
        bar = schedule.alpha_bar[i].to(x)
        return form(x, x0, bar**0.5, (1 - bar) ** 0.5)

    return answer


NOISE = ("noise of 1 is told as {your_middle:.3f} at level 250 and {your_low:.3f} at level 20, and "
         "none as {your_none:.3f}")  # fmt: skip
ORACLES = (
    ("not-enlarged", lambda x, x0, a, s: x - a * x0, "the sprite is taken out, but what is left "
     "is not the unit noise yet"),
    ("variance-divided", lambda x, x0, a, s: (x - a * x0) / s**2, "it is divided by a variance"),
    ("alpha-bar-for-root", lambda x, x0, a, s: (x - a**2 * x0) / s, "the sprite is taken out with "
     "the share of its variance"),
    ("not-faded", lambda x, x0, a, s: (x - x0) / s, "the sprite in x is faded, yours is not"),
    ("sign", lambda x, x0, a, s: (a * x0 - x) / s, "it has the wrong sign"),
    ("both-roots", lambda x, x0, a, s: (x - a**2 * x0) / s**2, "both roots are missing"),
    ("sprite-left", lambda x, x0, a, s: x / s, "the sprite is still in it"),
    ("multiplied", lambda x, x0, a, s: (x - a * x0) * s, "it is multiplied by the std"),
    ("bracket", lambda x, x0, a, s: x - a * x0 / s, "only the sprite is divided"),
    ("shares-turned", lambda x, x0, a, s: (x - s * x0) / a, "sprite and noise have each other's "
     "shares"),
    ("difference", lambda x, x0, a, s: x - x0, "that is a difference of two pictures"),
    ("by-signal", lambda x, x0, a, s: (x - a * x0) / a, "it is divided by the share of the sprite"),
    ("added", lambda x, x0, a, s: (x + a * x0) / s, "the sprite is put in once more"),
    ("noised-again", lambda x, x0, a, s: a * x0 + s * x, "that noises the sprite with the picture"),
    ("sprite-itself", lambda x, x0, a, s: x0 + 0 * x, "that is the sprite; asked for is the noise"),
    ("other-half", lambda x, x0, a, s: (x - a * x0) / (1 - s), "1 minus the std is no std"),
    ("sprite-enlarged", lambda x, x0, a, s: (x / a - x0) / s, "the picture is enlarged to the "
     "sprite's size, and its noise with it"),
)  # fmt: skip
ORACLE_NOISE = Exercise(
    name="oracle_noise",
    right=right_oracle,
    probes=oracle_probes,
    batched=True,
    explain=at_levels(right_oracle, ("the picture", "the sprite"), asks),
    measure=measure_oracle,
    fact="tells noise of 1 as {middle:.3f} at level 250 and {low:.3f} at level 20, and none as "
    "{none:.3f}",
    mistakes=tuple(Mistake(name, told(form), f"{NOISE}: {said}") for name, form, said in ORACLES),
)


# --- dice from a ruler ---------------------------------------------------------------------------


def right_dice(u):
    return (u - 0.5) * 12**0.5


def dice_probes():
    drawn = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    few = torch.tensor([0.0, 0.25, 0.5, 1.0])
    return [("random numbers", (drawn,), {}), ("0, 0.25, 0.5 and 1", (few,), {})]


def measure_dice(function):
    """Mean, std and largest of what it makes of 100,001 numbers, evenly from 0 to 1."""
    dice = call(function, torch.linspace(0, 1, 100_001, dtype=torch.float64)).double()
    mean = round(dice.mean().item(), 6) + 0.0  # no -0.000
    return {"mean": mean, "std": dice.std().item(), "largest": dice.max().item()}


DICE = "yours have mean {your_mean:.3f} and std {your_std:.3f}"
RULERS = (
    ("as-they-are", lambda u: u, "uniform numbers as they come"),
    ("only-moved", lambda u: u - 0.5, "they are in the middle, and too small"),
    ("from-minus-one", lambda u: 2 * u - 1, "from -1 to 1 the variance is a third, not 1"),
    ("variance-for-std", lambda u: (u - 0.5) * 12, "the variance grows with the square of the "
     "factor"),
    ("not-moved", lambda u: u * 12**0.5, "the size is right, the middle is not"),
    ("moved-late", lambda u: u * 12**0.5 - 0.5, "what is taken off grows with the rest"),
    ("shrunk", lambda u: (u - 0.5) / 12**0.5, "divided where it should grow"),
    ("variance-divided", lambda u: (u - 0.5) / 12, "divided by 12: smaller still"),
    ("wider", lambda u: (u - 0.5) * 2 * 12**0.5, "twice too wide"),
    ("third", lambda u: (2 * u - 1) / 3, "the std from -1 to 1 is the root of a third"),
    ("two", lambda u: 4 * u - 2, "from -2 to 2 it is a little too much"),
    ("root-two", lambda u: (2 * u - 1) * 2**0.5, "not wide enough"),
    ("moved-by-one", lambda u: (u - 1) * 12**0.5, "all of them are below 0"),
    ("six", lambda u: 6 * u - 3, "that reaches as far as normal dice do, and so is too wide"),
    ("sign-only", lambda u: torch.sign(u - 0.5), "a coin: mean and variance would do, but they "
     "are not uniform any more"),
    ("to-normal", lambda u: torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6)), "these are "
     "normal dice; asked for are uniform ones"),
)  # fmt: skip
EVEN_DICE = Exercise(
    name="even_dice",
    right=right_dice,
    probes=dice_probes,
    measure=measure_dice,
    signs=(
        Sign("mean", lambda y, r: abs(y["mean"]) > 1e-3, f"{DICE}; the mean should be 0"),
        Sign("wide", lambda y, r: y["std"] > r["std"] + 1e-3, f"{DICE}: too wide"),
        Sign("narrow", lambda y, r: y["std"] < r["std"] - 1e-3, f"{DICE}: too narrow"),
        Sign("not-uniform", lambda y, r: abs(y["largest"] - r["largest"]) > 1e-3, f"{DICE}, but "
             "they are not uniform any more: the largest is {your_largest:.2f}"),
    ),
    fact="makes dice of mean {mean:.3f} and std {std:.3f}, of which none is above {largest:.2f}",
    mistakes=tuple(Mistake(name, form, f"{DICE}: {said}") for name, form, said in RULERS),
)  # fmt: skip
