"""Exercises of lesson 07's deeper notebooks: the dice of DDIM with eta, and Karras's levels."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.coefficients import recognise, schedule_words
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check
from diffutils.stage.checks.levels import label, schedules


def fresh_std(function):
    """function(i, j, eta, *, schedule): the std of the fresh noise in DDIM's step from i to j."""
    return check(FRESH_STD, function)


def karras_sigmas(function):
    """function(n, first, last, rho): n noise-to-signal ratios from first down to last, (n,)."""
    return check(KARRAS, function)


# --- the dice of a step --------------------------------------------------------------------------


def right_fresh(i, j, eta, *, schedule):
    bar = schedule.alpha_bar
    return eta * ((1 - bar[j]) / (1 - bar[i]) * (1 - bar[i] / bar[j])).sqrt()


def fresh_probes():
    long, short = schedules()
    at = [(500, 480, 1.0, long), (300, 250, 1.0, long), (300, 250, 0.5, long), (40, 0, 1.0, long),
          (260, 240, 0.2, long), (20, 18, 1.0, long), (10, 5, 0.7, short)]  # fmt: skip
    return [(f"{label(i, s)} to {j}, eta {eta:g}", (i, j, eta), {"schedule": s})
            for i, j, eta, s in at]  # fmt: skip


def measure_fresh(function):
    long = schedules()[0]

    def at(*numbers):
        return call(function, *numbers, schedule=long).double().mean().item()

    return {"full": at(300, 250, 1.0), "half": at(300, 250, 0.5), "none": at(300, 250, 0.0),
            "end": at(40, 0, 1.0), "near": at(20, 18, 1.0)}  # fmt: skip


def read_fresh(function):
    """(name, sentence) where the answer with eta 1 is a quantity of the schedule, or None."""
    settings = [(s, i, j) for s, i, j in zip(
        (schedules()[0],) * 3 + (schedules()[1],) * 3, (300, 125, 400, 6, 10, 15),
        (250, 60, 300, 4, 5, 13), strict=True)]  # fmt: skip
    yours, right = (
        torch.tensor([call(f, i, j, 1.0, schedule=s).double().mean() for s, i, j in settings])
        for f in (function, right_fresh)
    )
    if not yours.isfinite().all():
        return None
    rows = [schedule_words(*at) for at in settings]
    table = {word: torch.tensor([row[word] for row in rows]).double() for word in rows[0]}
    what = recognise(yours.double(), right.double(), table)
    told = f"{yours[0]:.4f} from level 300 to 250 with eta 1, it should be {right[0]:.4f}"
    return (f"it is {what}", f"{told}: yours is {what}") if what else None


def of_bars(formula):
    """A mistake as formula(alpha_bar at i, alpha_bar at j, eta)."""
    return lambda i, j, eta, *, schedule: formula(schedule.alpha_bar[i], schedule.alpha_bar[j], eta)


def root(a, b):
    return ((1 - b) / (1 - a) * (1 - a / b)).sqrt()


FULL = "{your_full:.4f} from level 300 to 250 with eta 1, it should be {right_full:.4f}: "
HALF = "{your_half:.4f} from level 300 to 250 with eta 0.5, it should be {right_half:.4f}: "
END = "{your_end:.4f} from level 40 to 0 with eta 1, it should be {right_end:.4f}: "

