"""Denoisers that see a window around each pixel: what a deeper notebook of lesson 08 reads.

    ideal = PatchDenoiser(x0, 5, schedule=schedule)     called like the network

`python -m diffutils.stage.patches` measures how much of the networks' answers such windows explain
and what is drawn by them. Stopped and called again it goes on where it was.

explained   by network ("plain", "palette" with conviction 1), by number of training sprites, by
            level, for each of SIZES: the share of the variance of the network's guess of the
            sprite that the ideal's guess explains, 1 - |network - ideal|^2 / |network - its mean|^2
            over pictures and numbers, with its standard error over the pictures; and, as a
            control, the same against the ideal's guess of another picture
whole       the same by level for the ideal of all 3,307,968 sprites, which sees the whole picture
bound, free by level, for each of FREE_SIZES, as `explained`, of FEW training sprites: the window
            has to stay where it is, or may come from any place of them
drawn       by size: of DRAWN samples by 25 DDIM steps from the ideals of OWNED training sprites,
            how many are flawless, how many of those are training sprites, the mean share of pixels
            right, and the share of 3 by 3 windows that some training sprite has at that place;
            "fitted" is the window that at each level explains the plain network best
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad, unfold

from diffutils.grammar import GrammarDenoiser
from diffutils.noising import noise_in, perturb_input, predict_x0
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim
from diffutils.sprites import judge, render
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import TOLERANCE, seen
from diffutils.stage import desk
from diffutils.stage.dial import never_seen, trained_on
from diffutils.stage.tables import made_by, rounded
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("patches.json")
SIZES = (1, 3, 5, 7, 9, 11, 15, 31)  # side of the window; from 31 on each pixel sees all
LEVELS = (50, 100, 150, 200, 300, 400)
OWNED = 500
NUMBERS = (OWNED, 4000, 20_000)
PICTURES, DRAWN, SEED = 50, 200, 2026
FEW, FREE_SIZES = 100, (1, 3, 5)
ROWS = 50  # training sprites at a time


class PatchDenoiser:
    """The best guess of each pixel from the window around it, cut off at the edges.

    x0         (N, C, H, H) the training sprites, in [-1, 1]
    size       the side of the window, odd; from 2 H - 1 on it is the ideal denoiser
    schedule   a NoiseSchedule

    For each pixel by itself, training sprite n has the share

        exp(-|x - sqrt(alpha_bar) x0[n]|^2 / (2 (1 - alpha_bar))), over the window alone,

    and the guess is the average of the sprites' pixels: the local score machine that is bound to
    its place, Kamb and Ganguli, arXiv 2412.20292, section 3.
    """

    def __init__(self, x0, size, *, schedule):
        self.schedule, self.height = schedule, x0.shape[-1]
        self.pixels = [part.flatten(2).permute(2, 1, 0) for part in x0.split(ROWS)]  # (HH, C, rows)
        self.near = within_reach(self.height, size)

    def __call__(self, x, t, c=None):
        """The guess of the noise, like x. t: one level for all, i / timesteps; c is ignored."""
        i = int((t.flatten()[0] * self.schedule.timesteps).round())
        return noise_in(x, i, self.guess_x0(x, i), schedule=self.schedule)

    def guess_x0(self, x, i):
        """The guess of the sprite behind x (B, C, H, H) at level i, 1..T."""
        alpha_bar = self.schedule.alpha_bar[i].item()
        seen_x = x.flatten(2).permute(2, 0, 1)  # (HH, B, C)

        def parts():
            for part in self.pixels:
                squares = (part**2).sum(1, keepdim=True)
                fit = alpha_bar**0.5 * seen_x @ part - alpha_bar / 2 * squares
                yield over_windows(fit, self.near) / (1 - alpha_bar), part.transpose(1, 2)

        return averaged(parts()).permute(1, 2, 0).reshape(x.shape)


def averaged(parts):
    """The average by the softmax of beliefs, over parts that come one after the other.

    parts   pairs of beliefs (HH, B, n) and what is averaged, (HH, n, C) or (n, C)
    """
    top, total, average = torch.tensor(-torch.inf), 0, 0
    for belief, values in parts:
        highest = torch.maximum(top, belief.amax(2, keepdim=True))
        share, kept = (belief - highest).exp(), (top - highest).exp()
        total, average = total * kept + share.sum(2, keepdim=True), average * kept + share @ values
        top = highest
    return average / total


def within_reach(height, size):
    """(H, H): 1 where a place of a row sees another in a window of that size, else 0."""
    place = torch.arange(height)
    return ((place[:, None] - place).abs() <= size // 2).float()


def over_windows(values, near):
    """The sum of values (HH, ...) over the window of each place; near (H, H): who sees whom."""
    height = len(near)
    rows = near @ values.reshape(height, -1)
    return (near @ rows.reshape(height, height, -1)).reshape(values.shape)


def guess_from_anywhere(x, x0, i, size, *, schedule):
    """The same guess where a window may come from any place of any sprite: for few sprites only.

    x, x0   (B, C, H, H) at level i, and (N, C, H, H); around the sprites all is white, and of a
            window at the edge only what lies inside x is compared
    The equivariant local score machine, Kamb and Ganguli, section 3.
    """
    alpha_bar, reach = schedule.alpha_bar[i].item(), (size // 2,) * 4
    inside = unfold(pad(torch.ones_like(x[:1]), reach), size)[0].T  # (HH, C size size)
    seen_x = unfold(pad(x, reach), size).permute(2, 0, 1)  # (HH, B, C size size)

    def parts():
        for part in x0.split(2):
            windows = unfold(pad(part, reach, value=1.0), size).permute(1, 0, 2).flatten(1)
            fit = alpha_bar**0.5 * seen_x @ windows - alpha_bar / 2 * (inside @ windows**2)[:, None]
            yield fit / (1 - alpha_bar), part.permute(0, 2, 3, 1).flatten(0, 2)

    return averaged(parts()).permute(1, 2, 0).reshape(x.shape)


def owned(n):
    """(pictures, factors) of n of the networks' training sprites, a class like the other."""
    factors = np.concatenate([trained_on(name)[: n // 5] for name in CLASSES])
    return to_float(render(factors)), factors


def known_windows(samples, x0, size=3):
    """The share of the samples' windows that some sprite of x0 has there, to within a shade."""
    near = within_reach(x0.shape[-1], size)
    pixels, known = (x.flatten(2).permute(2, 0, 1) for x in (samples, x0))
    found = torch.zeros(len(pixels), len(samples), dtype=torch.bool)
    for part in known.split(ROWS, 1):
        apart = (pixels[:, :, None] - part[:, None]).abs().amax(3) > (TOLERANCE + 0.5) / 127.5
        found |= (over_windows(apart.float(), near) == 0).any(2)
    return found.double().mean().item()


def held():
    """(PICTURES, 3, 16, 16): sprites that no network was trained on, a class like the other."""
    return to_float(render(np.concatenate([never_seen(n, PICTURES // 5) for n in CLASSES])))


def noisy(x0, i):
    """x0 (B, 3, 16, 16) at level i, always with the same noise."""
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(SEED + i))
    return perturb_input(x0, i, noise, schedule=load_pretrained()[1])


@torch.no_grad()
def answer_of(name, x, i):
    """The guess of the sprite that a network makes of x at level i; it votes with conviction 1."""
    nn_model, schedule = load_pretrained(name)
    if name == "palette":
        nn_model.conviction = 1.0
    eps = nn_model(x, torch.full((len(x),), i / schedule.timesteps))
    return predict_x0(x, i, eps, schedule=schedule).clamp(-1, 1)


@functools.cache
def answers(name, i):
    """The guesses of the held-out sprites at level i."""
    return answer_of(name, noisy(held(), i), i)


def explained(answer, guess):
    """(share, standard error) of the variance of answers (B, ...) that the guesses explain."""
    varies = (answer - answer.mean(0)).square().mean()
    left = (answer - guess).square().flatten(1).mean(1) / varies
    return 1 - left.mean().item(), (left.std() / len(left) ** 0.5).item()


def compare(guess, i):
    """{network: [share, standard error, the same share against the next picture's guess]}."""
    found = {}
    for name in ("plain", "palette"):
        answer = answers(name, i)
        other = explained(answer, guess.roll(1, 0))[0]
        found[name] = rounded([*explained(answer, guess), other])
    return found


def bound(x0, x, i, size):
    """The guess of windows that have to stay where they are."""
    return PatchDenoiser(x0, size, schedule=load_pretrained()[1]).guess_x0(x, i)


def free(x0, x, i, size):
    """The guess of windows that may come from anywhere."""
    return guess_from_anywhere(x, x0, i, size, schedule=load_pretrained()[1])


def measure(guess, number, sizes, i):
    """`compare` of a guess from windows of each size, of so many training sprites, at level i."""
    x0, x = owned(number)[0], noisy(held(), i)
    return [compare(guess(x0, x, i, size), i) for size in sizes]


def measure_whole(i):
    ideal = GrammarDenoiser(schedule=load_pretrained()[1])
    return compare(ideal.guess_x0(noisy(held(), i), i), i)


def draw(sizes, n, seed):
    """n samples by 25 DDIM steps; sizes: the window's side from each level down, {500: 7}."""
    schedule, x0 = load_pretrained()[1], owned(OWNED)[0]
    ideals = {i: PatchDenoiser(x0, size, schedule=schedule) for i, size in sizes.items()}

    def ideal(x, t, c=None):
        i = int((t.flatten()[0] * schedule.timesteps).round())
        return ideals[min(level for level in ideals if level >= i)](x, t)

    samples, _ = sample_ddim(n, n=25, nn_model=ideal, schedule=schedule, progress=False,
                             generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return samples.clamp(-1, 1)


def fitted(found):
    """{level: size}: from each level down, the window that explains the plain network best there.

    found   {level: what `measure` gives for windows bound to their place}
    """
    best = {i: SIZES[np.argmax([one["plain"][0] for one in row])] for i, row in found.items()}
    return {(*LEVELS[1:], 500)[LEVELS.index(i)]: size for i, size in best.items()}


def measure_drawn(sizes):
    samples = torch.cat([draw(sizes, DRAWN // 4, SEED + k) for k in range(4)])
    x0, factors = owned(OWNED)
    verdict = judge(samples)
    copies = verdict.flawless & seen(verdict.factors, factors)
    right, windows = rounded([verdict.correct.mean(), known_windows(samples, x0)])
    return {"flawless": int(verdict.flawless.sum()), "copied": int(copies.sum()), "right": right,
            "windows": windows}  # fmt: skip


def work(output, say=print):
    partial = output.with_name(output.name + ".partial")
    table = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}

    def have(part, key, measured, *given):
        if key not in table.setdefault(part, {}):
            table[part][key] = measured(*given)
            desk.write(partial, json.dumps(table).encode())
            say(part, key, table[part][key])
        return table[part][key]

    for size in SIZES:
        have("drawn", str(size), measure_drawn, {500: size})
    for i in LEVELS:
        have("whole", str(i), measure_whole, i)
        for guess in (bound, free):
            have(guess.__name__, str(i), measure, guess, FEW, FREE_SIZES, i)
    for n in NUMBERS:
        found = {i: have("explained", f"{n} {i}", measure, bound, n, SIZES, i) for i in LEVELS}
        if n == OWNED:
            have("drawn", "fitted", measure_drawn, fitted(found))
    head = made_by("patches") | {"sizes": SIZES, "pictures": PICTURES, "samples": DRAWN}
    desk.write(output, (json.dumps(head | table, indent=0) + "\n").encode())
    partial.unlink(missing_ok=True)


@functools.cache
def patches():
    """The table as it was measured."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


@torch.no_grad()
def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.patches",
        description="Measures how much of the networks' answers a window around each pixel "
        "explains, and what is drawn by it, for a deeper notebook of lesson 08.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    work(options.output)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
