"""The bits ledger that lesson 08 reads: what a sprite holds, when it is told, what mistakes cost.

    table = ledger()
    table["levels"][0]["class"]      bits of the class that level 500 leaves open

`python -m diffutils.stage.ledger` measures all of it and writes the table, in about twenty minutes
of one core. Stopped and called again it goes on where it was. All numbers are bits, a mean over
sprites with its standard error beside it.

lists    half the integral of the ideal's squared error for lists of N sprites, beside log2 N
ratios   the same for the grammar: the error of the sprite at each ratio, what was told up to there
grammar  the end of that integral, beside 20.188 bits; `apart` is how far a sprite's own integral is
         from its own -log2 of its probability; and both for each class
levels   at levels of the linear schedule: what is still open, by the exact posterior; the ideal's
         error; how far the network's answer is from the ideal's, at conviction 1 and as shipped
cost     the integral of that distance from level 500 to level 1
start    what it costs to begin at noise instead of at the true law of level 500
sizes    a sprite as bytes, in PNG, and squeezed by zlib, alone and many at once
"""

import argparse
import functools
import io
import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from diffutils.files import checksum
from diffutils.grammar import GrammarDenoiser
from diffutils.ideal import IdealDenoiser
from diffutils.measure import bits_told, mean_and_error
from diffutils.noising import perturb_input
from diffutils.pixels import to_float
from diffutils.schedule import NoiseSchedule, linear_schedule
from diffutils.sprites import forge_sprites
from diffutils.sprites.forge import CLASSES, class_table, shape_index
from diffutils.stage import desk
from diffutils.stage.tables import made_by, rounded
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("ledger.json")
NUMBERS = 3 * 16 * 16
LISTS = (20, 200, 2000)
LEVELS = (*range(500, 240, -20), *range(240, 40, -10), 40, 30, 20, 14, 10, 7, 5, 3, 2, 1)
BATCH, SEED = 100, 2026
PARTS, NETWORKS = ("class", "shape", "palettes"), ("conviction 1", "as shipped")


def even_in_ratio(timesteps=41, highest=100.0, lowest=1e-4):
    """A NoiseSchedule whose ratio of signal to noise falls by the same factor from level to level.

    Made for integrals over the ratio: at level T next to nothing is seen of a sprite, at level 1
    all of it.
    """
    ends = math.log(highest), math.log(lowest)
    ratio = torch.linspace(*ends, timesteps, dtype=torch.float64).exp()
    alpha_bar = torch.cat([torch.ones(1), ratio / (1 + ratio)])
    return NoiseSchedule(1 - alpha_bar[1:] / alpha_bar[:-1])


def ratio_of(schedule, levels):
    """The ratio of signal to noise at each level, (K,) float64."""
    alpha_bar = schedule.alpha_bar[list(levels)]
    return alpha_bar / (1 - alpha_bar)


LEVEL_RATIOS = ratio_of(linear_schedule(), LEVELS)


def own_bits(factors):
    """How many bits tell each of these training sprites: (n,), -log2 of its probability.

    One of five classes, one of the class's shapes, one of the shape's ways to take palettes.
    """
    bits = np.empty(len(factors))
    for k, name in enumerate(CLASSES):
        table, rows = class_table(name), factors["class"] == k
        shape = shape_index(table, factors[rows], "own_bits")
        shapes = (~table.held_out).sum()
        bits[rows] = np.log2(len(CLASSES)) + np.log2(shapes) + np.log2(table.sprites[shape])
    return bits


def entropy():
    """The mean of `own_bits` over all training sprites: {"class", "shape", "palettes"}."""
    tables = [class_table(name) for name in CLASSES]
    return {
        "class": math.log2(len(tables)),
        "shape": float(np.mean([np.log2((~t.held_out).sum()) for t in tables])),
        "palettes": float(np.mean([np.log2(t.sprites[~t.held_out]).mean() for t in tables])),
    }


def errors_of(ideal, x0, schedule, generator):
    """The squared error of the guessed sprite, summed over its numbers: (T, B), noisiest first."""
    rows = []
    for i in range(schedule.timesteps, 0, -1):
        noise = torch.randn(x0.shape, generator=generator)
        x_t = perturb_input(x0, i, noise, schedule=schedule)
        rows.append((ideal.guess_x0(x_t, i).double() - x0).square().sum((1, 2, 3)))
    return torch.stack(rows)


def integrals(errors, schedule):
    """The integral of each sprite: (B,) bits, from errors (T, B)."""
    ratios = ratio_of(schedule, range(schedule.timesteps, 0, -1))
    return torch.stack([bits_told(one, ratios)[-1] for one in errors.T])


