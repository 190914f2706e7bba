"""Exercises on following the path: a step of Heun, the order of a solver, the cheapest setting."""

import functools
import math

import torch

from diffutils.noising import perturb_input, predict_x0
from diffutils.sampling import denoise_add_noise, denoise_ddim
from diffutils.schedule import linear_schedule
from diffutils.sprites.judge import shares_apart
from diffutils.stage import frontier
from diffutils.stage.checks.asking import call
from diffutils.stage.checks.coefficients import Reader, constant, schedule_words
from diffutils.stage.checks.engine import Exercise, Mistake, Result, Sign, check
from diffutils.stage.checks.levels import images, keep, label, schedules


def heun_step(function):
    """function(x, i, j, guess, *, schedule): one step of Heun's method from level i to level j.

    guess   guess(x, i) is the network's guess of the noise in images x at level i >= 1
    """
    return check(HEUN_STEP, function)


def order_of(function):
    """function(n, error, more, smaller): a solver's order, from the errors of n and more steps."""
    return check(ORDER, function)


def cheapest(sampler, steps):
    """The student's choice of the cheapest setting that cannot be told from 500 steps of DDPM.

    sampler, steps   of a row of the frontier's table; None for no answer yet
    """
    mistake, message = judge_setting(sampler, steps)
    print(message)
    return Result("cheapest", mistake is None, mistake, message)


# --- a step of Heun ------------------------------------------------------------------------------


def bent(x, i):
    """A guess that depends on the picture and on the level, and not in a straight line."""
    if i < 1:
        raise ValueError(f"guess was asked at level {i}; there is no noise at level 0")
    i = float(i)
    return torch.tanh(0.6 * x) * (0.4 + i / 700) + 0.1 * torch.sin(3 * x + i / 50) + 0.05


def heun_of(second=lambda x, tried, i, j, eps, s, guess: guess(tried, j),
            mixed=lambda eps, other: (eps + other) / 2, end=denoise_ddim):
    """A step of Heun with a part of it changed: the second question, or what is made of both."""

    def step(x, i, j, guess, *, schedule):
        eps = guess(x, i)
        tried = denoise_ddim(x, i, j, eps, schedule=schedule)
        if j == 0:
            return tried
        other = second(x, tried, i, j, eps, schedule, guess)
        return end(x, i, j, mixed(eps, other), schedule=schedule)

    return step


def sprites_of(function):
    """A step of Heun that makes something of the two guesses of the sprite."""

    def step(x, i, j, guess, *, schedule):
        eps = guess(x, i)
        tried = denoise_ddim(x, i, j, eps, schedule=schedule)
        if j == 0:
            return tried
        other = guess(tried, j)
        first = predict_x0(x, i, eps, schedule=schedule)
        second = predict_x0(tried, j, other, schedule=schedule)
        sprite, noise = function(first, second, eps, other)
        return perturb_input(sprite, j, noise, schedule=schedule)

    return step


right_heun = heun_of()


def euler(x, i, j, guess, *, schedule):
    return denoise_ddim(x, i, j, guess(x, i), schedule=schedule)


def from_tried(x, i, j, guess, *, schedule):
    eps = guess(x, i)
    tried = denoise_ddim(x, i, j, eps, schedule=schedule)
    if j == 0:
        return tried
    return denoise_ddim(tried, i, j, (eps + guess(tried, j)) / 2, schedule=schedule)


def in_two_halves(x, i, j, guess, *, schedule):
    middle = (i + j) // 2
    if middle in (i, j):
        return euler(x, i, j, guess, schedule=schedule)
    x = denoise_ddim(x, i, middle, guess(x, i), schedule=schedule)
    return denoise_ddim(x, middle, j, guess(x, middle), schedule=schedule)


def at_the_middle(x, i, j, guess, *, schedule):
    middle = (i + j) // 2
    if j == 0 or middle in (i, j):
        return euler(x, i, j, guess, schedule=schedule)
    half = denoise_ddim(x, i, middle, guess(x, i), schedule=schedule)
    return denoise_ddim(x, i, j, guess(half, middle), schedule=schedule)


