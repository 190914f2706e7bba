"""Exercises on noise levels: the schedule, its running product, adding noise and taking it out."""

import math

import torch

from diffutils import noising
from diffutils.schedule import NoiseSchedule, linear_schedule
from diffutils.stage.checks.coefficients import asks, at_levels, constant
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call


def schedules():
    """The lessons' schedule, and a short one whose steps are coarse."""
    return linear_schedule(), linear_schedule(20, 0.01, 0.4)


def images(seed, n=2):
    """(n, 3, 4, 4) standard normal numbers, the same for the same seed."""
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def coefficient(answer):
    """The one number of an answer to constant pictures."""
    return answer.double().mean().item()


def entry(values, i):
    """The i-th number, or nan where there is none."""
    return values[i].item() if -len(values) <= i < len(values) else float("nan")


# --- the schedule's beta -------------------------------------------------------------------------


def right_beta(timesteps, beta_start, beta_end):
    return linear_schedule(timesteps, beta_start, beta_end).beta


def line(timesteps, beta_start, beta_end):
    """The variances without level 0: (T,)."""
    return torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)


def behind_zero(beta):
    """A zero for level 0, then beta."""
    return torch.cat([torch.zeros(1, dtype=torch.float64), beta])


def beta_probes():
    return [
        ("500 levels", (500, 1e-4, 0.02), {}),
        ("20 levels", (20, 0.01, 0.4), {}),
    ]


def measure_beta(function):
    beta = call(function, 500, 1e-4, 0.02).double().flatten()
    product = (1 - beta).cumprod(0)
    return {
        "count": len(beta), "zero": entry(beta, 0), "first": entry(beta, 1),
        "last": entry(beta, -1), "middle": entry(beta, 250),
        "signal": product[-1].clamp(min=0).sqrt().item(),
    }  # fmt: skip


def beta_points_with_level_0(timesteps, beta_start, beta_end):
    return line(timesteps + 1, beta_start, beta_end)


def beta_level_0_patched(timesteps, beta_start, beta_end):
    beta = line(timesteps + 1, beta_start, beta_end)
    beta[0] = 0
    return beta


def beta_of_roots(timesteps, beta_start, beta_end):
    return behind_zero(line(timesteps, beta_start**0.5, beta_end**0.5))


BETA_SIGNS = (
    Sign(
        "wrong-count",
        lambda y, r: y["count"] != r["count"],
        "{your_count} numbers for {right_count} levels, where each has one",
    ),
    Sign(
        "level-0-noisy",
        lambda y, r: y["zero"] != 0,
        "level 0 has variance {your_zero:.4g}, it should have {right_zero:.0f}: a clean sprite",
    ),
    Sign(
        "wrong-ends",
        lambda y, r: (
            abs(y["first"] / r["first"] - 1) > 1e-3 and abs(y["last"] / r["last"] - 1) > 1e-5
        ),
        "the line runs from {your_first:.4g} to {your_last:.4g}, it should run from "
        "{right_first:.4g} to {right_last:.4g}",
    ),
    Sign(
        "wrong-start",
        lambda y, r: abs(y["first"] / r["first"] - 1) > 1e-3,
        "the line starts with {your_first:.4g} at level 1, it should start with {right_first:.4g}; "
        "its other end is right",
    ),
    Sign(
        "wrong-end",
        lambda y, r: abs(y["last"] / r["last"] - 1) > 1e-5,
        "the line ends with {your_last:.5g}, it should end with {right_last:.5g}; its start is "
        "right",
    ),
    Sign(
        "no-line",
        lambda y, r: abs(y["middle"] / r["middle"] - 1) > 1e-4,
        "both ends are right, but half way there is {your_middle:.5f}, it should be "
        "{right_middle:.5f}: no straight line",
    ),
)

