"""Which parts a network puts together, counted: what a deeper notebook of 08 reads.

    composing()["drawn"]["hero"]      int (A, B): flawless samples by their pair of parts
    composing()["training"]           how a small network composes while it is trained

Of the two slots of a class with the most parts, the forge keeps a fifth of all pairs out of the
training sprites (`forge.is_held_out`); each part alone stays in. `python -m
diffutils.stage.composing` draws 12,000 samples of the palette network, a class like the other, by
25 DDIM steps, reads them with the judge, and counts the pairs of the flawless ones; and trains two
small networks on the heroes of the dial's small world, which it counts at some steps on the way. It
takes twenty minutes of one core; stopped and called again it goes on where it was.
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.files import checksum
from diffutils.sampling import sample_ddim
from diffutils.sprites import judge
from diffutils.sprites.forge import CLASSES, HELD_OUT_EVERY, SLOT_FIELDS, class_table
from diffutils.sprites.judge import Share, is_held_out
from diffutils.stage import desk
from diffutils.stage.dial import begin, draw_boldly
from diffutils.stage.tables import made_by
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("composing.json")
SAMPLES, BATCH, SEED = 12_000, 250, 2026
MOMENTS, EACH, SEEDS = (500, 1000, 2000, 4000, 8000, 16_000), 1000, (0, 1)
NEAR = 0.9  # of its pixels right: the judge can read it


def pair_slots(name):
    """The two slots of a class whose pairs of parts are held out, as numbers (a, b)."""
    counts = [len(parts) for parts in class_table(name).part_names]
    return tuple(int(k) for k in np.argsort(counts, kind="stable")[-2:])


def kept_out(name):
    """bool (A, B): the pairs of a class that no training sprite has."""
    table, (a, b) = class_table(name), pair_slots(name)
    rows, columns = (np.arange(len(table.part_names[k])) for k in (a, b))
    return (rows[:, None] + columns) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def fair_shares(name):
    """(A, B) of each pair among all shapes of a class, those that are kept out too: sum 1."""
    table, (a, b) = class_table(name), pair_slots(name)
    shares = np.zeros((len(table.part_names[a]), len(table.part_names[b])))
    np.add.at(shares, (table.parts[:, a], table.parts[:, b]), 1 / len(table.parts))
    return shares


def pairs_of(factors, name):
    """int (A, B), how many of the sprites, factors (n,), are of that class and have each pair."""
    a, b = pair_slots(name)
    counts = np.zeros(fair_shares(name).shape, int)
    ours = factors[factors["class"] == CLASSES.index(name)]
    np.add.at(counts, (ours[SLOT_FIELDS[a]], ours[SLOT_FIELDS[b]]), 1)
    return counts


def slot_laws(name):
    """The two slots of a class: {slot: (counts drawn (A,), law (A,), names of the parts)}."""
    table, found = class_table(name), {}
    kept = table.parts[~table.held_out]
    for axis, slot in zip((1, 0), pair_slots(name), strict=True):
        parts = table.part_names[slot]
        law = np.bincount(kept[:, slot], minlength=len(parts)) / len(kept)
        counts = torch.from_numpy(composing()["drawn"][name].sum(axis))
        found[table.slots[slot]] = counts, torch.from_numpy(law), parts
    return found


def touching(name):
    """(A, B): in how many pixels the two parts of each pair meet, next to each other or over it."""
    table, (a, b) = class_table(name), pair_slots(name)
    first, second = (torch.from_numpy(table.pictures[k] > 0).float().view(-1, 1, 16, 16)
                     for k in (a, b))  # fmt: skip
    grown = torch.nn.functional.max_pool2d(first, 3, 1, 1)  # each part and its edge
    return torch.einsum("achw,bchw->ab", grown, second).numpy()


def shuffled(x, y, groups=None, times=5000):
    """(r, share): how x and y correlate, and in which share of shuffles of y they do as much.

    groups   int (n,), rising, or None: only what differs within a group counts, and only members
             of a group change places
    """
    groups, dice = np.zeros(len(x), int) if groups is None else groups, np.random.default_rng(0)

    def within(z):
        return z - (np.bincount(groups, z) / np.maximum(np.bincount(groups), 1))[groups]

    def correlation(z):
        return np.corrcoef(within(x), within(z))[0, 1]

    orders = [np.lexsort((dice.random(len(x)), groups)) for _ in range(times)]
    chance = np.array([correlation(y[order]) for order in orders])
    return correlation(y), (abs(chance) >= abs(correlation(y))).mean()


def counted(number, nn_model):
    """{class: (A, B) lists, "flawless": how many} of one batch of samples."""
    context = torch.eye(5)[torch.arange(BATCH) % 5]
    x, _ = sample_ddim(BATCH, n=25, nn_model=nn_model, schedule=nn_model.schedule, context=context,
                       generator=torch.Generator().manual_seed(SEED + number),
                       progress=False)  # fmt: skip
    verdict = judge(x.clamp(-1, 1))
    good = verdict.factors[verdict.flawless]
    return {name: pairs_of(good, name).tolist() for name in CLASSES} | {"flawless": len(good)}


def while_training(seed, moments=MOMENTS, each=EACH):
    """One training run on heroes without the kept-out pairs: a row at each of these steps.

    Of `each` samples how many are near to a sprite, with NEAR of their pixels right, and how many
    are flawless: [all of them, those with a pair that was kept out].
    """
    rows = []
    for record in (run := begin(0, 1, seed, moments[-1])[1]):
        if record.step in moments:
            with torch.no_grad():
                verdict = judge(draw_boldly(run.model, each, seed=700 + seed))
            row = {"seed": seed, "step": record.step, "samples": each}
            for name, which in (("near", verdict.correct >= NEAR), ("flawless", verdict.flawless)):
                row[name] = [int(which.sum()), int(is_held_out(verdict.factors[which]).sum())]
            rows.append(row)
    return rows


def work(output, samples, say=print):
    """The whole table; what is done is kept beside `output` until all is."""
    nn_model, _ = load_pretrained()
    weights = checksum({name: w.detach() for name, w in nn_model.named_parameters()})
    partial = output.with_name(output.name + ".partial")
    kept = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}
    if kept.get("weights") != weights:
        kept = {"weights": weights, "batches": [], "training": []}
    for number in range(len(kept["batches"]), samples // BATCH):
        with torch.no_grad():
            kept["batches"].append(counted(number, nn_model))
        desk.write(partial, json.dumps(kept).encode())
        say(f"{BATCH * (number + 1)} of {samples}")
    for seed in SEEDS[len(kept["training"]) :]:
        kept["training"].append(while_training(seed))
        desk.write(partial, json.dumps(kept).encode())
        say(kept["training"][-1])
    batches = kept["batches"][: samples // BATCH]
    drawn = {name: sum(np.array(batch[name]) for batch in batches) for name in CLASSES}
    lines = ",\n".join(f'  "{name}": {json.dumps(drawn[name].tolist())}' for name in CLASSES)
    head = made_by("composing") | {
        "samples": BATCH * len(batches),
        "flawless": sum(batch["flawless"] for batch in batches)}  # fmt: skip
    text = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in head.items())
    rows = ",\n".join(f"  {json.dumps(row)}" for run in kept["training"] for row in run)
    text += ',\n "drawn": {\n' + lines + '\n },\n "training": [\n' + rows + "\n ]"
    desk.write(output, ("{\n" + text + "\n}\n").encode())
    partial.unlink(missing_ok=True)


@functools.cache
def composing():
    """The table, with {class: int (A, B)} under "drawn"."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table | {"drawn": {name: np.array(rows) for name, rows in table["drawn"].items()}}


def kept_out_by_step(counted_as):
    """{step: Share}: of the samples "near" to a sprite, or "flawless", those with a kept-out pair.

    Over all training runs.
    """
    found = {}
    for step in MOMENTS:
        rows = [row[counted_as] for row in composing()["training"] if row["step"] == step]
        total, count = np.sum(rows, 0)
        found[step] = Share(int(count), int(total))
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.composing",
        description="Draws sprites with the palette network, and with small ones while they are "
        "trained, and counts their pairs of parts, for a deeper notebook of lesson 08.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--samples", default=SAMPLES, metavar="N", type=int)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    work(options.output, options.samples)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