def tried_pictures(x, i, j, guess, *, schedule):
    """The two pictures averaged, the second stepped to from the first."""
    eps = guess(x, i)
    tried = denoise_ddim(x, i, j, eps, schedule=schedule)
    if j == 0:
        return tried
    return (x + denoise_ddim(x, i, j, guess(tried, j), schedule=schedule)) / 2


def ddpm_in_between(x, i, j, guess, *, schedule):
    eps = guess(x, i)
    if j == 0:
        return denoise_ddim(x, i, j, eps, schedule=schedule)
    tried = denoise_add_noise(x, i, eps, 0, schedule=schedule, i_prev=j)
    return denoise_ddim(x, i, j, (eps + guess(tried, j)) / 2, schedule=schedule)


def heun_probes():
    long, short = schedules()
    steps = [(500, 450, long), (260, 200, long), (125, 60, long), (40, 0, long), (10, 5, short)]
    return [
        (f"{label(i, s)} to {j}", (images(i, n), i, j, bent), {"schedule": s})
        for n, (i, j, s) in enumerate(steps, 1)
    ]


def measure_heun(function):
    """A pixel of 0.8 from level 260 to 200; which levels are asked on the way, and on the last."""
    schedule, asked = linear_schedule(), []

    def listening(x, i):
        asked.append(int(i))
        return bent(x, i)

    def at(x, i, j):
        asked.clear()
        value = call(function, constant(x), i, j, listening, schedule=schedule).double().mean()
        return value.item(), " and ".join(map(str, asked))

    there, levels = at(0.8, 260, 200)
    start = euler(constant(0.8), 260, 200, bent, schedule=schedule).mean().item()
    count = len(asked)
    end, last = at(0.8, 40, 0)
    return {"there": there, "levels": levels, "count": count, "plain": start, "end": end,
            "last": last}  # fmt: skip


def ask_heun(function, pictures, at):
    """The step with a guess that gives two pictures, one after the other."""
    schedule, i, j = at
    x, *answers = pictures
    answers = iter([*answers, answers[-1], answers[-1]])
    return call(function, x, i, j, lambda x, i: next(answers) + 0 * x, schedule=schedule)


HEUN_READER = Reader(
    right=right_heun,
    ask=ask_heun,
    roles=("the picture", "the first guess", "the second guess"),
    settings=tuple(
        (s, i, j)
        for s, i, j in zip(
            (schedules()[0],) * 3 + (schedules()[1],) * 3,
            (260, 125, 400, 6, 10, 15), (200, 60, 300, 4, 5, 14),
            strict=True,
        )
    ),
    where="from level 260 to 200",
    words=lambda at: schedule_words(*at),
)

HEUN_SIGNS = (
    Sign(
        "never-asks",
        lambda y, r: y["count"] == 0,
        "{your_count} questions to the network, a step of this kind has {right_count}",
    ),
    Sign(
        "asks-once",
        lambda y, r: y["count"] == 1,
        "asked once from level 260 to 200, at {your_levels}; a step of this kind asks at "
        "{right_levels}",
    ),
    Sign(
        "asks-at-other-levels",
        lambda y, r: y["levels"] != r["levels"],
        "asked at {your_levels} on the way from 260 to 200, it should be {right_levels}",
    ),
    Sign(
        "last-step-wrong",
        lambda y, r: abs(y["there"] - r["there"]) < 1e-5 and abs(y["end"] - r["end"]) > 1e-5,
        "from level 40 to 0 a pixel of 0.8 becomes {your_end:.4f}, it should be {right_end:.4f}: "
        "above level 0 all is well",
    ),
)

