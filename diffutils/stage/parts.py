"""A context of single parts: which head a hero has, what he holds, the colour of his cloth.

    c = wish(head="wizard", cloth="blue")        (1, 28): a hero with these, the rest is free
    nn_model, schedule = load_pretrained("parts")

`python -m diffutils.stage.parts` trains that network, a small one, on heroes of the split "train",
in which one pair in five of a head and a held item never comes. Each of the three is named in half
of the sprites that it is shown, so that any of them can be asked for alone.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
import torch

from diffutils.commands import as_typed, run_command
from diffutils.expect import check_choice
from diffutils.files import checksum
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.sprites.forge import check_factors, class_table, palettes
from diffutils.training import fit
from diffutils.votes import PaletteUnet
from diffutils.weights import pretrained_path, save_weights

PROGRAM = "python -m diffutils.stage.parts"
FIELDS = {"head": "slot_2", "held": "slot_3", "cloth": "cloth"}  # of a hero's factors
HEROES, NAMED = 60_000, 0.5
SETTINGS = {"steps": 8000, "batch_size": 64, "learning_rate": 4e-3, "seed": 6}


@functools.cache
def names():
    """{"head": the names of the heads, "held": ..., "cloth": ...}, in the order of the context."""
    table = class_table("hero")
    of_slot = dict(zip(table.slots, table.part_names, strict=True))
    return {"head": of_slot["head"], "held": of_slot["held"], "cloth": palettes()["cloth"][0]}


def wish(**parts):
    """A context (1, 28) that names some parts: wish(head="crown", held="bow", cloth="red").

    ValueError for a part that no hero has, TypeError for anything but head, held and cloth.
    """
    c = []
    for kind, options in names().items():
        wanted = parts.pop(kind, None)
        if wanted is not None:
            check_choice("wish", kind, wanted, options)
        c += [float(name == wanted) for name in options]
    if parts:
        raise TypeError(f"wish: got {next(iter(parts))!r}; expected head, held or cloth")
    return torch.tensor([c])


def named_parts(factors):
    """The contexts (n, 28) that name all three parts of heroes, (n,) factors."""
    factors = check_factors("named_parts", "factors", factors)
    columns = [np.eye(len(options), dtype=np.float32)[factors[FIELDS[kind]]]
               for kind, options in names().items()]
    return torch.from_numpy(np.concatenate(columns, 1))


class Heroes:
    """What the network is trained on: draw(n, generator) gives n heroes and what is named of them.

    Each of the three parts is named in half of them, whatever the others are.
    """

    def __init__(self, n, seed):
        images, _, factors = forge_sprites(n, seed, classes=["hero"])
        self.images, self.contexts = images, named_parts(factors)

    def __call__(self, n, generator):
        rows = torch.randint(len(self.images), (n,), generator=generator)
        named = torch.rand(n, len(FIELDS), generator=generator) < NAMED
        widths = torch.tensor([len(options) for options in names().values()])
        c = self.contexts[rows] * named.repeat_interleave(widths, dim=1)
        return to_float(self.images[rows.numpy()]), c

    def checksum(self):
        """SHA-256 of all images and contexts."""
        return checksum({"images": torch.from_numpy(self.images), "contexts": self.contexts})


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Trains the network of heroes that reads single parts.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)  # fmt: skip
    parser.add_argument("--output", default=pretrained_path("parts"), metavar="FILE", type=Path)
    parser.add_argument("--steps", default=SETTINGS["steps"], type=int, metavar="N")
    parser.add_argument("--checkpoint", metavar="FILE", help="keep the run here, and go on from it")
    options = parser.parse_args(arguments)
    torch.manual_seed(SETTINGS["seed"])
    heroes = Heroes(HEROES, SETTINGS["seed"])
    words = [f"{kind} {name}" for kind, of_kind in names().items() for name in of_kind]
    nn_model = PaletteUnet(n_context=len(words), channels=24, hidden=48)
    run = fit(nn_model, heroes, schedule=nn_model.schedule, checkpoint=options.checkpoint,
              **SETTINGS | {"steps": options.steps})  # fmt: skip
    for record in run:
        if record.step % 200 == 0 or record.step == options.steps:
            print(f"step {record.step}, loss {record.loss:.4f}", flush=True)
    run.model.conviction = 20.0
    scores = {"step": run.step, "seconds": round(run.seconds), "batch_size": run.batch_size}
    save_weights(options.output, run.model, dtype=torch.float16, scores=scores,
                 command=as_typed(PROGRAM, [f"--steps={options.steps}"]), class_names=words,
                 data_checksum=heroes.checksum())  # fmt: skip
    print(f"written: {options.output}")


if __name__ == "__main__":
    run_command(main, PROGRAM)
