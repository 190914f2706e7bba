"""Exercises of lesson 08's deeper notebooks on sets: total variation, and pairs of parts."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check


def total_variation(function):
    """function(counts, law): how far the shares of counts (K,) are from probabilities (K,)."""
    return check(VARIATION, function)


def free_share(function):
    """function(drawn, kept): the share of kept-out pairs if both parts were drawn by themselves."""
    return check(FREE, function)


# --- total variation -----------------------------------------------------------------------------


def right_variation(counts, law):
    return (counts / counts.sum() - law).abs().sum() / 2


def variation_probes():
    cases = {
        "40 drawn of 4 parts": ([20, 12, 8, 0], [0.25, 0.25, 0.25, 0.25]),
        "10 drawn of 3 parts": ([1, 2, 7], [0.5, 0.3, 0.2]),
        "1000 drawn of 6 parts": ([130, 260, 90, 310, 170, 40], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]),
    }
    return [(label, (torch.tensor(c), torch.tensor(p).double()), {})
            for label, (c, p) in cases.items()]  # fmt: skip


def measure_variation(function):
    def of(counts, law):
        return call(function, torch.tensor(counts), torch.tensor(law).double()).double().mean()

    return {"uneven": of([20, 12, 8, 0], [0.25] * 4).item(), "apart": of([9, 0], [0.0, 1.0]).item(),
            "same": of([6, 2], [0.75, 0.25]).item(),
            "twice": of([40, 24, 16, 0], [0.25] * 4).item()}  # fmt: skip


def off(counts, law):
    return counts / counts.sum() - law


UNEVEN = "20, 12, 8 and 0 of four equally likely parts give {your_uneven:.4f}, it should be "
UNEVEN += "{right_uneven:.4f}: "
APART = "a part that is never to be drawn, drawn always, gives {your_apart:.3f}, it should be "
APART += "{right_apart:.0f}"

VARIATION = Exercise(
    name="total_variation",
    right=right_variation,
    probes=variation_probes,
    measure=measure_variation,
    fact="is {same:.0f} where the shares are the law, and {apart:.0f} where nothing that was drawn "
    "could be drawn",
    tolerance=1e-3,
    signs=(
        Sign("counts-matter", lambda y, r: abs(y["twice"] - y["uneven"]) > 1e-4,
             "twice as many of each part give {your_twice:.4f} instead of {your_uneven:.4f}; "
             "shares stay what they are"),
        Sign("not-zero", lambda y, r: abs(y["same"]) > 1e-4,
             "shares that are just the law give {your_same:.4f}, it should be {right_same:.0f}"),
        Sign("negative", lambda y, r: y["uneven"] < -1e-6, UNEVEN + "a distance is at least 0"),
        Sign("scale", lambda y, r: abs(y["apart"] - 1) > 1e-3, APART),
        Sign("not-in-between", lambda y, r: abs(y["uneven"] - r["uneven"]) > 1e-4,
             UNEVEN + "the two ends of the scale are right, what lies between is not"),
    ),
    mistakes=(
        Mistake("no-half", lambda c, p: off(c, p).abs().sum(),
                UNEVEN + "what is too much of one part is too little of another, and was counted "
                "twice"),
        Mistake("counts", lambda c, p: (c - p).abs().sum() / 2,
                UNEVEN + "counts were compared with probabilities"),
        Mistake("expected-counts", lambda c, p: (c - c.sum() * p).abs().sum() / 2,
                UNEVEN + "that is in sprites; shares are asked for"),
        Mistake("squares", lambda c, p: off(c, p).square().sum(),
                UNEVEN + "the differences were squared"),
        Mistake("half-the-squares", lambda c, p: off(c, p).square().sum() / 2,
                UNEVEN + "the differences were squared"),
        Mistake("euclid", lambda c, p: off(c, p).square().sum().sqrt(),
                UNEVEN + "that is the straight distance of the two lists of shares"),
        Mistake("root-mean-square", lambda c, p: off(c, p).square().mean().sqrt(),
                UNEVEN + "that is a root mean square over the parts"),
        Mistake("largest", lambda c, p: off(c, p).abs().max(),
                UNEVEN + "that is the one part that is off the most"),
        Mistake("signed", lambda c, p: off(c, p).sum() / 2,
                UNEVEN + "too much and too little cancel out"),
        Mistake("mean", lambda c, p: off(c, p).abs().mean(),
                UNEVEN + "that is a mean over the parts, which shrinks where there are many"),
        Mistake("half-the-mean", lambda c, p: off(c, p).abs().mean() / 2,
                UNEVEN + "that is a mean over the parts, which shrinks where there are many"),
        Mistake("halved-once-too-often", lambda c, p: off(c, p).clamp(min=0).sum() / 2,
                UNEVEN + "what is too much was added up alone, and then halved as well"),
        Mistake("overlap", lambda c, p: torch.minimum(c / c.sum(), p).sum(),
                UNEVEN + "that is what the two have in common"),
        Mistake("divergence", lambda c, p: torch.special.xlogy(c / c.sum(), c / c.sum() / p).sum(),
                UNEVEN + "that is a divergence, with logarithms"),
        Mistake("chi-square", lambda c, p: (off(c, p).square() / p).sum(),
                UNEVEN + "that is chi square, a sum of squares over what was expected"),
        Mistake("hellinger", lambda c, p: ((c / c.sum()).sqrt() - p.sqrt()).square().sum() / 2,
                UNEVEN + "roots were taken of the shares first"),
        Mistake("never-drawn", lambda c, p: p[c == 0].sum(),
                UNEVEN + "that is what is never drawn, and nothing of what is drawn too seldom"),
        Mistake("percent", lambda c, p: 50 * off(c, p).abs().sum(),
                UNEVEN + "those are percent"),
        Mistake("largest-share", lambda c, p: (c / c.max() - p).abs().sum() / 2,
                UNEVEN + "the counts were divided by the largest and do not add up to 1"),
        Mistake("order-matters", lambda c, p: off(c, p).cumsum(0).abs().max(),
                UNEVEN + "the shares were added up along the list, whose order means nothing"),
        Mistake("earth-moved", lambda c, p: off(c, p).cumsum(0).abs().sum(),
                UNEVEN + "the shares were added up along the list, whose order means nothing"),
    ),
)  # fmt: skip


# --- pairs that are put together freely ----------------------------------------------------------


def shares_of(drawn):
    """The shares of the rows' parts (A, 1) and of the columns' parts (B,)."""
    total = drawn.sum()
    return drawn.sum(1, keepdim=True) / total, drawn.sum(0) / total


def right_free(drawn, kept):
    row, column = shares_of(drawn)
    return (row * column)[kept].sum()


def worlds():
    one = torch.tensor([[8, 1, 2], [3, 6, 0]])
    two = torch.tensor([[5, 1, 0, 9], [0, 7, 3, 2], [30, 4, 4, 0]])
    return {
        "2 by 3 parts": (one, torch.tensor([[0, 1, 0], [0, 0, 1]]).bool()),
        "3 by 4 parts": (two, torch.tensor([[0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]]).bool()),
        "half kept out": (two, torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]).bool()),
    }


def measure_free(function):
    def of(drawn, kept):
        return call(function, drawn, kept).double().mean().item()

    drawn, kept = worlds()["2 by 3 parts"]
    return {"share": of(drawn, kept), "all": of(drawn, torch.ones(2, 3).bool()),
            "none": of(drawn, torch.zeros(2, 3).bool()), "tenfold": of(10 * drawn, kept),
            "drawn": drawn[kept].sum().item() / drawn.sum().item()}  # fmt: skip


def of_shares(formula):
    """A mistake as formula(row shares (A, 1), column shares (B,), drawn, kept)."""
    return lambda drawn, kept: formula(*shares_of(drawn), drawn, kept)


def seen_share(drawn, kept):
    return drawn[kept].sum() / drawn.sum()


SHARE = "of 8, 1, 2 and 3, 6, 0 drawn with two pairs kept out yours is {your_share:.4f}, it should "
SHARE += "be {right_share:.4f}: "

FREE = Exercise(
    name="free_share",
    right=right_free,
    probes=lambda: [(label, world, {}) for label, world in worlds().items()],
    measure=measure_free,
    fact="finds {share:.2f} where {drawn:.2f} were drawn, and {all:.0f} where every pair is kept "
    "out",
    tolerance=1e-3,
    signs=(
        Sign("number-matters", lambda y, r: abs(y["tenfold"] - y["share"]) > 1e-4,
             "ten times as many of each pair give {your_tenfold:.4g} instead of {your_share:.4g}; "
             "shares stay what they are"),
        Sign("some-of-none", lambda y, r: abs(y["none"]) > 1e-4,
             "where no pair is kept out yours is {your_none:.4f}, it should be {right_none:.0f}"),
        Sign("not-all", lambda y, r: abs(y["all"] - 1) > 1e-3,
             "where every pair is kept out yours is {your_all:.4f}, it should be {right_all:.0f}"),
        Sign("wrong-pairs", lambda y, r: abs(y["share"] - r["share"]) > 1e-4,
             SHARE + "the ends are right, where all or none is kept out; what a single pair is "
             "expected to have is not"),
    ),
    mistakes=(
        Mistake("as-drawn", of_shares(lambda a, b, d, k: d[k].sum() / d.sum()),
                SHARE + "that is what was drawn, and not what free choice would draw"),
        Mistake("all-pairs-alike", of_shares(lambda a, b, d, k: k.double().mean()),
                SHARE + "as if all parts were drawn equally often"),
        Mistake("rows-alike", of_shares(lambda a, b, d, k: (b * k.double().mean(0)).sum()),
                SHARE + "as if the parts of the rows were drawn equally often"),
        Mistake("columns-alike", of_shares(lambda a, b, d, k: (a[:, 0] * k.double().mean(1)).sum()),
                SHARE + "as if the parts of the columns were drawn equally often"),
        Mistake("counts", of_shares(lambda a, b, d, k: (a * b)[k].sum() * d.sum() ** 2),
                SHARE + "counts were multiplied, not shares"),
        Mistake("expected-count", of_shares(lambda a, b, d, k: (a * b)[k].sum() * d.sum()),
                SHARE + "that is how many it would be, not which share"),
        Mistake("seen-pairs", of_shares(lambda a, b, d, k: (a * b)[~k].sum()),
                SHARE + "that is the share of the pairs that are not kept out"),
        Mistake("mean-of-pairs", of_shares(lambda a, b, d, k: (a * b)[k].mean()),
                SHARE + "that is the mean of a kept-out pair, not the sum of all"),
        Mistake("mean-of-all", of_shares(lambda a, b, d, k: (a * b * k).mean()),
                SHARE + "that is a mean over all pairs"),
        Mistake("lift", of_shares(lambda a, b, d, k: d[k].sum() / d.sum() / (a * b)[k].sum()),
                SHARE + "that is what was drawn, divided by what was to be expected"),
        Mistake("lift-upside-down", of_shares(lambda a, b, d, k: (
                    (a * b)[k].sum() * d.sum() / d[k].sum().clamp(min=1))),
                SHARE + "that is what was to be expected, divided by what was drawn"),
        Mistake("difference", of_shares(lambda a, b, d, k: (a * b)[k].sum() - d[k].sum() / d.sum()),
                SHARE + "what was drawn has been taken off"),
        Mistake("sum-of-shares", of_shares(lambda a, b, d, k: (a + b)[k].sum()),
                SHARE + "shares of independent parts multiply, they were added"),
        Mistake("rows-only", of_shares(lambda a, b, d, k: (a * k).sum()),
                SHARE + "only the parts of the rows come in"),
        Mistake("columns-only", of_shares(lambda a, b, d, k: (b * k).sum()),
                SHARE + "only the parts of the columns come in"),
        Mistake("odds", of_shares(lambda a, b, d, k: (a * b)[k].sum() / (a * b)[~k].sum()),
                SHARE + "kept out was divided by seen, not by all"),
        Mistake("percent", of_shares(lambda a, b, d, k: 100 * (a * b)[k].sum()),
                SHARE + "those are percent"),
        Mistake("conditional", of_shares(lambda a, b, d, k: (
                    (d / d.sum(1, keepdim=True).clamp(min=1) * b)[k].sum())),
                SHARE + "the shares within a row know already which pairs go together"),
        Mistake("which-occur", of_shares(lambda a, b, d, k: right_free((d > 0).long(), k)),
                SHARE + "it was counted which pairs occur, not how often"),
        Mistake("roots", of_shares(lambda a, b, d, k: (a * b).sqrt()[k].sum()),
                SHARE + "roots were taken of the products"),
        Mistake("number-of-pairs", of_shares(lambda a, b, d, k: k.sum()),
                SHARE + "that is how many pairs are kept out"),
    ),
)  # fmt: skip
