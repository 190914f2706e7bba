"""Exercises on the ideal denoiser: who could be behind a picture, and how many count."""

import torch

from diffutils.stage.checks.engine import Exercise, Mistake, call, outputs

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


def tiny_set(height, alpha_bar):
    """Four random sprites, and the first of them noisy."""
    generator = torch.Generator().manual_seed(height)
    x0 = torch.rand(4, 3, height, height, generator=generator) - 0.5
    noise = torch.randn(x0[0].shape, generator=generator)
    return alpha_bar**0.5 * x0[0] + (1 - alpha_bar) ** 0.5 * noise, x0, alpha_bar


def two_pixels():
    """Two one-pixel sprites, -1 and 1, and a picture a little nearer to the second."""
    x0 = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 3, 1, 1).contiguous()
    return torch.full((3, 1, 1), 0.1), x0, 0.6


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


POSTERIOR_SHARES = Exercise(
    name="posterior_shares",
    right=right_shares,
    observe=outputs(share_probes),
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
    even, uneven = (call(function, shares).double().mean().item() for shares in (even, uneven))
    return {"even": even, "uneven": uneven}


def entropy(shares):
    return -(shares * shares.clamp(min=1e-300).log()).sum()


EFFECTIVE_NUMBER = Exercise(
    name="effective_number",
    right=lambda shares: 1 / (shares**2).sum(),
    observe=outputs(number_probes),
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
    ),
)
