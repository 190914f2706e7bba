"""Two judges that look at some of what matters: what a deeper notebook of lesson 08 reads.

    colours(x)          of each picture, how far its pixels are from colours that sprites have
    nearness(x, x0)     of each picture, how far it is from the nearest of the sprites x0
    climb(x, score)     pictures that were changed until such a score is high

Both scores are at most 0, so that more is better. `python -m diffutils.stage.sloppy` draws SAMPLES
sprites with the palette network in 8 DDIM steps, a class like the other, and writes down, in a few
minutes of one core,

nearness        int (SAMPLES,), the distance times SCALE, rounded
flawless, new   "0" or "1" for each: as the exact judge says; not one of the training sprites

Sample k is of class k % 5.
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim
from diffutils.sprites import judge, render
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import seen
from diffutils.stage import desk
from diffutils.stage.dial import trained_on
from diffutils.stage.impostors import all_trained_on
from diffutils.stage.tables import made_by
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("sloppy.json")
SAMPLES, BATCH, STEPS, SEED, OWNED = 6000, 100, 8, 2026, 2000
SCALE = 10_000


@functools.cache
def owned():
    """(OWNED, 3, 16, 16) of the network's training sprites, a class like the other."""
    return to_float(render(np.concatenate([trained_on(name)[: OWNED // 5] for name in CLASSES])))


@functools.cache
def palette():
    """(colours, 3): every colour of those sprites, as a pixel in [-1, 1]."""
    return torch.unique(owned().permute(0, 2, 3, 1).reshape(-1, 3), dim=0)


def colours(x):
    """The score of pictures (B, 3, H, W), (B,): the mean distance of a pixel from a colour."""
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    apart = torch.cdist(pixels, palette(), compute_mode="donot_use_mm_for_euclid_dist")
    return -apart.amin(1).view(len(x), -1).mean(1)


def nearness(x, x0):
    """The score of pictures (B, 3, H, W), (B,): the root mean square distance from the nearest."""
    return -torch.cdist(x.flatten(1), x0.flatten(1)).amin(1) / x[0].numel() ** 0.5


def climb(x, score, steps=60, rate=0.05):
    """Pictures like x, changed step by step up the gradient of a score (B, 3, H, W) -> (B,).

    In each step no number changes by more than `rate`; pictures stay within [-1, 1].
    """
    x = x.clone()
    for _ in range(steps):
        with torch.enable_grad():
            (up,) = torch.autograd.grad(score(x.requires_grad_()).sum(), x)
        largest = up.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
        x = (x.detach() + rate * up / largest).clamp(-1, 1)
    return x


def spread(scores, values, n, times=40):
    """The standard error of `best_of`, by drawing the M anew with replacement."""
    dice = torch.Generator().manual_seed(0)
    rows = torch.randint(len(scores), (times, len(scores)), generator=dice)
    return torch.stack([best_of(scores[row], values[row], n) for row in rows]).std().item()


def best_of(scores, values, n):
    """The mean value of the best by score of n drawn at random, with replacement: one number.

    scores, values   (M,) of the M that are drawn from; equal scores are taken in their order
    """
    rank = torch.arange(len(scores) + 1, dtype=torch.float64) / len(scores)
    return ((rank**n).diff() * values.double()[scores.argsort(stable=True)]).sum()


def drawn(number):
    """BATCH samples of the palette network, always the same for a number."""
    nn_model, schedule = load_pretrained()
    context = torch.eye(5)[torch.arange(BATCH) % 5]
    samples, _ = sample_ddim(BATCH, n=STEPS, nn_model=nn_model, schedule=schedule, context=context,
                             generator=torch.Generator().manual_seed(SEED + number),
                             progress=False)  # fmt: skip
    return samples.clamp(-1, 1)


def judged(number):
    """What the three judges say of a batch: {name: (BATCH,)}."""
    samples = drawn(number)
    verdict = judge(samples)
    near = (-SCALE * nearness(samples, owned())).round().int()
    return {"nearness": near.tolist(), "flawless": verdict.flawless.astype(int).tolist(),
            "new": (~seen(verdict.factors, all_trained_on())).astype(int).tolist()}  # fmt: skip


@functools.cache
def sloppy():
    """The table: {"nearness", "flawless", "new", "class"}, (SAMPLES,) each."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    flags = {name: torch.tensor([int(one) for one in table[name]]).double()
             for name in ("flawless", "new")}  # fmt: skip
    near = -torch.tensor(table["nearness"]).double() / SCALE
    return {"nearness": near, "class": torch.arange(len(near)) % len(CLASSES)} | flags


@torch.no_grad()
def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.sloppy",
        description="Draws sprites with the palette network and writes down what two sloppy "
        "judges and the exact one say of each, for a deeper notebook of lesson 08.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--samples", default=SAMPLES, metavar="N", type=int)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    batches = [judged(number) for number in range(options.samples // BATCH)]
    said = {name: [one for batch in batches for one in batch[name]] for name in batches[0]}
    said |= {name: "".join(map(str, said[name])) for name in ("flawless", "new")}
    table = made_by("sloppy") | {"steps": STEPS, "samples": len(said["new"])} | said
    desk.write(options.output, (json.dumps(table, separators=(",", ":")) + "\n").encode())
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
