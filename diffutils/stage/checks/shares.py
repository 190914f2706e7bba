"""Exercises on the ideal denoiser: who could be behind a picture, and how many count."""

import math

import torch

from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call

# --- the shares ----------------------------------------------------------------------------------


def squared_distance(x_t, x0, fade):
    """(N,) squared distance of the noisy picture to each sprite, faded."""
    return ((x_t - fade * x0) ** 2).flatten(1).sum(1)


def evidence(x_t, x0, alpha_bar):
    """(N,) the right exponents."""
    return -squared_distance(x_t, x0, alpha_bar**0.5) / (2 * (1 - alpha_bar))


def right_shares(x_t, x0, alpha_bar):
    return evidence(x_t, x0, alpha_bar).softmax(0)


def shares_by_hand(x_t, x0, alpha_bar):
    weights = evidence(x_t, x0, alpha_bar).exp()
    return weights / weights.sum()


def shares_from(exponents):
    """Shares from a wrong exponent, (x_t, x0, alpha_bar) -> (N,)."""
    return lambda x_t, x0, alpha_bar: exponents(x_t, x0, alpha_bar).softmax(0)


def share_out(values):
    return values / values.sum()


def tiny_set(height, alpha_bar):
    """Four random sprites, and the first of them noisy."""
    generator = torch.Generator().manual_seed(height)
    x0 = torch.rand(4, 3, height, height, generator=generator) - 0.5
    noise = torch.randn(x0[0].shape, generator=generator)
    return alpha_bar**0.5 * x0[0] + (1 - alpha_bar) ** 0.5 * noise, x0, level(alpha_bar)


def level(alpha_bar):
    """As a schedule tells it: a number that has a `sqrt`."""
    return torch.tensor(alpha_bar, dtype=torch.float64)


def two_pixels():
    """Two one-pixel sprites, -1 and 1, and a picture a little nearer to the second."""
    x0 = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 3, 1, 1).contiguous()
    return torch.full((3, 1, 1), 0.1), x0, level(0.6)


def share_probes():
    return [
        ("two one-pixel sprites", two_pixels(), {}),
        ("four 2x2 sprites, alpha_bar 0.8", tiny_set(2, 0.8), {}),
        ("four 2x2 sprites, alpha_bar 0.3", tiny_set(2, 0.3), {}),
        ("four 2x2 sprites, alpha_bar 0.02", tiny_set(2, 0.02), {}),
        ("four 16x16 sprites, alpha_bar 0.95", tiny_set(16, 0.95), {}),
    ]


def measure_shares(function):
    shares = call(function, *two_pixels()).double().flatten()
    late = call(function, *tiny_set(2, 0.02)).double().flatten()
    return {
        "first": shares[0].item(), "second": shares[-1].item(), "sum": shares.sum().item(),
        "late": late.max().item(), "count": len(shares),
    }  # fmt: skip


def explain_shares(function):
    """How much the evidence counts, where the shares are the right ones but too sure or unsure."""
    found = []
    for alpha_bar in (0.8, 0.5, 0.3):
        question = tiny_set(2, alpha_bar)
        yours, right = call(function, *question).double(), right_shares(*question).double()
        if yours.shape != right.shape or not (yours > 0).all():
            return None
        mine, its = yours.log() - yours.log().mean(), right.log() - right.log().mean()
        counts = ((mine @ its) / (its @ its)).item()
        if abs(yours.sum() - 1) > 1e-3:
            return None
        if not torch.allclose(mine, counts * its, atol=0.02):
            if yours.argsort().equal(right.argsort()):
                return "falls-off-in-another-way", (
                    f"at alpha_bar {alpha_bar} the likeliest of four gets {yours.max():.3f}, it "
                    f"should get {right.max():.3f}: the order is right, but the shares do not fall "
                    "off with the distance as a bell curve does, or the distance is another one"
                )
            return "another-order", (
                f"at alpha_bar {alpha_bar} the likeliest of four gets {yours.max():.3f}, it should "
                f"get {right.max():.3f}, and the others come in another order: what you compare "
                "the picture with is not what it would be without noise"
            )
        found.append(counts)
    told = ", ".join(f"{k:.3f}" for k in found)
    return "evidence-miscounted", (
        f"at alpha_bar 0.8, 0.5 and 0.3 the distances count {told} times what they should; shares "
        "that sum to 1 and put the sprites in the right order, but too sure or too unsure"
    )


