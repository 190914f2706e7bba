"""Exercises of lesson 08's deeper notebook on bits: what the data hold, and what a loss says of it.

Sprites are told class first, then shape, then palettes, each choice even among what is left.
"""

import math

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check

NUMBERS, BITS_IN_A_NAT = 768, 1 / math.log(2)


def bits_of_tree(function):
    """function(classes): the entropy in bits; classes[k][s] is the number of sprites of a shape."""
    return check(TREE, function)


def bits_of_losses(function):
    """function(losses, alpha_bar): half the integral, in bits, from losses of the noise, (K,)."""
    return check(LOSSES, function)


# --- what the data hold --------------------------------------------------------------------------


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def right_tree(classes):
    return math.log2(len(classes)) + mean(
        math.log2(len(shapes)) + mean(math.log2(n) for n in shapes) for shapes in classes)


TREES = {
    "two classes, [[4, 4], [16]]": [[4, 4], [16]],
    "four classes of unlike sizes": [[1, 2, 8, 1], [3] * 12, [64], [5, 40]],
    "one class": [[2, 2, 32]],
    "three classes of one shape each": [[9], [1], [30]],
}


def measure_tree(function):
    def of(*classes):
        return call(function, list(classes)).double().mean().item()

    return {
        "class": of([1], [1], [1], [1]), "shape": of([1] * 8), "palettes": of([32]),
        "uneven": of([1], [1] * 16), "mixed": of([1, 16]), "all": of([1, 4], [16]),
    }  # fmt: skip


def every(classes):
    """(bits of its class, its shape, its palettes, how many sprites) of each shape of all."""
    return [(math.log2(len(classes)), math.log2(len(shapes)), math.log2(n), n)
            for shapes in classes for n in shapes]  # fmt: skip


def weighed(classes):
    """The mean over all sprites, each counted once."""
    rows = every(classes)
    return sum((c + s + p) * n for c, s, p, n in rows) / sum(n for *_, n in rows)


ALL = "[[1, 4], [16]] gives {your_all:.3f} bits, it should be {right_all:.0f}: "
UNEVEN = "two classes, of 1 and of 16 shapes of one sprite each, give {your_uneven:.3f} bits, it "
UNEVEN += "should be {right_uneven:.0f}: "
MIXED = "a shape of 1 sprite and one of 16 give {your_mixed:.3f} bits, it should be "
MIXED += "{right_mixed:.0f}: "


def total(classes):
    return sum(map(sum, classes))


