"""Exercises on a step down: the DDPM mean and step, the DDIM step and the levels that it visits."""

import torch

from diffutils import sampling
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import Unfinished
from diffutils.stage.checks.coefficients import Reader, asks, at_levels, constant, schedule_words
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call
from diffutils.stage.checks.levels import add, coefficient, images, keep, label, schedules

# --- the DDPM step -------------------------------------------------------------------------------


def right_mean(x, i, pred_noise, *, schedule):
    return sampling.denoise_add_noise(x, i, pred_noise, 0, schedule=schedule)


def take_out(schedule, i):
    """What the right mean takes out of the picture, before it enlarges the rest."""
    return schedule.beta[i] / add(schedule, i)


def mean_of(scale, out):
    """A function like right_mean from its two coefficients, each a function (schedule, i)."""
    return lambda x, i, pred_noise, *, schedule: (
        (x - out(schedule, i) * pred_noise) / scale(schedule, i)
    )


def step_of(function):
    """The mistake made in the mean, with the right noise put back."""
    return lambda x, i, pred_noise, z, *, schedule: (
        function(x, i, pred_noise, schedule=schedule) + schedule.beta[i].sqrt() * z
    )


def put_back(spread):
    """The right mean, with this much noise put back: spread(schedule, i) is a std."""
    return lambda x, i, pred_noise, z, *, schedule: (
        right_mean(x, i, pred_noise, schedule=schedule) + spread(schedule, i) * z
    )


def root_alpha(schedule, i):
    return schedule.alpha[i].sqrt()


def posterior_std(schedule, i):
    before = 1 - schedule.alpha_bar[i - 1]
    return (schedule.beta[i] * before / (1 - schedule.alpha_bar[i])).sqrt()


