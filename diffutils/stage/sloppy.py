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

import torch

from diffutils.sampling import sample_ddim
from diffutils.sprites import judge
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import seen
from diffutils.stage import desk, patches
from diffutils.stage.impostors import all_trained_on
from diffutils.stage.tables import made_by
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("sloppy.json")
SAMPLES, BATCH, STEPS, SEED, OWNED = 6000, 100, 8, 2026, 2000
SCALE = 10_000


@functools.cache
def owned():
    """(OWNED, 3, 16, 16) of the network's training sprites, a class like the other."""
    return patches.owned(OWNED)[0]


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


def chosen(scores, values, numbers):
    """In percent, what the best of each of these numbers is worth, and the standard errors."""
    return (100 * torch.stack([best_of(scores, values, n) for n in numbers]),
            100 * torch.tensor([spread(scores, values, n) for n in numbers]))  # fmt: skip


@torch.no_grad()
def drawn(name, steps, n=25, seed=1):
    """n samples of a network by so many DDIM steps, a class like the other."""
    nn_model, schedule = load_pretrained(name)
    samples, _ = sample_ddim(n, n=steps, nn_model=nn_model, schedule=schedule,
                             context=torch.eye(5)[torch.arange(n) % 5], progress=False,
                             generator=torch.Generator().manual_seed(seed))  # fmt: skip
    return samples.clamp(-1, 1)


def of_known_quality():
    """{name: (25, 3, 16, 16)}, from noise to sprites of the forge that nobody trained on."""
    noise = torch.randn(25, 3, 16, 16, generator=torch.Generator().manual_seed(1)) / 2
    return {"noise": noise.clamp(-1, 1),
            "plain, 3 steps": drawn("plain", 3), "plain, 10": drawn("plain", 10),
            "palette, 4": drawn("palette", 4), "palette, 25": drawn("palette", 25),
            "forge": patches.held()[::2]}  # fmt: skip


def judged(number):
    """What nearness and the exact judge say of a batch: {name: (BATCH,)}."""
    samples = drawn("palette", STEPS, BATCH, SEED + number)
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


def choosers():
    """{who chooses: scores (SAMPLES,)}: nearness, the exact judge, chance alone.

    The exact judge takes a flawless one, and among them by lot.
    """
    table, dice = sloppy(), torch.Generator().manual_seed(7)
    lot = torch.rand(len(table["new"]), generator=dice, dtype=torch.float64)
    return {"nearness": table["nearness"], "exact": table["flawless"] + lot / 2, "chance": lot}


def worth():
    """{what is asked for: 1 or 0 for each sample, (SAMPLES,)}."""
    table = sloppy()
    meal, spell = (table["class"] == CLASSES.index(name) for name in ("food", "spell"))
    return {"flawless": table["flawless"], "new": table["new"],
            "a meal or a spell": (meal | spell).double()}  # fmt: skip


@torch.no_grad()
def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.sloppy",
        description="Draws sprites with the palette network and writes down what a sloppy "
        "judge and the exact one say of each, for a deeper notebook of lesson 08.",
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
