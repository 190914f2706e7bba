"""The exercise of lesson 08's deeper notebook on patches: one pixel, guessed from its window."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check


def window_guess(function):
    """function(x_t, x0, row, column, reach, alpha_bar): the guess of one pixel, (3,).

    The function gets x_t (3, H, W), x0 (N, 3, H, W), the place of the pixel, how many pixels its
    window reaches to each side, and alpha_bar, a number.
    """
    return check(WINDOW, function)


def cut(x, row, column, reach):
    """The window of a picture or of many, cut off at the edges."""
    rows = x[..., max(row - reach, 0) : row + reach + 1, :]
    return rows[..., max(column - reach, 0) : column + reach + 1]


def squares(x_t, x0, fade):
    return ((x_t - fade * x0) ** 2).flatten(1).sum(1)


def shares(x_t, x0, row, column, reach, alpha_bar):
    near, nears = (cut(x, row, column, reach) for x in (x_t, x0))
    return (-squares(near, nears, alpha_bar**0.5) / (2 * (1 - alpha_bar))).softmax(0)


def right_guess(x_t, x0, row, column, reach, alpha_bar):
    return shares(x_t, x0, row, column, reach, alpha_bar) @ x0[..., row, column]


def world(alpha_bar, height=7):
    """Six sprites of noise, and another one, noisy."""
    generator = torch.Generator().manual_seed(4)
    x0 = 0.5 * torch.randn(7, 3, height, height, generator=generator)
    noise = torch.randn(x0[0].shape, generator=generator)
    return alpha_bar**0.5 * x0[-1] + (1 - alpha_bar) ** 0.5 * noise, x0[:-1]


def given(row, column, reach, alpha_bar):
    return (*world(alpha_bar), row, column, reach, torch.tensor(alpha_bar).double().item())


def window_probes():
    return [
        ("a window of 3 by 3", given(2, 4, 1, 0.4), {}),
        ("a window of 5 by 5", given(4, 3, 2, 0.2), {}),
        ("the pixel alone", given(3, 1, 0, 0.5), {}),
        ("at the upper edge", given(0, 3, 2, 0.3), {}),
        ("at the left edge", given(4, 0, 1, 0.3), {}),
        ("the lower right corner", given(6, 6, 2, 0.3), {}),
        ("a window that sees all", given(3, 2, 6, 0.1), {}),
    ]


def measure_window(function):
    def red(x_t, x0, *rest):
        return call(function, x_t, x0, *rest).double().flatten()[0].item()

    def change(row, column):
        """How far the guess of pixel (3, 3) from 3 by 3 moves with another pixel of the picture."""
        x_t, x0, *rest = given(3, 3, 1, 0.4)
        other = x_t.clone()
        other[:, row, column] += 2
        return abs(red(other, x0, *rest) - red(x_t, x0, *rest))

    x_t, x0, *rest = given(2, 4, 1, 0.4)
    answer = call(function, x_t, x0, *rest)
    return {
        "middle": red(x_t, x0, *rest), "count": answer.numel(),
        "edge": red(*given(0, 3, 2, 0.3)), "corner": red(*given(6, 6, 2, 0.3)),
        "alone": red(*given(3, 1, 0, 0.5)), "same": red(x_t, torch.full_like(x0, 0.3), *rest),
        "first": change(2, 2), "last": change(4, 4), "above": change(1, 3), "below": change(5, 3),
    }  # fmt: skip


def in_window(formula):
    """A mistake as formula(window (3, h, w), windows (N, 3, h, w), middles (N, 3), alpha_bar)."""
    return lambda x, x0, r, c, k, a: formula(cut(x, r, c, k), cut(x0, r, c, k), x0[..., r, c], a)


def of_exponents(formula):
    """A mistake of the exponents, (window, windows, alpha_bar) -> (N,)."""
    return in_window(lambda x, x0, middles, a: formula(x, x0, a).softmax(0) @ middles)


def exponents(x, x0, a):
    return -squares(x, x0, a**0.5) / (2 * (1 - a))


def unguarded(x, r, c, k):
    return x[..., r - k : r + k + 1, c - k : c + k + 1]


def short(x, r, c, k):
    return x[..., max(r - k, 0) : r + k, max(c - k, 0) : c + k]


def shoved(x, r, c, k):
    """The window moved inside where it would stand out."""
    height = x.shape[-1]
    k = min(k, (height - 1) // 2)
    return cut(x, min(max(r, k), height - 1 - k), min(max(c, k), height - 1 - k), k)


def wrapped(x, r, c, k):
    place = torch.arange(-k, k + 1)
    return x[..., (r + place) % x.shape[-2], :][..., (c + place) % x.shape[-1]]


def padded(x, r, c, k, value=0.0):
    return cut(torch.nn.functional.pad(x, (k,) * 4, value=value), r + k, c + k, k)


def cutting(way):
    """A mistake of the window alone: way(x, row, column, reach)."""
    return lambda x, x0, r, c, k, a: (
        exponents(way(x, r, c, k), way(x0, r, c, k), a).softmax(0) @ x0[..., r, c])  # fmt: skip


MIDDLE = "the red of one pixel, from 3 by 3, is {your_middle:.4f}, it should be "
MIDDLE += "{right_middle:.4f}: "
EDGE = "two rows of a window stand out over the upper edge, and the red is {your_edge:.4f} instead "
EDGE += "of {right_edge:.4f}: "

WINDOW = Exercise(
    name="window_guess",
    right=right_guess,
    probes=window_probes,
    measure=measure_window,
    fact="guesses {middle:.3f} for the red of one pixel from 3 by 3, {alone:.3f} for one that is "
    "seen alone, and {corner:.3f} in the corner",
    signs=(
        Sign("not-three", lambda y, r: y["count"] != r["count"],
             "it returns {your_count} numbers for the pixel; red, green and blue are asked for"),
        Sign("sum-not-1", lambda y, r: abs(y["same"] - 0.3) > 1e-3,
             "where all sprites are 0.3 everywhere it guesses {your_same:.3f}; an average of them "
             "cannot leave 0.3"),
        Sign("too-far", lambda y, r: max(y["above"], y["below"]) > 1e-5,
             "a pixel two rows away changed the guess from 3 by 3, above by {your_above:.4f}, "
             "below by {your_below:.4f}; it should be 0"),
        Sign("not-all-of-it", lambda y, r: min(y["first"], y["last"]) < 1e-6 < r["first"],
             "of a window of 3 by 3, the guess moves by {your_first:.4f} when the first pixel "
             "changes and by {your_last:.4f} when the last one does; it should be "
             "{right_first:.4f} and {right_last:.4f}"),
        Sign("at-the-edge", lambda y, r: (
                 abs(y["middle"] - r["middle"]) < 1e-4 < abs(y["edge"] - r["edge"])),
             EDGE + "away from the edges it is right"),
        Sign("weights", lambda y, r: abs(y["middle"] - r["middle"]) > 1e-4,
             MIDDLE + "the window is the right one, and the sum of the shares too; how the shares "
             "fall off, or whose pixels they weigh, is not"),
    ),
    mistakes=(
        Mistake("whole-picture", cutting(lambda x, r, c, k: x),
                MIDDLE + "the whole picture was compared, not the window"),
        Mistake("pixel-alone", cutting(lambda x, r, c, k: x[..., r : r + 1, c : c + 1]),
                MIDDLE + "the pixel was compared alone, without its window"),
        Mistake("last-row-missing", cutting(short),
                MIDDLE + "the last row and column of the window are missing; a slice ends before "
                "its end"),
        Mistake("negative-start", cutting(unguarded),
                EDGE + "a slice that begins below 0 begins at the other end, and is empty here"),
        Mistake("only-the-rows-guarded", cutting(lambda x, r, c, k: (
                    x[..., max(r - k, 0) : r + k + 1, c - k : c + k + 1])),
                "at the left edge a slice of columns that begins below 0 begins at the other end; "
                "in the middle {your_middle:.4f} is right"),
        Mistake("shoved-inside", cutting(shoved),
                EDGE + "the window was moved inside, and shows what the pixel should not see"),
        Mistake("wrapped", cutting(wrapped),
                EDGE + "the window goes on at the other side of the picture"),
        Mistake("clamped", cutting(lambda x, r, c, k: padded(x, r, c, k, 0.0).clamp(-0.5, 0.5)),
                MIDDLE + "the windows were clipped before they were compared"),
        Mistake("row-and-column-swapped", lambda x, x0, r, c, k, a: right_guess(x, x0, c, r, k, a),
                MIDDLE + "row and column changed places"),
        Mistake("half-as-far", lambda x, x0, r, c, k, a: right_guess(x, x0, r, c, k // 2, a),
                MIDDLE + "the window is too small; reach counts the pixels to each side"),
        Mistake("twice-as-far", lambda x, x0, r, c, k, a: right_guess(x, x0, r, c, 2 * k, a),
                MIDDLE + "the window reaches twice as far as it should"),
        Mistake("one-row-only", cutting(lambda x, r, c, k: cut(x, r, c, k)[..., min(r, k), :]),
                MIDDLE + "only the pixel's row was compared"),
        Mistake("one-column-only", cutting(lambda x, r, c, k: cut(x, r, c, k)[..., min(c, k)]),
                MIDDLE + "only the pixel's column was compared"),
        Mistake("pixel-twice", cutting(lambda x, r, c, k: torch.cat(
                    [cut(x, r, c, k).flatten(-3), x[..., r, c]], -1)[..., None, None]),
                MIDDLE + "the pixel itself was compared twice"),
        Mistake("red-only", of_exponents(lambda x, x0, a: exponents(x[:1], x0[:, :1], a)),
                MIDDLE + "only red was compared"),
        Mistake("mean-of-the-window", in_window(lambda x, x0, m, a: (
                    exponents(x, x0, a).softmax(0) @ x0.mean((2, 3)))),
                MIDDLE + "the shares weigh the means of the windows, not the pixel in the middle"),
        Mistake("not-faded", of_exponents(lambda x, x0, a: -squares(x, x0, 1.0) / (2 * (1 - a))),
                MIDDLE + "the sprites were compared as they are, without fading"),
        Mistake("faded-too-much", of_exponents(lambda x, x0, a: -squares(x, x0, a) / (2 * (1 - a))),
                MIDDLE + "the sprites were faded by a variance, not by a root"),
        Mistake("picture-unfaded", of_exponents(lambda x, x0, a: (
                    -squares(x / a**0.5, x0, 1.0) / (2 * (1 - a)))),
                MIDDLE + "the picture was made brighter, and its noise with it, yet the noise is "
                "taken for what it was"),
        Mistake("no-half", of_exponents(lambda x, x0, a: 2 * exponents(x, x0, a)),
                MIDDLE + "a factor of two is missing below the distances"),
        Mistake("half-twice", of_exponents(lambda x, x0, a: exponents(x, x0, a) / 2),
                MIDDLE + "the distances count half of what they should"),
        Mistake("std", of_exponents(lambda x, x0, a: -squares(x, x0, a**0.5) / 2 / (1 - a) ** 0.5),
                MIDDLE + "squared distances were divided by a std, not by a variance"),
        Mistake("signal-below", of_exponents(lambda x, x0, a: -squares(x, x0, a**0.5) / (2 * a)),
                MIDDLE + "the distances were divided by what is left of the signal"),
        Mistake("noise-forgotten", of_exponents(lambda x, x0, a: -squares(x, x0, a**0.5)),
                MIDDLE + "the distances count the same at every noise level"),
        Mistake("distance-not-squared", of_exponents(lambda x, x0, a: (
                    -squares(x, x0, a**0.5).sqrt() / (2 * (1 - a)))),
                MIDDLE + "the distances were not squared"),
        Mistake("mean-distance", of_exponents(lambda x, x0, a: (
                    exponents(x, x0, a) / x.numel())),
                MIDDLE + "the squares were averaged over the window; evidence adds up"),
        Mistake("mean-over-pixels", of_exponents(lambda x, x0, a: (
                    exponents(x, x0, a) / x[0].numel())),
                MIDDLE + "the squares were averaged over the window's pixels; evidence adds up"),
        Mistake("absolute", of_exponents(lambda x, x0, a: (
                    -(x - a**0.5 * x0).abs().flatten(1).sum(1) / (2 * (1 - a)))),
                MIDDLE + "absolute differences were added up, not squares"),
        Mistake("farthest-first", of_exponents(lambda x, x0, a: -exponents(x, x0, a)),
                MIDDLE + "the sprites that fit worst count most"),
        Mistake("shares-not-normed", in_window(lambda x, x0, m, a: exponents(x, x0, a).exp() @ m),
                MIDDLE + "the weights do not add up to 1"),
        Mistake("nearest", in_window(lambda x, x0, m, a: m[exponents(x, x0, a).argmax()]),
                MIDDLE + "the sprite that fits best has it all"),
        Mistake("all-alike", in_window(lambda x, x0, m, a: m.mean(0)),
                MIDDLE + "that is the plain mean of the sprites, whatever the picture shows"),
        Mistake("faded-guess", lambda *g: g[-1] ** 0.5 * right_guess(*g),
                MIDDLE + "that is the pixel as it is in the noisy picture, faded"),
        Mistake("noise", lambda x, x0, r, c, k, a: (
                    (x[:, r, c] - a**0.5 * right_guess(x, x0, r, c, k, a)) / (1 - a) ** 0.5),
                MIDDLE + "that is the noise in the pixel, not the pixel"),
        Mistake("noisy-pixel", lambda x, x0, r, c, k, a: x[:, r, c],
                MIDDLE + "that is the noisy pixel itself"),
        Mistake("noisy-pixel-unfaded", lambda x, x0, r, c, k, a: x[:, r, c] / a**0.5,
                MIDDLE + "that is the noisy pixel made brighter; no sprite came in"),
    ),
)  # fmt: skip