SHARE_SIGNS = (
    Sign(
        "not-one-a-sprite",
        lambda y, r: y["count"] != r["count"],
        "{your_count} numbers for {right_count} sprites, where each should get one share",
    ),
    Sign(
        "sum-not-1",
        lambda y, r: abs(y["sum"] - 1) > 1e-3,
        "the shares of two pixels, {your_first:.3f} and {your_second:.3f}, sum to {your_sum:.3f}; "
        "it should be {right_sum:.0f}",
    ),
    Sign(
        "farthest-first",
        lambda y, r: y["first"] > y["second"] + 1e-3,
        "the farther of two pixels gets {your_first:.3f}, the nearer {your_second:.3f}: it should "
        "be the other way round",
    ),
)

POSTERIOR_SHARES = Exercise(
    name="posterior_shares",
    right=right_shares,
    probes=share_probes,
    signs=SHARE_SIGNS,
    explain=explain_shares,
    measure=measure_shares,
    fact="gives two one-pixel sprites the shares {first:.3f} and {second:.3f}; they sum to "
    "{sum:.3f}",
    mistakes=(
        Mistake(
            "not-normalised",
            lambda x_t, x0, alpha_bar: evidence(x_t, x0, alpha_bar).exp(),
            "the proportions are right, but the shares of two one-pixel sprites sum to "
            "{your_sum:.3f}; someone it must have been, so to 1",
        ),
        Mistake(
            "exponential-missing",
            evidence,
            "these are the logarithms of what is wanted, {your_first:.2f} and {your_second:.2f} "
            "for two one-pixel sprites; a share is a number from 0 to 1",
        ),
        Mistake(
            "logarithm",
            lambda x_t, x0, alpha_bar: evidence(x_t, x0, alpha_bar).log_softmax(0),
            "these are the logarithms of the shares: they sum to {your_sum:.2f}, shares sum to 1",
        ),
        Mistake(
            "exponents-shared-out",
            lambda x_t, x0, alpha_bar: (
                evidence(x_t, x0, alpha_bar) / evidence(x_t, x0, alpha_bar).sum()
            ),
            "you shared out the distances themselves, so the farthest sprite gets most: "
            "{your_first:.3f} for the farther of two pixels, it should be {right_first:.3f}. "
            "Something that falls off like a bell curve is missing",
        ),
        Mistake(
            "spread-missing",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5)),
            "how far a picture may be off depends on how much noise there is; your exponent leaves "
            "that out, twice the variance. The nearer of two pixels gets {your_second:.3f}, it "
            "should get {right_second:.3f}; almost in pure noise the likeliest gets "
            "{your_late:.3f} for {right_late:.3f}",
        ),
        Mistake(
            "two-missing",
            shares_from(lambda x_t, x0, a: 2 * evidence(x_t, x0, a)),
            "the exponent is twice too large: a normal curve has 2 times its variance below. The "
            "nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}",
        ),
        Mistake(
            "std-for-variance",
            shares_from(
                lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) / (2 * (1 - a) ** 0.5)
            ),
            "you divide by the std of the noise where its variance belongs: the nearer of two "
            "pixels gets {your_second:.3f}, it should get {right_second:.3f}",
        ),
        Mistake(
            "signal-for-noise",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) / (2 * a)),
            "you divide by the share that is signal, where the variance of the noise belongs: "
            "almost in pure noise the likeliest sprite gets {your_late:.3f}, it should get "
            "{right_late:.3f}",
        ),
        Mistake(
            "distance-not-squared",
            shares_from(
                lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5).sqrt() / (2 * (1 - a))
            ),
            "this takes the distance, not its square: the nearer of two pixels gets "
            "{your_second:.3f}, it should get {right_second:.3f}",
        ),
        Mistake(
            "sprite-not-faded",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, 1) / (2 * (1 - a))),
            "the picture is compared with the sprites at full strength, but at this level they "
            "have faded: almost in pure noise the likeliest gets {your_late:.3f}, it should get "
            "{right_late:.3f}",
        ),
        Mistake(
            "fade-root-missing",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a) / (2 * (1 - a))),
            "the sprites fade by alpha_bar where its square root is needed: the nearer of two "
            "pixels gets {your_second:.3f}, it should get {right_second:.3f}",
        ),
        Mistake(
            "farthest-first",
            shares_from(lambda x_t, x0, a: -evidence(x_t, x0, a)),
            "the sign is wrong: the farther of two pixels gets {your_first:.3f}, it should get "
            "{right_first:.3f}",
        ),
        Mistake(
            "mean-over-pixels",
            shares_from(lambda x_t, x0, a: evidence(x_t, x0, a) / x_t.numel()),
            "you took the mean over the numbers of a sprite where the sum belongs: each of them is "
            "evidence of its own. The nearer of two pixels gets {your_second:.3f}, it should get "
            "{right_second:.3f}",
        ),
        Mistake(
            "shares-of-each-pixel",
            lambda x_t, x0, a: (-((x_t - a**0.5 * x0) ** 2) / (2 * (1 - a))).softmax(0),
            "these are shares for every number of the picture by itself; one sprite has one share, "
            "all its numbers together",
        ),
        Mistake(
            "winner-takes-all",
            lambda x_t, x0, a: (evidence(x_t, x0, a) == evidence(x_t, x0, a).max()).float(),
            "the nearest sprite gets everything; the others are less likely, not impossible: the "
            "farther of two pixels should keep {right_first:.3f}",
        ),
        Mistake(
            "underflow",
            shares_by_hand,
            "the formula is right, and on tiny sprites so are the numbers; but a 16x16 sprite has "
            "768 numbers, every exponential becomes 0 in the computer, and 0 / 0 is nan. Only "
            "differences of the exponents matter: take the largest off all of them first, or use a "
            "softmax",
        ),
        Mistake(
            "fade-squared",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**2) / (2 * (1 - a))),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the sprites fade by far too much",
        ),
        Mistake(
            "picture-enlarged",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t / a**0.5, x0, 1) / (2 * (1 - a))),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the picture is enlarged, and its noise with it",
        ),
        Mistake(
            "picture-faded",
            shares_from(lambda x_t, x0, a: -squared_distance(a**0.5 * x_t, x0, 1) / (2 * (1 - a))),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the picture is faded where the sprites should be",
        ),
        Mistake(
            "fade-by-the-noise",
            shares_from(
                lambda x_t, x0, a: -squared_distance(x_t, x0, (1 - a) ** 0.5) / (2 * (1 - a))
            ),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the sprites fade by the noise's share",
        ),
        Mistake(
            "variance-squared",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) / (2 * (1 - a) ** 2)),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the variance is squared",
        ),
        Mistake(
            "variance-times",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) * (2 * (1 - a))),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "more noise should make you less sure, not surer",
        ),
        Mistake(
            "brackets-forgotten",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) / 2 * (1 - a)),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the computer divides by 2 and then multiplies",
        ),
        Mistake(
            "two-alone",
            shares_from(lambda x_t, x0, a: -squared_distance(x_t, x0, a**0.5) / 2),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "the strength of the noise has no say",
        ),
        Mistake(
            "absolute-distance",
            shares_from(
                lambda x_t, x0, a: -(x_t - a**0.5 * x0).abs().flatten(1).sum(1) / (2 * (1 - a))
            ),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "this adds up sizes, not squares",
        ),
        Mistake(
            "one-over-distance",
            lambda x_t, x0, a: share_out(1 / squared_distance(x_t, x0, a**0.5)),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "shares that fall off as 1 over the distance, not like a bell curve",
        ),
        Mistake(
            "even",
            lambda x_t, x0, a: torch.ones(len(x0)) / len(x0),
            "the nearer of two pixels gets {your_second:.3f}, it should get {right_second:.3f}: "
            "all are alike to you, whatever the picture",
        ),
        Mistake(
            "divided-by-the-largest",
            lambda x_t, x0, a: (evidence(x_t, x0, a) - evidence(x_t, x0, a).max()).exp(),
            "the shares of two pixels sum to {your_sum:.3f}, it should be {right_sum:.0f}: the "
            "largest is 1 by itself",
        ),
        Mistake(
            "density",
            lambda x_t, x0, a: (
                evidence(x_t, x0, a).exp() / (2 * torch.pi * (1 - a)) ** (x_t.numel() / 2)
            ),
            "the shares of two pixels sum to {your_sum:.3f}, it should be {right_sum:.0f}: these "
            "are heights of bell curves",
        ),
        Mistake(
            "average-sprite",
            lambda x_t, x0, a: torch.einsum("n,nchw->chw", right_shares(x_t, x0, a).to(x0), x0),
            "{your_count} numbers for two pixels of {right_count} shares: this is the average "
            "sprite, one step further than was asked",
        ),
        Mistake(
            "nearest-index",
            lambda x_t, x0, a: evidence(x_t, x0, a).argmax(),
            "{your_count} number for {right_count} sprites: the place of the nearest, not a share "
            "for each",
        ),
        Mistake(
            "distances",
            lambda x_t, x0, a: squared_distance(x_t, x0, a**0.5),
            "{your_first:.3f} and {your_second:.3f} for two pixels: squared distances, which are "
            "no shares yet; they should sum to {right_sum:.0f}",
        ),
    ),
)