# The parts of the table: each a function of a batch's number, which returns lists -----------------


def some_sprites(number, batch):
    """A batch of training sprites, and the dice for its noise."""
    images, _, factors = forge_sprites((number + 1) * batch, SEED)
    generator = torch.Generator().manual_seed(SEED + number)
    return to_float(images[-batch:]), factors[-batch:], generator


def of_list(n, number, batch):
    """The integrals of sprites out of a list of n; they are cheap, so eight times as many."""
    schedule = even_in_ratio()
    listed = to_float(forge_sprites(n, SEED)[0])
    generator = torch.Generator().manual_seed(SEED + number)
    x0 = listed[torch.randint(n, (8 * batch,), generator=generator)]
    errors = errors_of(IdealDenoiser(listed, schedule=schedule), x0, schedule, generator)
    return integrals(errors, schedule).tolist()


def of_grammar(number, batch):
    """The errors at each ratio, (T, B), and the integrals, of any sprites."""
    schedule = even_in_ratio()
    x0, factors, generator = some_sprites(number, batch)
    errors = errors_of(GrammarDenoiser(schedule=schedule), x0, schedule, generator)
    return {"errors": errors.tolist(), "bits": integrals(errors, schedule).tolist(),
            "own": own_bits(factors).tolist(), "class": factors["class"].tolist()}  # fmt: skip


def of_levels(number, batch):
    """{level: what is open of each part, the ideal's error, two networks' distance from it}."""
    schedule = linear_schedule()
    x0, _, generator = some_sprites(number, batch)
    ideal, found = GrammarDenoiser(schedule=schedule), {}
    shipped, _ = load_pretrained()
    sure, plain = shipped.conviction, 1.0
    for i in LEVELS:
        noise = torch.randn(x0.shape, generator=generator)
        x_t, t = perturb_input(x0, i, noise, schedule=schedule), torch.tensor(i / 500)
        best, row = ideal(x_t, t), dict(ideal.bits_left(x_t, i))
        row["ideal"] = (best - noise).double().square().sum((1, 2, 3))
        for name, shipped.conviction in zip(NETWORKS, (plain, sure), strict=True):
            with torch.no_grad():
                eps = shipped(x_t, t.expand(len(x_t)))
            row[name] = (eps - best).double().square().sum((1, 2, 3))
        found[i] = {name: values.tolist() for name, values in row.items()}
    return found


# Put together -------------------------------------------------------------------------------------


def pair(values):
    """[mean, standard error] of numbers, five digits."""
    return rounded(mean_and_error(values), 5)


def summed(lists, grammar, levels):
    """The parts of the table out of all batches."""
    bits, own, class_ = (np.concatenate([part[k] for part in grammar])
                         for k in ("bits", "own", "class"))  # fmt: skip
    errors = np.concatenate([part["errors"] for part in grammar], axis=1)
    schedule = even_in_ratio()
    ratios = ratio_of(schedule, range(schedule.timesteps, 0, -1))
    told = bits_told(errors.mean(1), ratios)
    ours = {name: class_ == k for k, name in enumerate(CLASSES)}
    rows, costs = [], {}
    for name in NETWORKS:
        distance = torch.tensor([[x for part in levels for x in part[str(i)][name]]
                                 for i in LEVELS])  # fmt: skip
        found = [bits_told(one / LEVEL_RATIOS, LEVEL_RATIOS) for one in distance.T]
        costs[name] = pair([float(told[-1] - told[0]) for told in found])
    for i, ratio in zip(LEVELS, LEVEL_RATIOS, strict=True):
        row = {"level": i, "ratio": rounded(float(ratio), 6)}
        every = {name: np.concatenate([part[str(i)][name] for part in levels])
                 for name in levels[0][str(i)]}  # fmt: skip
        row |= {name: pair(values) for name, values in every.items()}
        rows.append(row | {"open": pair(sum(every[name] for name in PARTS))})
    return {
        "entropy": {name: round(value, 5) for name, value in entropy().items()},
        "lists": [{"n": n, "bits": pair(values), "exact": round(math.log2(n), 5)}
                  for n, values in lists.items()],
        "ratios": [{"ratio": rounded(float(r), 6), "error": pair(e), "told": round(float(b), 4)}
                   for r, e, b in zip(ratios, errors, told, strict=True)],
        "grammar": [{"class": name, "sprites": int(rows_.sum()), "bits": pair(bits[rows_]),
                     "exact": round(float(own[rows_].mean()), 4),
                     "apart": pair(bits[rows_] - own[rows_])}
                    for name, rows_ in {"all": class_ >= 0, **ours}.items()],
        "levels": rows,
        "cost": costs,
        "start": start(rows[0]),
        "sizes": sizes(),
    }  # fmt: skip