BETA_SCHEDULE = Exercise(
    name="beta_schedule",
    right=right_beta,
    probes=beta_probes,
    measure=measure_beta,
    signs=BETA_SIGNS,
    fact="gives {count} variances, {zero:.4g} at level 0, {first:.4g} at level 1, {last:.4g} at "
    "the last; after all of them {signal:.4f} of a sprite's amplitude is left",
    tolerance=1e-6,
    mistakes=(
        Mistake(
            "level-0-missing",
            line,
            "it gives {your_count} variances for the levels 1..500, but there are {right_count} "
            "levels: the clean level 0 is missing, and everything is one place too early",
        ),
        Mistake(
            "level-0-noisy",
            beta_points_with_level_0,
            "the clean level 0 has variance {your_zero:.4g}; nothing is added to a clean sprite. "
            "The line should begin at level 1, where yours is {your_first:.4g} already",
        ),
        Mistake(
            "level-0-patched",
            beta_level_0_patched,
            "the line was drawn over all {your_count} levels and level 0 set to zero afterwards: "
            "the first noise that is added has variance {your_first:.4g}, it should be "
            "{right_first:.4g}",
        ),
        Mistake(
            "one-step-short",
            lambda timesteps, start, end: behind_zero(line(timesteps + 1, start, end)[:-1]),
            "the line stops one step early: the last variance is {your_last:.6f}, "
            "it should be {right_last:.6f}",
        ),
        Mistake(
            "backwards",
            lambda timesteps, start, end: behind_zero(line(timesteps, end, start)),
            "the variances shrink from {your_first:.4g} to {your_last:.4g}; the early steps should "
            "be the small ones",
        ),
        Mistake(
            "std-for-variance",
            beta_of_roots,
            "these are stds: {your_first:.4g} at level 1, where the variance {right_first:.4g} was "
            "asked for",
        ),
        Mistake(
            "line-of-stds",
            lambda timesteps, start, end: beta_of_roots(timesteps, start, end) ** 2,
            "the ends are right, but the stds grow evenly in place of the variances: at level 250 "
            "the variance is {your_middle:.5f}, it should be {right_middle:.5f}",
        ),
        Mistake(
            "alpha-for-beta",
            lambda timesteps, start, end: 1 - right_beta(timesteps, start, end),
            "this is what each step keeps, {your_first:.4g} at level 1; asked for is what it adds, "
            "{right_first:.4g}",
        ),
        Mistake(
            "from-zero",
            lambda timesteps, start, end: line(timesteps + 1, 0, end),
            "level 1 has variance {your_first:.4g}, it should have {right_first:.4g}: the line "
            "begins at 0, the start that was given has no say",
        ),
        Mistake(
            "geometric",
            lambda timesteps, start, end: behind_zero(
                torch.logspace(math.log10(start), math.log10(end), timesteps, dtype=torch.float64)
            ),
            "level 250 has variance {your_middle:.5f}, it should have {right_middle:.5f}: the ends "
            "are right, but each step multiplies, it should add",
        ),
        Mistake(
            "constant",
            lambda timesteps, start, end: behind_zero(0 * line(timesteps, start, end) + start),
            "level 250 has variance {your_middle:.4g}, it should have {right_middle:.4g}: the line "
            "does not rise",
        ),
        Mistake(
            "constant-at-the-end",
            lambda timesteps, start, end: behind_zero(0 * line(timesteps, start, end) + end),
            "level 1 has variance {your_first:.4g}, it should have {right_first:.4g}: the line "
            "does not rise",
        ),
        Mistake(
            "zero-at-the-end",
            lambda timesteps, start, end: behind_zero(line(timesteps, start, end)).roll(-1),
            "level 0 has variance {your_zero:.4g}, it should have {right_zero:.0f}: the clean "
            "level stands at the end",
        ),
        Mistake(
            "zero-twice",
            lambda timesteps, start, end: behind_zero(behind_zero(line(timesteps, start, end))),
            "{your_count} numbers for {right_count} levels: two of them are 0",
        ),
        Mistake(
            "one-too-many",
            lambda timesteps, start, end: behind_zero(line(timesteps + 1, start, end)),
            "{your_count} numbers for {right_count} levels: the line has a point too many",
        ),
        Mistake(
            "one-too-few",
            lambda timesteps, start, end: behind_zero(line(timesteps - 1, start, end)),
            "{your_count} numbers for {right_count} levels: the line has a point too few",
        ),
        Mistake(
            "level-1-clean",
            lambda timesteps, start, end: torch.cat(
                [torch.zeros(2, dtype=torch.float64), line(timesteps - 1, start, end)]
            ),
            "level 1 has variance {your_first:.4g}, it should have {right_first:.4g}: two levels "
            "are clean",
        ),
        Mistake(
            "whole-numbers",
            lambda timesteps, start, end: behind_zero(line(timesteps, start, end)).long(),
            "level 1 has variance {your_first:.4g}, it should have {right_first:.4g}: what stands "
            "behind the point is lost",
        ),
        Mistake(
            "cosine",
            lambda timesteps, start, end: behind_zero(
                start
                + (end - start) * (1 - (torch.pi * line(timesteps, 0, 1)).cos()) / 2
            ),
            "the ends are right, level 250 is nearly so, {your_middle:.5f} for {right_middle:.5f}; "
            "but between them the variances follow a wave, not a line",
        ),
        Mistake(
            "squared",
            lambda timesteps, start, end: right_beta(timesteps, start, end) ** 2,
            "level 1 has variance {your_first:.2g}, it should have {right_first:.2g}: squared",
        ),
        Mistake(
            "growing-sum",
            lambda timesteps, start, end: right_beta(timesteps, start, end).cumsum(0),
            "the last level has {your_last:.3g}, it should have {right_last:.3g}: these are sums "
            "of all the steps so far",
        ),
        Mistake(
            "one-number",
            lambda timesteps, start, end: torch.tensor((start + end) / 2),
            "{your_count} number where {right_count} belong, one a level",
        ),
        Mistake(
            "two-ends-alone",
            lambda timesteps, start, end: torch.tensor([0, start, end], dtype=torch.float64),
            "{your_count} numbers where {right_count} belong, one a level",
        ),
    ),
)