MEAN_MISTAKES = (
    Mistake(
        "not-enlarged",
        mean_of(lambda s, i: 1, take_out),
        "the noise is taken out but the picture not scaled up again: at level 250 what is there "
        "counts {your_scale:.4f}, it should be {right_scale:.4f}, and over the whole way that adds "
        "up",
    ),
    Mistake(
        "scale-root-missing",
        mean_of(lambda s, i: s.alpha[i], take_out),
        "at level 250 you scale up by {your_scale:.4f}, it should be {right_scale:.4f}: by twice "
        "as much as a step fades, a share of the variance",
    ),
    Mistake(
        "scaled-down",
        lambda x, i, pred_noise, *, schedule: (
            root_alpha(schedule, i) * (x - take_out(schedule, i) * pred_noise)
        ),
        "you scale down where a step towards the sprite scales up: by {your_scale:.4f} at level "
        "250, it should be {right_scale:.4f}",
    ),
    Mistake(
        "alpha-bar-in-the-scale",
        mean_of(keep, take_out),
        "at level 250 you scale up by {your_scale:.4f}, it should be {right_scale:.4f}: for all "
        "the steps at once, not for one",
    ),
    Mistake(
        "all-noise-at-once",
        mean_of(root_alpha, add),
        "you take out all the noise at once, {your_out:.4f} of the guess at level 250; one step "
        "takes {right_out:.4f}",
    ),
    Mistake(
        "jump-to-sprite",
        mean_of(keep, add),
        "this jumps to the guess of the clean sprite; a step goes down one level only: at level "
        "250 it takes out {right_out:.4f} of the noise, yours takes {your_out:.4f}",
    ),
    Mistake(
        "noise-root-missing",
        mean_of(root_alpha, lambda s, i: s.beta[i] / (1 - s.alpha_bar[i])),
        "at level 250 you take out {your_out:.5f} of the noise, it should be {right_out:.5f}: you "
        "divide by a variance",
    ),
    Mistake(
        "noise-share-missing",
        mean_of(root_alpha, lambda s, i: s.beta[i]),
        "you take out beta times the noise; how much noise there is at this level has to come in: "
        "{your_out:.5f} at level 250, it should be {right_out:.5f}",
    ),
    Mistake(
        "beta-root",
        mean_of(root_alpha, lambda s, i: s.beta[i].sqrt()),
        "you take out the std of one step, {your_out:.4f} of the guess at level 250; "
        "{right_out:.4f} is right: the step's noise is only a part of all the noise that the guess "
        "speaks of",
    ),
    Mistake(
        "alpha-for-beta",
        mean_of(root_alpha, lambda s, i: s.alpha[i] / add(s, i)),
        "you take out alpha's share of the guess where beta's belongs: {your_out:.3f} at level "
        "250, it should be {right_out:.4f}",
    ),
    Mistake(
        "noise-added",
        mean_of(root_alpha, lambda s, i: -take_out(s, i)),
        "the guessed noise goes in, not out: it counts {your_noise:+.4f} at level 250, it should "
        "count {right_noise:+.4f}",
    ),
    Mistake(
        "order",
        lambda x, i, pred_noise, *, schedule: (
            x / root_alpha(schedule, i) - take_out(schedule, i) * pred_noise
        ),
        "you scale up the picture but not the noise that you take out of it: you take "
        "{your_out:.6f} of the guess at level 250, it should be {right_out:.6f}",
    ),
    Mistake(
        "level-below",
        lambda x, i, pred_noise, *, schedule: (
            (x - schedule.beta[i - 1] / add(schedule, i - 1) * pred_noise)
            / root_alpha(schedule, i - 1)
        ),
        "these are the numbers of the level below: at level 250 you scale by {your_scale:.6f}, it "
        "should be {right_scale:.6f}; index 0 is the clean level here",
    ),
    Mistake(
        "both-roots-missing",
        mean_of(lambda s, i: s.alpha[i], lambda s, i: s.beta[i] / (1 - s.alpha_bar[i])),
        "at level 250 you take out {your_out:.5f} of the noise, it should be {right_out:.5f}, and "
        "scale up by {your_scale:.4f} for {right_scale:.4f}: both are of the variance's kind",
    ),
    Mistake(
        "level-below-in-the-root",
        mean_of(root_alpha, lambda s, i: s.beta[i] / add(s, i - 1)),
        "at level 250 you take out {your_out:.7f} of the noise, it should be {right_out:.7f}: one "
        "of the numbers is that of the level below",
    ),
    Mistake(
        "share-of-the-sprite",
        mean_of(root_alpha, lambda s, i: s.beta[i] / keep(s, i)),
        "at level 250 you take out {your_out:.5f} of the noise, it should be {right_out:.5f}: you "
        "divide by what is left of the sprite",
    ),
    Mistake(
        "guess-forgotten",
        mean_of(root_alpha, lambda s, i: 0),
        "at level 250 you take out {your_out:.4f} of the noise, it should be {right_out:.4f}: the "
        "guess has no say",
    ),
    Mistake(
        "brackets-forgotten",
        lambda x, i, pred_noise, *, schedule: (
            x - take_out(schedule, i) * pred_noise / root_alpha(schedule, i)
        ),
        "at level 250 the picture counts {your_scale:.4f}, it should be {right_scale:.4f}: only "
        "the noise that is taken out was enlarged",
    ),
    Mistake(
        "alpha-bar-for-one-minus",
        mean_of(root_alpha, lambda s, i: (1 - s.alpha_bar[i]) / s.beta[i].sqrt()),
        "at level 250 you take out {your_out:.3f} of the noise, it should be {right_out:.4f}: the "
        "fraction stands on its head",
    ),
    Mistake(
        "one-step-noise",
        mean_of(root_alpha, lambda s, i: s.beta[i] / s.beta[i].sqrt() ** 2),
        "at level 250 you take out {your_out:.3f} of the noise, it should be {right_out:.4f}: all "
        "that the guess speaks of, as if one step had made it",
    ),
)


def mean_probes():
    return [(text, (x, i, eps), keywords) for text, (x, i, eps, _), keywords in step_probes()]


def step_probes():
    long, short = schedules()
    levels = [(2, long), (125, long), (250, long), (500, long), (10, short)]
    return [
        (label(i, s), (images(i, n), i, images(i + 1000, n), images(i + 2000, n)), {"schedule": s})
        for n, (i, s) in enumerate(levels, 1)
    ]


def measure_mean(function):
    """How much the picture and the guess count at level 250."""
    schedule = linear_schedule()
    scale = coefficient(call(function, constant(1), 250, constant(0), schedule=schedule))
    noise = coefficient(call(function, constant(0), 250, constant(1), schedule=schedule))
    return {"scale": scale, "noise": noise, "out": abs(noise)}


def measure_step(function):
    """As measure_mean, and the std of the noise put back."""
    schedule = linear_schedule()

    def without_z(x, i, pred_noise, *, schedule):
        return function(x, i, pred_noise, constant(0), schedule=schedule)

    zero = constant(0)
    back = coefficient(call(function, zero, 250, zero, constant(1), schedule=schedule))
    return measure_mean(without_z) | {"back": back}


