"""What each thing that `fit` adds to the five lines does: switched off once, all else as it is.

    for row in additions()["rows"]:     the table that lesson 04 reads
        ...

`python -m diffutils.stage.additions` trains every row with two seeds and writes the table, in about
twenty minutes of a core by itself. The runs are those of the lesson (`reference.guild`, batches of
32, 1,600 steps), and others a quarter as long. Two more tables stand in the file, of short runs:
the palette network beside the plain one by steps, and dropping the context, which needs classes.

Of each trained network: the mean squared error of the noise on held-out sprites at all levels, at
low ones and in the middle, and `right`, the share of pixels that the judge finds right in 128
sprites drawn in 20 steps. The votes count as they were cast.
"""

import argparse
import contextlib
import functools
import json
from pathlib import Path
from unittest import mock

import torch

from diffutils import training
from diffutils.measure import loss_by_level
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim
from diffutils.schedule import linear_schedule
from diffutils.sprites import forge_sprites, judge
from diffutils.stage.reference import BATCH_SIZE, STEPS, guild
from diffutils.training import CONTEXT_DROPOUT, WARMUP_STEPS, bound_weights, fit, min_snr_weights
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet

TABLE = Path(__file__).with_name("additions.json")
LENGTHS, SEEDS, DRAWN = (STEPS // 4, STEPS), (0, 1), 128
LEVELS = {"loss": range(20, 501, 20), "low": range(4, 41, 4), "middle": range(100, 301, 20)}
STOPS = (50, 100, 200, 300, 400)  # the steps at which two networks are compared
SCHEDULE = linear_schedule()


def evenly(schedule):
    """Each level counts the same."""
    return torch.ones(schedule.timesteps + 1)


def uncut(schedule):
    """The weights of the bound as they are, without the cut at 4."""
    weight = schedule.beta / (1 - schedule.alpha_bar).clamp(min=1e-9)
    return (weight / weight[-1]).float()


class WithoutPalette(PaletteUnet):
    """The voting network with no colours to vote on: each vote is "none of these"."""

    def learn_palette(self, colours):
        pass


class Jumping(training.Run):
    """A run whose rate begins at its height."""

    def rate(self):
        climb = min(1.0, max((self.step + 1) / WARMUP_STEPS, 10 * self.progress()))
        return super().rate() / climb


class Steady(training.Run):
    """A run whose rate climbs and then stays."""

    def rate(self):
        return self.learning_rate * min(1.0, (self.step + 1) / WARMUP_STEPS)


runs_of = functools.partial(mock.patch.object, training, "Run")
unlimited = functools.partial(mock.patch.object, torch.nn.utils, "clip_grad_norm_", lambda p, n: n)

ROWS = {
    "as fit does": {},
    "levels count evenly": {"level_weights": evenly},
    "weights not cut at 4": {"level_weights": uncut},
    "rate does not climb": {"changed": functools.partial(runs_of, Jumping)},
    "rate does not fall": {"changed": functools.partial(runs_of, Steady)},
    "gradient not limited": {"changed": unlimited},
    "weights not averaged": {"averaged": False},
    "no palette": {"network": WithoutPalette},
}
NETWORKS = {
    "palette": {},
    "plain": {"network": ContextUnet, "level_weights": min_snr_weights},
}
CONTEXTS = {"dropped in one of ten": {}, "never dropped": {"context_dropout": 0.0}}


def train(
    seed, x0, contexts=None, *, steps=STEPS, network=PaletteUnet, level_weights=bound_weights,
    context_dropout=CONTEXT_DROPOUT, changed=contextlib.nullcontext, averaged=True,
    look=lambda step, nn_model: None,
):  # fmt: skip
    """The network after a run with something changed; look(step, network so far) at each step."""
    torch.manual_seed(seed)
    with changed():
        run = fit(network(schedule=SCHEDULE), x0, schedule=SCHEDULE, contexts=contexts, steps=steps,
                  batch_size=BATCH_SIZE, seed=seed, level_weights=level_weights,
                  context_dropout=context_dropout)  # fmt: skip
        for record in run:
            look(record.step, run.model)
    return run.model if averaged else run.nn_model


def right(nn_model, context=None):
    """The share of the pixels that are right in sprites drawn in 20 steps."""
    start = torch.Generator().manual_seed(5)
    drawn, _ = sample_ddim(DRAWN, n=20, nn_model=nn_model, schedule=SCHEDULE, generator=start,
                           context=context, progress=False)  # fmt: skip
    return round(float(judge(drawn).correct.mean()), 4)


def measure(nn_model, sprites):
    """The losses on these sprites, and the share of right pixels in what it draws."""
    found = {name: loss_by_level(nn_model, sprites, levels, schedule=SCHEDULE).mean().item()
             for name, levels in LEVELS.items()}  # fmt: skip
    return {name: round(loss, 5) for name, loss in found.items()} | {"right": right(nn_model)}


def switched_off(say=print):
    """A row for each addition: its name, and for each length what was measured with each seed."""
    x0, held_out = guild()
    rows = []
    for name, change in ROWS.items():
        runs = {str(steps): [measure(train(seed, x0, steps=steps, **change), held_out[:64])
                             for seed in SEEDS] for steps in LENGTHS}  # fmt: skip
        rows.append({"off": name, "runs": runs})
        say(rows[-1])
    return rows


def by_steps(say=print):
    """The share of right pixels after some steps, for each network and seed."""
    x0, _ = guild()
    found = {}
    for name, change in NETWORKS.items():
        curves = [{} for _ in SEEDS]
        for seed, curve in zip(SEEDS, curves, strict=True):

            def look(step, nn_model, curve=curve):
                if step in STOPS:
                    curve[step] = right(nn_model)

            train(seed, x0, steps=LENGTHS[0], look=look, **change)
        found[name] = [[curve[step] for step in STOPS] for curve in curves]
        say(name, found[name])
    return {"step": list(STOPS), "right": found}


def with_contexts(say=print):
    """Right pixels without and with a context, where it was dropped in training and not."""
    images, contexts, _ = forge_sprites(4000, 11)
    x0, contexts = to_float(images), torch.from_numpy(contexts)
    asked = torch.eye(5)[torch.arange(DRAWN) % 5]
    found = {}
    for name, change in CONTEXTS.items():
        networks = [train(seed, x0, contexts, steps=LENGTHS[0], **change) for seed in SEEDS]
        found[name] = {"without": [right(one) for one in networks],
                       "with": [right(one, asked) for one in networks]}  # fmt: skip
        say(name, found[name])
    return found


@functools.cache
def additions():
    """The table: a dictionary with `command`, `rows`, `networks` and `contexts`."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def right_pixels():
    """{what is off: {length: (mean, half of what the two runs differ by)}}, in percent."""
    found = {}
    for row in additions()["rows"]:
        pairs = {steps: [100 * one["right"] for one in runs] for steps, runs in row["runs"].items()}
        found[row["off"]] = {f"{int(steps):,} steps": (sum(pair) / 2, abs(pair[0] - pair[1]) / 2)
                             for steps, pair in pairs.items()}  # fmt: skip
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.additions",
        description="Trains lesson 04's network with each addition of fit switched off and writes "
        "the table that the lesson reads.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    options = parser.parse_args(arguments)
    written = {
        "command": "python -m diffutils.stage.additions", "rows": switched_off(),
        "networks": by_steps(), "contexts": with_contexts(),
    }  # fmt: skip
    options.output.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
