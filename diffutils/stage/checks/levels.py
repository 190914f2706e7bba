"""Exercises on noise levels: the schedule, its running product, adding noise and taking it out."""

import torch

from diffutils import noising
from diffutils.schedule import NoiseSchedule, linear_schedule
from diffutils.stage.checks.engine import Exercise, Mistake, call, outputs


def schedules():
    """The lessons' schedule, and a short one whose steps are coarse."""
    return linear_schedule(), linear_schedule(20, 0.01, 0.4)


def images(seed, n=2):
    """(n, 3, 4, 4) standard normal numbers, the same for the same seed."""
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def constant(value):
    """(1, 3, 2, 2) pictures of one number, to read a coefficient off."""
    return torch.full((1, 3, 2, 2), float(value))


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


BETA_SCHEDULE = Exercise(
    name="beta_schedule",
    right=right_beta,
    observe=outputs(beta_probes),
    measure=measure_beta,
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
    }  # fmt: skip


def product_with_patched_level_0(beta):
    beta = beta.clone()
    beta[0] = beta[1]
    alpha_bar = (1 - beta).cumprod(0)
    alpha_bar[0] = 1
    return alpha_bar


ALPHA_BAR = Exercise(
    name="alpha_bar",
    right=lambda beta: NoiseSchedule(beta[1:]).alpha_bar,
    observe=outputs(product_probes),
    measure=measure_product,
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
    levels = [(0, long), (1, long), (125, long), (250, long), (499, long), (10, short)]
    return [(label(i, s), (images(i), i, images(i + 1000)), {"schedule": s}) for i, s in levels]


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


PERTURB_INPUT = Exercise(
    name="perturb_input",
    right=noising.perturb_input,
    observe=outputs(perturb_probes),
    measure=measure_perturb,
    fact="keeps {signal:.3f} of the sprite at level 125 and adds noise of std {noise:.3f}; "
    "the variance of the two together is {variance:.3f}",
    mistakes=(
        Mistake(
            "noise-root-missing",
            mix(keep, lambda s, i: 1 - s.alpha_bar[i]),
            "you used 1 - alpha_bar where its square root is needed: at level 125 your noise has "
            "std {your_noise:.3f}, it should be {right_noise:.3f}",
        ),
        Mistake(
            "signal-root-missing",
            mix(lambda s, i: s.alpha_bar[i], add),
            "you used alpha_bar where its square root is needed: at level 125 you keep "
            "{your_signal:.3f} of the sprite, it should be {right_signal:.3f}",
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
            "that is the noise of one step alone, std {your_noise:.3f} at level 125; the jump from "
            "the clean sprite needs all the steps together, {right_noise:.3f}: alpha_bar, not "
            "alpha",
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
            "you used beta, which one step adds, for alpha_bar, which is left after all: at level "
            "125 you keep {your_signal:.3f} of the sprite, it should be {right_signal:.3f}",
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
    return [(label(i, s), (images(i), i, images(i + 1000)), {"schedule": s}) for i, s in levels]


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
    observe=outputs(predict_probes),
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
            "you enlarge by alpha_bar without its square root: by {your_scale_late:.2f} at level "
            "400, it should be {right_scale_late:.2f}",
        ),
        Mistake(
            "noise-root-missing",
            undo(keep, lambda s, i: 1 - s.alpha_bar[i]),
            "you take out 1 - alpha_bar of the noise where its square root is needed: a pixel of "
            "0.5 comes back from level 125 as {your_back:.3f}",
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
    ),
)