DDPM_MEAN = Exercise(
    name="ddpm_mean",
    right=right_mean,
    probes=mean_probes,
    explain=at_levels(right_mean, ("the picture", "the guess"), asks),
    batched=True,
    measure=measure_mean,
    fact="scales the picture at level 250 by {scale:.4f} and takes out {out:.4f} of the guessed "
    "noise",
    mistakes=MEAN_MISTAKES,
)

DDPM_STEP = Exercise(
    name="ddpm_step",
    right=sampling.denoise_add_noise,
    probes=step_probes,
    explain=at_levels(sampling.denoise_add_noise, ("the picture", "the guess", "z"), asks),
    batched=True,
    measure=measure_step,
    fact="scales the picture at level 250 by {scale:.4f}, takes out {out:.4f} of the guessed noise "
    "and puts back noise of std {back:.4f}",
    mistakes=(
        *(Mistake(m.name, step_of(m.function), m.sentence) for m in MEAN_MISTAKES),
        Mistake(
            "put-back-root-missing",
            put_back(lambda s, i: s.beta[i]),
            "at level 250 you put back noise of std {your_back:.4f}, it should be "
            "{right_back:.4f}: what z was multiplied with is a variance",
        ),
        Mistake(
            "put-back-posterior",
            put_back(posterior_std),
            "you put back the smaller, posterior variance: std {your_back:.5f} at level 250. It is "
            "a legitimate choice, the paper's second; here the first is asked for, "
            "{right_back:.5f}",
        ),
        Mistake(
            "put-back-everything",
            put_back(lambda s, i: 1),
            "z goes in whole, std {your_back:.3f} at level 250; one step's worth is "
            "{right_back:.4f}",
        ),
        Mistake(
            "put-back-all-levels",
            put_back(add),
            "you put back as much noise as there is in all, std {your_back:.3f} at level 250; one "
            "step's worth is {right_back:.4f}",
        ),
        Mistake(
            "put-back-nothing",
            put_back(lambda s, i: 0),
            "nothing is put back: z has no effect. At level 250 noise of std {right_back:.4f} "
            "belongs there",
        ),
        Mistake(
            "put-back-scaled",
            put_back(lambda s, i: s.beta[i].sqrt() / root_alpha(s, i)),
            "z is scaled up together with the picture; it goes in after that: std {your_back:.5f} "
            "at level 250, it should be {right_back:.5f}",
        ),
        Mistake(
            "put-back-level-below",
            put_back(lambda s, i: s.beta[i - 1].sqrt()),
            "you put back the noise of the level below: std {your_back:.5f} at level 250, it "
            "should be {right_back:.5f}",
        ),
        Mistake(
            "put-back-subtracted",
            put_back(lambda s, i: -s.beta[i].sqrt()),
            "z comes with the wrong sign: {your_back:.4f} at level 250 for {right_back:.4f}. Noise "
            "is as likely up as down, so the sprites would do as well, but not for the same seed",
        ),
    ),
)


# --- the DDIM step -------------------------------------------------------------------------------


def ddim_of(signal, spread):
    """A function like denoise_ddim from how sprite and noise count, (schedule, i, i_prev)."""

    def step(x, i, i_prev, pred_noise, *, schedule):
        x0 = (x - add(schedule, i) * pred_noise) / keep(schedule, i)
        return signal(schedule, i, i_prev) * x0 + spread(schedule, i, i_prev) * pred_noise

    return step


def keep_before(schedule, i, i_prev):
    return keep(schedule, i_prev)


def add_before(schedule, i, i_prev):
    return add(schedule, i_prev)


def ddim_guess_root_missing(x, i, i_prev, pred_noise, *, schedule):
    x0 = (x - (1 - schedule.alpha_bar[i]) * pred_noise) / keep(schedule, i)
    return keep(schedule, i_prev) * x0 + add(schedule, i_prev) * pred_noise


def ddim_guess_not_enlarged(x, i, i_prev, pred_noise, *, schedule):
    x0 = x - add(schedule, i) * pred_noise
    return keep(schedule, i_prev) * x0 + add(schedule, i_prev) * pred_noise


def ddim_probes():
    long, short = schedules()
    levels = [(500, 480, long), (260, 240, long), (125, 60, long), (20, 0, long), (10, 5, short)]
    return [
        (
            f"level {i} to {k} of {s.timesteps}",
            (images(i, n), i, k, images(i + 1000, n)),
            {"schedule": s},
        )
        for n, (i, k, s) in enumerate(levels, 1)
    ]


