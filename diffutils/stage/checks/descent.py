"""Exercises on the way down: what a step cannot know, the step from a guess of the sprite, the
betas of longer steps, and the noise that is left where none is put back."""

import torch

from diffutils import sampling
from diffutils.noising import noise_in, perturb_input
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import call
from diffutils.stage.checks.coefficients import asks, at_levels, constant, recognise, schedule_words
from diffutils.stage.checks.engine import Exercise, Mistake, check
from diffutils.stage.checks.levels import add, coefficient, images, keep, label, schedules


def unknown_std(function):
    """function(i, *, schedule): the std of what is wrong with the best guess of step i's noise.

    i   a level 1..T; the guess is made from the total of the noise that the steps 1..i have brought
    """
    return check(UNKNOWN_STD, function)


def mean_from_sprite(function):
    """function(x, i, x0, *, schedule): the DDPM mean where the network has guessed the sprite x0.

    x, x0   images, x at level i; returns images at level i - 1, without fresh noise
    """
    return check(MEAN_FROM_SPRITE, function)


def long_betas(function):
    """function(kept): the variances that the long steps between these levels add.

    kept   (K + 1,) alpha_bar at the levels that are kept, 1 first; the function returns (K,)
    """
    return check(LONG_BETAS, function)


def left_without(function):
    """function(i, *, schedule): the noise std at level i of a run that puts none back.

    i   a level 0..T - 1; at level T the std is what the schedule says
    """
    return check(LEFT_WITHOUT, function)


# --- what one step cannot know -------------------------------------------------------------------


def share(schedule, i):
    """The part of all the noise's variance that the last step has brought."""
    return schedule.beta[i] / (1 - schedule.alpha_bar[i])


def right_unknown(i, *, schedule):
    return (schedule.beta[i] * (1 - share(schedule, i))).clamp(min=0).sqrt()


def level_probes(levels_long, levels_short):
    """probes() of a function of a level alone."""

    def probes():
        long, short = schedules()
        at = [(i, long) for i in levels_long] + [(i, short) for i in levels_short]
        return [(label(i, s), (i,), {"schedule": s}) for i, s in at]

    return probes


def number_at(function, i):
    """The answer at a level of the lessons' schedule; nan where it cannot be asked."""
    return call(function, i, schedule=linear_schedule()).double().mean().item()


def read_level(right):
    """explain(function): which quantity of the schedule the answer is, or none."""

    def explain(function):
        at = [(s, i) for s, i in zip((schedules()[0],) * 3 + (schedules()[1],) * 3,
                                     (250, 60, 400, 6, 10, 15), strict=True)]  # fmt: skip
        yours, wanted = (
            torch.tensor([call(f, i, schedule=s).double().mean().item() for s, i in at]).double()
            for f in (function, right)
        )
        if not yours.isfinite().all():
            return None
        rows = [schedule_words(s, i) for s, i in at]
        table = {word: torch.tensor([row[word] for row in rows]).double() for word in rows[0]}
        what = recognise(yours, wanted, table)
        numbers = f"{yours[0]:.4g} at level 250, it should be {wanted[0]:.4g}"
        return (f"it is {what}", f"{numbers}: yours is {what}") if what else None

    return explain