TREE = Exercise(
    name="bits_of_tree",
    right=right_tree,
    probes=lambda: [(label, (tree,), {}) for label, tree in TREES.items()],
    measure=measure_tree,
    fact="finds {class:.0f} bits in four classes, {shape:.0f} in eight shapes, {palettes:.0f} in "
    "32 palettes, and {mixed:.0f} in a shape of 1 sprite beside one of 16",
    tolerance=1e-3,
    signs=(
        Sign("class", lambda y, r: abs(y["class"] - r["class"]) > 1e-3,
             "four classes of one sprite each give {your_class:.3f} bits, it should be "
             "{right_class:.0f}"),
        Sign("shape", lambda y, r: abs(y["shape"] - r["shape"]) > 1e-3,
             "one class of eight shapes of one sprite each gives {your_shape:.3f} bits, it should "
             "be {right_shape:.0f}"),
        Sign("palettes", lambda y, r: abs(y["palettes"] - r["palettes"]) > 1e-3,
             "one shape of 32 sprites gives {your_palettes:.3f} bits, it should be "
             "{right_palettes:.0f}"),
        Sign("uneven-classes", lambda y, r: abs(y["uneven"] - r["uneven"]) > 1e-3,
             UNEVEN + "with classes alike in size yours is right"),
        Sign("uneven-shapes", lambda y, r: abs(y["mixed"] - r["mixed"]) > 1e-3,
             MIXED + "with shapes alike in number yours is right"),
    ),
    mistakes=(
        Mistake("all-alike", lambda c: math.log2(total(c)),
                ALL + "that is the logarithm of the number of sprites, as if all were equally "
                "likely"),
        Mistake("alike-in-a-class", lambda c: math.log2(len(c)) + mean(
                    math.log2(sum(shapes)) for shapes in c),
                ALL + "as if all sprites of a class were equally likely; large shapes are not "
                "drawn more often"),
        Mistake("shapes-alike", lambda c: math.log2(sum(map(len, c))) + mean(
                    p for _, _, p, _ in every(c)),
                UNEVEN + "as if all shapes of all classes were equally likely"),
        Mistake("weighed-by-shapes", lambda c: mean(a + s + p for a, s, p, _ in every(c)),
                UNEVEN + "the mean is over shapes, so that a class with many counts for more"),
        Mistake("weighed-by-sprites", weighed,
                ALL + "the mean is over the list of sprites, and those of large shapes are drawn "
                "less often than others"),
        Mistake("nats", lambda c: right_tree(c) * math.log(2),
                ALL + "those are nats"),
        Mistake("tens", lambda c: right_tree(c) * math.log10(2),
                ALL + "those are decimal digits"),
        Mistake("no-class", lambda c: right_tree(c) - math.log2(len(c)),
                ALL + "which class it is has to be told too"),
        Mistake("no-shape", lambda c: math.log2(len(c)) + mean(
                    mean(math.log2(n) for n in shapes) for shapes in c),
                ALL + "which shape of the class it is has to be told too"),
        Mistake("no-palettes", lambda c: math.log2(len(c)) + mean(
                    math.log2(len(shapes)) for shapes in c),
                ALL + "which sprite of the shape it is has to be told too"),
        Mistake("logarithm-of-the-mean-of-shapes", lambda c: math.log2(len(c)) + math.log2(mean(
                    map(len, c))) + mean(mean(math.log2(n) for n in shapes) for shapes in c),
                UNEVEN + "the mean was taken first and the logarithm after it"),
        Mistake("summed-over-classes", lambda c: math.log2(len(c)) + sum(
                    math.log2(len(shapes)) + mean(math.log2(n) for n in shapes) for shapes in c),
                ALL + "a sprite is of one class; its bits were added up over all"),
        Mistake("summed-over-shapes", lambda c: math.log2(len(c)) + mean(
                    math.log2(len(shapes)) + sum(math.log2(n) for n in shapes) for shapes in c),
                ALL + "a sprite has one shape; its bits were added up over all"),
        Mistake("all-summed", lambda c: math.log2(len(c)) + sum(
                    s + p for _, s, p, _ in every(c)),
                ALL + "a sprite has one class and one shape; the bits were added up over all"),
        Mistake("dearest", lambda c: max(a + s + p for a, s, p, _ in every(c)),
                ALL + "that is what the dearest sprite takes, and not the mean"),
        Mistake("cheapest", lambda c: min(a + s + p for a, s, p, _ in every(c)),
                ALL + "that is what the cheapest sprite takes, and not the mean"),
        Mistake("negative", lambda c: -right_tree(c),
                ALL + "the logarithm of a probability is negative, its bits are not"),
        Mistake("ways", lambda c: 2 ** right_tree(c),
                ALL + "that is a number of equal ways, and not yet its logarithm"),
        Mistake("whole-bits", lambda c: math.ceil(right_tree(c)),
                ALL + "rounded up; entropy need not be whole"),
        Mistake("classes-for-shapes", lambda c: 2 * math.log2(len(c)) + mean(
                    mean(math.log2(n) for n in shapes) for shapes in c),
                ALL + "the number of classes was taken for that of a class's shapes"),
    ),
)  # fmt: skip


# --- what a loss says of bits --------------------------------------------------------------------


def trapezoids(heights, places):
    heights, places = heights.double(), places.double()
    return ((heights[1:] + heights[:-1]) / 2 * places.diff()).sum()


def ratio(alpha_bar):
    return alpha_bar / (1 - alpha_bar)


def right_losses(losses, alpha_bar):
    return NUMBERS * trapezoids(losses, ratio(alpha_bar).log()) / 2 / math.log(2)


def world(count, first=1e-3, last=20.0, variance=0.25):
    """(losses, alpha_bar) of the best guess where each number is drawn from N(0, variance)."""
    r = torch.linspace(math.log(first), math.log(last), count, dtype=torch.float64).exp()
    return 0.2 * r * variance / (1 + r * variance), r / (1 + r)


def uneven_world(count=500):
    """The same on levels that are not even in the logarithm of the ratio."""
    alpha_bar = torch.linspace(0.02, 0.9, count, dtype=torch.float64)
    r = ratio(alpha_bar)
    return r / (1 + r) ** 3, alpha_bar


def losses_probes():
    return [("many levels", world(400), {}), ("other levels", world(300, 0.01, 5.0, 4.0), {}),
            ("levels even in alpha_bar", uneven_world(), {})]  # fmt: skip


def measure_losses(function):
    losses, alpha_bar = world(400)

    def of(losses, alpha_bar):
        return call(function, losses, alpha_bar).double().mean().item()

    return {"bits": of(losses, alpha_bar), "twice": of(2 * losses, alpha_bar),
            "dense": of(*world(800)), "uneven": of(*uneven_world()),
            "none": of(0 * losses, alpha_bar)}  # fmt: skip


def over(places, heights=lambda losses, alpha_bar: losses, factor=BITS_IN_A_NAT / 2):
    """A mistake: the trapezoids of other heights over other places."""
    def bits(losses, alpha_bar):
        return factor * NUMBERS * trapezoids(heights(losses, alpha_bar), places(alpha_bar))

    return bits


def log_ratio(alpha_bar):
    return ratio(alpha_bar).log()


BITS = "{your_bits:.2f} bits from 400 levels, it should be {right_bits:.2f}: "

