"""The exercise on the plan of the learning rate: it climbs, then falls to zero at the end."""

import math

from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call

CLIMB = 100
PROBES = ((0, 1600), (49, 1600), (99, 1600), (100, 1600), (400, 1600), (800, 1600), (1200, 1600),
          (1599, 1600), (20, 400), (300, 400))  # fmt: skip


def climbing(step):
    return min(1.0, (step + 1) / CLIMB)


def falling(step, steps):
    return (1 + math.cos(math.pi * step / steps)) / 2


def right_rate(step, steps):
    return climbing(step) * falling(step, steps)


def rate_probes():
    return [(f"step {step} of {steps}", (step, steps), {}) for step, steps in PROBES]


def measure_rate(function):
    """The share of the highest rate at the first step, in the climb, half way, and at the end."""
    stops = {"first": 0, "climb": 49, "top": 99, "early": 400, "middle": 800, "late": 1200,
             "last": 1599}  # fmt: skip
    found = {name: call(function, step, 1600).double().mean().item()
             for name, step in stops.items()}  # fmt: skip
    return found | {"short": call(function, 300, 400).double().mean().item()}


def plan(climb=climbing, fall=falling, join=lambda a, b: a * b):
    """A plan like the right one with one of its parts, or the way they meet, changed."""
    return lambda step, steps: join(climb(step), fall(step, steps))


def fall_of(angle):
    """A fall along half a cosine of angle(step, steps)."""
    return lambda step, steps: (1 + math.cos(angle(step, steps))) / 2


FIRST = "step 0 gets {your_first:.4f} of the highest rate, it should get {right_first:.4f}"
HALF_WAY = "at step 800 of 1600 the rate is {your_middle:.4f}, it should be {right_middle:.4f}"
END = "at step 1599 of 1600 the rate is {your_last:.4f}, it should be {right_last:.6f}"

MISTAKES = (
    Mistake("no-climb", plan(climb=lambda step: 1.0), f"{FIRST}: there is no climb"),
    Mistake("no-fall", plan(fall=lambda step, steps: 1.0), f"{END}: there is no fall"),
    Mistake(
        "climb-from-nothing",
        plan(climb=lambda step: min(1.0, step / CLIMB)),
        f"{FIRST}: the first step would be lost",
    ),
    Mistake(
        "climb-without-end",
        plan(climb=lambda step: (step + 1) / CLIMB),
        "at step 400 of 1600 the rate is {your_early:.2f}, it should be {right_early:.4f}: the "
        "climb goes on beyond the top",
    ),
    Mistake(
        "climb-a-part-of-the-run",
        lambda step, steps: min(1.0, 10 * (step + 1) / steps) * falling(step, steps),
        "at step 49 of 1600 the rate is {your_climb:.4f}, it should be {right_climb:.4f}: the "
        "climb takes 100 steps, however long the run",
    ),
    Mistake(
        "climb-to-one-step-more",
        plan(climb=lambda step: min(1.0, (step + 1) / (CLIMB + 1))),
        "at step 49 of 1600 the rate is {your_climb:.5f}, it should be {right_climb:.5f}: the "
        "top is reached a step late",
    ),
    Mistake(
        "larger-for-smaller",
        plan(climb=lambda step: max(1.0, (step + 1) / CLIMB)),
        "step 0 gets {your_first:.2f} of the highest rate, it should get {right_first:.4f}, and "
        "step 400 {your_early:.2f}: the larger of two was taken where the smaller belongs",
    ),
    Mistake(
        "fall-in-a-straight-line",
        plan(fall=lambda step, steps: 1 - step / steps),
        "at step 400 of 1600 the rate is {your_early:.4f}, it should be {right_early:.4f}: it "
        "falls in a straight line",
    ),
    Mistake(
        "fall-not-halved",
        plan(fall=lambda step, steps: 1 + math.cos(math.pi * step / steps)),
        "at step 99 of 1600 the rate is {your_top:.3f}, it should be {right_top:.4f}: twice the "
        "height all along",
    ),
    Mistake(
        "cosine-alone",
        plan(fall=lambda step, steps: math.cos(math.pi * step / steps)),
        "at step 1200 of 1600 the rate is {your_late:.4f}, it should be {right_late:.4f}: a "
        "cosine goes down to -1, and a rate below zero climbs the slope",
    ),
    Mistake(
        "quarter-of-a-circle",
        plan(fall=lambda step, steps: math.cos(math.pi / 2 * step / steps)),
        f"{HALF_WAY}: a quarter of a circle, which is steep at the end",
    ),
    Mistake(
        "only-half-way-down",
        plan(fall=fall_of(lambda step, steps: math.pi / 2 * step / steps)),
        f"{END}: it comes half way down",
    ),
    Mistake(
        "down-and-up-again",
        plan(fall=fall_of(lambda step, steps: 2 * math.pi * step / steps)),
        f"{HALF_WAY}; at the end it is up again, at {{your_last:.4f}}",
    ),
    Mistake(
        "pi-forgotten",
        plan(fall=fall_of(lambda step, steps: step / steps)),
        f"{END}: the angle goes from 0 to 1 only",
    ),
    Mistake(
        "degrees",
        plan(fall=fall_of(lambda step, steps: 180 * step / steps)),
        f"{HALF_WAY}: the cosine takes its angle in radians, not in degrees",
    ),
    Mistake(
        "sine",
        plan(fall=lambda step, steps: (1 + math.sin(math.pi * step / steps)) / 2),
        f"{HALF_WAY}: a sine begins in the middle and rises",
    ),
    Mistake(
        "upside-down",
        plan(fall=lambda step, steps: (1 - math.cos(math.pi * step / steps)) / 2),
        f"{END}: it rises where it should fall",
    ),
    Mistake(
        "fall-after-the-climb",
        plan(fall=fall_of(lambda step, steps: math.pi * max(0, step - CLIMB) / (steps - CLIMB))),
        "at step 400 of 1600 the rate is {your_early:.4f}, it should be {right_early:.4f}: the "
        "cosine begins when the climb is over; here it begins with the run",
    ),
    Mistake(
        "1600-typed-in",
        lambda step, steps: climbing(step) * falling(step, 1600),
        "at step 300 of 400 the rate is {your_short:.4f}, it should be {right_short:.4f}: the "
        "length of the run is handed over",
    ),
    Mistake(
        "fraction-upside-down",
        plan(fall=fall_of(lambda step, steps: math.pi * steps / (step + 1))),
        f"{HALF_WAY}: the share of the run that is done stands on its head",
    ),
    Mistake(
        "smaller-of-the-two",
        plan(join=min),
        "at step 49 of 1600 the rate is {your_climb:.5f}, it should be {right_climb:.5f}: the "
        "smaller of climb and fall was taken, they multiply",
    ),
    Mistake(
        "mean-of-the-two",
        plan(join=lambda a, b: (a + b) / 2),
        f"{FIRST}, and {END}: climb and fall were averaged",
    ),
    Mistake(
        "sum-of-the-two",
        plan(join=lambda a, b: a + b),
        f"{FIRST}, and at the end it is {{your_last:.4f}}: climb and fall were added",
    ),
    Mistake(
        "squared",
        plan(fall=lambda step, steps: falling(step, steps) ** 2),
        f"{HALF_WAY}: the fall counts twice",
    ),
    Mistake(
        "half-cosine-off-by-half",
        plan(fall=lambda step, steps: 0.5 + math.cos(math.pi * step / steps)),
        f"{HALF_WAY}, but at step 1200 it is {{your_late:.4f}} for {{right_late:.4f}}: the "
        "cosine itself was not halved",
    ),
    Mistake(
        "the-rate-itself",
        lambda step, steps: 0.003 * right_rate(step, steps),
        "at step 99 of 1600 you give {your_top:.5f}, it should be {right_top:.4f}: asked for is "
        "the share of the highest rate, not the rate",
    ),
)