UNKNOWN_STD = Exercise(
    name="unknown_std",
    right=right_unknown,
    probes=level_probes((2, 10, 250, 500), (2, 10, 20)),  # at level 1 rounding decides, 0 or nan
    explain=read_level(right_unknown),
    measure=lambda f: {f"at_{i}": number_at(f, i) for i in (1, 2, 10, 250)},
    fact="gives {at_250:.4f} at level 250, {at_10:.4f} at 10, {at_2:.4f} at 2, "
    "{at_1:.4f} at level 1",
    mistakes=(
        Mistake(
            "variance",
            lambda i, *, schedule: schedule.beta[i] * (1 - share(schedule, i)),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: yours is a variance, "
            "asked for is a std",
        ),
        Mistake(
            "nothing-known",
            lambda i, *, schedule: schedule.beta[i].sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: that is the noise before "
            "anybody knew the total, and at level 1 the total tells all",
        ),
        Mistake(
            "what-is-known",
            lambda i, *, schedule: schedule.beta[i] / add(schedule, i),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: that is the std of "
            "the guess, of the part that is known",
        ),
        Mistake(
            "share-off-the-std",
            lambda i, *, schedule: schedule.beta[i].sqrt() * (1 - share(schedule, i)),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: the share that is known "
            "was taken off a std, and shares speak of variances",
        ),
        Mistake(
            "stds-subtracted",
            lambda i, *, schedule: schedule.beta[i].sqrt() - schedule.beta[i] / add(schedule, i),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: what is known and what is "
            "not are noises that add up, and not by their stds",
        ),
        Mistake(
            "known-share",
            lambda i, *, schedule: share(schedule, i),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: that is the share that is "
            "known, and a share has no size",
        ),
        Mistake(
            "unknown-share",
            lambda i, *, schedule: 1 - share(schedule, i),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: that is the share "
            "that is not known, of a noise whose size does not come in",
        ),
        Mistake(
            "root-of-the-unknown-share",
            lambda i, *, schedule: (1 - share(schedule, i)).clamp(min=0).sqrt(),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: how large the step's "
            "noise was to begin with does not come in",
        ),
        Mistake(
            "earlier-steps",
            lambda i, *, schedule: (1 - schedule.alpha_bar[i] - schedule.beta[i])
            .clamp(min=0)
            .sqrt(),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: that is the noise of "
            "the steps before, not what is unknown of the last",
        ),
        Mistake(
            "total",
            lambda i, *, schedule: add(schedule, i),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: that is all the "
            "noise there is",
        ),
        Mistake(
            "scaled",
            lambda i, *, schedule: (
                schedule.beta[i] * (1 - schedule.alpha_bar[i - 1]) / (1 - schedule.alpha_bar[i])
            ).sqrt(),
            "{your_at_10:.6f} at level 10, it should be {right_at_10:.6f}: yours has been scaled "
            "up with the picture, as papers print it; asked for is the noise as the step brought "
            "it",
        ),
        Mistake(
            "more-than-before",
            lambda i, *, schedule: (schedule.beta[i] * (1 + share(schedule, i))).sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: knowing the total cannot "
            "make the noise less certain than it was, {right_at_1:.0f} at level 1",
        ),
        Mistake(
            "share-of-the-sprite",
            lambda i, *, schedule: (
                (schedule.beta[i] * (1 - schedule.beta[i] / schedule.alpha_bar[i]))
                .clamp(min=0)
                .sqrt()
            ),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: the last step's noise is "
            "compared with what is left of the sprite, not with the noise in all",
        ),
        Mistake(
            "share-of-the-std",
            lambda i, *, schedule: (
                (schedule.beta[i] * (1 - schedule.beta[i] / add(schedule, i))).sqrt()
            ),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: a variance was divided by "
            "a std",
        ),
        Mistake(
            "share-of-the-steps",
            lambda i, *, schedule: (schedule.beta[i] * (1 - 1 / i)).sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: this counts the steps as "
            "equal, but they bring different amounts",
        ),
        Mistake(
            "level-below",
            lambda i, *, schedule: right_unknown(max(i - 1, 1), schedule=schedule),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: these are the numbers of "
            "the level below",
        ),
        Mistake(
            "share-squared",
            lambda i, *, schedule: (schedule.beta[i] * (1 - share(schedule, i) ** 2)).sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: the share is of the "
            "variance as it stands, it is not squared again",
        ),
        Mistake(
            "of-the-total",
            lambda i, *, schedule: (1 - schedule.alpha_bar[i]).sqrt() * (1 - share(schedule, i)),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: what is not of the "
            "last step was reckoned off the total",
        ),
        Mistake(
            "share-off-a-std",
            lambda i, *, schedule: schedule.beta[i].sqrt() - share(schedule, i),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: a share, which has no "
            "size, was subtracted from a std",
        ),
        Mistake(
            "share-off-the-variance",
            lambda i, *, schedule: (schedule.beta[i] - share(schedule, i) ** 2).clamp(min=0).sqrt(),
            "{your_at_10:.4f} at level 10, it should be {right_at_10:.4f}: the square of a share, "
            "which has no size, was subtracted from a variance",
        ),
        Mistake(
            "scaled-variance",
            lambda i, *, schedule: (
                schedule.beta[i] * (1 - schedule.alpha_bar[i - 1]) / (1 - schedule.alpha_bar[i])
            ),
            "{your_at_250:.4f} at level 250, it should be {right_at_250:.4f}: yours is a variance, "
            "and scaled up with the picture",
        ),
        Mistake(
            "share-of-the-noise-before",
            lambda i, *, schedule: (
                schedule.beta[i] * (1 - schedule.beta[i] / (1 - schedule.alpha_bar[i - 1]))
            ).clamp(min=0).sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: the last step's noise is "
            "compared with the noise before it, not with the total that it is a part of",
        ),
        Mistake(
            "share-for-the-variance",
            lambda i, *, schedule: (share(schedule, i) * (1 - share(schedule, i))).sqrt(),
            "{your_at_2:.4f} at level 2, it should be {right_at_2:.4f}: how large the step's noise "
            "was to begin with does not come in, only its share",
        ),
    ),
)


