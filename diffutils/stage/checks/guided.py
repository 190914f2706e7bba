"""An exercise on the law of guidance: its variance where both laws are bell curves."""

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