# --- how many are in the running -----------------------------------------------------------------


def number_probes():
    cases = {
        "four even shares": [0.25] * 4, "one sure sprite": [1.0, 0, 0, 0],
        "shares 0.7, 0.2, 0.1": [0.7, 0.2, 0.1], "shares 0.5, 0.5, 0": [0.5, 0.5, 0],
    }  # fmt: skip
    return [
        (text, (torch.tensor(shares, dtype=torch.float64),), {}) for text, shares in cases.items()
    ]


def measure_number(function):
    even = torch.full((4,), 0.25, dtype=torch.float64)
    uneven = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    even, uneven = (call(function, shares).double() for shares in (even, uneven))
    return {
        "even": even.mean().item(), "uneven": uneven.mean().item(), "numbers": even.numel(),
    }  # fmt: skip


def entropy(shares):
    return -(shares * shares.clamp(min=1e-300).log()).sum()


NUMBER_SIGNS = (
    Sign(
        "more-than-one-number",
        lambda y, r: y["numbers"] > 1,
        "{your_numbers} numbers for four shares, where one should come out",
    ),
    Sign(
        "even-shares-miscounted",
        lambda y, r: abs(y["even"] - r["even"]) > 1e-3,
        "four sprites that share evenly are {right_even:.0f} in the running, yours says "
        "{your_even:.3g}; for shares 0.7, 0.2, 0.1 it says {your_uneven:.3g}, {right_uneven:.3g} "
        "is right",
    ),
    Sign(
        "uneven-shares-miscounted",
        lambda y, r: abs(y["uneven"] - r["uneven"]) > 1e-3,
        "even shares are counted right, but shares 0.7, 0.2, 0.1 come to {your_uneven:.3g}, it "
        "should be {right_uneven:.3g}",
    ),
)