def measure_ddim(function):
    """At level 260, going to 240: how much sprite and noise a picture has afterwards, and at 0."""
    schedule = linear_schedule()

    def at(x, noise, i, i_prev):
        return coefficient(
            call(function, constant(x), i, i_prev, constant(noise), schedule=schedule)
        )

    signal = at(keep(schedule, 260), 0, 260, 240)
    left = at(add(schedule, 260), 1, 260, 240)
    end = at(keep(schedule, 20) * 0.5 + add(schedule, 20), 1, 20, 0)
    return {"signal": signal, "noise": left, "end": end}


def ask_ddim(function, pictures, at):
    schedule, i, i_prev = at
    return call(function, pictures[0], i, i_prev, pictures[1], schedule=schedule)


DDIM_READER = Reader(
    right=sampling.denoise_ddim,
    ask=ask_ddim,
    roles=("the picture", "the guess"),
    settings=tuple(
        (s, i, k)
        for s, i, k in zip(
            (schedules()[0],) * 3 + (schedules()[1],) * 3,
            (260, 125, 400, 6, 10, 15), (240, 60, 300, 4, 5, 14),
            strict=True,
        )
    ),
    where="from level 260 to 240",
    words=lambda at: schedule_words(*at),
)


DDIM_STEP = Exercise(
    name="ddim_step",
    right=sampling.denoise_ddim,
    probes=ddim_probes,
    explain=DDIM_READER,
    batched=True,
    measure=measure_ddim,
    fact="goes from level 260 to {signal:.4f} of the sprite and noise of std {noise:.4f} at level "
    "240, and from level 20 straight to a pixel of {end:.3f} where 0.5 was",
    mistakes=(
        Mistake(
            "swapped",
            ddim_of(add_before, keep_before),
            "sprite and noise have each other's share on the way back: at level 240 you have "
            "{your_signal:.4f} of the sprite, it should be {right_signal:.4f}",
        ),
        Mistake(
            "same-level",
            ddim_of(lambda s, i, k: keep(s, i), lambda s, i, k: add(s, i)),
            "this goes nowhere: you noise the guess back to the level you came from. From 260 to "
            "240 the noise should go down to std {right_noise:.4f}, yours is {your_noise:.4f}",
        ),
        Mistake(
            "next-level",
            ddim_of(lambda s, i, k: keep(s, i - 1), lambda s, i, k: add(s, i - 1)),
            "this goes down one level, to 259, whatever i_prev says: the noise has std "
            "{your_noise:.4f}, at level 240 it should be {right_noise:.4f}",
        ),
        Mistake(
            "noise-of-level-i",
            ddim_of(keep_before, lambda s, i, k: add(s, i)),
            "the sprite is that of the new level but the noise that of the old: std "
            "{your_noise:.4f} at level 240, it should be {right_noise:.4f}",
        ),
        Mistake(
            "signal-of-level-i",
            ddim_of(lambda s, i, k: keep(s, i), add_before),
            "the noise is that of the new level but the sprite that of the old: {your_signal:.4f} "
            "at level 240, it should be {right_signal:.4f}",
        ),
        Mistake(
            "noise-forgotten",
            ddim_of(keep_before, lambda s, i, k: 0),
            "the guessed noise is taken out and none comes back: at level 240 it should have std "
            "{right_noise:.4f}",
        ),
        Mistake(
            "straight-to-the-sprite",
            ddim_of(lambda s, i, k: 1, lambda s, i, k: 0),
            "this is the guess of the clean sprite; at level 240 it should have faded to "
            "{right_signal:.4f} again, with noise of std {right_noise:.4f}",
        ),
        Mistake(
            "noise-root-missing",
            ddim_of(keep_before, lambda s, i, k: 1 - s.alpha_bar[k]),
            "at level 240 there is noise of std {your_noise:.4f}, it should be {right_noise:.4f}: "
            "on the way back you used a variance",
        ),
        Mistake(
            "signal-root-missing",
            ddim_of(lambda s, i, k: s.alpha_bar[k], add_before),
            "at level 240 there is {your_signal:.4f} of the sprite, it should be "
            "{right_signal:.4f}: on the way back you used a share of the variance",
        ),
        Mistake(
            "guess-root-missing",
            ddim_guess_root_missing,
            "where the pixel was 0.5 you end at {your_end:.3f}: what the guess of the clean sprite "
            "takes out is a variance",
        ),
        Mistake(
            "guess-not-enlarged",
            ddim_guess_not_enlarged,
            "the guess of the clean sprite is still faded when you noise it again: at level 240 "
            "you have {your_signal:.4f} of the sprite, it should be {right_signal:.4f}",
        ),
        Mistake(
            "noise-subtracted",
            ddim_of(keep_before, lambda s, i, k: -add(s, k)),
            "the noise comes back with the wrong sign: {your_noise:+.4f} at level 240, it should "
            "be {right_noise:+.4f}",
        ),
        Mistake(
            "both-roots-missing",
            ddim_of(lambda s, i, k: s.alpha_bar[k], lambda s, i, k: 1 - s.alpha_bar[k]),
            "at level 240 there is {your_signal:.4f} of the sprite, it should be "
            "{right_signal:.4f}, and noise of std {your_noise:.4f} for {right_noise:.4f}",
        ),
        Mistake(
            "ddpm-mean",
            lambda x, i, i_prev, pred_noise, *, schedule: right_mean(
                x, i, pred_noise, schedule=schedule
            ),
            "from level 260 you come to noise of std {your_noise:.4f}, it should be "
            "{right_noise:.4f}: this is one step of the slow sampler",
        ),
        Mistake(
            "noise-whole",
            ddim_of(keep_before, lambda s, i, k: 1),
            "at level 240 there is noise of std {your_noise:.4f}, it should be {right_noise:.4f}: "
            "it goes in whole",
        ),
        Mistake(
            "sprite-whole",
            ddim_of(lambda s, i, k: 1, add_before),
            "at level 240 there is {your_signal:.4f} of the sprite, it should be "
            "{right_signal:.4f}: it does not fade again",
        ),
    ),
)


