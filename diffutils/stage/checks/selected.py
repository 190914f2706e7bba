"""The exercise of lesson 08's deeper notebook on sloppy judges: the best of n, by a score."""

import math

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check


def best_of(function):
    """function(scores, values, n): the mean value of the one with the highest score of n drawn.

    The function gets scores and values, (M,) float64 of M samples, and n; each of the n is drawn
    from all M, so that one may come twice. It returns a number.
    """
    return check(BEST, function)


def chances(count, n):
    """How likely the k-th lowest of so many is the best of n: (count,)."""
    rank = torch.arange(count + 1, dtype=torch.float64) / count
    return (rank**n).diff()


def right_best(scores, values, n):
    return (chances(len(scores), n) * values[scores.argsort()]).sum()


def some(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def five():
    return some(0.3, -1.2, 0.9, 0.1, 2.5), some(1.0, 0.0, 4.0, 1.5, 2.0)


def best_probes():
    eight = some(5.0, 1, 7, 3, 2, 8, 6, 4), some(1, 0, 1, 0, 0, 0, 1, 1)
    low = -some(0.02, 0.3, 0.011, 0.07), some(0.0, 1.0, 0.0, 1.0)
    return [
        ("one of five", (*five(), 1), {}),
        ("the best of two of five", (*five(), 2), {}),
        ("the best of four of five", (*five(), 4), {}),
        ("the best of three of eight", (*eight, 3), {}),
        ("the best of six of four", (*low, 6), {}),
    ]


def measure_best(function):
    def of(scores, values, n):
        return call(function, scores, values, n).double().flatten().mean().item()

    scores, values = five()
    order = torch.tensor([2, 4, 0, 3, 1])
    return {
        "one": of(scores, values, 1), "two": of(scores, values, 2), "four": of(scores, values, 4),
        "many": of(scores, values, 300), "same": of(scores, torch.full_like(values, 0.5), 3),
        "shuffled": of(scores[order], values[order], 2), "tenfold": of(10 * scores, values, 2),
    }  # fmt: skip


TWO = "the best of two of five is worth {your_two:.4f} on average, it should be {right_two:.4f}: "
MANY = "of three hundred drawn from five the best is worth {your_many:.4f}, it should be "
MANY += "{right_many:.1f}, the value of the one with the highest score: "


def sorted_values(scores, values):
    return values[scores.argsort()]


def weighed(weights):
    """A mistake of the chances: weights(M, n) -> (M,) of the values from the lowest score up."""
    return lambda s, v, n: (weights(len(s), n) * sorted_values(s, v)).sum()


def ranks(count):
    return torch.arange(1, count + 1, dtype=torch.float64) / count


def without_replacement(count, n):
    n = min(n, count)
    return some(*(math.comb(k, n - 1) / math.comb(count, n) for k in range(count)))


def highest(s, v, k):
    return v[s.argsort(descending=True)[:k]]


BEST = Exercise(
    name="best_of",
    right=right_best,
    probes=best_probes,
    measure=measure_best,
    fact="gives {one:.2f} for one of five, {two:.2f} for the best of two, and {many:.2f} for the "
    "best of three hundred",
    signs=(
        Sign("order-of-the-list", lambda y, r: abs(y["shuffled"] - y["two"]) > 1e-6,
             "the same five in another order give {your_shuffled:.4f} instead of {your_two:.4f}"),
        Sign("not-an-average", lambda y, r: abs(y["same"] - 0.5) > 1e-4,
             "where all are worth 0.5 the best of three is worth {your_same:.3f}"),
        Sign("n-ignored", lambda y, r: abs(y["two"] - y["four"]) < 1e-9,
             "the best of two and the best of four are both worth {your_two:.4f}"),
        Sign("sizes-of-scores", lambda y, r: abs(y["tenfold"] - y["two"]) > 1e-6,
             "scores ten times as large give {your_tenfold:.4f} instead of {your_two:.4f}; who is "
             "best stays the same"),
        Sign("one-is-chance", lambda y, r: abs(y["one"] - r["one"]) > 1e-4,
             "the best of one is any of them: {right_one:.4f} on average, and yours is "
             "{your_one:.4f}"),
        Sign("many-is-sure", lambda y, r: abs(y["many"] - r["many"]) > 1e-3,
             MANY + "among so many the highest is sure to be"),
        Sign("in-between", lambda y, r: abs(y["two"] - r["two"]) > 1e-4,
             TWO + "the best of one and of very many are right"),
    ),
    mistakes=(
        Mistake("n-forgotten", lambda s, v, n: v.mean(), TWO + "that is the mean of all"),
        Mistake("always-the-best", lambda s, v, n: v[s.argmax()],
                TWO + "that is the one with the highest score, which is seldom among two"),
        Mistake("best-value", lambda s, v, n: v.max(),
                TWO + "that is the highest value; the score alone chooses"),
        Mistake("chosen-by-value", lambda s, v, n: right_best(v, v, n),
                TWO + "the value has chosen, not the score"),
        Mistake("the-score-itself", lambda s, v, n: right_best(s, s, n),
                TWO + "that is the mean score of the best, not its value"),
        Mistake("value-chooses-score", lambda s, v, n: right_best(v, s, n),
                TWO + "scores and values changed places"),
        Mistake("worst-of-n", lambda s, v, n: right_best(-s, v, n),
                TWO + "the lowest score was chosen"),
        Mistake("not-sorted", lambda s, v, n: (chances(len(s), n) * v).sum(),
                TWO + "the values were taken in the order of the list, not of the scores"),
        Mistake("order-for-rank", lambda s, v, n: (chances(len(s), n)[s.argsort()] * v).sum(),
                TWO + "argsort says who stands where, not which rank each has"),
        Mistake("no-difference", weighed(lambda count, n: ranks(count) ** n),
                TWO + "those are the chances that all of n are at most so high, added up"),
        Mistake("at-most-normed", weighed(lambda count, n: (
                    ranks(count) ** n / (ranks(count) ** n).sum())),
                TWO + "weighed by the chance that all of n are at most so high"),
        Mistake("one-rank-late", weighed(lambda count, n: (
                    torch.cat([some(0.0), chances(count, n)[:-1]]))),
                TWO + "the ranks are off by one, and the highest never comes"),
        Mistake("one-rank-early", weighed(lambda count, n: chances(count, n).roll(-1)),
                TWO + "the ranks are off by one"),
        Mistake("none-twice", weighed(without_replacement),
                TWO + "as if none could be drawn twice"),
        Mistake("root", weighed(lambda count, n: chances(count, 1 / n)),
                TWO + "a root was taken where a power belongs"),
        Mistake("times-n", weighed(lambda count, n: (ranks(count) * n).clamp(max=1).diff(
                    prepend=some(0.0))),
                TWO + "chances of n that belong together multiply; they were added"),
        Mistake("density", weighed(lambda count, n: n * ranks(count) ** (n - 1) / count),
                TWO + "that is the slope of the chances, which for few samples does not add up "
                "to 1"),
        Mistake("top-n", lambda s, v, n: highest(s, v, n).mean(),
                TWO + "that is the mean of the n highest of all"),
        Mistake("top-share", lambda s, v, n: highest(s, v, max(len(s) // n, 1)).mean(),
                TWO + "that is the mean of the highest n-th part of all"),
        Mistake("nth-highest", lambda s, v, n: highest(s, v, n)[-1],
                TWO + "that is the n-th highest of all"),
        Mistake("first-n", lambda s, v, n: v[:n][s[:n].argmax()],
                TWO + "that is the best of the first n of the list, one draw of many"),
        Mistake("at-least-one", lambda s, v, n: 1 - (1 - v.mean()) ** n,
                TWO + "that would be the chance that at least one of n is good, and asks no score"),
        Mistake("softmax", lambda s, v, n: (n * s).softmax(0) @ v,
                TWO + "the size of the scores came in; only their order should"),
        Mistake("score-weighted", lambda s, v, n: (s - s.min()) ** n @ v / ((
                    s - s.min()) ** n).sum(),
                TWO + "the size of the scores came in; only their order should"),
        Mistake("sum", lambda s, v, n: n * right_best(s, v, n),
                TWO + "that is n times too much; one of the n is kept"),
        Mistake("percent", lambda s, v, n: 100 * right_best(s, v, n),
                TWO + "that is in percent"),
    ),
)  # fmt: skip