EFFECTIVE_NUMBER = Exercise(
    name="effective_number",
    right=lambda shares: 1 / (shares**2).sum(),
    probes=number_probes,
    signs=NUMBER_SIGNS,
    measure=measure_number,
    fact="counts {even:.2f} where four sprites share evenly, and {uneven:.2f} for shares 0.7, 0.2, "
    "0.1",
    mistakes=(
        Mistake(
            "not-inverted",
            lambda shares: (shares**2).sum(),
            "this is the chance that two draws name the same sprite, {your_even:.2f} for four even "
            "shares; how many are in the running is its inverse, {right_even:.0f}",
        ),
        Mistake(
            "squares-missing",
            lambda shares: 1 / shares.sum(),
            "the shares always sum to 1, so this is always {your_even:.0f}; large shares have to "
            "count for more than small ones",
        ),
        Mistake(
            "head-count",
            lambda shares: (shares > 0).sum(),
            "you counted every sprite that is not impossible: {your_uneven:.0f} for shares 0.7, "
            "0.2, 0.1. One with a small share is hardly in the running: {right_uneven:.2f}",
        ),
        Mistake(
            "all-of-them",
            lambda shares: torch.tensor(len(shares)),
            "this is the number of sprites in the set, whatever their shares: {your_uneven:.0f} "
            "for shares 0.7, 0.2, 0.1, it should be {right_uneven:.2f}",
        ),
        Mistake(
            "largest-only",
            lambda shares: 1 / shares.max(),
            "you looked at the largest share alone: {your_uneven:.2f} for shares 0.7, 0.2, 0.1; "
            "with the others in it is {right_uneven:.2f}",
        ),
        Mistake(
            "exponential-of-entropy",
            lambda shares: entropy(shares).exp(),
            "this is another good measure, the perplexity: {your_uneven:.2f} for shares 0.7, 0.2, "
            "0.1; the one asked for uses the sum of squares and gives {right_uneven:.2f}",
        ),
        Mistake(
            "entropy",
            entropy,
            "this is the entropy in nats, {your_even:.2f} for four even shares; asked for is a "
            "number of sprites, {right_even:.0f}",
        ),
        Mistake(
            "mean-of-squares",
            lambda shares: 1 / (shares**2).mean(),
            "you took the mean of the squares where their sum belongs: four even shares give "
            "{your_even:.0f}",
        ),
        Mistake(
            "square-of-sum",
            lambda shares: 1 / (shares**2).sum().sqrt(),
            "a square root too many: four even shares give {your_even:.2f}",
        ),
        Mistake(
            "cubes",
            lambda shares: 1 / (shares**3).sum(),
            "four even shares give {your_even:.0f}, it should be {right_even:.0f}: cubes",
        ),
        Mistake(
            "smallest-only",
            lambda shares: 1 / shares[shares > 0].min(),
            "{your_uneven:.2f} for shares 0.7, 0.2, 0.1, it should be {right_uneven:.2f}: only the "
            "smallest is looked at",
        ),
        Mistake(
            "entropy-in-bits",
            lambda shares: entropy(shares) / math.log(2),
            "four even shares give {your_even:.2f}, it should be {right_even:.0f}: the entropy in "
            "bits, a number of questions, not of sprites",
        ),
        Mistake(
            "two-sprites-differ",
            lambda shares: 1 - (shares**2).sum(),
            "four even shares give {your_even:.2f}, it should be {right_even:.0f}: the chance that "
            "two draws differ",
        ),
        Mistake(
            "sum-of-roots",
            lambda shares: shares.sqrt().sum() ** 2,
            "{your_uneven:.2f} for shares 0.7, 0.2, 0.1, it should be {right_uneven:.2f}: small "
            "shares count for too much",
        ),
        Mistake(
            "root-of-squares",
            lambda shares: (shares**2).sum().sqrt(),
            "four even shares give {your_even:.2f}, it should be {right_even:.0f}: the length of "
            "the list of shares",
        ),
        Mistake(
            "inverse-of-each",
            lambda shares: (1 / shares.clamp(min=1e-9) ** 2).sum(),
            "four even shares give {your_even:.0f}, it should be {right_even:.0f}: each is turned "
            "over before they are added",
        ),
        Mistake(
            "one-a-share",
            lambda shares: 1 / shares.clamp(min=1e-3) ** 2,
            "{your_numbers} numbers for four shares, where one should come out",
        ),
        Mistake(
            "largest",
            lambda shares: shares.max(),
            "four even shares give {your_even:.2f}, it should be {right_even:.0f}: this is the "
            "largest share",
        ),
        Mistake(
            "squared-again",
            lambda shares: 1 / (shares**2).sum() ** 2,
            "four even shares give {your_even:.0f}, it should be {right_even:.0f}: squared again",
        ),
    ),
)