# --- the running product -------------------------------------------------------------------------


def product_probes():
    long, short = schedules()
    return [("500 levels", (long.beta,), {}), ("20 levels", (short.beta,), {})]


def measure_product(function):
    alpha_bar = call(function, linear_schedule().beta).double().flatten()
    return {
        "count": len(alpha_bar), "zero": entry(alpha_bar, 0), "one": entry(alpha_bar, 1),
        "middle": entry(alpha_bar, 250), "last": entry(alpha_bar, -1),
        "kept": entry(alpha_bar, 250) / (entry(alpha_bar, 249) or math.nan),
        "low": alpha_bar.min().item(), "high": alpha_bar.max().item(),
    }  # fmt: skip


def product_with_patched_level_0(beta):
    beta = beta.clone()
    beta[0] = beta[1]
    alpha_bar = (1 - beta).cumprod(0)
    alpha_bar[0] = 1
    return alpha_bar


def differs(name, room=1e-6):
    return lambda y, r: abs(y[name] - r[name]) > room


PRODUCT_SIGNS = (
    Sign(
        "wrong-count",
        lambda y, r: y["count"] != r["count"],
        "{your_count} numbers for {right_count} levels, where each has one",
    ),
    Sign(
        "all-the-same",
        lambda y, r: y["high"] - y["low"] < 1e-9,
        "{your_one:.4f} at every level, where it should fall from {right_zero:.0f} to "
        "{right_last:.4f}",
    ),
    Sign(
        "below-zero",
        lambda y, r: y["low"] < -1e-9,
        "{your_low:.3f} is the lowest, {right_last:.4f} should be: less than nothing cannot be "
        "left",
    ),
    Sign(
        "grows",
        lambda y, r: y["high"] > 1 + 1e-6,
        "{your_high:.4g} is the highest, {right_high:.0f} should be: more than all cannot be left",
    ),
    Sign(
        "not-whole-at-level-0",
        differs("zero"),
        "{your_zero:.4g} at level 0, it should be {right_zero:.0f}: a clean sprite is whole",
    ),
    Sign(
        "a-step-keeps-the-wrong-share",
        differs("kept"),
        "from level 249 to 250 yours keeps {your_kept:.5f} of what there was, that step should "
        "keep {right_kept:.5f}; at level 500 you have {your_last:.4f}, it should be "
        "{right_last:.4f}",
    ),
)