THERE = "a pixel of 0.8 comes to {your_there:.4f} at level 200, it should be {right_there:.4f}: "
HEUN_STEP = Exercise(
    name="heun_step",
    right=right_heun,
    probes=heun_probes,
    explain=HEUN_READER,
    signs=HEUN_SIGNS,
    batched=True,
    measure=measure_heun,
    fact="brings a pixel of 0.8 from level 260 to {there:.4f} at level 200, where the plain step "
    "comes to {plain:.4f}; asked at {levels} there, and at {last} from 40 to 0",
    mistakes=(
        Mistake("plain-step", euler,
                THERE + "this is the plain step; the network was asked at {your_levels}"),
        Mistake("second-at-the-old-level",
                heun_of(lambda x, tried, i, j, eps, s, guess: guess(tried, i)),
                THERE + "asked at {your_levels}; the picture that was tried stands at another "
                "level than the one it came from"),
        Mistake("second-about-the-old-picture",
                heun_of(lambda x, tried, i, j, eps, s, guess: guess(x, j)),
                THERE + "the second question shows the old picture and says the new level"),
        Mistake("same-question-twice",
                heun_of(lambda x, tried, i, j, eps, s, guess: guess(x, i) * 1.0,
                        mixed=lambda eps, other: eps + other),
                THERE + "the same question twice, and the answers added"),
        Mistake("second-alone", heun_of(mixed=lambda eps, other: other),
                THERE + "the step follows the second guess alone"),
        Mistake("not-halved", heun_of(mixed=lambda eps, other: eps + other),
                THERE + "two guesses were added, and the sum counts as one"),
        Mistake("difference", heun_of(mixed=lambda eps, other: (eps - other) / 2),
                THERE + "the guesses were subtracted from each other"),
        Mistake("second-for-correction", heun_of(mixed=lambda eps, other: eps + (eps - other) / 2),
                THERE + "the correction goes the wrong way, away from the second guess"),
        Mistake("twice-the-second", heun_of(mixed=lambda eps, other: 2 * other - eps),
                THERE + "the first guess counts -1 and the second 2"),
        Mistake("like-variances", heun_of(mixed=lambda eps, other: (eps + other) / 2**0.5),
                THERE + "the sum was divided by 1.41, as two independent noises would be"),
        Mistake("quarter", heun_of(mixed=lambda eps, other: (eps + other) / 4),
                THERE + "the two guesses count a quarter each"),
        Mistake("first-more-than-second",
                heun_of(mixed=lambda eps, other: 0.75 * eps + 0.25 * other),
                THERE + "the first guess counts three times as much as the second"),
        Mistake("noises-multiplied", heun_of(mixed=lambda eps, other: (eps * other)),
                THERE + "the two guesses were multiplied"),
        Mistake("from-where-it-tried", from_tried,
                THERE + "the second step sets out from the picture that was tried, so that two "
                "steps are made of one"),
        Mistake("half-way-to-the-second", tried_pictures,
                THERE + "the old picture was averaged with a new one, which leaves it half way"),
        Mistake("two-short-steps", in_two_halves,
                THERE + "asked at {your_levels}: two plain steps of half the length"),
        Mistake("middle", at_the_middle,
                THERE + "asked at {your_levels}: a method of second order too, another one; this "
                "one asks where the step ends"),
        Mistake("sprites-averaged-first-noise", sprites_of(lambda a, b, eps, o: ((a + b) / 2, eps)),
                THERE + "the guesses of the sprite were averaged, and noised again with the first "
                "noise"),
        Mistake("first-sprite-second-noise", sprites_of(lambda a, b, eps, o: (a, o)),
                THERE + "the sprite of the first guess got the noise of the second"),
        Mistake("mean-on-the-way-back", sprites_of(lambda a, b, eps, o: (a, (eps + o) / 2)),
                THERE + "the mean of the noises came in on the way back alone, the sprite is still "
                "the one of the first guess"),
        Mistake("second-sprite-first-noise", sprites_of(lambda a, b, eps, o: (b, eps)),
                THERE + "the sprite of the second guess got the noise of the first"),
        Mistake("slow-step-to-try", ddpm_in_between,
                THERE + "the step that is tried is one of the slow sampler"),
        Mistake("next-level", heun_of(lambda x, tried, i, j, eps, s, guess: guess(tried, i - 1)),
                THERE + "asked at {your_levels}; the step ends at 200"),
        Mistake("between",
                heun_of(lambda x, tried, i, j, eps, s, guess: guess((x + tried) / 2, j)),
                THERE + "the second question is about a picture half way between the two"),
        Mistake("faded-sprite",
                heun_of(lambda x, tried, i, j, eps, s, guess: guess(tried / keep(s, j), j)),
                THERE + "the second question is about a picture that was made brighter"),
    ),
)  # fmt: skip