# --- the mean of the step, from a guess of the sprite --------------------------------------------


def right_from_sprite(x, i, x0, *, schedule):
    eps = noise_in(x, i, x0, schedule=schedule)
    return sampling.denoise_add_noise(x, i, eps, 0, schedule=schedule)


def through(guess):
    """The mean of the step by a guess of the noise, guess(x, i, x0, schedule)."""
    return lambda x, i, x0, *, schedule: sampling.denoise_add_noise(
        x, i, guess(x, i, x0, schedule).to(x), 0, schedule=schedule
    )


def mix(sprite, picture):
    """A mix of the guess of the sprite and the picture, each (schedule, i) -> a number."""
    return lambda x, i, x0, *, schedule: sprite(schedule, i) * x0 + picture(schedule, i) * x


def of_sprite(schedule, i):
    """How much the guess of the sprite counts in the right answer."""
    return keep(schedule, i - 1) * share(schedule, i)


def of_picture(schedule, i):
    """How much the picture counts in the right answer."""
    before = 1 - schedule.alpha_bar[i - 1]
    return schedule.alpha[i].sqrt() * before / (1 - schedule.alpha_bar[i])


def to_level_below(x, i, x0, *, schedule):
    eps = noise_in(x, i, x0, schedule=schedule)
    return perturb_input(x0, i - 1, eps, schedule=schedule)


def sprite_probes():
    long, short = schedules()
    levels = [(1, long), (2, long), (125, long), (250, long), (500, long), (10, short)]
    return [
        (label(i, s), (images(i, n), i, images(i + 1000, n)), {"schedule": s})
        for n, (i, s) in enumerate(levels, 1)
    ]


def measure_from_sprite(function):
    """How much the sprite and the picture count at level 250, and the sprite at level 1."""

    def at(x, x0, i):
        pictures = constant(x), i, constant(x0)
        return coefficient(call(function, *pictures, schedule=linear_schedule()))

    return {"sprite": at(0, 1, 250), "picture": at(1, 0, 250), "last": at(0, 1, 1),
            "last_picture": at(1, 0, 1)}  # fmt: skip