# --- the levels that a fast sampler visits -------------------------------------------------------


def observe_levels(function):
    """For a few n: how many levels, the ends, and whether the gaps are even."""
    seen = {}
    for n, timesteps in [(25, 500), (30, 500), (7, 100), (300, 500)]:
        levels = list_levels(function, n, timesteps)
        gaps = [a - b for a, b in zip(levels[:-1], levels[1:], strict=True)] or [0]
        whole = all(level == int(level) for level in levels)
        values = [
            len(levels),
            levels[0],
            levels[-1],
            min(gaps) >= 1,
            max(gaps) - min(gaps) <= 1,
            whole,
        ]
        seen[f"{n} steps of {timesteps}"] = torch.tensor(values, dtype=torch.float64)
    return seen


def list_levels(function, n, timesteps):
    """The student's levels as a list of numbers, at least one."""
    answer = function(n, timesteps)
    if isinstance(answer, range) or hasattr(answer, "__next__"):
        answer = list(answer)
    levels = call(lambda: answer).double().flatten().tolist()
    if not levels:
        raise Unfinished("gives no levels so far")
    return levels


def measure_levels(function):
    levels = list_levels(function, 30, 500)
    gaps = [a - b for a, b in zip(levels[:-1], levels[1:], strict=True)] or [0]
    other = list_levels(function, 7, 100)
    return {
        "count_7": len(other), "first_7": other[0], "last_7": other[-1],
        "count": len(levels), "first": levels[0], "last": levels[-1],
        "smallest": min(gaps), "largest": max(gaps),
    }  # fmt: skip


