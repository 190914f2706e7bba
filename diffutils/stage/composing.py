"""Which parts the palette network puts together, counted: what a deeper notebook of 08 reads.

    composing()["drawn"]["hero"]      int (A, B): flawless samples by their pair of parts

Of the two slots of a class with the most parts, the forge keeps a fifth of all pairs out of the
training sprites (`forge.is_held_out`); each part alone stays in. `python -m
diffutils.stage.composing` draws 12,000 samples, a class like the other, by 25 DDIM steps, reads
them with the judge, and counts the pairs of the flawless ones. It takes five minutes of one core;
stopped and called again it goes on where it was.
"""

import argparse
import datetime
import functools
import json
import platform
from pathlib import Path

import numpy as np
import torch

from diffutils.files import checksum
from diffutils.sampling import sample_ddim
from diffutils.sprites import judge
from diffutils.sprites.forge import CLASSES, SLOT_FIELDS, class_table
from diffutils.stage import desk
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("composing.json")
SAMPLES, BATCH, SEED = 12_000, 250, 2026


def pair_slots(name):
    """The two slots of a class whose pairs of parts are held out, as numbers (a, b)."""
    counts = [len(parts) for parts in class_table(name).part_names]
    return tuple(int(k) for k in np.argsort(counts, kind="stable")[-2:])


def kept_out(name):
    """bool (A, B): the pairs of a class that no training sprite has."""
    table, (a, b) = class_table(name), pair_slots(name)
    rows, columns = (np.arange(len(table.part_names[k])) for k in (a, b))
    return (rows[:, None] + columns) % 5 == 4


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


def counted(number, nn_model):
    """{class: (A, B) lists, "flawless": how many} of one batch of samples."""
    context = torch.eye(5)[torch.arange(BATCH) % 5]
    x, _ = sample_ddim(BATCH, n=25, nn_model=nn_model, schedule=nn_model.schedule, context=context,
                       generator=torch.Generator().manual_seed(SEED + number),
                       progress=False)  # fmt: skip
    verdict = judge(x.clamp(-1, 1))
    good = verdict.factors[verdict.flawless]
    return {name: pairs_of(good, name).tolist() for name in CLASSES} | {"flawless": len(good)}


def work(output, samples, say=print):
    """The whole table; what is done is kept beside `output` until all is."""
    nn_model, _ = load_pretrained()
    weights = checksum({name: w.detach() for name, w in nn_model.named_parameters()})
    partial = output.with_name(output.name + ".partial")
    kept = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}
    if kept.get("weights") != weights:
        kept = {"weights": weights, "batches": []}
    for number in range(len(kept["batches"]), samples // BATCH):
        kept["batches"].append(counted(number, nn_model))
        desk.write(partial, json.dumps(kept).encode())
        say(f"{BATCH * (number + 1)} of {samples}")
    batches = kept["batches"][: samples // BATCH]
    drawn = {name: sum(np.array(batch[name]) for batch in batches) for name in CLASSES}
    lines = ",\n".join(f'  "{name}": {json.dumps(drawn[name].tolist())}' for name in CLASSES)
    head = {"command": "python -m diffutils.stage.composing",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}, "
            f"{torch.get_num_threads()} thread, torch {torch.__version__.split('+')[0]}",
            "samples": BATCH * len(batches),
            "flawless": sum(batch["flawless"] for batch in batches)}  # fmt: skip
    text = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in head.items())
    desk.write(output, ("{\n" + text + ',\n "drawn": {\n' + lines + "\n }\n}\n").encode())
    partial.unlink(missing_ok=True)


@functools.cache
def composing():
    """The table, with {class: int (A, B)} under "drawn"."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table | {"drawn": {name: np.array(rows) for name, rows in table["drawn"].items()}}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.composing",
        description="Draws sprites with the palette network and counts which pairs of parts they "
        "have, for a deeper notebook of lesson 08.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--samples", default=SAMPLES, metavar="N", type=int)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    work(options.output, options.samples)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