MEAN_FROM_SPRITE = Exercise(
    name="mean_from_sprite",
    right=right_from_sprite,
    probes=sprite_probes,
    explain=at_levels(right_from_sprite, ("the picture", "the guess"), asks),
    batched=True,
    measure=measure_from_sprite,
    fact="counts the guess of the sprite {sprite:.4f} at level 250 and the picture {picture:.4f}, "
    "and at level 1 it counts them {last:.0f} and {last_picture:.0f}: it lands on the guess",
    mistakes=(
        Mistake(
            "sprite-for-noise",
            through(lambda x, i, x0, s: x0),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "the sprite was taken out of the picture as if it were the noise",
        ),
        Mistake(
            "jump",
            lambda x, i, x0, *, schedule: x0,
            "this is the guess itself, the picture counts {your_picture:.4f} at level 250: one "
            "step goes one level down, and the picture should count {right_picture:.4f}",
        ),
        Mistake(
            "noised-again",
            to_level_below,
            "the picture counts {your_picture:.4f} at level 250, it should count "
            "{right_picture:.4f}: yours lands where a picture of the level below would be, the "
            "step of the sampler without dice; here more is taken out, to make room for fresh "
            "noise",
        ),
        Mistake(
            "faded-without-noise",
            mix(lambda s, i: keep(s, i - 1), lambda s, i: 0),
            "the picture counts {your_picture:.4f} at level 250, it should count "
            "{right_picture:.4f}: this is the guess, faded, and a picture of the level below "
            "holds noise as well",
        ),
        Mistake(
            "sprite-not-faded",
            through(lambda x, i, x0, s: (x - x0) / add(s, i)),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "in the picture the sprite is faded, in your noise it was taken out whole",
        ),
        Mistake(
            "noise-not-of-unit-std",
            through(lambda x, i, x0, s: x - keep(s, i) * x0),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "what is left without the sprite has not unit std yet",
        ),
        Mistake(
            "variance-for-std",
            through(lambda x, i, x0, s: (x - keep(s, i) * x0) / (1 - s.alpha_bar[i])),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "the noise was divided by a variance",
        ),
        Mistake(
            "share-for-amplitude",
            through(lambda x, i, x0, s: (x - s.alpha_bar[i] * x0) / add(s, i)),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "the sprite fades by an amplitude, yours was faded by a share of the variance",
        ),
        Mistake(
            "noise-of-the-wrong-sign",
            through(lambda x, i, x0, s: (keep(s, i) * x0 - x) / add(s, i)),
            "the guess counts {your_sprite:.4f} at level 250, it should count {right_sprite:.4f}: "
            "your noise has the wrong sign",
        ),
        Mistake(
            "swapped",
            mix(of_picture, of_sprite),
            "sprite and picture have each other's part: at level 250 the guess counts "
            "{your_sprite:.4f}, it should count {right_sprite:.4f}",
        ),
        Mistake(
            "share-alone",
            mix(share, lambda s, i: 1 - share(s, i)),
            "the picture counts {your_picture:.4f} at level 250, it should count "
            "{right_picture:.4f}: the parts are right for variances alone, the fading is missing",
        ),
        Mistake(
            "level-below",
            lambda x, i, x0, *, schedule: right_from_sprite(
                x, max(i - 1, 1), x0, schedule=schedule
            ),
            "the guess counts {your_sprite:.6f} at level 250, it should count {right_sprite:.6f}: "
            "these are the numbers of the level below",
        ),
        Mistake(
            "step-not-faded",
            mix(of_sprite, lambda s, i: of_picture(s, i) / s.alpha[i].sqrt()),
            "the picture counts {your_picture:.4f} at level 250, it should count "
            "{right_picture:.4f}: the fading of the step itself is missing in its part",
        ),
        Mistake(
            "faded-to-the-level-above",
            mix(lambda s, i: keep(s, i) * share(s, i), of_picture),
            "the guess counts {your_sprite:.6f} at level 250, it should count {right_sprite:.6f}: "
            "it is faded as the picture is, and the step ends one level below",
        ),
        Mistake(
            "parts-of-one",
            mix(of_sprite, lambda s, i: 1 - of_sprite(s, i)),
            "the picture counts {your_picture:.4f} at level 250, it should count "
            "{right_picture:.4f}: your two parts add up to 1, and pictures fade",
        ),
    ),
)


