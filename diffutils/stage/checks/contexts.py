"""Exercises on contexts: leaving them out in training, and guidance in both its conventions."""

import torch

from diffutils.stage.checks.asking import Misuse
from diffutils.stage.checks.coefficients import Reader, constant
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call
from diffutils.stage.checks.levels import coefficient, images

# --- context dropout -----------------------------------------------------------------------------


def right_drop(c, probability):
    return c * (torch.rand(len(c), 1) >= probability)


def observe_drop(function):
    """What became of the contexts of 20 batches at two probabilities."""
    seen = {}
    for probability in (0.1, 0.4):
        batches = [drop(function, k, probability) for k in range(20)]
        check_shape(*batches[0])
        seen[f"probability {probability}"] = torch.tensor(describe_drop(batches))
    return seen


def drop(function, seed, probability):
    """200 contexts, none of them 0 anywhere, and the student's answer to them."""
    c = torch.rand(200, 5, generator=torch.Generator().manual_seed(seed)) + 0.5
    return c, call(function, c, probability)


def check_shape(c, answer):
    if answer.shape != c.shape:
        shapes = tuple(answer.shape), tuple(c.shape)
        raise Misuse("shape", f"it returns shape {shapes[0]} where {shapes[1]} is expected, like c")


def describe_drop(batches):
    """[share dropped whole, in part, scale of the rest, its other changes, share of batches with
    one fate for all, whether the place in the batch decides]; a share that one draw a batch
    decides is told as -1, any or none as 0.
    """
    c, answer = (torch.cat(parts).double() for parts in zip(*batches, strict=True))
    zero = answer == 0
    whole, part = zero.all(1), zero.any(1) & ~zero.all(1)
    ratio = (answer / c)[~zero]
    scale = ratio.median().item() if len(ratio) else 1.0
    change = (ratio - scale).abs().max().item() if len(ratio) else 0.0
    fates = (whole.double() + 2 * part.double()).reshape(len(batches), -1)
    one_fate = (fates == fates[:, :1]).all(1).double().mean().item()
    share = whole.double().mean().item()
    if one_fate > 0.5 and 0 < share < 1:
        share = -1.0
    by_place = whole.reshape(len(batches), -1).double().mean(0)
    places = float(by_place.max() == 1 and by_place.min() == 0)
    return [share, part.double().mean().item(), scale, change, one_fate, places]


def measure_drop(function):
    """The share dropped in per cent, measured a context at a time, one fate for all included."""
    found = {}
    for probability, name in ((0.1, "whole"), (0.4, "whole_40")):
        batches = [drop(function, k, probability) for k in range(20)]
        c, answer = (torch.cat(parts).double() for parts in zip(*batches, strict=True))
        found[name] = 100 * (answer == 0).all(1).double().mean().item()
        if name == "whole":
            _, part, scale, change, *_ = describe_drop(batches)
            found |= {"part": 100 * part, "scale": scale, "change": change}
    return found


DROP_SIGNS = (
    Sign(
        "parts-dropped",
        lambda y, r: y["part"] > 2,
        "{your_part:.0f} % of the contexts lost a part of themselves, {right_part:.0f} % should: "
        "they go whole or stay",
    ),
    Sign(
        "wrong-share-dropped",
        lambda y, r: abs(y["whole"] - r["whole"]) > 3 or abs(y["whole_40"] - r["whole_40"]) > 4,
        "{your_whole:.0f} % of the contexts go at probability 0.1 and {your_whole_40:.0f} % at "
        "0.4; it should be about {right_whole:.0f} and {right_whole_40:.0f} %",
    ),
    Sign(
        "rest-changed",
        lambda y, r: y["change"] > 0.01 or abs(y["scale"] - 1) > 0.01,
        "the contexts that stay are {your_scale:.3f} times what they were, it should be "
        "{right_scale:.0f}: they should stay as they are",
    ),
)

