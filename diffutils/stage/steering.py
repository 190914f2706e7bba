"""What the deeper notebooks of lesson 06 read: guiding by a worse network, away, and to parts.

    steering()["worse"]["by the small one, unsure"]       a row for each scale

`python -m diffutils.stage.steering` measures all of it and writes the table, in about an hour of
one core; with --part it measures some parts anew. Shares are [count, total], means [mean, error];
samples are drawn by 25 steps of DDIM, each row from starts of its own.

worse    the palette network with a class: alone, guided by itself without the class, and by
         others that are worse, with the class (arXiv 2406.02507)
away     no class asked for, and steered away from one: which classes come
rather   the small network asked for a hero and for one that faces sideways, which it takes for
         each other: alone, guided, and guided by the other of the two in place of no class
"""

import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.measure import distance_floor, kernel_distance
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import flawless
from diffutils.stage.controlling import describe, draw, ideal_of_all, measured, rounded
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("steering.json")
DRAWN, REAL = 500, 4000


def guided_by(good, worse, scale):
    """A network: what `worse` guesses, and from there on to what `good` guesses, and further.

    scale   1 is `good` alone, above 1 goes past it; arXiv 2406.02507, equation 3, with w for it
    """

    def nn_model(x, t, c=None):
        lower = worse(x, t, c)
        return lower + scale * (good(x, t, c) - lower)

    nn_model.schedule = good.schedule
    return nn_model


def unsure(name):
    """A shipped palette network with the conviction that it was trained with, 1."""
    nn_model, _ = load_pretrained(name)
    nn_model.conviction = 1.0
    return nn_model


# --- a worse network -----------------------------------------------------------------------------


def worse(say):
    """{by whom: rows}: scale, calls, and what `describe` tells; "floor" is that of the distance."""
    good, _ = load_pretrained()
    others = {
        "by the small one, unsure": (unsure("small"), (1.25, 1.5, 2.0, 3.0, 4.0)),
        "by the small one, sure": (load_pretrained("small")[0], (1.25, 1.5, 2.0, 3.0)),
        "by itself, unsure": (unsure("palette"), (1.5, 2.0, 3.0)),
        "by the plain one": (load_pretrained("plain")[0], (1.25, 1.5, 2.0)),
    }
    images, _, _ = forge_sprites(REAL, 99)
    real = to_float(images)
    floor = distance_floor(kernel_distance, real, DRAWN, seed=0)
    found, seed = {"floor": rounded((float(floor.min()), float(floor.max())))}, 100

    def measure(who, scale, nn_model, guidance=None, steps=25, n=DRAWN):
        nonlocal seed
        contexts = torch.eye(5).repeat(n // 5, 1)
        x = draw(nn_model, n, steps=steps, context=contexts, guidance=guidance, seed=seed)
        calls = steps * (1 if scale == 1 else 2)
        distance = kernel_distance(x.clamp(-1, 1), real)
        one = {"scale": scale, "calls": calls} | describe(x, contexts) | {"distance": distance}
        found.setdefault(who, []).append(one)
        seed += 1
        say(who, one)

    measure("alone", 1.0, good, n=2 * DRAWN)
    measure("alone", 1.0, good, steps=50)
    for scale in (1.5, 2.0, 3.0, 4.0):
        measure("by no class", scale, good, scale)
    for who, (other, scales) in others.items():
        for scale in scales:
            measure(who, scale, guided_by(good, other, scale))
    return found


# --- away ----------------------------------------------------------------------------------------


def read(samples):
    """{class: how many were read as it}, how many are flawless, and of how many."""
    verdict = judge(samples.clamp(-1, 1))
    counts = np.bincount(verdict.class_, minlength=5).tolist()
    return dict(zip(CLASSES, counts, strict=True)) | {
        "flawless": flawless(verdict).count, "of": len(samples)}  # fmt: skip


def away(say):
    """{from which class: {who: rows}}: away, the scale, and what `read` tells.

    "the other four" is the network asked for all four of them at once, with weights of 1.
    """
    found = {}
    for name in ("hero", "food"):
        wanted = torch.eye(5)[[CLASSES.index(name)]]
        found[name] = {"network": [], "ideal": []}
        for who, nn_model in (("network", load_pretrained()[0]), ("ideal", ideal_of_all())):
            for scale in (0.0, 0.5, 1.0, 2.0, 4.0):
                x = draw(nn_model, DRAWN, context=wanted, guidance=-scale, seed=20 + int(scale))
                found[name][who].append({"away": scale} | read(x))
                say(name, who, found[name][who][-1])
        others = draw(load_pretrained()[0], DRAWN, context=1 - wanted, seed=30)
        found[name]["the other four"] = read(others)
        say(name, found[name]["the other four"])
    return found


def rather(say):
    """{asked for: {how: [scale, counts]}}, of the small network."""
    nn_model, _ = load_pretrained("small")
    found = {}
    for one, other in (("hero", "side-facing"), ("side-facing", "hero")):
        wanted, unwanted = (torch.eye(5)[[CLASSES.index(name)]] for name in (one, other))

        def instead(x, t, c=None, unwanted=unwanted):
            return nn_model(x, t, unwanted if c is None else c)

        instead.schedule = nn_model.schedule
        found[one] = []
        for how, network in (("no class", nn_model), ("the other", instead)):
            for scale in (1.0, 2.0, 3.0):
                x = draw(network, DRAWN, context=wanted, guidance=scale, seed=40 + int(scale))
                found[one].append({"guided by": how, "scale": scale} | read(x))
                say(one, found[one][-1])
    return found


PARTS = {"worse": worse, "away": away, "rather": rather}


@functools.cache
def steering():
    """The table: a dictionary with a key for each part, and "command", "date" and "machine"."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def main(arguments=None):
    about = "Measures what the deeper notebooks of lesson 06 show, and writes their table."
    measured("python -m diffutils.stage.steering", about, TABLE, PARTS, arguments)


if __name__ == "__main__":
    main()
