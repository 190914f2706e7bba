"""Exercises of lesson 08: where an answer stands between two ideals, and a distance of two sets."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check


def standing(function):
    """function(guess, copier, generaliser): where each guess stands on the way between the two.

    All three (B, 3, H, W), the answers to the same B noisy pictures; it returns (B,): 0 at the
    generaliser's answer, 1 at the copier's, and in between by the part of the way that was gone.
    """
    return check(STANDING, function)


def frechet_of_numbers(function):
    """function(a, b): the Fréchet distance of two sets of plain numbers, (n,) and (m,), a number.

    The squared distance between the normal distributions of their means and stds.
    """
    return check(FRECHET, function)


# --- between two ideals --------------------------------------------------------------------------


def right_standing(guess, copier, generaliser):
    way = (copier - generaliser).flatten(1)
    return ((guess - generaliser).flatten(1) * way).sum(1) / (way * way).sum(1)


def on_the_way(part, count=4, beside=0.3, seed=3):
    """(guess, copier, generaliser): guesses that have gone `part` (count,) of the way, and are
    besides off it, at right angles."""
    generator = torch.Generator().manual_seed(seed)
    copier, generaliser, off = (
        torch.randn(count, 3, 4, 4, generator=generator) for _ in range(3)
    )
    way, off = (copier - generaliser).flatten(1), off.flatten(1)
    off = off - (off * way).sum(1, keepdim=True) / (way * way).sum(1, keepdim=True) * way
    guess = generaliser.flatten(1) + torch.as_tensor(part).view(-1, 1) * way + beside * off
    return guess.view_as(copier), copier, generaliser


def standing_probes():
    parts = {"four guesses": [0.0, 0.25, 0.6, 1.0], "beyond both ends": [-0.4, 0.5, 1.3, 2.0],
             "on the line": [0.1, 0.3, 0.8, 0.9]}  # fmt: skip
    return [(label, on_the_way(part, beside=0.0 if label == "on the line" else 0.3, seed=k), {})
            for k, (label, part) in enumerate(parts.items())]  # fmt: skip


def measure_standing(function):
    """A guess at the generaliser's answer, at the copier's, a quarter of the way, and beside it."""
    def at(part, beside):
        guess, copier, generaliser = on_the_way([part] * 2, 2, beside)
        return call(function, guess, copier, generaliser).double().flatten()[0].item()

    both = call(function, *on_the_way([0.0, 1.0], 2, 0.0)).double().flatten()
    return {"at_0": at(0.0, 0.0), "at_1": at(1.0, 0.0), "quarter": at(0.25, 0.0),
            "beside": at(0.25, 0.5), "beyond": at(1.5, 0.0), "first": both[0].item()}  # fmt: skip


def flat(formula):
    """A mistake as formula(g, c, e, w): guess, copier, generaliser and the way, (B, D) each."""
    return lambda guess, copier, generaliser: formula(
        guess.flatten(1), copier.flatten(1), generaliser.flatten(1),
        (copier - generaliser).flatten(1))  # fmt: skip


def length(x):
    return x.square().sum(1).sqrt()


QUARTER = ("a guess that has gone a quarter of the way: yours is {your_quarter:.3g}, it should be "
           "{right_quarter:.2f}: ")
BESIDE = ("a quarter of the way and then off to one side: yours is {your_beside:.3g}, it should be "
          "{right_beside:.2f}: ")
STANDING = Exercise(
    name="standing",
    right=right_standing,
    probes=standing_probes,
    batched=True,
    measure=measure_standing,
    tolerance=1e-3,
    signs=(
        Sign("ends", lambda y, r: abs(y["at_0"] - 1) < 0.01 and abs(y["at_1"]) < 0.01,
             "at the generaliser's own answer yours is {your_at_0:.2f}, at the copier's "
             "{your_at_1:.2f}: the two ends have changed places"),
        Sign("not-0-at-the-generaliser", lambda y, r: abs(y["at_0"]) > 0.01,
             "at the generaliser's own answer yours is {your_at_0:.3g}, it should be "
             "{right_at_0:.0f}"),
        Sign("not-1-at-the-copier", lambda y, r: abs(y["at_1"] - 1) > 0.01,
             "at the copier's own answer yours is {your_at_1:.3g}, it should be {right_at_1:.0f}"),
        Sign("not-straight", lambda y, r: abs(y["quarter"] - 0.25) > 0.01,
             QUARTER + "the ends are right, the way between is not even"),
        Sign("sideways-counts", lambda y, r: abs(y["beside"] - 0.25) > 0.01,
             BESIDE + "a step to one side brings it no nearer to either end"),
        Sign("beyond", lambda y, r: abs(y["beyond"] - 1.5) > 0.01,
             "half as far again as the copier: yours is {your_beyond:.3g}, it should be "
             "{right_beyond:.1f}"),
    ),
    fact="is {at_0:.0f} at the generaliser's answer, {at_1:.0f} at the copier's, {quarter:.2f} a "
    "quarter of the way, and {beside:.2f} there and off to one side",
    mistakes=(
        Mistake("ends-swapped", flat(lambda g, c, e, w: ((g - c) * -w).sum(1) / (w * w).sum(1)),
                QUARTER + "it counts from the other end"),
        Mistake("ratio-of-lengths", flat(lambda g, c, e, w: length(g - e) / length(w)),
                BESIDE + "that is how far it went, whichever way"),
        Mistake("ratio-of-squares",
                flat(lambda g, c, e, w: (g - e).square().sum(1) / (w * w).sum(1)),
                QUARTER + "both lengths are squared, so a quarter becomes a sixteenth"),
        Mistake("of-both-lengths",
                flat(lambda g, c, e, w: length(g - e) / (length(g - e) + length(g - c))),
                BESIDE + "right on the line alone: off to one side both lengths grow"),
        Mistake("of-both-lengths-swapped",
                flat(lambda g, c, e, w: length(g - c) / (length(g - e) + length(g - c))),
                QUARTER + "it is 0 at the copier"),
        Mistake("of-both-squares", flat(lambda g, c, e, w: (g - e).square().sum(1) / (
                (g - e).square().sum(1) + (g - c).square().sum(1))),
                QUARTER + "squares of lengths do not divide a way evenly"),
        Mistake("lengths-divided", flat(lambda g, c, e, w: length(g - e) / length(g - c)),
                QUARTER + "at the copier's answer it has no value at all"),
        Mistake("undivided", flat(lambda g, c, e, w: ((g - e) * w).sum(1)),
                QUARTER + "the way itself was not measured"),
        Mistake("divided-by-the-length", flat(lambda g, c, e, w: ((g - e) * w).sum(1) / length(w)),
                QUARTER + "that is how far it went, in the pictures' own unit"),
        Mistake("correlation", flat(lambda g, c, e, w: ((g - e) * w).sum(1) / (
                length(w) * length(g - e)).clamp(min=1e-9)),
                QUARTER + "that says which way it went and not how far"),
        Mistake("generaliser-not-taken-off",
                flat(lambda g, c, e, w: (g * w).sum(1) / (w * w).sum(1)),
                "at the generaliser's own answer yours is {your_at_0:.3g}, it should be "
                "{right_at_0:.0f}: measure the guess from there"),
        Mistake("by-the-copier", flat(lambda g, c, e, w: ((g - e) * c).sum(1) / (c * c).sum(1)),
                QUARTER + "the copier's answer is not the way that leads to it"),
        Mistake("pixel-by-pixel", flat(lambda g, c, e, w: ((g - e) / w).mean(1)),
                BESIDE + "each number was divided by itself, and where both ideals agree that "
                "means nothing"),
        Mistake("over-the-batch", flat(lambda g, c, e, w: ((g - e) * w).sum() / (w * w).sum()
                                       * torch.ones(len(g))),
                "two guesses, one at each end: yours is {your_first:.2f} for the first, it should "
                "be {right_first:.0f}: each picture has its own place"),
        Mistake("one-number", flat(lambda g, c, e, w: ((g - e) * w).sum() / (w * w).sum()),
                "two guesses, one at each end: yours is {your_first:.2f} for both of them, it "
                "should be one number for each"),
        Mistake("clipped", flat(lambda g, c, e, w: (((g - e) * w).sum(1) / (w * w).sum(1))
                                .clamp(0, 1)),
                "half as far again as the copier: yours is {your_beyond:.2f}, it should be "
                "{right_beyond:.1f}: some go past the end"),
        Mistake("size", flat(lambda g, c, e, w: (((g - e) * w).sum(1) / (w * w).sum(1)).abs()),
                "a guess may stand on the far side of the generaliser, below 0; yours is never "
                "below {your_at_0:.0f}"),
        Mistake("from-the-middle", flat(lambda g, c, e, w: 2 * ((g - e) * w).sum(1) /
                                        (w * w).sum(1) - 1),
                "at the generaliser's own answer yours is {your_at_0:.2f}, it should be "
                "{right_at_0:.0f}"),
        Mistake("nearer-of-two", flat(lambda g, c, e, w: (length(g - c) < length(g - e)).float()),
                QUARTER + "that only says which of the two is nearer"),
    ),
)  # fmt: skip


# --- the distance of two sets of numbers ---------------------------------------------------------


def right_frechet(a, b):
    return (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2


def normal(mean, std, n=2000, seed=0):
    """n numbers that have this very mean and std."""
    x = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean + std * (x - x.mean()) / x.std()


def frechet_probes():
    return [
        ("a mean moved", (normal(1.0, 0.5), normal(3.0, 0.5, seed=1)), {}),
        ("a std changed", (normal(1.0, 0.5), normal(1.0, 2.0, seed=1)), {}),
        ("both", (normal(-1.0, 0.3, 1000), normal(0.5, 1.5, seed=1)), {}),
        ("both, the other way", (normal(2.0, 3.0), normal(0.5, 0.2, 900, seed=1)), {}),
    ]


def measure_frechet(function):
    """Means 1 and 3 with one std; stds 0.5 and 2 with one mean; two sets of one law."""
    def of(*sets):
        return call(function, *sets).double().flatten()[0].item()

    moved, wider = (probe[1] for probe in frechet_probes()[:2])
    return {"moved": of(*moved), "wider": of(*wider), "back": of(*moved[::-1]),
            "same": of(normal(1.0, 0.5), normal(1.0, 0.5, seed=1))}  # fmt: skip


MOVED = ("means 1 and 3, stds both 0.5: yours is {your_moved:.3g}, it should be "
         "{right_moved:.0f}: ")
WIDER = ("means both 1, stds 0.5 and 2: yours is {your_wider:.3g}, it should be "
         "{right_wider:.2f}: ")
FRECHET = Exercise(
    name="frechet_of_numbers",
    right=right_frechet,
    probes=frechet_probes,
    measure=measure_frechet,
    tolerance=3e-3,
    signs=(
        Sign("not-0-for-one-law", lambda y, r: abs(y["same"]) > 1e-3,
             "two sets of one mean and one std: yours is {your_same:.3g}, it should be 0"),
        Sign("below-0", lambda y, r: min(y["moved"], y["wider"]) < 0,
             "a distance is not below 0; yours is {your_moved:.3g} for means 1 and 3"),
        Sign("means", lambda y, r: abs(y["moved"] - r["moved"]) > 1e-2, MOVED + "look at how far "
             "apart the means are"),
        Sign("stds", lambda y, r: abs(y["wider"] - r["wider"]) > 1e-2, WIDER + "look at how far "
             "apart the stds are"),
    ),
    fact="gives {moved:.0f} for means 1 and 3, {wider:.2f} for stds 0.5 and 2, and {same:.0f} for "
    "two sets of one mean and std",
    mistakes=(
        Mistake("means-alone", lambda a, b: (a.mean() - b.mean()) ** 2,
                WIDER + "the spread has no say"),
        Mistake("stds-alone", lambda a, b: (a.std() - b.std()) ** 2,
                MOVED + "the means have no say"),
        Mistake("not-squared", lambda a, b: (a.mean() - b.mean()).abs() + (a.std() - b.std()).abs(),
                MOVED + "distances add up as squares here"),
        Mistake("mean-not-squared", lambda a, b: (a.mean() - b.mean()).abs()
                + (a.std() - b.std()) ** 2, MOVED + "one of the two parts is not squared"),
        Mistake("std-not-squared", lambda a, b: (a.mean() - b.mean()) ** 2
                + (a.std() - b.std()).abs(), WIDER + "one of the two parts is not squared"),
        Mistake("root", lambda a, b: right_frechet(a, b) ** 0.5,
                MOVED + "the distance is squared; yours is its root"),
        Mistake("variances", lambda a, b: (a.mean() - b.mean()) ** 2 + (a.var() - b.var()) ** 2,
                WIDER + "stds are compared, not variances"),
        Mistake("variances-not-squared", lambda a, b: (a.mean() - b.mean()) ** 2
                + (a.var() - b.var()).abs(), WIDER + "variances are subtracted where stds should"),
        Mistake("variances-added", lambda a, b: (a.mean() - b.mean()) ** 2 + a.var() + b.var(),
                "two sets of one mean and one std: yours is {your_same:.2f}, it should be 0: "
                "something of the middle term is missing"),
        Mistake("product-once", lambda a, b: (a.mean() - b.mean()) ** 2 + a.var() + b.var()
                - a.std() * b.std(), "two sets of one mean and one std: yours is {your_same:.2f}, "
                "it should be 0: the middle term counts twice"),
        Mistake("product-of-variances", lambda a, b: (a.mean() - b.mean()) ** 2 + a.var() + b.var()
                - 2 * a.var() * b.var(), "two sets of one mean and one std: yours is "
                "{your_same:.2f}, it should be 0: the middle term has the root of both variances"),
        Mistake("numbers-paired", lambda a, b: (a[:900] - b[:900]).square().mean(),
                "two sets of one mean and one std: yours is {your_same:.2f}, it should be 0: no "
                "number of one set belongs to a number of the other"),
        Mistake("sorted-and-summed", lambda a, b: (a[:900].sort()[0] - b[:900].sort()[0])
                .square().sum(), MOVED + "a sum over all numbers grows with their count"),
        Mistake("in-stds", lambda a, b: (a.mean() - b.mean()) ** 2 / (a.var() + b.var()),
                MOVED + "the distance is not measured in stds, and the spread is a part of it"),
        Mistake("ratio-of-stds", lambda a, b: (a.mean() - b.mean()) ** 2
                + (a.std() / b.std() - 1) ** 2, WIDER + "stds are subtracted, not divided"),
        Mistake("averaged", lambda a, b: right_frechet(a, b) / 2, MOVED + "half of it is missing"),
        Mistake("subtracted", lambda a, b: (a.mean() - b.mean()) ** 2 - (a.std() - b.std()) ** 2,
                WIDER + "the two parts add up"),
        Mistake("both-at-once", lambda a, b: (a.mean() - b.mean() + a.std() - b.std()) ** 2,
                "right where one of the two is the same; where both differ the two parts are "
                "squared first, and yours added first: means 1 and 3 give {your_moved:.0f}"),
        Mistake("means-squared-first", lambda a, b: (a.mean() ** 2 - b.mean() ** 2).abs()
                + (a.std() - b.std()) ** 2, MOVED + "means are subtracted first, then squared"),
        Mistake("kullback-leibler", lambda a, b: (b.std() / a.std()).log() + (a.var()
                + (a.mean() - b.mean()) ** 2) / (2 * b.var()) - 0.5,
                MOVED + "that is a divergence, which measures in the second set's stds"),
    ),
)  # fmt: skip