# --- the betas of longer steps -------------------------------------------------------------------


def right_long_betas(kept):
    return 1 - kept[1:] / kept[:-1]


def long_probes():
    alpha_bar = linear_schedule().alpha_bar
    cuts = {"every level": 1, "25 steps": 20, "10 steps": 50, "2 steps": 250}
    cases = [(name, (alpha_bar[::every],), {}) for name, every in cuts.items()]
    return [*cases, ("two uneven steps", (alpha_bar[[0, 400, 500]],), {})]


def measure_long(function):
    beta = call(function, linear_schedule().alpha_bar[::20]).double().flatten()
    product = (1 - beta).clamp(min=0).prod().sqrt().item()
    found = {"count": len(beta), "end": product}
    return found | ({"first": beta[0].item(), "last": beta[-1].item()} if len(beta) else {})


LONG_BETAS = Exercise(
    name="long_betas",
    right=right_long_betas,
    probes=long_probes,
    measure=measure_long,
    fact="gives {count} variances, from {first:.4f} for the step next to the sprite to {last:.4f}; "
    "after all of them {end:.3f} of a sprite's amplitude is left",
    mistakes=(
        Mistake(
            "differences",
            lambda kept: kept[:-1] - kept[1:],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: that is how much "
            "less of the sprite there is; a step speaks of a share of what it found",
        ),
        Mistake(
            "alpha-for-beta",
            lambda kept: kept[1:] / kept[:-1],
            "{your_first:.4f} for the first step, it should be {right_first:.4f}: that is what a "
            "step keeps, not what it adds",
        ),
        Mistake(
            "upside-down",
            lambda kept: kept[:-1] / kept[1:],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: a share is never "
            "above 1",
        ),
        Mistake(
            "upside-down-less-one",
            lambda kept: kept[:-1] / kept[1:] - 1,
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: measured against "
            "what the step leaves, not against what it found",
        ),
        Mistake(
            "one-minus-upside-down",
            lambda kept: 1 - kept[:-1] / kept[1:],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: a variance is never "
            "below 0",
        ),
        Mistake(
            "whole-way",
            lambda kept: 1 - kept[1:],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: that is the noise "
            "of the whole way up to there, not of one step",
        ),
        Mistake(
            "by-roots",
            lambda kept: 1 - (kept[1:] / kept[:-1]).sqrt(),
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: an amplitude was "
            "taken from 1 where a share of the variance belongs",
        ),
        Mistake(
            "std",
            lambda kept: (1 - kept[1:] / kept[:-1]).sqrt(),
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: yours is a std, a "
            "schedule keeps variances",
        ),
        Mistake(
            "zero-in-front",
            lambda kept: torch.cat([kept.new_zeros(1), right_long_betas(kept)]),
            "{your_count} variances for {right_count} steps: there is none for level 0, the "
            "schedule puts it there itself",
        ),
        Mistake(
            "backwards",
            lambda kept: right_long_betas(kept).flip(0),
            "the first is {your_first:.4f}, it should be {right_first:.4f}: yours come in the "
            "order of sampling",
        ),
        Mistake(
            "product-of-both",
            lambda kept: 1 - kept[1:] * kept[:-1],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: the two were "
            "multiplied, so that the way up to the step counts twice",
        ),
        Mistake(
            "against-the-noise",
            lambda kept: (kept[:-1] - kept[1:]) / (1 - kept[1:]),
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: measured against "
            "the noise in all; a step's variance speaks of what it found",
        ),
        Mistake(
            "what-is-left",
            lambda kept: kept[1:],
            "{your_first:.4f} for the first step, it should be {right_first:.4f}: that is what is "
            "left of the sprite behind the step, not what the step adds",
        ),
        Mistake(
            "noise-before-the-step",
            lambda kept: 1 - kept[:-1],
            "{your_first:.4f} for the first step, it should be {right_first:.4f}: that is all the "
            "noise that was there before it",
        ),
        Mistake(
            "negative",
            lambda kept: kept[1:] - kept[:-1],
            "{your_first:.4f} for the first step, it should be {right_first:.4f}: a variance is "
            "never below 0; and a step speaks of a share of what it found",
        ),
        Mistake(
            "product-again",
            lambda kept: 1 - kept.cumprod(0)[1:],
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: what you were given "
            "is a product already",
        ),
        Mistake(
            "root-of-the-level-below",
            lambda kept: 1 - kept[1:] / kept[:-1].sqrt(),
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: a share of the "
            "variance was divided by an amplitude",
        ),
        Mistake(
            "logarithm",
            lambda kept: -(kept[1:] / kept[:-1]).log(),
            "{your_last:.4f} for the last step, it should be {right_last:.4f}: a logarithm is "
            "nearly that while the steps are small, and these are not",
        ),
        Mistake(
            "std-of-all-the-noise",
            lambda kept: (1 - kept[1:]).sqrt(),
            "{your_first:.4f} for the first step, it should be {right_first:.4f}: that is the std "
            "of all the noise behind the step",
        ),
    ),
)