ALPHA_BAR = Exercise(
    name="alpha_bar",
    right=lambda beta: NoiseSchedule(beta[1:]).alpha_bar,
    probes=product_probes,
    measure=measure_product,
    signs=PRODUCT_SIGNS,
    fact="falls from {zero:.4f} at level 0 by {middle:.4f} at level 250 to {last:.4f} at level 500",
    tolerance=3e-5,
    mistakes=(
        Mistake(
            "sum-for-product",
            lambda beta: (1 - beta).cumsum(0),
            "you added up what each step keeps where it has to be multiplied: at level 500 you get "
            "{your_last:.1f}, but more than 1 cannot be left",
        ),
        Mistake(
            "one-minus-sum",
            lambda beta: 1 - beta.cumsum(0),
            "you subtracted what every step takes as if each took from the whole; each takes from "
            "what is left. At level 500 you have {your_last:.3f} left, it should be "
            "{right_last:.4f}",
        ),
        Mistake(
            "product-of-beta",
            lambda beta: beta.cumprod(0),
            "you multiplied what each step adds, not what it keeps: at level 1 you have "
            "{your_one:.4g} left, it should be {right_one:.4f}",
        ),
        Mistake(
            "no-product",
            lambda beta: 1 - beta,
            "this is what each step alone keeps: {your_middle:.3f} at level 250. Over all steps up "
            "to there {right_middle:.3f} is left",
        ),
        Mistake(
            "complement",
            lambda beta: 1 - (1 - beta).cumprod(0),
            "this is the share that is noise by now, {your_zero:.1f} at level 0; asked for is the "
            "share that is still signal, {right_zero:.1f} there",
        ),
        Mistake(
            "square-root-too-early",
            lambda beta: (1 - beta).cumprod(0).sqrt(),
            "this is the amplitude that is left, {your_middle:.3f} at level 250; the share of the "
            "variance is {right_middle:.3f}",
        ),
        Mistake(
            "one-level-late",
            lambda beta: torch.cat(
                [torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)[:-1]]
            ),
            "everything is one level late: at level 1 you have {your_one:.6f}, but its own step "
            "has to be in it: {right_one:.6f}",
        ),
        Mistake(
            "level-0-patched",
            product_with_patched_level_0,
            "level 0 was given a step of its own and then patched back to 1: the product carries "
            "one factor too many, {your_one:.6f} at level 1 where {right_one:.6f} is right",
        ),
        Mistake(
            "level-0-missing",
            lambda beta: (1 - beta[1:]).cumprod(0),
            "it has {your_count} numbers for {right_count} levels: the clean level 0 is missing",
        ),
        Mistake(
            "whole-product",
            lambda beta: (1 - beta).prod(),
            "this is one number, the product of all steps; asked for is the running product, "
            "one number a level",
        ),
        Mistake(
            "from-the-other-end",
            lambda beta: (1 - beta).flip(0).cumprod(0).flip(0),
            "you multiplied from the last level down: at level 0 you have {your_zero:.4f}, "
            "but a clean sprite keeps {right_zero:.1f} of itself",
        ),
        Mistake(
            "product-and-sum",
            lambda beta: torch.exp(-beta.cumsum(0)),
            "at level 500 {your_last:.5f} is left, it should be {right_last:.5f}: nearly, as if "
            "the steps were without end small",
        ),
        Mistake(
            "logarithm",
            lambda beta: (1 - beta).log().cumsum(0),
            "at level 500 you have {your_last:.2f}, it should be {right_last:.4f}: a logarithm; "
            "what is left is not below 0",
        ),
        Mistake(
            "squared",
            lambda beta: (1 - beta).cumprod(0) ** 2,
            "at level 250 you have {your_middle:.3f}, it should be {right_middle:.3f}: squared",
        ),
        Mistake(
            "grows",
            lambda beta: (1 + beta).cumprod(0),
            "at level 500 you have {your_last:.1f}, it should be {right_last:.4f}: each step adds "
            "to what there is, where it should take",
        ),
        Mistake(
            "power-of-the-last",
            lambda beta: (1 - beta[-1]) ** torch.arange(len(beta)),
            "at level 1 you have {your_one:.4f}, it should be {right_one:.4f}: the last step's "
            "share is taken for every step",
        ),
        Mistake(
            "power-of-its-own",
            lambda beta: (1 - beta) ** torch.arange(len(beta)),
            "at level 250 you have {your_middle:.3f}, it should be {right_middle:.3f}: as if all "
            "steps so far had been like this one",
        ),
        Mistake(
            "neighbours-only",
            lambda beta: torch.cat([(1 - beta)[:1], (1 - beta)[1:] * (1 - beta)[:-1]]),
            "at level 250 you have {your_middle:.3f}, it should be {right_middle:.3f}: two "
            "steps are in it, not all of them",
        ),
        Mistake(
            "mean-so-far",
            lambda beta: (1 - beta).cumsum(0) / torch.arange(1, len(beta) + 1),
            "at level 500 you have {your_last:.3f}, it should be {right_last:.4f}: the mean of "
            "what the steps keep",
        ),
        Mistake(
            "sum-of-beta",
            lambda beta: beta.cumsum(0),
            "at level 500 you have {your_last:.2f}, it should be {right_last:.4f}: the sum of all "
            "that was added",
        ),
        Mistake(
            "one-in-front",
            lambda beta: torch.cat([torch.ones(1, dtype=beta.dtype), (1 - beta).cumprod(0)]),
            "{your_count} numbers for {right_count} levels: level 0 is in it twice",
        ),
        Mistake(
            "inverse",
            lambda beta: 1 / (1 - beta).cumprod(0),
            "at level 500 you have {your_last:.1f}, it should be {right_last:.4f}: more than 1 "
            "cannot be left",
        ),
        Mistake(
            "one-number-a-sum",
            lambda beta: (1 - beta).sum(),
            "{your_count} number, a sum, where {right_count} belong, one a level",
        ),
        Mistake(
            "last-step-missing",
            lambda beta: (1 - beta).cumprod(0)[:-1],
            "{your_count} numbers for {right_count} levels: the last one is missing",
        ),
    ),
)