# --- the order of a solver -----------------------------------------------------------------------


def right_order(n, error, more, smaller):
    return math.log(error / smaller) / math.log(more / n)


PAIRS = ((20, 0.008, 160, 0.001), (10, 0.05, 40, 0.003125), (15, 0.02, 45, 0.00385),
         (100, 3e-3, 200, 3.75e-4), (8, 0.4, 24, 0.3))  # fmt: skip


def order_probes():
    return [(f"{e:g} with {n} steps, {f:g} with {m}", (n, e, m, f), {}) for n, e, m, f in PAIRS]


def measure_order(function):
    def at(*numbers):
        return call(function, *numbers).double().mean().item()

    n, error, more, smaller = PAIRS[0]
    found = {f"at_{k}": at(*pair) for k, pair in enumerate(PAIRS)}
    return found | {"tenth": at(n, error / 10, more, smaller / 10),
                    "longer": at(3 * n, error, 3 * more, smaller)}  # fmt: skip


FIRST = "8 times the steps for an eighth of the error: you say {your_at_0:.4g}, it should be "
FIRST += "{right_at_0:.4g}; "
SECOND = "4 times the steps for a sixteenth of the error: you say {your_at_1:.4g}, it should be "
SECOND += "{right_at_1:.4g}; "
log = math.log

ORDER_SIGNS = (
    Sign(
        "depends-on-the-unit",
        lambda y, r: abs(y["tenth"] - y["at_0"]) > 1e-6,
        FIRST + "with both errors in tenths it would be {your_tenth:.4g}, and an order does not "
        "depend on the unit",
    ),
    Sign(
        "depends-on-where-one-begins",
        lambda y, r: abs(y["longer"] - y["at_0"]) > 1e-6,
        FIRST + "from three times as many steps on, with the same ratios, it would be "
        "{your_longer:.4g}, it should be the same",
    ),
)
ORDER = Exercise(
    name="order_of",
    right=right_order,
    probes=order_probes,
    measure=measure_order,
    signs=ORDER_SIGNS,
    fact="gives {at_0:.2f} where 8 times the steps make the error 8 times smaller, {at_1:.2f} "
    "where 4 times the steps make it 16 times smaller, {at_3:.2f} where twice the steps make it 8 "
    "times smaller",
    mistakes=(
        Mistake("inverse", lambda n, e, m, f: log(m / n) / log(e / f),
                SECOND + "rise and run have changed places"),
        Mistake("negative", lambda n, e, m, f: log(f / e) / log(m / n),
                FIRST + "that is the slope of the line, which falls; the order says how fast"),
        Mistake("negative-inverse", lambda n, e, m, f: log(m / n) / log(f / e),
                SECOND + "rise and run have changed places, and the sign is that of a slope"),
        Mistake("ratio", lambda n, e, m, f: e / f,
                FIRST + "how much smaller the error is depends on how many more steps were taken"),
        Mistake("ratio-upside-down", lambda n, e, m, f: f / e,
                FIRST + "that is what is left of the error"),
        Mistake("ratio-of-ratios", lambda n, e, m, f: (e / f) / (m / n),
                SECOND + "one ratio was divided by the other; an order is an exponent"),
        Mistake("product", lambda n, e, m, f: (e / f) * (m / n),
                FIRST + "the two ratios were multiplied"),
        Mistake("steps-alone", lambda n, e, m, f: m / n,
                FIRST + "that is how many times the steps, the errors have no say"),
        Mistake("as-if-doubled", lambda n, e, m, f: math.log2(e / f),
                FIRST + "right only where the steps were doubled"),
        Mistake("doublings-alone", lambda n, e, m, f: math.log2(m / n),
                FIRST + "that is how often the steps were doubled"),
        Mistake("natural-log-alone", lambda n, e, m, f: log(e / f),
                FIRST + "the errors came in, how many more steps were taken did not"),
        Mistake("decimal-log-alone", lambda n, e, m, f: math.log10(e / f),
                FIRST + "the errors came in, how many more steps were taken did not"),
        Mistake("straight-slope", lambda n, e, m, f: (e - f) / (m - n),
                FIRST + "the slope in the numbers themselves; on the plot both axes count in "
                "powers of ten"),
        Mistake("half-logarithmic", lambda n, e, m, f: log(e / f) / (m - n),
                FIRST + "one of the two axes counts in powers of ten, the other does not yet"),
        Mistake("other-half", lambda n, e, m, f: (e - f) / log(m / n),
                FIRST + "one of the two axes counts in powers of ten, the other does not yet"),
        Mistake("log-of-differences", lambda n, e, m, f: log(e - f) / log(m - n),
                FIRST + "differences first, logarithms after: it is the other way round"),
        Mistake("one-point", lambda n, e, m, f: -log(e) / log(n),
                FIRST + "a slope needs two points, this takes the first alone"),
        Mistake("other-point", lambda n, e, m, f: -log(f) / log(m),
                FIRST + "a slope needs two points, this takes the second alone"),
        Mistake("logs-divided", lambda n, e, m, f: log(f) / log(e),
                FIRST + "the logarithms of the errors were divided by each other"),
        Mistake("quotients-of-logs",
                lambda n, e, m, f: (log(e) / log(f)) / (log(m) / log(n)),
                FIRST + "logarithms were divided where they should be subtracted"),
        Mistake("by-all-the-steps", lambda n, e, m, f: log(e / f) / log(m),
                FIRST + "measured against all the steps, not against how many times more"),
        Mistake("root", lambda n, e, m, f: (e / f) ** (n / m),
                FIRST + "a root of the ratio; the order is the exponent"),
        Mistake("twice", lambda n, e, m, f: 2 * log(e / f) / log(m / n),
                FIRST + "twice as much as it is"),
        Mistake("rounded", lambda n, e, m, f: float(round(log(e / f) / log(m / n))),
                "twice the steps for an eighth of the error is right; 3 times the steps for a "
                "fifth of the error: you say {your_at_2:.4g}, it should be "
                "{right_at_2:.4g}"),
    ),
)  # fmt: skip


