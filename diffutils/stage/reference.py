"""Is my loss normal? What the run of lesson 04 looks like when nothing is wrong with it.

    x0, held_out = guild()           the sprites of the lesson: every hero in Bob's colours
    run = lesson_run(x0, seed=0)     its training run
    print(verdict(losses))           where its losses stand against five runs that went well

`python -m diffutils.stage.reference` trains with seeds 0 to 4 and writes the band that `verdict`
reads: the mean loss of the last 100 steps, its average and range over the five runs, every 50. The
verdict is about this recipe on these sprites: other sprites have another normal.
"""

import argparse
import functools
import json
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from diffutils.expect import check_numbers
from diffutils.pixels import to_float
from diffutils.schedule import linear_schedule
from diffutils.sprites import render
from diffutils.sprites.forge import BOB, ROLES, class_factors, class_table, palettes
from diffutils.training import fit
from diffutils.votes import PaletteUnet

STEPS = 1600
BATCH_SIZE = 32
SEEDS = range(5)
WINDOW = 100  # steps that are averaged
EVERY = 50
MARGIN = 0.1  # how far outside the five runs is still normal, as a part of their mean
FRESH = 0.34  # twice the loss of a network that has learned nothing yet
ASK = "Is the learning rate near 3e-3, t the level / timesteps, the target the noise that went in?"


def guild():
    """Every hero there is, all in Bob's colours: (x0 to train on, x0 held out).

    Float32 (N, 3, 16, 16) in [-1, 1]. Held out are the pairs of parts that the split "train" never
    has; together the two are a whole world, so that its ideal denoiser is the true floor in it.
    """
    table = class_table("hero")
    shapes = np.arange(len(table))
    factors = class_factors(table, shapes, np.zeros(len(shapes), np.int64))
    for role in set(ROLES) & set(BOB):
        bobs = palettes()[role][0].index(BOB[role])
        factors[role] = np.where(factors[role] < 0, -1, bobs)  # -1: does not show
    x0 = to_float(render(factors))
    return x0[~table.held_out], x0[table.held_out]


def lesson_run(x0, seed=0):
    """The training run of lesson 04, from a fresh network."""
    torch.manual_seed(seed)
    schedule = linear_schedule()
    nn_model = PaletteUnet(schedule=schedule)
    return fit(nn_model, x0, schedule=schedule, steps=STEPS, batch_size=BATCH_SIZE, seed=seed)


def smooth(losses, window=WINDOW):
    """The mean of the last `window` losses at each step: (K,), nan where there are fewer."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(losses, np.float64))])
    means = (sums[window:] - sums[:-window]) / window
    return np.concatenate([np.full(min(window - 1, len(losses)), np.nan), means])


@functools.cache
def reference():
    """The band: a dictionary with `step`, `mean`, `low`, `high` (lists) and the `command`."""
    return json.loads(reference_path().read_text(encoding="utf-8"))


def reference_path():
    return Path(str(resources.files("diffutils") / "shipped" / "reference_loss.json"))


def verdict(losses):
    """Where a run's losses (one a step) stand, in a sentence that begins with one word of four.

    "inside", "above" or "below" the band of the five runs at the run's last step, widened by a
    tenth of their mean on either side, with what to look for; "unknown" where a run is too short
    to say. A run of more steps is judged at the last step that the band has.
    """
    losses = check_numbers("verdict", "losses", losses)
    if losses.ndim != 1:
        raise ValueError(f"verdict: losses has shape {losses.shape}; expected one number a step")
    band = reference()
    if not np.isfinite(losses).all():
        first = int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
        return (f"above: the loss is no number any more from step {first} on. The steps are too "
                "large, or something is divided by zero.")
    if len(losses) < WINDOW:
        return f"unknown: {len(losses)} steps say too little; {WINDOW} are needed."
    step = min(len(losses), band["step"][-1])
    mean, low, high = (float(np.interp(step, band["step"], band[k]))
                       for k in ("mean", "low", "high"))
    lowest, highest = low - MARGIN * mean, high + MARGIN * mean
    curve = smooth(losses[:step])
    place = "above" if curve[-1] > highest else "below" if curve[-1] < lowest else "inside"
    found = (f"{place}: {digits(curve[-1])} over the last {WINDOW} steps. Five runs that went well "
             f"have {digits(low)} to {digits(high)} after {step} steps; with a tenth of room on "
             f"either side, {digits(lowest)} to {digits(highest)} passes for normal.")
    return found + HINTS[place](losses, curve)


def digits(value):
    """Two digits of a number, without a power of ten."""
    return f"{value:.2g}" if value < 99 else f"{value:.0f}"


def why_above(losses, curve):
    start = losses[:10].mean()
    if curve[-1] > 1.25 * min(np.nanmin(curve), start) or losses.max() > 3 * start:
        return " It rose on the way: the steps are too large; a smaller rate may cure it."
    if curve[-1] > 0.94 * curve[WINDOW - 1]:
        if start > FRESH:
            return (f" It began at {digits(start)} and has hardly moved, where good runs begin at "
                    f"{digits(FRESH / 2)}. Is the target the noise that went into this very "
                    "picture, and its std 1?")
        return (" It has hardly moved: the steps are far too small, a hundred times or more. That "
                "is the learning rate (the five had 0.003 at most), or, if it is not, a step that "
                "is never taken: optimizer.step() belongs after loss.backward().")
    mean, steps = (reference()[key][::-1] for key in ("mean", "step"))
    there = f": good runs had this after {np.interp(curve[-1], mean, steps):.0f} steps"
    return f" It falls, but too slowly{there if curve[-1] < mean[-1] else ''}. {ASK}"


def why_below(losses, curve):
    return (" Five good runs are not beaten by luck. A larger learning rate can be ahead for a "
            "while; otherwise, are all levels drawn, the low ones too? Has the noise std 1, and is "
            "its root taken? Are these fewer sprites than the lesson's, or larger batches?")


HINTS = {"above": why_above, "below": why_below, "inside": lambda losses, curve: " Normal."}


def train(seed, show=True):
    """The losses of the lesson's run with a seed, one a step."""
    from tqdm.auto import tqdm

    run = lesson_run(guild()[0], seed)
    return [record.loss for record in tqdm(run, f"seed {seed}", STEPS, disable=not show)]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m diffutils.stage.reference",
                                     description="Trains the lesson's run five times and writes "
                                     "the band that diffutils.stage.reference.verdict reads.")
    parser.add_argument("--output", default=reference_path(), metavar="FILE", type=Path)
    options = parser.parse_args(arguments)
    steps = np.arange(WINDOW, STEPS + 1, EVERY)
    runs = np.stack([smooth(train(seed))[steps - 1] for seed in SEEDS])
    band = {"mean": runs.mean(0), "low": runs.min(0), "high": runs.max(0)}
    written = {"command": "python -m diffutils.stage.reference", "step": steps.tolist(),
               **{name: values.round(5).tolist() for name, values in band.items()}}
    options.output.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