LOSSES = Exercise(
    name="bits_of_losses",
    right=right_losses,
    probes=losses_probes,
    measure=measure_losses,
    fact="finds {bits:.2f} bits in 400 levels and {dense:.2f} in twice as many of the same curve",
    tolerance=1e-2,
    signs=(
        Sign("grid-matters", lambda y, r: abs(y["dense"] / y["bits"] - 1) > 0.2,
             "{your_bits:.4g} bits from 400 levels and {your_dense:.4g} from 800 of the same "
             "curve; an integral does not depend on how finely it is cut"),
        Sign("something-without-loss", lambda y, r: abs(y["none"]) > 1e-6 * abs(y["bits"]),
             "{your_none:.4g} bits where every loss is 0, it should be {right_none:.0f}"),
        Sign("not-in-proportion", lambda y, r: abs(y["twice"] / y["bits"] - 2) > 0.05,
             "twice the loss gives {your_twice:.4g} bits for {your_bits:.4g}; squared errors count "
             "as they are"),
        Sign("negative", lambda y, r: y["bits"] < 0,
             BITS + "the ratio of signal to noise rises along these levels"),
        Sign("even-levels-only",
             lambda y, r: abs(y["bits"] / r["bits"] - 1) < 0.02
             and abs(y["uneven"] / r["uneven"] - 1) > 0.02,
             "right where levels are even in the logarithm of the ratio; where they are not, "
             "{your_uneven:.2f} bits, it should be {right_uneven:.2f}"),
        Sign("wrong-axis",
             lambda y, r: abs((y["uneven"] / r["uneven"]) / (y["bits"] / r["bits"]) - 1) > 0.03,
             BITS + "and on levels even in alpha_bar {your_uneven:.2f}, it should be "
             "{right_uneven:.2f}; the two are off by different factors, so the curve is laid over "
             "another axis or has other heights"),
        Sign("wrong-factor", lambda y, r: abs(y["bits"] / r["bits"] - 1) > 0.01,
             BITS + "a factor is off, the curve is right"),
    ),
    mistakes=(
        Mistake("whole", over(log_ratio, factor=1 / math.log(2)),
                BITS + "the whole integral; I-MMSE has a half"),
        Mistake("nats", over(log_ratio, factor=0.5), BITS + "those are nats"),
        Mistake("nats-whole", over(log_ratio, factor=1.0),
                BITS + "the whole integral, in nats"),
        Mistake("times-ln-2", over(log_ratio, factor=0.5 * math.log(2)),
                BITS + "nats were turned to bits the wrong way round"),
        Mistake("one-number", over(log_ratio, factor=0.5 / math.log(2) / NUMBERS),
                BITS + "those are the bits of one of a sprite's 768 numbers"),
        Mistake("pixels", over(log_ratio, factor=0.5 / math.log(2) / 3),
                BITS + "a sprite of 256 pixels has three numbers in each"),
        Mistake("bytes", over(log_ratio, factor=0.5 / math.log(2) / 8), BITS + "those are bytes"),
        Mistake("amplitudes", over(lambda a: ratio(a).sqrt().log()),
                BITS + "the ratio is one of variances, not of amplitudes"),
        Mistake("over-the-ratio", over(ratio),
                BITS + "the squared error of the noise was laid over the ratio; that belongs to "
                "the squared error of the sprite"),
        Mistake("over-alpha-bar", over(lambda a: a),
                BITS + "laid over alpha_bar instead of the ratio of signal to noise"),
        Mistake("log-alpha-bar", over(torch.log),
                BITS + "laid over the logarithm of the signal alone; the noise falls too"),
        Mistake("log-noise", over(lambda a: -(1 - a).log()),
                BITS + "laid over the logarithm of the noise alone; the signal rises too"),
        Mistake("over-levels", lambda losses, alpha_bar: 0.5 / math.log(2) * NUMBERS * losses.sum(),
                BITS + "losses added up without the widths between the levels"),
        Mistake("mean-of-losses", lambda losses, alpha_bar: (
                    0.5 / math.log(2) * NUMBERS * losses.mean()),
                BITS + "that is a mean over levels; how far they lie apart does not come in"),
        Mistake("upside-down", over(lambda a: -log_ratio(a)),
                BITS + "the ratio is upside down, noise over signal"),
        Mistake("noise-to-signal", over(lambda a: (1 - a) / a),
                BITS + "laid over noise to signal, which is the ratio upside down"),
        Mistake("divided-twice", over(log_ratio, lambda e, a: e / ratio(a)),
                BITS + "the error of the sprite belongs over the ratio, not over its logarithm"),
        Mistake("roots", over(log_ratio, lambda e, a: e.sqrt()),
                BITS + "the root of the squared error was integrated"),
        Mistake("log-of-10", over(lambda a: ratio(a).log10()),
                BITS + "the integral is over the natural logarithm"),
        Mistake("log-of-2-twice", over(lambda a: ratio(a).log2()),
                BITS + "the axis is in doublings already, and then nats were turned to bits again"),
    ),
)  # fmt: skip