CONTEXT_DROPOUT = Exercise(
    name="context_dropout",
    right=right_drop,
    observe=observe_drop,
    measure=measure_drop,
    signs=DROP_SIGNS,
    fact="drops {whole:.0f} % of the contexts whole at probability 0.1 and leaves the others alone",
    tolerance=0.05,
    relative=False,
    mistakes=(
        Mistake(
            "single-numbers",
            lambda c, probability: c * (torch.rand_like(c) >= probability),
            "single numbers are dropped, not whole contexts: {your_part:.0f} % of the sprites have "
            "lost a part, which is a context that nobody meant",
        ),
        Mistake(
            "keep-for-drop",
            lambda c, probability: c * (torch.rand(len(c), 1) < probability),
            "at probability 0.1 you drop {your_whole:.0f} % of the contexts; that is the share to "
            "keep",
        ),
        Mistake(
            "all-or-none",
            lambda c, probability: c * (torch.rand(1) >= probability),
            "one draw decides for the whole batch: all contexts go or all stay. Each sprite needs "
            "a draw of its own",
        ),
        Mistake(
            "none-dropped",
            lambda c, probability: c,
            "nothing is dropped: at probability 0.1 about {right_whole:.0f} % of the contexts "
            "should go",
        ),
        Mistake(
            "rescaled",
            lambda c, probability: right_drop(c, probability) / (1 - probability),
            "the contexts that stay are scaled by {your_scale:.3f}, as dropout layers do; a "
            "context should stay what it says",
        ),
        Mistake(
            "dropout-layer",
            lambda c, probability: torch.nn.functional.dropout(c, probability),
            "this is a dropout layer: it drops single numbers ({your_part:.0f} % of the sprites "
            "lost a part) and scales the others by {your_scale:.3f}; asked for is whole contexts "
            "or none",
        ),
        Mistake(
            "scaled-not-drawn",
            lambda c, probability: c * (1 - probability),
            "every context is scaled by {your_scale:.2f} and none is dropped; the network has to "
            "see some sprites with no context at all",
        ),
        Mistake(
            "all-dropped",
            lambda c, probability: 0 * c,
            "{your_whole:.0f} % of the contexts go at probability 0.1, it should be about "
            "{right_whole:.0f} %",
        ),
        Mistake(
            "ones-for-context",
            lambda c, probability: torch.where(torch.rand(len(c), 1) < probability, 1.0, c),
            "{your_whole:.0f} % of the contexts become 0, it should be about {right_whole:.0f} %: "
            "those that go become something else",
        ),
        Mistake(
            "half-dropped",
            lambda c, probability: c * (torch.rand(len(c), 1) >= 0.5),
            "{your_whole:.0f} % of the contexts go at probability 0.1, it should be about "
            "{right_whole:.0f} %: one half, whatever is asked for",
        ),
        Mistake(
            "normal-draw",
            lambda c, probability: c * (torch.randn(len(c), 1) >= probability),
            "{your_whole:.0f} % of the contexts go at probability 0.1, it should be about "
            "{right_whole:.0f} %: the draw is not even from 0 to 1",
        ),
        Mistake(
            "negated",
            lambda c, probability: -right_drop(c, probability),
            "the contexts that stay are {your_scale:.0f} times what they were: they ask for less "
            "than nothing of their class",
        ),
        Mistake(
            "probability-squared",
            lambda c, probability: c * (torch.rand(len(c), 1) >= probability**2),
            "{your_whole:.0f} % of the contexts go at probability 0.1 and {your_whole_40:.0f} % at "
            "0.4; it should be about {right_whole:.0f} and {right_whole_40:.0f} %: too seldom",
        ),
        Mistake(
            "probability-doubled",
            lambda c, probability: c * (torch.rand(len(c), 1) >= 2 * probability),
            "{your_whole:.0f} % of the contexts go at probability 0.1 and {your_whole_40:.0f} % at "
            "0.4; it should be about {right_whole:.0f} and {right_whole_40:.0f} %: twice too often",
        ),
        Mistake(
            "first-ones",
            lambda c, probability: torch.cat(
                [0 * c[: int(probability * len(c))], c[int(probability * len(c)) :]]
            ),
            "{your_whole:.0f} % of the contexts go, as it should be, about {right_whole:.0f} %; "
            "but it is always the first ones of a batch",
        ),
    ),
)


# --- guidance ------------------------------------------------------------------------------------


def guide(eps_with, eps_without, w):
    return eps_without + w * (eps_with - eps_without)


def guide_as_paper(eps_with, eps_without, w):
    return guide(eps_with, eps_without, w + 1)


def guidance_probes():
    return [(f"w = {w}", (images(1), images(2), w), {}) for w in (0, 0.5, 1, 3)]


def measure_guidance(function):
    """How much the two guesses count at w = 0, 1 and 3."""

    def counts(w):
        one = coefficient(call(function, constant(1), constant(0), w))
        return one, coefficient(call(function, constant(0), constant(1), w))

    (with_0, without_0), (with_1, without_1), (with_3, without_3) = counts(0), counts(1), counts(3)
    return {
        "with_0": with_0, "without_0": without_0, "with_1": with_1, "without_1": without_1,
        "with_3": with_3, "without_3": without_3, "sum_3": with_3 + without_3,
    }  # fmt: skip


def strength_words(w):
    """{description: number} of what w may be made into."""
    return {
        "0": 0.0, "1": 1.0, "2": 2.0, "w": w, "1 + w": 1 + w, "w - 1": w - 1, "twice w": 2 * w,
        "w squared": w * w, "half of w": w / 2, "half of 1 + w": (1 + w) / 2,
        "the root of w": w**0.5, "1 + twice w": 1 + 2 * w, "2 + w": 2 + w, "w - 2": w - 2,
    }  # fmt: skip


def read_guidance(right):
    return Reader(
        right=right,
        ask=lambda function, pictures, w: call(function, *pictures, w),
        roles=("the guess with context", "the guess without"),
        settings=(3.0, 0.5, 1.5, 2.0, 0.7),
        where="at w = 3",
        words=strength_words,
    )