FRESH_STD = Exercise(
    name="fresh_std",
    right=right_fresh,
    probes=fresh_probes,
    explain=read_fresh,
    measure=measure_fresh,
    fact="gives {full:.4f} from level 300 to 250 with eta 1, {half:.4f} with eta 0.5, and "
    "{end:.0f} in the step to level 0",
    signs=(
        Sign("eta-works-wrongly",
             lambda y, r: abs(y["full"] - r["full"]) < 1e-5 and abs(y["half"] - r["half"]) > 1e-5,
             HALF + "with eta 1 yours is right"),
        Sign("noise-at-the-end", lambda y, r: y["end"] > 1e-4,
             END + "a clean sprite has no room for noise"),
        Sign("noise-without-eta", lambda y, r: abs(y["none"]) > 1e-6,
             "{your_none:.4f} from level 300 to 250 with eta 0, it should be {right_none:.0f}"),
    ),
    mistakes=(
        Mistake("variance", of_bars(lambda a, b, eta: eta * root(a, b) ** 2),
                FULL + "yours is a variance, asked for is a std"),
        Mistake("both-squared", of_bars(lambda a, b, eta: eta**2 * root(a, b) ** 2),
                FULL + "yours is a variance, asked for is a std"),
        Mistake("eta-squared", of_bars(lambda a, b, eta: eta**2 * root(a, b)),
                HALF + "eta counts as a square, and it speaks of stds"),
        Mistake("eta-under-the-root", of_bars(lambda a, b, eta: eta**0.5 * root(a, b)),
                HALF + "eta went under the root, and it speaks of stds"),
        Mistake("eta-forgotten", of_bars(lambda a, b, eta: root(a, b)),
                HALF + "eta has no say"),
        Mistake("what-is-not-fresh", of_bars(lambda a, b, eta: (1 - b - eta**2 * root(a, b) ** 2)
                                             .clamp(min=0).sqrt()),
                FULL + "that is the part of the noise that is the guessed one"),
        Mistake("all-the-noise", of_bars(lambda a, b, eta: eta * (1 - b).sqrt()),
                FULL + "that is all the noise of the new level; a part of it is the guessed one"),
        Mistake("old-noise", of_bars(lambda a, b, eta: eta * (1 - a).sqrt()),
                FULL + "that is all the noise of the old level"),
        Mistake("beta-alone", of_bars(lambda a, b, eta: eta * (1 - a / b).sqrt()),
                FULL + "that is what DDPM puts back, the larger of the two choices; the step to "
                "level 0 would end with noise in the sprite"),
        Mistake("upside-down", of_bars(lambda a, b, eta: eta * ((1 - a) / (1 - b).clamp(min=1e-4)
                                                                * (1 - a / b)).sqrt()),
                FULL + "old and new noise have changed places"),
        Mistake("ratio-upside-down", of_bars(lambda a, b, eta: eta * ((1 - b) / (1 - a)
                                                                      * (b / a - 1)).sqrt()),
                FULL + "the fading of the step was measured from its other end"),
        Mistake("ratio-forgotten", of_bars(lambda a, b, eta: eta * ((1 - b) / (1 - a)).sqrt()),
                FULL + "how much noise the step brings does not come in"),
        Mistake("product-of-bars", of_bars(lambda a, b, eta: eta * ((1 - b) / (1 - a)
                                                                    * (1 - a * b)).sqrt()),
                FULL + "the two alpha_bar were multiplied, so that the way up counts twice"),
        Mistake("difference-of-bars", of_bars(lambda a, b, eta: eta * ((1 - b) / (1 - a)
                                                                       * (b - a)).sqrt()),
                FULL + "a difference of alpha_bar, where a share of what the step found belongs"),
        Mistake("beta-of-one-level", lambda i, j, eta, *, schedule: eta * (
                    (1 - schedule.alpha_bar[j]) / (1 - schedule.alpha_bar[i])
                    * schedule.beta[i]).sqrt(),
                FULL + "that is the variance of one level's step; this one spans many"),
        Mistake("signal-for-noise", of_bars(lambda a, b, eta: eta * (b / a * (1 - a / b)).sqrt()),
                FULL + "the share of signal stands where that of noise belongs"),
        Mistake("roots-inside", of_bars(lambda a, b, eta: eta * ((1 - b.sqrt()) / (1 - a.sqrt())
                                                                 * (1 - (a / b).sqrt())).sqrt()),
                FULL + "amplitudes were taken from 1 where shares of the variance belong"),
        Mistake("difference-of-noises", of_bars(lambda a, b, eta: eta * (b - a).sqrt()),
                FULL + "that is how much less noise the new level has"),
    ),
)  # fmt: skip


# --- Karras's levels -----------------------------------------------------------------------------


def right_karras(n, first, last, rho):
    share = torch.linspace(0, 1, n, dtype=torch.float64)
    return (first ** (1 / rho) + share * (last ** (1 / rho) - first ** (1 / rho))) ** rho


def karras_probes():
    at = [(5, 12.4, 0.1, 7.0), (3, 9.0, 1.0, 2.0), (10, 12.4, 0.01, 7.0), (4, 8.0, 1.0, 3.0),
          (6, 12.4, 0.4, 1.0)]  # fmt: skip
    return [(f"{n} from {a:g} to {b:g}, rho {rho:g}", (n, a, b, rho), {}) for n, a, b, rho in at]


