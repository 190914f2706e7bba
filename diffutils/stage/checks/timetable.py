"""Exercises on schedules as timetables, and on what a walk remembers of its noise."""

import torch

from diffutils.schedule import cosine_schedule, linear_schedule
from diffutils.stage.checks.coefficients import recognise
from diffutils.stage.checks.engine import Exercise, Mistake, call, check


def matching_level(function):
    """function(i, *, here, there): the level of `there` where a sprite is as noisy as at i of here.

    i            an integer level of the NoiseSchedule `here`
    here, there  NoiseSchedules; the function returns an integer 0..there.timesteps
    """
    return check(MATCHING_LEVEL, function)


def walk_memory(function):
    """function(i, j, *, schedule): the correlation of a walk's noise at level i with that at j.

    i, j   levels with 1 <= i <= j; the noises are those of unit std, the sprite taken out
    """
    return check(WALK_MEMORY, function)


# --- the same noise under another number ---------------------------------------------------------


def nearest(values, value):
    """The place of the entry that is nearest to this number."""
    return (values - value).abs().argmin()


def right_level(i, *, here, there):
    return nearest(there.alpha_bar, here.alpha_bar[i])


def level_probes():
    linear, cosine, long = linear_schedule(), cosine_schedule(500), linear_schedule(1000)
    return [
        ("level 125, linear to cosine", (125,), {"here": linear, "there": cosine}),
        ("level 400, linear to cosine", (400,), {"here": linear, "there": cosine}),
        ("level 125, cosine to linear", (125,), {"here": cosine, "there": linear}),
        ("level 0, linear to cosine", (0,), {"here": linear, "there": cosine}),
        ("level 250, linear of 500 to linear of 1000", (250,), {"here": linear, "there": long}),
    ]


def measure_level(function):
    linear, cosine = linear_schedule(), cosine_schedule(500)
    level = call(function, 125, here=linear, there=cosine).double().mean().item()
    inside = min(max(round(level), 0), 500) if level == level else 0
    return {
        "level": level,
        "signal": cosine.alpha_bar[inside].sqrt().item(),
        "asked": linear.alpha_bar[125].sqrt().item(),
    }


MATCHING_LEVEL = Exercise(
    name="matching_level",
    right=right_level,
    probes=level_probes,
    measure=measure_level,
    fact="sends level 125 of the linear schedule to level {level:.0f} of the cosine one: "
    "{asked:.2f} of the sprite there, {signal:.2f} here",
    tolerance=1.01,  # the nearest by another measure may be a neighbour
    relative=False,
    mistakes=(
        Mistake(
            "same-number",
            lambda i, *, here, there: i,
            "level {your_level:.0f} for level 125: the number stays, but the sprite does not; "
            "{right_asked:.2f} of it is left at 125 in the linear schedule, {your_signal:.2f} in "
            "the cosine one",
        ),
        Mistake(
            "same-part-of-the-way",
            lambda i, *, here, there: round(i / here.timesteps * there.timesteps),
            "level {your_level:.0f} for level 125: the same part of all levels, not the same "
            "noise; {right_asked:.2f} of the sprite should be left there, and {your_signal:.2f} is",
        ),
        Mistake(
            "by-the-step",
            lambda i, *, here, there: nearest(there.beta, here.beta[i]),
            "level {your_level:.0f}: there one *step* adds as much as step 125; asked for is where "
            "all the steps together leave {right_asked:.2f} of the sprite, and {your_signal:.2f} "
            "is left there",
        ),
        Mistake(
            "signal-for-noise",
            lambda i, *, here, there: nearest(there.alpha_bar, 1 - here.alpha_bar[i]),
            "level {your_level:.0f}: there the sprite has the share that the noise has at 125; "
            "{your_signal:.2f} of it is left, it should be {right_asked:.2f}",
        ),
        Mistake(
            "root-on-one-side",
            lambda i, *, here, there: nearest(there.alpha_bar, here.alpha_bar[i].sqrt()),
            "level {your_level:.0f}: a share of the variance was compared with an amplitude; "
            "{your_signal:.2f} of the sprite is left there, it should be {right_asked:.2f}",
        ),
        Mistake(
            "root-on-the-other-side",
            lambda i, *, here, there: nearest(there.alpha_bar.sqrt(), here.alpha_bar[i]),
            "level {your_level:.0f}: an amplitude was compared with a share of the variance; "
            "{your_signal:.2f} of the sprite is left there, it should be {right_asked:.2f}",
        ),
        Mistake(
            "from-there-to-here",
            lambda i, *, here, there: nearest(
                here.alpha_bar, there.alpha_bar[min(i, there.timesteps)]
            ),
            "level {your_level:.0f}: you looked level 125 up in `there` and searched in `here`; "
            "{your_signal:.2f} of the sprite is left, it should be {right_asked:.2f}",
        ),
        Mistake(
            "first-difference",
            lambda i, *, here, there: (there.alpha_bar - here.alpha_bar[i]).argmin(),
            "level {your_level:.0f} for level 125: the smallest difference, sign and all, is the "
            "most negative one, at the far end; {your_signal:.2f} of the sprite is left there, it "
            "should be {right_asked:.2f}",
        ),
        Mistake(
            "the-share-itself",
            lambda i, *, here, there: there.alpha_bar[nearest(there.alpha_bar, here.alpha_bar[i])],
            "{your_level:.3f} is a share of the variance, not a level",
        ),
        Mistake(
            "farthest",
            lambda i, *, here, there: (there.alpha_bar - here.alpha_bar[i]).abs().argmax(),
            "level {your_level:.0f}: where the two differ most; {your_signal:.2f} of the sprite is "
            "left there, it should be {right_asked:.2f}",
        ),
        Mistake(
            "counted-from-the-end",
            lambda i, *, here, there: (there.alpha_bar < here.alpha_bar[i]).sum(),
            "{your_level:.0f} is how many levels are noisier, counted from the end; "
            "{your_signal:.2f} of the sprite is left at that level, it should be {right_asked:.2f}",
        ),
        Mistake(
            "level-for-share",
            lambda i, *, here, there: nearest(there.alpha_bar, i),
            "level {your_level:.0f}: a level's number was compared with shares; {your_signal:.2f} "
            "of the sprite is left there, it should be {right_asked:.2f}",
        ),
    ),
)