def guidance_mistakes(own):
    """The bank of one convention; `own` is its right function."""
    return (
        Mistake(
            "reversed",
            lambda a, b, w: own(b, a, w),
            "the two guesses are in each other's place: at w = 3 the one with context counts "
            "{your_with_3:+.1f}, it should count {right_with_3:+.1f}; you steer away from the "
            "context",
        ),
        Mistake(
            "sum-for-difference",
            lambda a, b, w: (b if own is guide else a) + w * (a + b),
            "the guesses are added where their difference is the direction to go: at w = 3 the "
            "weights sum to {your_sum_3:.0f}, and noise of unit size needs weights that sum to "
            "{right_sum_3:.0f}",
        ),
        Mistake(
            "direction-alone",
            lambda a, b, w: w * (a - b),
            "this is the direction alone; it has to start from one of the guesses: at w = 0 "
            "nothing is left of the noise",
        ),
        Mistake(
            "unguided-missing",
            lambda a, b, w: w * a if own is guide else (1 + w) * a,
            "the guess without context does not come in: at w = 3 it counts {your_without_3:.0f}, "
            "it should count {right_without_3:.0f}",
        ),
        Mistake(
            "averaged",
            lambda a, b, w: own(a, b, w) / (1 + w),
            "the weights are divided by 1 + w: at w = 3 they sum to {your_sum_3:.2f}, they should "
            "sum to {right_sum_3:.0f}",
        ),
        Mistake(
            "difference-backwards",
            lambda a, b, w: own(a, b, -w),
            "the difference is taken the wrong way round: at w = 3 the guess with context counts "
            "{your_with_3:+.1f}, it should count {right_with_3:+.1f}",
        ),
        Mistake(
            "w-ignored",
            lambda a, b, w: own(a, b, 1),
            "w has no effect: at w = 3 the guess with context counts {your_with_3:.0f}, it should "
            "count {right_with_3:.0f}",
        ),
        Mistake(
            "w-squared",
            lambda a, b, w: own(a, b, w * w),
            "w counts more the larger it is: at w = 3 the guess with context counts "
            "{your_with_3:.0f}, it should count {right_with_3:.0f}; at w = 1 both agree",
        ),
        Mistake(
            "w-doubled",
            lambda a, b, w: own(a, b, 2 * w),
            "w counts twice: at w = 1 the guess with context counts {your_with_1:.0f}, it should "
            "count {right_with_1:.0f}",
        ),
        Mistake(
            "w-halved",
            lambda a, b, w: own(a, b, w / 2),
            "w counts half: at w = 3 the guess with context counts {your_with_3:.1f}, it should "
            "count {right_with_3:.0f}",
        ),
        Mistake(
            "unguided-alone",
            lambda a, b, w: b,
            "the guess with context never comes in: at w = 3 it counts {your_with_3:.0f}, it "
            "should count {right_with_3:.0f}",
        ),
        Mistake(
            "half-and-half",
            lambda a, b, w: (a + b) / 2,
            "each guess counts {your_with_3:.1f}, whatever w is; at w = 3 the one with context "
            "should count {right_with_3:.0f}",
        ),
        Mistake(
            "cut-off",
            lambda a, b, w: own(a, b, w).clamp(-1, 1),
            "what goes beyond -1 and 1 is cut off; a sprite may be held in that range, but of unit "
            "noise one number in three lies outside",
        ),
        Mistake(
            "one-less" if own is guide else "one-more",
            lambda a, b, w: own(a, b, w - 1 if own is guide else w + 1),
            "off by one: at w = 1 the guess with context counts {your_with_1:.0f}, it should count "
            "{right_with_1:.0f}",
        ),
    )


GUIDANCE = Exercise(
    name="guidance",
    right=guide,
    probes=guidance_probes,
    batched=True,
    explain=read_guidance(guide),
    measure=measure_guidance,
    fact="ignores the context at w = 0, is the conditional model at w = 1, and at w = 3 counts the "
    "guess with context {with_3:.0f} times and the one without {without_3:.0f} times",
    mistakes=(
        Mistake(
            "paper-convention",
            guide_as_paper,
            "this is the paper's convention, off by one from the one asked for: at w = 0 the guess "
            "with context counts {your_with_0:.0f}, it should count {right_with_0:.0f}; at w = 1 "
            "it counts {your_with_1:.0f}, it should count {right_with_1:.0f}",
        ),
        *guidance_mistakes(guide),
    ),
)

GUIDANCE_AS_PAPER = Exercise(
    name="guidance",
    right=guide_as_paper,
    probes=guidance_probes,
    batched=True,
    explain=read_guidance(guide_as_paper),
    measure=measure_guidance,
    fact="is the conditional model at w = 0, and at w = 3 counts the guess with context "
    "{with_3:.0f} times and the one without {without_3:.0f} times",
    mistakes=(
        Mistake(
            "library-convention",
            guide,
            "this is the other convention, off by one from the paper's: at w = 0 the guess with "
            "context counts {your_with_0:.0f}, it should count {right_with_0:.0f}",
        ),
        *guidance_mistakes(guide_as_paper),
    ),
)