def start(top, n=4000):
    """{"signal": ..., "told": ..., "cost": ...}: the divergence of level 500's law from noise.

    That of x_T given its sprite, on average, is what x_T tells of the sprite and the divergence of
    x_T itself: E KL(q(x_T|x0) || N(0, 1)) = I(x0; x_T) + KL(q(x_T) || N(0, 1)).
    """
    alpha_bar = float(linear_schedule().alpha_bar[-1])
    length = to_float(forge_sprites(n, SEED)[0]).double().square().sum((1, 2, 3)).mean()
    nats = (alpha_bar * float(length) - NUMBERS * (alpha_bar + math.log1p(-alpha_bar))) / 2
    signal, told = nats / math.log(2), sum(entropy().values()) - top["open"][0]
    return {"signal": round(signal, 4), "told": round(told, 4), "cost": round(signal - told, 4)}


def sizes(n=1000):
    """Bits a sprite, of n: as bytes, as a PNG file, by zlib alone and all at once."""
    images = forge_sprites(n, SEED)[0]
    files = []
    for image in images:
        held = io.BytesIO()
        Image.fromarray(image).save(held, "png", optimize=True)
        files.append(8 * len(held.getvalue()))
    alone = [8 * len(zlib.compress(image.tobytes(), 9)) for image in images]
    together = 8 * len(zlib.compress(images.tobytes(), 9)) / n
    return {"bytes": [8.0 * NUMBERS, 0.0], "PNG": pair(files), "zlib, alone": pair(alone),
            f"zlib, {n} at once": [together, 0.0]}  # fmt: skip


def work(output, batches, batch, say=print):
    """The whole table; what is done is kept beside `output` until all is."""
    nn_model, _ = load_pretrained()
    weights = {name: weight.detach() for name, weight in nn_model.named_parameters()}
    wanted = {"weights": checksum(weights), "batches": batches, "batch": batch}
    partial = output.with_name(output.name + ".partial")
    kept = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}
    if kept.get("for") != wanted:
        kept = {"for": wanted}
    jobs = {f"list {n} {k}": functools.partial(of_list, n, k, batch)
            for n in LISTS for k in range(batches)}  # fmt: skip
    jobs |= {f"levels {k}": functools.partial(of_levels, k, batch) for k in range(batches // 2)}
    jobs |= {f"grammar {k}": functools.partial(of_grammar, k, batch) for k in range(batches)}
    for name, job in jobs.items():
        if name not in kept:
            kept[name] = job()
            desk.write(partial, json.dumps(kept).encode())
            kept = json.loads(partial.read_text(encoding="utf-8"))  # as it is when it is resumed
            say(name)
    lists = {n: np.concatenate([kept[f"list {n} {k}"] for k in range(batches)]) for n in LISTS}
    made = made_by("ledger") | {"conviction": nn_model.conviction, "sprites": batches * batch}
    parts = summed(lists, [kept[f"grammar {k}"] for k in range(batches)],
                   [kept[f"levels {k}"] for k in range(batches // 2)])  # fmt: skip
    write(output, made | parts)
    partial.unlink(missing_ok=True)


def write(path, table):
    """The whole file or none of it, a row a line."""
    def lines(rows):
        return "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]"

    parts = [f' "{key}": ' + (lines(value) if isinstance(value, list) else json.dumps(value))
             for key, value in table.items()]  # fmt: skip
    desk.write(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


@functools.cache
def ledger():
    """The table, as a dictionary."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def open_by_level():
    """(levels, {"palettes", "shape", "class"}, all bits): what `figures.bits_by_level` shows."""
    rows = ledger()["levels"]
    parts = {name: [row[name][0] for row in rows] for name in reversed(PARTS)}
    return [row["level"] for row in rows], parts, sum(ledger()["entropy"].values())


def cost_by_level(name):
    """(levels, bits): what the network's mistakes cost from level 500 down to each level.

    name   "conviction 1" or "as shipped"

    Half the integral of its squared distance from the ideal over the ratio, from level 500's on.
    """
    rows = ledger()["levels"]
    ratios = np.array([row["ratio"] for row in rows])
    told = bits_told(np.array([row[name][0] for row in rows]) / ratios, ratios)
    return [row["level"] for row in rows], (told - told[0]).tolist()


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.ledger",
        description="Measures how many bits a sprite holds, at which levels they are told and what "
        "the network's mistakes cost, and writes the table that lesson 08 reads.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--batches", default=12, metavar="N", type=int, help="2 or more, even")
    parser.add_argument("--batch", default=BATCH, metavar="N", type=int, help="sprites in each")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    work(options.output, options.batches, options.batch)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
