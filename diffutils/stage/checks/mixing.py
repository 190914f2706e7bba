"""The exercise on the mixing desk: a map turned up by a part of itself, and raised."""

import torch

from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call


def right_desk(h, scale, shift):
    return h * (1 + scale) + shift


def desk_probes():
    """Plain numbers first, then maps with a scale and a shift for every channel."""
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 4, 3, 3, generator=generator)
    scale, shift = torch.randn(2, 2, 4, 1, 1, generator=generator)
    numbers = [(3.0, 0.5, -1.0), (2.0, 0.0, 0.0), (-4.0, 0.25, 3.0), (5.0, -0.5, 2.0)]
    numbers += [(0.0, 2.0, 7.0)]
    return [
        *((f"h {h:g}, scale {a:g}, shift {b:g}", (h, a, b), {}) for h, a, b in numbers),
        ("maps of four channels", (maps, scale, shift), {}),
    ]


def measure_desk(function):
    def at(*numbers):
        return call(function, *numbers).double().mean().item()

    return {
        "first": at(3.0, 0.5, -1.0), "same": at(2.0, 0.0, 0.0), "up": at(-4.0, 0.25, 3.0),
        "out": at(5.0, -0.5, 2.0), "floor": at(0.0, 2.0, 7.0),
        "scaled": at(3.0, 0.5, 0.0), "shifted": at(3.0, 0.0, -2.0),
        "down": at(3.0, -0.5, 0.0),
    }  # fmt: skip


def off(name):
    return lambda y, r: abs(y[name] - r[name]) > 1e-4


DESK_SIGNS = (
    Sign(
        "changes-what-should-stay",
        off("same"),
        "h 2 becomes {your_same:.3g} when scale and shift are 0, it should stay {right_same:.3g}",
    ),
    Sign(
        "scale-works-wrongly",
        lambda y, r: off("scaled")(y, r) and not off("shifted")(y, r),
        "h 3 with scale 0.5 and no shift gives {your_scaled:.3g}, it should give "
        "{right_scaled:.3g}; the shift by itself works",
    ),
    Sign(
        "shift-works-wrongly",
        lambda y, r: off("shifted")(y, r) and not off("scaled")(y, r),
        "h 3 with shift -2 and no scale gives {your_shifted:.3g}, it should give "
        "{right_shifted:.3g}; the scale by itself works",
    ),
    Sign(
        "scale-and-shift-work-wrongly",
        off("scaled"),
        "h 3 with scale 0.5 alone gives {your_scaled:.3g} for {right_scaled:.3g}, with shift -2 "
        "alone {your_shifted:.3g} for {right_shifted:.3g}",
    ),
    Sign(
        "scale-below-0-works-wrongly",
        off("down"),
        "h 3 with scale -0.5 gives {your_down:.3g}, it should give {right_down:.3g}; a scale above "
        "0 works",
    ),
    Sign(
        "scale-and-shift-meet",
        off("floor"),
        "h 0 with scale 2 and shift 7 gives {your_floor:.3g}, it should give {right_floor:.3g}; "
        "each of the two works by itself, not both together",
    ),
)


def wrong(name, function, sentence):
    return Mistake(name, function, sentence)


WITHOUT = "h 2, scale 0, shift 0 gives {your_same:.3g}, it should give {right_same:.3g}: "
UP = "h -4, scale 0.25, shift 3 gives {your_up:.3g}, it should give {right_up:.3g}: "
FLOOR = "h 0, scale 2, shift 7 gives {your_floor:.3g}, it should give {right_floor:.3g}: "

MIXING_DESK = Exercise(
    name="mixing_desk",
    right=right_desk,
    probes=desk_probes,
    measure=measure_desk,
    signs=DESK_SIGNS,
    fact="leaves a map of 2 at {same:.3g} when scale and shift are 0, makes {first:.3g} of 3 with "
    "scale 0.5 and shift -1, and {up:.3g} of -4 with scale 0.25 and shift 3",
    mistakes=(
        wrong("one-forgotten", lambda h, a, b: h * a + b,
              WITHOUT + "no scale would wipe out the map"),
        wrong("scale-added", lambda h, a, b: h + a + b,
              UP + "the scale is added, it has to turn up what is there"),
        wrong("scale-alone-added", lambda h, a, b: h + a, UP + "the scale is added to the map, and "
              "the shift has no say"),
        wrong("shift-forgotten", lambda h, a, b: h * (1 + a), UP + "the shift has no say in it"),
        wrong("scale-forgotten", lambda h, a, b: h + b, UP + "the scale has no say in it"),
        wrong("nothing-done", lambda h, a, b: h, UP + "the map comes back as it was"),
        wrong("shift-first", lambda h, a, b: (h + b) * (1 + a),
              FLOOR + "the shift is turned up too"),
        wrong("shift-sign", lambda h, a, b: h * (1 + a) - b, UP + "the shift goes down, not up"),
        wrong("scale-sign", lambda h, a, b: h * (1 - a) + b, UP + "it is turned down, not up"),
        wrong("turned-down", lambda h, a, b: h / (1 + a) + b,
              UP + "it is turned down, not up"),
        wrong("swapped", lambda h, a, b: h * (1 + b) + a,
              UP + "scale and shift have changed places"),
        wrong("shift-scaled", lambda h, a, b: h * (1 + a) + a * b,
              WITHOUT.replace("h 2, scale 0, shift 0", "h 0, scale 2, shift 7")
              .replace("same", "floor") + "the shift is scaled as well"),
        wrong("shift-times-map", lambda h, a, b: h * (1 + a + b),
              FLOOR + "the shift works on the map, it should work by itself"),
        wrong("minus-shift-times-scale", lambda h, a, b: h - b * a,
              UP + "scale and shift are multiplied with each other"),
        wrong("scale-minus-twice-shift", lambda h, a, b: h * a - 2 * b,
              WITHOUT + "the map is gone, and the shift counts twice, downwards"),
        wrong("scale-counted-twice", lambda h, a, b: h * (1 + 2 * a) + b,
              UP + "the scale counts twice"),
        wrong("two-more", lambda h, a, b: h * (2 + a) + b, WITHOUT + "without scale and shift "
              "nothing should change"),
        wrong("shift-counted-twice", lambda h, a, b: h * (1 + a) + 2 * b,
              FLOOR + "the shift counts twice"),
        wrong("one-added-outside", lambda h, a, b: h * a + 1 + b,
              WITHOUT + "the 1 is added after the map was turned down"),
        wrong("map-alone-turned-up", lambda h, a, b: 1 + h * a + h * b,
              WITHOUT + "scale and shift are both multiplied with the map"),
    ),
)  # fmt: skip

