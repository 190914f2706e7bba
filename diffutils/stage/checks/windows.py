"""The exercise on windows and what stands between them: edges found whichever way they face."""

import torch
from torch.nn.functional import conv2d, relu, silu

from diffutils.stage.checks.engine import Exercise, Mistake, Sign, call, check

EDGE = torch.tensor([[-1.0, 0.0, 1.0]] * 3).view(1, 1, 3, 3)


def either_edge(function):
    """function(x, window): the answers of conv2d(x, window), each of its size, none below 0.

    x        (B, 1, H, W) pictures
    window   (1, 1, 3, 3)
    """
    return check(EITHER_EDGE, function)


def right_edges(x, window):
    return relu(conv2d(x, window)) + relu(conv2d(x, -window))


def stripes(*values):
    """A picture of four equal rows."""
    return torch.tensor([float(value) for value in values]).expand(1, 1, 4, len(values)).clone()


RISING, FALLING = stripes(0, 0, 0, 1, 1, 1), stripes(1, 1, 1, 0, 0, 0)


def edge_probes():
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, 1, 7, 8, generator=generator)
    window = torch.randn(1, 1, 3, 3, generator=generator)
    return [
        ("black to white", (RISING, EDGE), {}),
        ("white to black", (FALLING, EDGE), {}),
        ("a faint edge", (0.1 * FALLING, EDGE), {}),
        ("grey all over", (stripes(*[0.5] * 6), EDGE), {}),
        ("a bar", (stripes(0, 0, 1, 1, 0, 0, 0), EDGE), {}),
        ("an edge lying down", (RISING.transpose(2, 3), EDGE.transpose(2, 3)), {}),
        ("another window", (pictures, window), {}),
    ]


def measure_edges(function):
    def at(x, window=EDGE):
        y = call(function, x, window).double()
        return y[0, 0, 0, 1].item() if y.ndim == 4 and y.shape[3] > 1 else float("nan")

    spot = torch.zeros(1, 1, 3, 3)
    spot[..., 0] = 2.0  # looks at the pixels on the left alone
    return {
        "rising": at(RISING), "falling": at(FALLING), "faint": at(0.1 * FALLING),
        "strong": at(10 * RISING), "flat": at(stripes(*[0.5] * 6)),
        "left": at(stripes(-1, -1, -1, 0, 0, 0), spot),
    }  # fmt: skip


def off(name):
    return lambda y, r: abs(y[name] - r[name]) > 1e-3


RISE, FALL = "black to white gives {your_rising:.3g}", "white to black {your_falling:.3g}"
BOTH = f"{RISE}, {FALL}, where {{right_rising:.0f}} and {{right_falling:.0f}} are wanted: "

SIGNS = (
    Sign("flat-is-no-edge", off("flat"),
         "grey all over gives {your_flat:.3g}, it should give {right_flat:.0f}: there is no edge"),
    Sign("falls-the-wrong-way", lambda y, r: y["falling"] < -1e-3,
         BOTH + "the sign still tells the two apart"),
    Sign("one-way-only", lambda y, r: off("falling")(y, r) and not off("rising")(y, r),
         BOTH + "one of the two is right"),
    Sign("other-way-only", lambda y, r: off("rising")(y, r) and not off("falling")(y, r),
         BOTH + "one of the two is right"),
    Sign("alike-and-off", lambda y, r: off("falling")(y, r) and off("rising")(y, r),
         BOTH + "they are not of the right size"),
    Sign("faint-edges-off", off("faint"),
         "an edge a tenth as high gives {your_faint:.3g}, it should give {right_faint:.3g}; at "
         "full height it is right"),
    Sign("strong-edges-off", off("strong"),
         "an edge ten times as high gives {your_strong:.3g}, it should give {right_strong:.3g}"),
    Sign("this-window-only", off("left"),
         "it is right for the edge window; a window that looks to its left alone says -6 of a dark "
         "place there, and yours makes {your_left:.3g} of it, it should be {right_left:.0f}"),
)  # fmt: skip