# --- what a walk remembers -----------------------------------------------------------------------


def kept(i, j, schedule):
    """The share of the variance at level i that is left at level j."""
    return schedule.alpha_bar[j] / schedule.alpha_bar[i]


def noise_ratio(i, j, schedule):
    """The variance of the noise at level i by that at level j."""
    return (1 - schedule.alpha_bar[i]) / (1 - schedule.alpha_bar[j])


def right_memory(i, j, *, schedule):
    return (kept(i, j, schedule) * noise_ratio(i, j, schedule)).sqrt()


def memory_probes():
    long, short = linear_schedule(), linear_schedule(20, 0.01, 0.4)
    pairs = [(200, 210, long), (200, 500, long), (20, 200, long), (3, 9, short), (100, 100, long)]
    return [(f"levels {i} and {j} of {s.timesteps}", (i, j), {"schedule": s}) for i, j, s in pairs]


def measure_memory(function):
    def at(i, j):
        return call(function, i, j, schedule=linear_schedule()).double().mean().item()

    return {"near": at(200, 210), "far": at(200, 400), "same": at(100, 100)}


SETTINGS = ((200, 400), (200, 210), (20, 200), (60, 450), (100, 101), (300, 310))


def memory_words(i, j, schedule):
    """{description: number} of what a student may have taken for the memory, or for a part."""
    words = {"what the steps between keep of the variance": kept(i, j, schedule).item(),
             "the noise's variance at the first level by that at the second":
             noise_ratio(i, j, schedule).item()}  # fmt: skip
    for where, k in (("at the first level", i), ("at the second level", j)):
        bar, alpha = schedule.alpha_bar[k].item(), schedule.alpha[k].item()
        words |= {f"alpha_bar {where}": bar, f"1 - alpha_bar {where}": 1 - bar,
                  f"alpha {where}": alpha, f"beta {where}": 1 - alpha}  # fmt: skip
    words |= {f"the root of {name}": value**0.5 for name, value in words.items()}
    return words | {"the right one, squared": kept(i, j, schedule).item()
                    * noise_ratio(i, j, schedule).item()}  # fmt: skip


