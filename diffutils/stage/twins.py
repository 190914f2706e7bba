"""The small networks of the bug museum: two healthy ones, and twins that were trained with a bug.

    nn_model = load_twin("root")        one that never saw the right amount of noise
    nn_model = load_twin("plain")       its healthy twin: same seed, same sprites, same command

A twin differs from its healthy one in a single line of the training step, named in `TRAINED`. They
learn SPRITES sprites, few enough for a small network to draw them after some minutes: these sprites
are what their losses are measured on. `python -m diffutils.stage.twins` trains those that are not
there yet, in about 20 minutes of one core, and can be stopped and called again.

The plain ones normalise over the batch (Ioffe and Szegedy, arXiv 1502.03167), as many public U-Nets
do; the networks of the course normalise within each picture and cannot have the bugs of that.
"""

import argparse
from functools import cache
from importlib import resources
from pathlib import Path

import torch

from diffutils.expect import check_choice
from diffutils.files import checksum
from diffutils.noising import spread
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.sprites.forge import CLASSES
from diffutils.stage.lines import KINDS, SCHEDULE, Lines, LinesRun
from diffutils.training import bound_weights, frequent_colours, min_snr_weights
from diffutils.weights import load_weights, save_weights

SPRITES, STEPS, BATCH, RATE, SEED, CONVICTION = 200, 4000, 32, 4e-3, 9, 4.0
SIZES = {"palette": {"channels": 24, "hidden": 40}, "plain": {"channels": 16, "hidden": 64}}
WEIGHTS = {"palette": bound_weights, "plain": min_snr_weights}


def mix_without_root(x0, i, noise):
    alpha_bar = SCHEDULE.alpha_bar[i]
    return spread(alpha_bar.sqrt(), x0) * x0 + spread(1 - alpha_bar, x0) * noise


TRAINED = {  # (kind, the lines that it was trained with)
    "palette": ("palette", Lines()),
    "plain": ("plain", Lines()),
    "half-range": ("palette", Lines(pictures=lambda x0: (x0 + 1) / 2)),
    "root": ("plain", Lines(mix=mix_without_root)),
    "shown-clean": ("palette", Lines(shown=lambda x0, x_t: x0)),
    "contexts": ("palette", Lines(contexts=lambda c: c.roll(1, 0))),
}


@cache
def twin_sprites():
    """The sprites that all twins learn: (SPRITES, 3, 16, 16) in [-1, 1] and their contexts."""
    images, contexts, _ = forge_sprites(SPRITES, SEED)
    return to_float(images), torch.from_numpy(contexts)


def run_of(name, checkpoint=None):
    """The training run of a twin, to be iterated over."""
    kind, lines = TRAINED[name]
    torch.manual_seed(SEED)
    nn_model = KINDS[kind](**SIZES[kind], schedule=SCHEDULE)
    x0, contexts = twin_sprites()
    if kind == "palette":
        nn_model.learn_palette(lines.pictures(frequent_colours(x0)))
    return LinesRun(lines, nn_model, x0, SCHEDULE, contexts, STEPS, None, BATCH, SEED, RATE,
                    WEIGHTS[kind], 0.1, checkpoint, None, False)  # fmt: skip


def train(name, path):
    """Trains a twin and writes it."""
    partial = path.with_name(f"{name}.checkpoint")
    run = run_of(name, partial)
    for record in run:
        if record.step % 500 == 0:
            print(name, record.step, [round(loss, 4) for loss in record.loss_by_band], flush=True)
    nn_model = run.model.eval()
    if hasattr(nn_model, "conviction"):
        nn_model.conviction = CONVICTION
    save_weights(path, nn_model, command="python -m diffutils.stage.twins", class_names=CLASSES,
                 data_checksum=checksum({"sprites": twin_sprites()[0]}), dtype=torch.float16,
                 scores={"step": run.step}, kinds=KINDS)  # fmt: skip
    partial.unlink()


def twin_path(name):
    """Where the weights of a twin lie."""
    check_choice("load_twin", "name", name, TRAINED)
    return Path(str(resources.files("diffutils") / "shipped" / "museum" / f"{name}.safetensors"))


def load_twin(name):
    """A network of the museum as its training run averaged it; it knows its schedule."""
    return load_weights(twin_path(name), kinds=KINDS)[0]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.twins",
        description="Trains the small networks of the bug museum that are not there yet.",
    )
    parser.add_argument("--output", default=twin_path("plain").parent, metavar="DIR", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in TRAINED:
        path = options.output / f"{name}.safetensors"
        if not path.exists():
            train(name, path)
            print(f"written: {path}, {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