def measure_karras(function):
    values = call(function, 3, 9.0, 1.0, 2.0).double().flatten()
    even = call(function, 3, 9.0, 1.0, 1.0).double().flatten()
    return {"count": len(values), "first": values[0].item(), "last": values[-1].item(),
            "middle": values[len(values) // 2].item(),
            "even": even[len(even) // 2].item()}  # fmt: skip


def spaced(bend, straight, shares=lambda n: torch.linspace(0, 1, n, dtype=torch.float64)):
    """A mistake: bent by one function, spaced evenly, bent back by another."""

    def sigmas(n, first, last, rho):
        first, last = (torch.tensor(float(x), dtype=torch.float64) for x in (first, last))
        a, b = bend(first, rho), bend(last, rho)
        return straight(a + shares(n) * (b - a), rho)

    return sigmas


def power(x, rho):
    return x**rho


def inverse(x, rho):
    return x ** (1 / rho)


MIDDLE = "the middle of 3 from 9 to 1 with rho 2 is {your_middle:.3f}, it should be "
MIDDLE += "{right_middle:.3f}: "
ENDS = "3 from 9 to 1 go from {your_first:.3f} to {your_last:.3f}, it should be "
ENDS += "{right_first:.0f} to {right_last:.0f}: "
COUNT = "{your_count} of them, it should be {right_count}: "

KARRAS = Exercise(
    name="karras_sigmas",
    right=right_karras,
    probes=karras_probes,
    measure=measure_karras,
    fact="puts {middle:.0f} between 9 and 1 with rho 2, and {even:.0f} with rho 1",
    signs=(
        Sign("wrong-count", lambda y, r: y["count"] != r["count"],
             COUNT + "both ends belong to it"),
        Sign("wrong-ends",
             lambda y, r: abs(y["first"] - r["first"]) + abs(y["last"] - r["last"]) > 1e-4,
             ENDS + "the two ends are given"),
        Sign("wrong-bend",
             lambda y, r: abs(y["middle"] - r["middle"]) > 1e-4,
             MIDDLE + "the ends are right, the way between them is not"),
    ),
    mistakes=(
        Mistake("exponents-swapped", spaced(power, inverse),
                MIDDLE + "bent the other way: rho makes the large ones dense here"),
        Mistake("even", spaced(lambda x, rho: x, lambda x, rho: x),
                MIDDLE + "evenly spaced as they are, rho has no say"),
        Mistake("even-in-the-logarithm", spaced(lambda x, rho: x.log(), lambda x, rho: x.exp()),
                MIDDLE + "evenly spaced in the logarithm, rho has no say"),
        Mistake("not-bent-back", spaced(inverse, lambda x, rho: x),
                ENDS + "evenly spaced roots, and roots they stayed"),
        Mistake("not-bent", spaced(lambda x, rho: x, power),
                ENDS + "raised to a power without having been made roots"),
        Mistake("bent-twice", spaced(inverse, inverse),
                ENDS + "the root was taken twice"),
        Mistake("upwards", lambda n, a, b, rho: right_karras(n, b, a, rho),
                ENDS + "noise goes down on the way to a sprite"),
        Mistake("last-missing", lambda n, a, b, rho: right_karras(n + 1, a, b, rho)[:-1],
                ENDS + "the parts are k / n, so that the last is never reached"),
        Mistake("first-missing", lambda n, a, b, rho: right_karras(n + 1, a, b, rho)[1:],
                ENDS + "the first is left out"),
        Mistake("one-more", lambda n, a, b, rho: right_karras(n + 1, a, b, rho),
                COUNT + "n of them, both ends counted"),
        Mistake("zero-behind",
                lambda n, a, b, rho: torch.cat([right_karras(n, a, b, rho), torch.zeros(1)]),
                COUNT + "the last step, to no noise at all, is added later"),
        Mistake("one-less", lambda n, a, b, rho: right_karras(max(n - 1, 2), a, b, rho),
                COUNT + "one too few"),
        Mistake("rho-is-7", lambda n, a, b, rho: right_karras(n, a, b, 7.0),
                MIDDLE + "the rho that it was given has no say"),
        Mistake("difference-turned", lambda n, a, b, rho: (
                    a ** (1 / rho) + torch.linspace(0, 1, n, dtype=torch.float64)
                    * (a ** (1 / rho) - b ** (1 / rho))) ** rho,
                ENDS + "it goes up from the first, away from the last"),
        Mistake("share-bent", lambda n, a, b, rho: a + torch.linspace(
                    0, 1, n, dtype=torch.float64) ** rho * (b - a),
                MIDDLE + "the share of the way was bent, not the noise"),
        Mistake("share-bent-the-other-way", lambda n, a, b, rho: a + torch.linspace(
                    0, 1, n, dtype=torch.float64) ** (1 / rho) * (b - a),
                MIDDLE + "the share of the way was bent, not the noise"),
        Mistake("geometric", lambda n, a, b, rho: a * (b / a) ** (
                    torch.linspace(0, 1, n, dtype=torch.float64) ** rho),
                MIDDLE + "equal factors with a bent share; evenly spaced roots are another thing"),
    ),
)  # fmt: skip