# --- adding noise --------------------------------------------------------------------------------


def mix(signal, spread):
    """A function like perturb_input from its two coefficients, each a function (schedule, i)."""
    return lambda x, i, noise, *, schedule: signal(schedule, i) * x + spread(schedule, i) * noise


def keep(schedule, i):
    return schedule.alpha_bar[i].sqrt()


def add(schedule, i):
    return (1 - schedule.alpha_bar[i]).sqrt()


def perturb_probes():
    long, short = schedules()
    levels = [(0, long), (1, long), (125, long), (250, long), (499, long), (500, long), (10, short)]
    return [
        (label(i, s), (images(i, n), i, images(i + 1000, n)), {"schedule": s})
        for n, (i, s) in enumerate(levels, 1)
    ]


def label(i, schedule):
    return f"level {i} of {schedule.timesteps}"


def measure_perturb(function):
    schedule = linear_schedule()

    def at(i, x, noise):
        return coefficient(call(function, constant(x), i, constant(noise), schedule=schedule))

    return {
        "signal": at(125, 1, 0), "noise": at(125, 0, 1), "signal_late": at(250, 1, 0),
        "noise_late": at(250, 0, 1),
        "variance": at(125, 1, 0) ** 2 + at(125, 0, 1) ** 2,
    }  # fmt: skip


