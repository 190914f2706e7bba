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
both     the same, toward the one from no class and away from the other
wishes   the network of `parts`: single parts asked for, pairs, and pairs that it never saw
"""

import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.measure import distance_floor, kernel_distance
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES, class_table
from diffutils.sprites.judge import flawless
from diffutils.stage.controlling import describe, draw, ideal_of_all
from diffutils.stage.parts import FIELDS, names, wish
from diffutils.stage.tables import measured, rounded
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
    }
    images, _, _ = forge_sprites(REAL, 99)
    real = to_float(images)
    floor = distance_floor(kernel_distance, real, DRAWN, seed=0)
    found, seed = {"floor": rounded((float(floor.min()), float(floor.max())), 5)}, 100

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
    """{who: rows}: away from which class, how far, and what `read` tells; 300 samples each.

    "the other four" is the network asked for all four others at once, with weights of 1.
    """
    found = {"network": [], "ideal": [], "the other four": []}
    nn_model, _ = load_pretrained()
    hero, food = torch.eye(5)[:1], torch.eye(5)[2:3]
    for far in (0.0, 0.5, 1.0, 2.0, 4.0):
        for who, network in (("network", nn_model), ("ideal", ideal_of_all())):
            x = draw(network, 300, context=hero, guidance=-far, seed=20 + int(2 * far))
            found[who].append({"from": "hero", "away": far} | read(x))
            say(who, found[who][-1])
    x = draw(nn_model, 300, context=food, guidance=-1.0, seed=30)
    found["network"].append({"from": "food", "away": 1.0} | read(x))
    found["the other four"].append({"from": "hero"} | read(draw(nn_model, 300, context=1 - hero,
                                                                seed=31)))  # fmt: skip
    say(found["network"][-1], found["the other four"])
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


def both(say):
    """{asked for: {toward, away, counts}}: toward the one, away from the other."""
    nn_model, _ = load_pretrained("small")
    found = {}
    for one, other in (("hero", "side-facing"), ("side-facing", "hero")):
        wanted, unwanted = (torch.eye(5)[[CLASSES.index(name)]] for name in (one, other))
        found[one] = []
        for toward, far in ((3.0, 1.0), (3.0, 2.0)):
            network = steered(nn_model, wanted, unwanted, toward, far)
            x = draw(network, DRAWN, seed=int(50 + far))
            found[one].append({"toward": toward, "away": far} | read(x))
            say(one, found[one][-1])
    return found


def steered(nn_model, wanted, unwanted, toward, far):
    """A network without a context, its guess moved toward one context and away from another.

    Each direction is counted from the guess without a context (arXiv 2206.01714).
    """

    def guess(x, t, c=None):
        none = nn_model(x, t)
        return (none + toward * (nn_model(x, t, wanted) - none)
                - far * (nn_model(x, t, unwanted) - none))  # fmt: skip

    guess.schedule = nn_model.schedule
    return guess


# --- single parts --------------------------------------------------------------------------------


def pairs(held_out):
    """The pairs of a head and a held item, as names, that "train" has, or never has."""
    table = class_table("hero")
    place = [table.slots.index(kind) for kind in ("head", "held")]
    rows = np.unique(table.parts[table.held_out == held_out][:, place], axis=0)
    return [(names()["head"][head], names()["held"][held]) for head, held in rows]


def ask(nn_model, wishes, seed, guidance=None):
    """What comes of wishes, a list of {"head": name ...}: counts of what was wished, and of all.

    as_asked   of the samples, those that have every part that was named
    each       {kind: how many have it as named, of how many that named it}
    shown      {kind: how often each of its parts is read in a hero}
    """
    contexts = torch.cat([wish(**one) for one in wishes])
    samples = draw(nn_model, len(wishes), context=contexts, guidance=guidance, seed=seed)
    verdict = judge(samples.clamp(-1, 1))
    hero = verdict.class_ == 0
    has, shown = {}, {}
    for kind, options in names().items():
        found = np.where(hero, verdict.factors[FIELDS[kind]], -1)
        wanted = np.array([options.index(one[kind]) if kind in one else -1 for one in wishes])
        has[kind] = (found == wanted)[wanted >= 0], wanted >= 0
        shown[kind] = np.bincount(found[found >= 0], minlength=len(options)).tolist()
    met = np.ones(len(wishes), bool)
    for right, named in has.values():
        met[named] &= right
    return {"as_asked": int(met.sum()), "of": len(wishes),
            "each": {kind: [int(right.sum()), len(right)] for kind, (right, _) in has.items()},
            "shown": shown, "flawless": flawless(verdict).count}  # fmt: skip


def wishes(say):
    """{what was asked for: {scale: what `ask` tells}}, 480 samples or so each."""
    nn_model, _ = load_pretrained("parts")
    asked = {"nothing": [{}] * 480}
    for kind, options in names().items():
        asked[kind] = [{kind: name} for name in options for _ in range(480 // len(options))]
    for name, never in (("a pair of training", False), ("a pair never seen", True)):
        some = pairs(never)
        asked[name] = [{"head": some[k % len(some)][0], "held": some[k % len(some)][1]}
                       for k in range(480)]  # fmt: skip
    found = {}
    for k, (name, wanted) in enumerate(asked.items()):
        found[name] = {"scale 1": ask(nn_model, wanted, seed=60 + k)}
        if name != "nothing":
            found[name]["scale 3"] = ask(nn_model, wanted, seed=70 + k, guidance=3.0)
        say(name, found[name])
    return found


PARTS = {"worse": worse, "away": away, "rather": rather, "both": both, "wishes": wishes}


@functools.cache
def steering():
    """The table: a dictionary with a key for each part, and "command", "date" and "machine"."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def main(arguments=None):
    about = "Measures what the deeper notebooks of lesson 06 show, and writes their table."
    measured("steering", about, TABLE, PARTS, arguments)


if __name__ == "__main__":
    main()