SIGNS = (
    Sign(
        "below-zero",
        lambda y, r: min(y.values()) < -1e-6,
        "at step 1200 of 1600 the rate is {your_late:.4f}, at step 1599 {your_last:.4f}: one "
        "below zero climbs the slope; the end should be {right_last:.6f}",
    ),
    Sign(
        "above-one",
        lambda y, r: max(y.values()) > 1 + 1e-6,
        "the rate goes beyond its highest: {your_top:.3f} at step 99, {your_middle:.3f} at step "
        "800, where {right_top:.4f} and {right_middle:.4f} belong",
    ),
    Sign(
        "does-not-end-at-zero",
        lambda y, r: y["last"] > 0.01,
        END + ": it does not come down to zero",
    ),
    Sign(
        "starts-too-high",
        lambda y, r: y["first"] > 2 * r["first"],
        FIRST + ": it begins too high",
    ),
    Sign(
        "wrong-in-the-climb",
        lambda y, r: abs(y["climb"] - r["climb"]) > 1e-3 and abs(y["middle"] - r["middle"]) < 1e-3,
        "at step 49 of 1600 the rate is {your_climb:.4f}, it should be {right_climb:.4f}; half "
        "way it is right: look at the climb",
    ),
    Sign(
        "wrong-in-the-fall",
        lambda y, r: abs(y["climb"] - r["climb"]) < 2e-3,
        "the climb is right; but at step 400 of 1600 the rate is {your_early:.4f} and at step 1200 "
        "{your_late:.4f}, they should be {right_early:.4f} and {right_late:.4f}: look at the fall",
    ),
    Sign(
        "wrong-half-way",
        lambda y, r: abs(y["middle"] - r["middle"]) > 1e-3,
        HALF_WAY + ", and at step 99 {your_top:.4f} for {right_top:.4f}",
    ),
)

RATE_PLAN = Exercise(
    name="rate_plan",
    right=right_rate,
    probes=rate_probes,
    measure=measure_rate,
    fact="begins with {first:.2f} of the highest rate, has {top:.2f} of it at step 99, "
    "{middle:.2f} half way, and {last:.6f} in the last step",
    mistakes=MISTAKES,
    signs=SIGNS,
    tolerance=1e-5,
)