def read_memory(function):
    """Which quantity of the two levels the answer is; or what no correlation of noises can be."""
    schedule = linear_schedule()
    yours, wanted = (
        torch.tensor([call(f, i, j, schedule=schedule).double().mean() for i, j in SETTINGS])
        for f in (function, right_memory)
    )
    if not yours.isfinite().all():
        return None
    numbers = f"{yours[0]:.2f} from level 200 to 400, it should be {wanted[0]:.2f}"
    rows = [memory_words(i, j, schedule) for i, j in SETTINGS]
    table = {word: torch.tensor([row[word] for row in rows]).double() for word in rows[0]}
    if what := recognise(yours, wanted, table):
        return f"it is {what}", f"{numbers}: yours is {what}"
    itself = call(function, 100, 100, schedule=schedule).double().mean().item()
    if yours.abs().max() > 1 + 1e-6:
        most = yours.abs().max()
        return "above-1", f"{numbers}: yours goes up to {most:.2f}, and no correlation is above 1"
    if abs(itself - 1) > 1e-3:
        text = f"{itself:.2f} from a level to itself, it should be 1"
        return "not-itself", f"{numbers}; {text}: nothing has happened in between"
    if abs(yours[1] - yours[5]) < 1e-6:
        text = f"{yours[1]:.3f} from 200 to 210 and from 300 to 310, where {wanted[1]:.3f} and "
        return "by-distance", f"{numbers}: {text}{wanted[5]:.3f} are right, as the steps differ"
    more = "remembers" if (yours > wanted).all() else "forgets" if (yours < wanted).all() else ""
    if more:
        text = f"too much at every pair of levels, {yours[1]:.3f} for {wanted[1]:.3f} to 210"
        return f"{more}-too-much", f"{numbers}: it {more} {text}"
    return None


WALK_MEMORY = Exercise(
    name="walk_memory",
    right=right_memory,
    probes=memory_probes,
    explain=read_memory,
    measure=measure_memory,
    fact="gives {near:.2f} from level 200 to 210, {far:.2f} to level 400, and {same:.0f} from a "
    "level to itself",
    mistakes=(
        Mistake(
            "noise-not-measured-anew",
            lambda i, j, *, schedule: kept(i, j, schedule).sqrt(),
            "this is what the steps between leave of the old noise, {your_far:.2f} from 200 to "
            "400; but more noise has come in, and as a part of all the noise at 400 it is "
            "{right_far:.2f}",
        ),
        Mistake(
            "nothing-fades",
            lambda i, j, *, schedule: noise_ratio(i, j, schedule).sqrt(),
            "the old noise does not fade here, as if only noise were added: {your_far:.2f} from "
            "200 to 400, it should be {right_far:.2f}",
        ),
        Mistake(
            "root-missing",
            lambda i, j, *, schedule: kept(i, j, schedule) * noise_ratio(i, j, schedule),
            "this is a share of the variance; a correlation compares amplitudes: {your_far:.2f} "
            "from 200 to 400, it should be {right_far:.2f}",
        ),
        Mistake(
            "upside-down",
            lambda i, j, *, schedule: 1 / right_memory(i, j, schedule=schedule),
            "{your_far:.1f} from 200 to 400: a correlation is never above 1",
        ),
        Mistake(
            "picture-for-noise",
            lambda i, j, *, schedule: (schedule.alpha_bar[j] * schedule.alpha_bar[i]).sqrt(),
            "this speaks of the picture, {your_near:.2f} from 200 to 210 and {your_same:.2f} from "
            "a level to itself; asked for is the noise, which is all there: {right_same:.0f}",
        ),
        Mistake(
            "whole-fade",
            lambda i, j, *, schedule: schedule.alpha_bar[j].sqrt(),
            "the old noise has faded since level 200, where it stood, not since level 0: "
            "{your_near:.2f} from 200 to 210, it should be {right_near:.2f}",
        ),
        Mistake(
            "one-step",
            lambda i, j, *, schedule: (schedule.alpha[j] * noise_ratio(i, j, schedule)).sqrt(),
            "only the last step fades here, not all those between: {your_far:.2f} from 200 to "
            "400, it should be {right_far:.2f}",
        ),
        Mistake(
            "by-count-of-levels",
            lambda i, j, *, schedule: torch.tensor(i / j),
            "this counts levels, {your_far:.2f} from 200 to 400; the levels are not alike, and it "
            "should be {right_far:.2f}",
        ),
    ),
)