def even_levels(n, timesteps):
    return [timesteps * k // n for k in range(n, -1, -1)]


LEVEL_SIGNS = (
    Sign(
        "fractions",
        lambda y, r: 0 < y["first"] <= 1,
        "from {your_first:.3g} to {your_last:.3g}: parts of the whole; the schedule has levels 0 "
        "to {right_first:.0f}",
    ),
    Sign(
        "typed-in",
        lambda y, r: y["first"] == r["first"] and y["first_7"] == r["first"],
        "7 steps of 100 start at level {your_first_7:.0f}: the number of levels is typed in",
    ),
    Sign(
        "upwards",
        lambda y, r: y["first"] < y["last"],
        "the levels go up, from {your_first:.0f} to {your_last:.0f}; sampling comes down",
    ),
    Sign(
        "wrong-start",
        lambda y, r: y["first"] != r["first"],
        "30 steps of 500 start at level {your_first:.4g}, the noise that is handed over belongs "
        "to {right_first:.0f}",
    ),
    Sign(
        "wrong-end",
        lambda y, r: y["last"] != r["last"],
        "30 steps of 500 end at level {your_last:.4g}, the clean one is {right_last:.0f}",
    ),
    Sign(
        "wrong-count",
        lambda y, r: y["count"] != r["count"] or y["count_7"] != r["count_7"],
        "30 steps of 500 visit {your_count} levels, {right_count} are right; 7 steps of 100 visit "
        "{your_count_7}, {right_count_7} are right",
    ),
    Sign(
        "wrong-end-elsewhere",
        lambda y, r: (y["first_7"], y["last_7"]) != (r["first_7"], r["last_7"]),
        "7 steps of 100 go from level {your_first_7:.4g} to {your_last_7:.4g}, it should be "
        "{right_first_7:.0f} to {right_last_7:.0f}",
    ),
    Sign(
        "uneven",
        lambda y, r: y["largest"] - y["smallest"] > 1,
        "the levels are {your_smallest:.4g} to {your_largest:.4g} apart, it should be "
        "{right_smallest:.0f} to {right_largest:.0f}",
    ),
)

DDIM_LEVELS = Exercise(
    name="ddim_levels",
    right=even_levels,
    observe=observe_levels,
    measure=measure_levels,
    signs=LEVEL_SIGNS,
    fact="visits {count} levels for 30 steps of 500, from {first:.0f} to {last:.0f}, "
    "{smallest:.0f} to {largest:.0f} apart",
    tolerance=1e-3,
    relative=False,
    mistakes=(
        Mistake(
            "zero-missing",
            lambda n, timesteps: even_levels(n, timesteps)[:-1],
            "the last level is {your_last:.0f}: the clean one, 0, is missing, and the sprites keep "
            "their last noise",
        ),
        Mistake(
            "fixed-stride",
            lambda n, timesteps: [*range(timesteps, 0, -(timesteps // n)), 0],
            "a stride of whole levels fits only where the steps divide the levels: 30 steps of 500 "
            "visit {your_count} levels, there should be {right_count}",
        ),
        Mistake(
            "fixed-stride-cut",
            lambda n, timesteps: [timesteps - k * (timesteps // n) for k in range(n + 1)],
            "a stride of whole levels fits only where the steps divide the levels: 30 steps of 500 "
            "end at level {your_last:.0f}, far from clean",
        ),
        Mistake(
            "top-missing",
            lambda n, timesteps: [(timesteps - 1) * k // n for k in range(n, -1, -1)],
            "it starts at level {your_first:.0f}; the pure noise that a sampler begins with "
            "belongs to level {right_first:.0f}",
        ),
        Mistake(
            "upwards",
            lambda n, timesteps: even_levels(n, timesteps)[::-1],
            "the levels go up, from {your_first:.0f} to {your_last:.0f}; sampling comes down",
        ),
        Mistake(
            "one-too-few",
            lambda n, timesteps: even_levels(n - 1, timesteps),
            "{your_count} levels are one step too few: 30 steps have {right_count} levels, the "
            "first and the last counted",
        ),
        Mistake(
            "fractions",
            lambda n, timesteps: torch.linspace(timesteps, 0, n + 1),
            "some of these levels lie between two; a schedule has whole levels only",
        ),
        Mistake(
            "counts-down-from-n",
            lambda n, timesteps: list(range(n, -1, -1)),
            "it starts at level {your_first:.0f}, it should start at {right_first:.0f}: you count "
            "the steps, not the levels",
        ),
        Mistake(
            "every-level",
            lambda n, timesteps: list(range(timesteps, -1, -1)),
            "{your_count} levels are visited for 30 steps of 500, it should be {right_count}: "
            "none is left out",
        ),
        Mistake(
            "stops-at-1",
            lambda n, timesteps: [1 + (timesteps - 1) * k // n for k in range(n, -1, -1)],
            "the last level is {your_last:.0f}, it should be {right_last:.0f}, the clean one",
        ),
        Mistake(
            "two-ends-alone",
            lambda n, timesteps: [timesteps, 0],
            "{your_count} levels are visited for 30 steps of 500, it should be {right_count}: the "
            "two ends alone",
        ),
        Mistake(
            "crowded-at-the-end",
            lambda n, timesteps: [timesteps, *range(n - 1, -1, -1)],
            "the levels are {your_smallest:.0f} to {your_largest:.0f} apart for 30 steps of 500, "
            "it should be {right_smallest:.0f} to {right_largest:.0f}",
        ),
    ),
)