def wrong(name, function, sentence):
    return Mistake(name, function, sentence)


EITHER_EDGE = Exercise(
    name="either_edge",
    right=right_edges,
    probes=edge_probes,
    measure=measure_edges,
    signs=SIGNS,
    fact="gives {rising:.0f} where black turns white, {falling:.0f} where white turns black, and "
    "{flat:.0f} where all is grey",
    mistakes=(
        wrong("no-nonlinearity", lambda x, w: conv2d(x, w),
              BOTH + "all in all it is the window by itself, the sign is still there"),
        wrong("one-window-only", lambda x, w: relu(conv2d(x, w)),
              BOTH + "what was below 0 has been stopped, and nothing speaks for it"),
        wrong("falling-only", lambda x, w: relu(conv2d(x, -w)),
              BOTH + "what was above 0 has been stopped, and nothing speaks for it"),
        wrong("added-too-early", lambda x, w: relu(conv2d(x, w) + conv2d(x, -w)),
              BOTH + "the two windows cancel each other before anything is stopped"),
        wrong("twice-the-same", lambda x, w: relu(conv2d(x, w)) + relu(conv2d(x, w)),
              BOTH + "both parts see the same kind of edge"),
        wrong("picture-stopped", lambda x, w: conv2d(relu(x), w),
              BOTH + "the picture was stopped below 0, not the answer, so the sign is still there"),
        wrong("size-of-the-picture", lambda x, w: conv2d(x.abs(), w),
              BOTH + "the sign was taken from the picture, not from the answer"),
        wrong("size-of-the-window", lambda x, w: conv2d(x, w.abs()),
              "grey all over gives {your_flat:.3g}, it should give {right_flat:.0f}: without its "
              "minus signs the window adds up what it sees"),
        wrong("squared", lambda x, w: conv2d(x, w) ** 2,
              BOTH + "both ways alike, but an edge twice as high must count twice, not four times"),
        wrong("doubled", lambda x, w: 2 * right_edges(x, w),
              BOTH + "both ways alike, and twice as large as they should be"),
        wrong("halved", lambda x, w: right_edges(x, w) / 2,
              BOTH + "both ways alike, and half as large as they should be"),
        wrong("silu", lambda x, w: silu(conv2d(x, w)) + silu(conv2d(x, -w)),
              BOTH + "SiLU bends gently; near 0 it lets some through that should be stopped"),
        wrong("one-silu", lambda x, w: silu(conv2d(x, w)),
              BOTH + "a single SiLU stops most of what is below 0, and nothing speaks for it"),
        wrong("mirrored", lambda x, w: relu(conv2d(x, w)) + relu(conv2d(x, w.flip(3))),
              "the second window is the first in the mirror: right for an edge window, but one "
              "that looks to its left alone says -6 of a dark place there, and yours makes "
              "{your_left:.3g} of it, it should be {right_left:.0f}"),
        wrong("picture-mirrored", lambda x, w: relu(conv2d(x, w)) + relu(conv2d(x.flip(3), w)),
              "the second look is at the picture in the mirror, where things stand in other "
              "places: of a dark place on the left, -6 to a window that looks to its left alone, "
              "yours makes {your_left:.3g}, it should be {right_left:.0f}"),
        wrong("negative", lambda x, w: -right_edges(x, w),
              BOTH + "both ways alike, and upside down"),
        wrong("which-side", lambda x, w: conv2d(x, w).sign(),
              BOTH + "that is the sign, not the size"),
        wrong("is-there-one", lambda x, w: (conv2d(x, w) != 0).float(),
              BOTH + "it says that there is an edge, and not how high it is"),
        wrong("negative-part-kept", lambda x, w: conv2d(x, w).clamp(max=0),
              BOTH + "only what is below 0 has been let through, sign and all"),
    ),
)  # fmt: skip
