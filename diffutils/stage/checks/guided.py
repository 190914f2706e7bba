"""Exercises on guidance: the variance of its law for two bell curves, and some levels only."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check


def law_variance(function):
    """function(v, s): the variance of the law p(x|c)^s p(x)^(1-s), scaled, of two bell curves.

    v   the variance of p(x|c), below 1; that of p(x) is 1, and both have the mean 0
    s   the scale
    """
    return check(LAW_VARIANCE, function)


def right_variance(v, s):
    return 1 / (s / v + 1 - s)


def probes():
    """v as numbers and as tensors."""
    v = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    return [(f"v = {a}, s = {s}", (torch.tensor(a).double(), s), {})
            for a, s in ((0.25, 0.0), (0.25, 1.0), (0.25, 2.0), (0.5, 3.0))] + [
            ("three v, s = 4", (v, 4.0), {})]  # fmt: skip


def measure(function):
    """What it gives at v = 0.25 and scales 0, 1 and 2."""
    v = torch.tensor(0.25, dtype=torch.float64)
    return {f"at_{s}": call(function, v, float(s)).double().mean().item() for s in (0, 1, 2)}


THERE = "at v = 0.25 and scale 2 yours is {your_at_2:.3f}, the law's is {right_at_2:.3f}"
KNOWN = (
    ("not-inverted", lambda v, s: s / v + 1 - s, "a product of bell curves adds up something else "
     "than variances, and what adds up is no variance yet"),
    ("std", lambda v, s: right_variance(v, s) ** 0.5, "that is a std; a variance is asked for"),
    ("squared", lambda v, s: right_variance(v, s) ** 2, "that is a variance squared"),
    ("variances-averaged", lambda v, s: s * v + 1 - s, "the two variances are averaged with the "
     "weights of the law, and at high scales they go below 0"),
    ("powers-of-variances", lambda v, s: v**s, "the variance to a power: that is what guided DDIM "
     "draws, and not the law"),
    ("divided", lambda v, s: v / s, "that is the conditional law to a power alone; the other one "
     "has no part in it"),
    ("scaled", lambda v, s: v * s, "it grows with the scale, and a higher power is narrower"),
    ("conditional", lambda v, s: 0 * s + v, "that is the conditional law, whatever the scale"),
    ("unconditional", lambda v, s: 0 * v + 1, "the law without a context, whatever the scale"),
    ("as-the-paper-counts", lambda v, s: right_variance(v, s + 1), "this is right one scale "
     "further: at scale 0 it is {your_at_0:.3f}, and there nobody listens to the context"),
    ("reversed", lambda v, s: right_variance(v, 1 - s), "the two laws are in each other's place: "
     "at scale 0 it is {your_at_0:.3f}"),
    ("both-added", lambda v, s: 1 / (s / v + 1 + s), "the law without a context counts more the "
     "higher the scale, where its exponent falls"),
    ("one-forgotten", lambda v, s: 1 / (s / v + 1), "the law without a context counts once, "
     "whatever the scale; its exponent is not 1"),
    ("minus-one", lambda v, s: 1 / (s / v - s), "at scale 0 there is nothing left of the law "
     "without a context"),
    ("roots", lambda v, s: 1 / (s / v**0.5 + 1 - s) ** 2, "stds are combined where the exponents "
     "of bell curves hold variances"),
    ("multiplied-inside", lambda v, s: 1 / (s * v + 1 - s), "inside a bell curve the variance "
     "divides; yours multiplies"),
)  # fmt: skip
SIGNS = (
    Sign("not-the-law-at-0", lambda y, r: abs(y["at_0"] - 1) > 1e-3,
         "at scale 0 the law is p(x), of variance 1; yours is {your_at_0:.3f} there"),
    Sign("not-the-law-at-1", lambda y, r: abs(y["at_1"] - 0.25) > 1e-3,
         "at scale 1 the law is p(x|c), of variance 0.25 here; yours is {your_at_1:.3f} there"),
    Sign("too-wide", lambda y, r: y["at_2"] > r["at_2"] + 1e-3,
         f"right at scales 0 and 1, but {THERE}: too wide"),
    Sign("too-narrow", lambda y, r: y["at_2"] < r["at_2"] - 1e-3,
         f"right at scales 0 and 1, but {THERE}: too narrow"),
)  # fmt: skip
LAW_VARIANCE = Exercise(
    name="law_variance",
    right=right_variance,
    probes=probes,
    measure=measure,
    signs=SIGNS,
    fact="gives {at_0:.3f} at scale 0, {at_1:.3f} at 1 and {at_2:.3f} at 2, where v is 0.25",
    mistakes=tuple(Mistake(name, function, f"{THERE}: {said}") for name, function, said in KNOWN),
)


# --- guidance in some of the levels --------------------------------------------------------------


def some_levels(function):
    """function(i, low, high, scale): the scale at level i, 1 outside low < i <= high."""
    return check(SOME_LEVELS, function)


def right_scale(i, low, high, scale):
    return scale if low < i <= high else 1.0


def as_tensor(function, *arguments):
    """What the function answers, a plain number too, as a tensor."""
    answer = call(lambda *given: torch.as_tensor(function(*given)), *arguments)
    return answer.double()


def observe_scale(function):
    """At the ends of two intervals, beside them, and far away."""
    at = [(i, 350, 500, 3.0) for i in (500, 420, 351, 350, 349, 10)]
    at += [(i, 100, 300, 6.0) for i in (500, 301, 300, 150, 101, 100, 1)]
    return {f"level {i} of {low} to {high}": as_tensor(function, i, low, high, scale)
            for i, low, high, scale in at}  # fmt: skip


def measure_scale(function):
    """The scale within, above and below the levels 100 to 300, and at both ends, of scale 6."""
    at = {"inside": 150, "above": 400, "below": 50, "top": 300, "bottom": 100}
    return {name: as_tensor(function, i, 100, 300, 6.0).item() for name, i in at.items()}


IN_WORDS = ("scale 6 in levels 100 to 300: yours is {your_inside:.1f} at 150, {your_above:.1f} at "
            "400 and {your_below:.1f} at 50")
SCALES = (
    ("zero-elsewhere", lambda i, a, b, s: s if a < i <= b else 0.0, "at scale 0 nobody listens to "
     "the context; outside it should still be heard"),
    ("reversed", lambda i, a, b, s: 1.0 if a < i <= b else s, "inside and outside are in each "
     "other's place"),
    ("everywhere", lambda i, a, b, s: s, "that is guidance at every level"),
    ("nowhere", lambda i, a, b, s: 1.0, "that is the conditional network at every level"),
    ("no-upper-end", lambda i, a, b, s: s if i > a else 1.0, "the upper end has no say"),
    ("no-lower-end", lambda i, a, b, s: s if i <= b else 1.0, "the lower end has no say"),
    ("as-the-paper-counts", lambda i, a, b, s: s - 1 if a < i <= b else 0.0, "off by one "
     "everywhere, as if counted from the conditional guess"),
    ("paper-inside", lambda i, a, b, s: s - 1 if a < i <= b else 1.0, "off by one inside"),
    ("one-more", lambda i, a, b, s: s + 1 if a < i <= b else 1.0, "off by one inside"),
    ("negative-elsewhere", lambda i, a, b, s: s if a < i <= b else -1.0, "below 0 it steers away "
     "from the context"),
    ("half-elsewhere", lambda i, a, b, s: s if a < i <= b else s / 2, "outside nothing is to be "
     "guided"),
    ("ramp", lambda i, a, b, s: 1 + (s - 1) * (i - a) / (b - a) if a < i <= b else 1.0, "inside it "
     "should be the same at each level"),
    ("squared", lambda i, a, b, s: s * s if a < i <= b else 1.0, "inside it should be 6"),
    ("other-ends", lambda i, a, b, s: s if a <= i < b else 1.0, "right but at the ends: "
     "{your_top:.0f} at 300 and {your_bottom:.0f} at 100"),
    ("both-ends", lambda i, a, b, s: s if a <= i <= b else 1.0, "right but at the lower end: "
     "{your_bottom:.0f} at 100"),
    ("no-ends", lambda i, a, b, s: s if a < i < b else 1.0, "right but at the upper end: "
     "{your_top:.0f} at 300"),
)  # fmt: skip
SOME_LEVELS = Exercise(
    name="some_levels",
    right=right_scale,
    observe=observe_scale,
    measure=measure_scale,
    signs=(
        Sign("outside", lambda y, r: abs(y["above"] - 1) > 1e-6 or abs(y["below"] - 1) > 1e-6,
             f"{IN_WORDS}; outside it should be 1"),
        Sign("inside", lambda y, r: abs(y["inside"] - 6) > 1e-6,
             f"{IN_WORDS}; inside it should be 6"),
        Sign("ends", lambda y, r: y != r, "at 300 it is {your_top:.1f} and should be "
             "{right_top:.0f}, at 100 {your_bottom:.1f} and should be {right_bottom:.0f}"),
    ),  # fmt: skip
    fact="is {inside:.0f} inside, {above:.0f} above and {below:.0f} below; the upper end belongs "
    "to the interval, the lower one does not",
    mistakes=tuple(Mistake(name, f, f"{IN_WORDS}: {said}") for name, f, said in SCALES),
)