# --- the cheapest setting ------------------------------------------------------------------------

SURE = 1.96  # standard errors


@functools.cache
def cannot_be_told():
    """{(sampler, steps): calls} of the settings that are not told from the reference."""
    reference = frontier.find(*frontier.REFERENCE)
    return {
        (row["sampler"], row["steps"]): row["calls"]
        for row in frontier.frontier()["rows"]
        if abs(shares_apart(frontier.share(row), frontier.share(reference))) <= SURE
    }


def judge_setting(sampler, steps):
    """(name of the mistake or None, what to print)."""
    if sampler in (None, ...) or steps in (None, ...):
        names = ", ".join(repr(name) for name in frontier.SAMPLERS)
        return "not-done", f"not done yet: name a sampler, one of {names}, and its steps"
    try:
        row = frontier.find(sampler, steps)
    except ValueError as error:
        return "no-such-setting", f"not right yet: {str(error).removeprefix('find: ')}"
    reference = frontier.find(*frontier.REFERENCE)
    apart = shares_apart(frontier.share(row), frontier.share(reference))
    told = (f"{row['flawless']} of {row['samples']} flawless against {reference['flawless']} of "
            f"{reference['samples']}, {abs(apart):.2f} standard errors")  # fmt: skip
    if (sampler, steps) == frontier.REFERENCE:
        return "reference", f"not right yet: {told}: that is what the others are held against"
    if abs(apart) > SURE:
        return "can-be-told", f"not right yet: {told} apart: this one can be told"
    cheaper = [calls for calls in cannot_be_told().values() if calls < row["calls"]]
    if cheaper:
        steps_told = f" ({steps} steps)" if row["calls"] != steps else ""
        return "not-the-cheapest", (
            f"not right yet: {told} apart, so it cannot be told; but it makes {row['calls']} "
            f"calls{steps_told}, and {len(cheaper)} that cannot be told either make fewer"
        )
    fewer = reference["calls"] / row["calls"]
    return None, (f"right: {told} apart, with {row['calls']} calls in place of "
                  f"{reference['calls']}, {fewer:.0f} times fewer")  # fmt: skip