def alone(x, i, noise, *, schedule):
    return keep(schedule, i) * x


PERTURB_INPUT = Exercise(
    name="perturb_input",
    right=noising.perturb_input,
    probes=perturb_probes,
    batched=True,
    explain=at_levels(noising.perturb_input, ("the sprite", "the noise"), asks),
    measure=measure_perturb,
    fact="keeps {signal:.3f} of the sprite at level 125 and adds noise of std {noise:.3f}; "
    "the variance of the two together is {variance:.3f}",
    mistakes=(
        Mistake(
            "noise-root-missing",
            mix(keep, lambda s, i: 1 - s.alpha_bar[i]),
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: "
            "what you used is a variance",
        ),
        Mistake(
            "signal-root-missing",
            mix(lambda s, i: s.alpha_bar[i], add),
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: what you used is a share of the variance, not of the amplitude",
        ),
        Mistake(
            "both-roots-missing",
            mix(lambda s, i: s.alpha_bar[i], lambda s, i: 1 - s.alpha_bar[i]),
            "these are shares of the variance, not of the amplitude: at level 125 your picture has "
            "variance {your_variance:.3f}, where sprite and noise together should keep "
            "{right_variance:.3f}",
        ),
        Mistake(
            "signal-unscaled",
            mix(lambda s, i: 1, add),
            "the noise is right, but the sprite does not fade: at level 250 all of it is there, "
            "{your_signal_late:.3f}, where {right_signal_late:.3f} should be left",
        ),
        Mistake(
            "noise-unscaled",
            mix(keep, lambda s, i: 1),
            "the sprite is right, but the noise goes in whole at every level: at level 125 its std "
            "is {your_noise:.3f}, it should be {right_noise:.3f}",
        ),
        Mistake(
            "swapped",
            mix(add, keep),
            "sprite and noise have each other's share: at level 125 you keep {your_signal:.3f} of "
            "the sprite, it should be {right_signal:.3f}",
        ),
        Mistake(
            "one-step-alpha",
            mix(lambda s, i: s.alpha[i].sqrt(), lambda s, i: s.beta[i].sqrt()),
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: "
            "that is one step alone; the jump from the clean sprite is all of them together",
        ),
        Mistake(
            "alpha-in-the-noise",
            mix(keep, lambda s, i: s.beta[i].sqrt()),
            "the sprite is right, but the noise is that of step 125 alone, std {your_noise:.3f}; "
            "all the steps up to there give {right_noise:.3f}",
        ),
        Mistake(
            "alpha-in-the-signal",
            mix(lambda s, i: s.alpha[i].sqrt(), add),
            "the noise is right, but the sprite fades by step 125 alone: {your_signal:.3f} of it "
            "is left, {right_signal:.3f} should be",
        ),
        Mistake(
            "beta-for-alpha-bar",
            mix(lambda s, i: s.beta[i].sqrt(), lambda s, i: (1 - s.beta[i]).sqrt()),
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: yours is what one step adds, not what is left after all",
        ),
        Mistake(
            "level-below",
            mix(lambda s, i: keep(s, i - 1), lambda s, i: add(s, i - 1)),
            "this is the level below the one asked for: at level 125 your noise has std "
            "{your_noise:.5f}, it should be {right_noise:.5f}; index 0 is the clean level here",
        ),
        Mistake(
            "noise-subtracted",
            mix(keep, lambda s, i: -add(s, i)),
            "the size is right, but the noise comes with the wrong sign, {your_noise:.3f} for "
            "{right_noise:.3f}: undone with the true noise it would not give the sprite back",
        ),
        Mistake(
            "one-minus-root",
            mix(keep, lambda s, i: 1 - keep(s, i)),
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: it "
            "is what is missing of the sprite's amplitude to 1, but variances make up 1",
        ),
        Mistake(
            "squared",
            mix(lambda s, i: s.alpha_bar[i] ** 2, lambda s, i: (1 - s.alpha_bar[i]) ** 2),
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: squares where the shares themselves are too small already",
        ),
        Mistake(
            "noise-squared",
            mix(keep, lambda s, i: (1 - s.alpha_bar[i]) ** 2),
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: "
            "a variance, squared",
        ),
        Mistake(
            "noise-not-added",
            alone,
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: "
            "the sprite fades, and none comes in",
        ),
        Mistake(
            "noise-alone",
            mix(lambda s, i: 0, add),
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: this is the noise alone",
        ),
        Mistake(
            "by-the-levels-part",
            mix(lambda s, i: 1 - i / s.timesteps, lambda s, i: i / s.timesteps),
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: a straight line from sprite to noise, without the schedule",
        ),
        Mistake(
            "level-above",
            mix(
                lambda s, i: keep(s, min(i + 1, s.timesteps)),
                lambda s, i: add(s, min(i + 1, s.timesteps)),
            ),
            "at level 125 your noise has std {your_noise:.5f}, it should be {right_noise:.5f}: "
            "this is the level above",
        ),
        Mistake(
            "last-level",
            mix(lambda s, i: keep(s, -1), lambda s, i: add(s, -1)),
            "at level 125 your noise has std {your_noise:.3f}, it should be {right_noise:.3f}: "
            "this is the last level, whatever was asked for",
        ),
        Mistake(
            "halved",
            lambda *a, **k: noising.perturb_input(*a, **k) / 2,
            "at level 125 you keep {your_signal:.3f} of the sprite, it should be "
            "{right_signal:.3f}: all of it is halved",
        ),
    ),
)


