"""Exercises on a step down: the DDIM step and the levels that it visits."""

import torch

from diffutils import sampling
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import Unfinished
from diffutils.stage.checks.coefficients import Reader, constant, schedule_words
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call
from diffutils.stage.checks.levels import add, coefficient, images, keep, schedules

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
            lambda x, i, i_prev, pred_noise, *, schedule: sampling.denoise_add_noise(
                x, i, pred_noise, 0, schedule=schedule
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