# --- what is left where none is put back ---------------------------------------------------------


def right_left(i, *, schedule):
    bar, last = schedule.alpha_bar, schedule.timesteps
    return (1 - bar[i]) / (1 - bar[last]).sqrt() * (bar[last] / bar[i]).sqrt()


def step_by_step(factor, begin=lambda bar: (1 - bar).sqrt(), top=0, bottom=0):
    """A mistake as a loop: factor(schedule, j) of each step, from level T - top to i - bottom."""

    def left(i, *, schedule):
        std = begin(schedule.alpha_bar[-1])
        for j in range(schedule.timesteps - top, max(i - bottom, 0), -1):
            std = std * factor(schedule, j)
        return std

    return left


def taken(schedule, j):
    """What taking out leaves of the noise, as a part of its std."""
    return 1 - share(schedule, j)


def right_factor(schedule, j):
    return taken(schedule, j) / schedule.alpha[j].sqrt()


def telling(function):
    """A mistake from its formula: function(alpha_bar at i, alpha_bar at the end)."""
    return lambda i, *, schedule: function(schedule.alpha_bar[i], schedule.alpha_bar[-1])


LEFT_WITHOUT = Exercise(
    name="left_without",
    right=right_left,
    probes=level_probes((0, 1, 100, 300, 400, 499), (2, 10, 19)),
    explain=read_level(right_left),
    measure=lambda f: {f"at_{i}": number_at(f, i) for i in (0, 300, 400, 499)},
    fact="gives {at_499:.2f} at level 499, {at_400:.2f} at 400, {at_300:.2f} at 300 and "
    "{at_0:.0f} at the end",
    tolerance=1e-6,
    relative=False,  # what is right at level 0 is 0, but for rounding
    mistakes=(
        Mistake(
            "told",
            telling(lambda bar, end: (1 - bar).sqrt()),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: that is what the "
            "network is told",
        ),
        Mistake(
            "variance",
            telling(lambda bar, end: (1 - bar) ** 2 / (1 - end) * end / bar),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: yours is a variance, "
            "asked for is a std",
        ),
        Mistake(
            "growth-alone",
            telling(lambda bar, end: (end / bar).sqrt()),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: of the two parts of "
            "each factor, yours has the scaling and not the taking out as a whole",
        ),
        Mistake(
            "one-share-for-two",
            telling(lambda bar, end: ((1 - bar) / (1 - end) * end / bar).sqrt()),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: each step multiplies "
            "a variance by its factor squared",
        ),
        Mistake(
            "not-scaled-up",
            telling(lambda bar, end: (1 - bar) * end / bar / (1 - end).sqrt()),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: the noise is taken "
            "out, and what is left is not scaled up",
        ),
        Mistake(
            "upside-down",
            telling(lambda bar, end: (1 - end) / (1 - bar).sqrt() * (bar / end).sqrt()),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: the noise grows on "
            "the way down",
        ),
        Mistake(
            "begins-with-1",
            telling(lambda bar, end: (1 - bar) / (1 - end) * (end / bar).sqrt()),
            "{your_at_499:.4f} at level 499, it should be {right_at_499:.4f}: the run begins with "
            "the noise that the last level has, which is not of std 1",
        ),
        Mistake(
            "scaled-down",
            step_by_step(lambda s, j: taken(s, j) * s.alpha[j].sqrt()),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: a step towards the "
            "sprite scales up, not down",
        ),
        Mistake(
            "only-scaled",
            step_by_step(lambda s, j: 1 / s.alpha[j].sqrt()),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: nothing is taken out "
            "here, so that the noise grows",
        ),
        Mistake(
            "factor-squared",
            step_by_step(lambda s, j: right_factor(s, j) ** 2),
            "{your_at_300:.3f} at level 300, it should be {right_at_300:.3f}: the factors belong "
            "to a variance, the start is a std",
        ),
        Mistake(
            "share-of-the-unit-noise",
            step_by_step(lambda s, j: (1 - s.beta[j] / add(s, j)) / s.alpha[j].sqrt()),
            "{your_at_0:.3f} at the end, it should be {right_at_0:.0f}: what is taken out was "
            "reckoned in units of the guess, not as a share of the noise that is there",
        ),
        Mistake(
            "beta-for-the-share",
            step_by_step(lambda s, j: (1 - s.beta[j]) / s.alpha[j].sqrt()),
            "{your_at_0:.3f} at the end, it should be {right_at_0:.0f}: how much noise there is in "
            "all has to come into the share",
        ),
        Mistake(
            "first-step-missing",
            step_by_step(right_factor, top=1),
            "{your_at_499:.4f} at level 499, it should be {right_at_499:.4f}: the step from the "
            "last level is not among yours",
        ),
        Mistake(
            "one-step-more",
            step_by_step(right_factor, bottom=1),
            "{your_at_499:.4f} at level 499, it should be {right_at_499:.4f}: one step too many, "
            "the one that leaves the level asked for",
        ),
        Mistake(
            "grows",
            telling(lambda bar, end: (1 - bar) / (1 - end).sqrt() * (bar / end).sqrt()),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: more than there was "
            "at the start; the scaling stands on its head",
        ),
        Mistake(
            "difference-of-stds",
            telling(lambda bar, end: (1 - end).sqrt() - (1 - bar).sqrt()),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: that is how much "
            "less noise the schedule wants, not how much is left",
        ),
        Mistake(
            "begins-with-a-variance",
            telling(lambda bar, end: (1 - bar) * (end / bar).sqrt()),
            "{your_at_499:.4f} at level 499, it should be {right_at_499:.4f}: the start is a "
            "variance, and at the last level that is close to its root, not equal",
        ),
        Mistake(
            "keeps-what-it-takes-out",
            step_by_step(lambda s, j: share(s, j) / s.alpha[j].sqrt()),
            "{your_at_499:.3f} at level 499, it should be {right_at_499:.3f}: that is what a step "
            "takes out, not what it leaves",
        ),
        Mistake(
            "shares-subtracted",
            lambda i, *, schedule: (
                (1 - schedule.alpha_bar[-1]).sqrt()
                - (schedule.beta / (1 - schedule.alpha_bar))[i + 1 :].sum()
            ),
            "{your_at_300:.2f} at level 300, it should be {right_at_300:.2f}: each step takes a "
            "share of what is there, so the steps multiply",
        ),
    ),
)