# --- taking known noise out ----------------------------------------------------------------------


def undo(signal, spread):
    """A function like predict_x0 from its two coefficients, each a function (schedule, i)."""
    return lambda x_t, i, noise, *, schedule: (
        (x_t - spread(schedule, i) * noise) / signal(schedule, i)
    )


def predict_probes():
    long, short = schedules()
    levels = [(0, long), (1, long), (125, long), (250, long), (400, long), (10, short)]
    return [
        (label(i, s), (images(i, n), i, images(i + 1000, n)), {"schedule": s})
        for n, (i, s) in enumerate(levels, 1)
    ]


def measure_predict(function):
    schedule = linear_schedule()

    def at(i, x_t, noise):
        return coefficient(call(function, constant(x_t), i, constant(noise), schedule=schedule))

    x_t = noising.perturb_input(constant(0.5), 125, constant(1), schedule=schedule)
    return {
        "scale": at(125, 1, 0), "noise": at(125, 0, 1), "back": at(125, x_t.mean(), 1),
        "scale_late": at(400, 1, 0),
    }  # fmt: skip


PREDICT_X0 = Exercise(
    name="predict_x0",
    right=noising.predict_x0,
    probes=predict_probes,
    batched=True,
    explain=at_levels(noising.predict_x0, ("the picture", "the noise"), asks),
    measure=measure_predict,
    fact="gives a pixel of 0.5 back as {back:.3f} from level 125, and enlarges what is left at "
    "level 400 by {scale_late:.2f}",
    mistakes=(
        Mistake(
            "not-enlarged",
            undo(lambda s, i: 1, add),
            "the noise is taken out, but the sprite is still faded: a pixel of 0.5 comes back from "
            "level 125 as {your_back:.3f}",
        ),
        Mistake(
            "faded-twice",
            lambda x_t, i, noise, *, schedule: keep(schedule, i) * (x_t - add(schedule, i) * noise),
            "the sprite is faded once more where it should be enlarged: at level 400 you scale by "
            "{your_scale_late:.3f}, it should be {right_scale_late:.2f}",
        ),
        Mistake(
            "signal-root-missing",
            undo(lambda s, i: s.alpha_bar[i], add),
            "at level 400 you enlarge by {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}: you undo a share of the variance, not of the amplitude",
        ),
        Mistake(
            "noise-root-missing",
            undo(keep, lambda s, i: 1 - s.alpha_bar[i]),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: what you take out of the "
            "noise is a variance",
        ),
        Mistake(
            "noise-whole",
            undo(keep, lambda s, i: 1),
            "you take out the noise whole, but at level 125 only part of it went in: a pixel of "
            "0.5 comes back as {your_back:.3f}",
        ),
        Mistake(
            "noise-added",
            undo(keep, lambda s, i: -add(s, i)),
            "the noise goes in a second time in place of out: a pixel of 0.5 comes back from level "
            "125 as {your_back:.3f}",
        ),
        Mistake(
            "order",
            lambda x_t, i, noise, *, schedule: x_t / keep(schedule, i) - add(schedule, i) * noise,
            "the noise has to be enlarged as much as the sprite: yours enlarges the sprite alone, "
            "and a pixel of 0.5 comes back from level 125 as {your_back:.3f}",
        ),
        Mistake(
            "one-step-alpha",
            undo(lambda s, i: s.alpha[i].sqrt(), lambda s, i: s.beta[i].sqrt()),
            "this undoes one step, not all of them: at level 400 you enlarge by "
            "{your_scale_late:.3f}, it should be {right_scale_late:.2f}",
        ),
        Mistake(
            "level-below",
            undo(lambda s, i: keep(s, max(i - 1, 0)), lambda s, i: add(s, max(i - 1, 0))),
            "this is the level below the one asked for: at level 400 you enlarge by "
            "{your_scale_late:.4f}, it should be {right_scale_late:.4f}",
        ),
        Mistake(
            "brackets-forgotten",
            lambda x_t, i, noise, *, schedule: x_t - add(schedule, i) * noise / keep(schedule, i),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: at level 400 the noise "
            "is enlarged, the picture only by {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}",
        ),
        Mistake(
            "enlarged-by-the-noise",
            undo(add, add),
            "at level 400 you enlarge by {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}: what has faded is the sprite, you divide by the noise",
        ),
        Mistake(
            "swapped",
            undo(add, keep),
            "at level 400 you enlarge by {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}: sprite and noise have each other's share",
        ),
        Mistake(
            "both-roots-missing",
            undo(lambda s, i: s.alpha_bar[i], lambda s, i: 1 - s.alpha_bar[i]),
            "at level 400 you enlarge by {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}: these are shares of the variance, both of them",
        ),
        Mistake(
            "noised-again",
            lambda x_t, i, noise, *, schedule: keep(schedule, i) * x_t + add(schedule, i) * noise,
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: this noises the picture "
            "once more",
        ),
        Mistake(
            "subtracted-alone",
            undo(lambda s, i: 1, lambda s, i: 1),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: picture and noise are "
            "taken as they come, the level has no say",
        ),
        Mistake(
            "noise-forgotten",
            undo(keep, lambda s, i: 0),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: it is enlarged with its "
            "noise",
        ),
        Mistake(
            "turned-round",
            lambda x_t, i, noise, *, schedule: (add(schedule, i) * noise - x_t) / keep(schedule, i),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: of the other sign",
        ),
        Mistake(
            "one-minus-root",
            undo(keep, lambda s, i: 1 - keep(s, i)),
            "a pixel of 0.5 comes back from level 125 as {your_back:.3f}: what you take out is "
            "what is missing of the sprite's amplitude to 1",
        ),
        Mistake(
            "clipped",
            lambda *a, **k: noising.predict_x0(*a, **k).clamp(-1, 1),
            "at level 400 a picture of 1 comes back as {your_scale_late:.2f}, it should be "
            "{right_scale_late:.2f}: everything beyond -1 and 1 is cut off",
        ),
    ),
)
