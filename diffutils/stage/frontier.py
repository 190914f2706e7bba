"""What fewer calls cost: samplers by calls, each judged on samples of its own.

    for row in frontier()["rows"]:      the table that lesson 07 draws
        ...
    samples, run = draw("Heun", 13, 8, nn_model=nn_model, schedule=schedule, seed=0)

`python -m diffutils.stage.frontier` draws, judges and times every setting with the palette network
and writes the table, in about an hour of one core. Stopped and called again it goes on where it
was. Each setting has starts of its own, so that two shares of the table are independent.

Of each: how many samples were flawless; `covered`, the mean over all slots and palettes of the
share of training sprites whose part was drawn; `distance`, the kernel distance to training
sprites, whose floor is in the table; and `seconds` of processor time, in units of what 500 steps of
DDPM took in the same round, the median of some rounds. `again` holds some settings with more
samples.
"""

import argparse
import functools
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from diffutils.descent import even_levels
from diffutils.expect import check_choice
from diffutils.files import checksum
from diffutils.measure import distance_floor, kernel_distance
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.solvers import sample_dpm, sample_heun
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.judge import Share, coverage
from diffutils.stage import desk
from diffutils.stage.tables import made_by
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("frontier.json")
DDPM, DDIM, HALF, ETA_1 = "DDPM", "DDIM", "DDIM, eta 0.5", "DDIM, eta 1"
HEUN, DPM = "Heun", "DPM-Solver++"
SAMPLERS = {
    DDPM: sample_ddpm,
    DDIM: sample_ddim,
    HALF: functools.partial(sample_ddim, eta=0.5),
    ETA_1: functools.partial(sample_ddim, eta=1),
    HEUN: sample_heun,
    DPM: sample_dpm,
}
STEPS = {
    DDPM: (500, 250, 100, 50, 25, 15, 10, 5),
    DDIM: (500, 100, 50, 25, 20, 15, 12, 10, 7, 5, 3),
    HALF: (100, 50, 25, 10, 5),
    ETA_1: (500, 100, 50, 25, 10, 5),
    HEUN: (50, 25, 13, 10, 8, 6, 5, 4, 3),
    DPM: (50, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3),
}
REFERENCE = (DDPM, 500)
AGAIN = (REFERENCE, (DDPM, 25), (HALF, 25), (ETA_1, 25), (DDIM, 100), (DPM, 10))
SAMPLES, MORE, BATCH, TRAINING, ROUNDS, SEED = 500, 1000, 100, 4000, 3, 2026


def draw(sampler, steps, n, *, nn_model, schedule, seed, dice=None, device=None):
    """n samples and their trajectory by steps of a sampler that SAMPLERS names, even in level.

    seed   of the start and, where no `dice` are given, of the fresh noise too
    dice   another seed for the fresh noise: the same start on another way
    """
    check_choice("draw", "sampler", sampler, SAMPLERS)
    levels = even_levels("draw", steps, schedule.timesteps)
    generator, start = torch.Generator().manual_seed(seed), None
    if dice is not None:
        start = torch.randn(n, 3, 16, 16, generator=generator)
        generator.manual_seed(dice)
    return SAMPLERS[sampler](n, device, levels=levels, start=start, nn_model=nn_model,
                             schedule=schedule, generator=generator, progress=False)  # fmt: skip


def settings():
    """(sampler, steps) of the whole table."""
    return [(sampler, n) for sampler, counts in STEPS.items() for n in counts]


class Scales:
    """What samples are held against: training sprites, their parts, and the floors."""

    def __init__(self, samples):
        images, _, self.factors = forge_sprites(TRAINING + samples, SEED)
        real = to_float(images)
        self.real = real[samples:]
        floor = distance_floor(kernel_distance, real, samples, seed=SEED)
        fresh = judge(images[:samples])
        self.floor = {"distance": [float(floor.min()), float(floor.max())],
                      "covered": self.covered(fresh)}  # fmt: skip

    def covered(self, verdict):
        """The mean share over all slots and palettes."""
        return float(np.mean([one.share for one in coverage(verdict, self.factors).values()]))

    def measure(self, samples):
        verdict = judge(samples)
        return {
            "flawless": int(verdict.flawless.sum()),
            "right": float(verdict.correct.mean()),
            "covered": self.covered(verdict),
            "distance": kernel_distance(samples.clamp(-1, 1), self.real),
        }


def judged(sampler, steps, samples, seed, scales, **network):
    """A row of the table, without its seconds."""
    batches = [draw(sampler, steps, min(BATCH, samples - done), seed=seed + done, **network)
               for done in range(0, samples, BATCH)]  # fmt: skip
    drawn = torch.cat([x for x, _ in batches])
    return {"sampler": sampler, "steps": steps, "calls": batches[0][1].calls, "samples": samples,
            **scales.measure(drawn)}  # fmt: skip


def timed(rounds, network):
    """{setting: its seconds as a part of the reference's}, by turns; the median of the rounds."""
    found = {setting: [] for setting in settings()}
    for _ in range(rounds):
        took = {}
        for setting in settings():
            start = time.process_time()  # a busy machine does not count
            draw(*setting, 32, seed=0, **network)
            took[setting] = time.process_time() - start
        for setting, seconds in took.items():
            found[setting].append(seconds / took[REFERENCE])
    return {setting: statistics.median(parts) for setting, parts in found.items()}


def work(output, samples, more, rounds, say=print):
    """The whole table, row by row; what is done is kept beside `output` until all is."""
    nn_model, schedule = load_pretrained()
    network = {"nn_model": nn_model, "schedule": schedule}
    weights = {name: weight.detach() for name, weight in nn_model.named_parameters()}
    wanted = {"weights": checksum(weights), "samples": samples, "more": more}
    partial = output.with_name(output.name + ".partial")
    kept = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}
    if kept.get("for") != wanted:
        kept = {"for": wanted, "rows": []}
    everything = [(s, samples) for s in settings()] + [(s, more) for s in AGAIN]
    for n, ((sampler, steps), count) in enumerate(everything[len(kept["rows"]) :],
                                                  len(kept["rows"])):  # fmt: skip
        scales = scales_of(count)
        kept["rows"].append(judged(sampler, steps, count, SEED + 10_000 * n, scales, **network))
        write(partial, kept)
        say(kept["rows"][-1])
    rows, again = kept["rows"][: len(settings())], kept["rows"][len(settings()) :]
    for row, part in zip(rows, timed(rounds, network).values(), strict=True):
        row["seconds"] = part
    write(output, made_by("frontier") | {
        "rounds": rounds,
        "floor": scales_of(samples).floor, "floor again": scales_of(more).floor,
        "rows": rows, "again": again,
    })  # fmt: skip
    partial.unlink(missing_ok=True)


scales_of = functools.cache(Scales)


def write(path, table):
    """The whole file or none of it, a row a line."""
    def lines(rows):
        return "[\n" + ",\n".join("  " + json.dumps(rounded(row)) for row in rows) + "\n ]"

    parts = [f' "{key}": ' + (lines(value) if isinstance(value, list) else json.dumps(value))
             for key, value in table.items()]  # fmt: skip
    desk.write(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def rounded(row):
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}


@functools.cache
def frontier():
    """The table: a dictionary with `rows`, `again`, `floor` and what it was made with."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def find(sampler, steps, rows="rows"):
    """The row of a setting; ValueError names the steps that there are."""
    check_choice("find", "sampler", sampler, SAMPLERS)
    found = [row for row in frontier()[rows] if row["sampler"] == sampler]
    for row in found:
        if row["steps"] == steps:
            return row
    raise ValueError(f"find: steps is {steps!r}; expected one of {[r['steps'] for r in found]}")


def share(row):
    """The flawless of a row as a Share, with its interval."""
    return Share(row["flawless"], row["samples"])


def pooled(sampler, steps):
    """The flawless of several rows of a sampler as one Share."""
    rows = [find(sampler, n) for n in steps]
    return Share(sum(row["flawless"] for row in rows), sum(row["samples"] for row in rows))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.frontier",
        description="Draws, judges and times sprites by every sampler and number of steps of "
        "lesson 07, and writes the table that the lesson reads.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--samples", default=SAMPLES, metavar="N", type=int, help="of each setting")
    parser.add_argument("--more", default=MORE, metavar="N", type=int, help="of some, once more")
    parser.add_argument("--rounds", default=ROUNDS, metavar="N", type=int, help="of timing")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    work(options.output, options.samples, options.more, options.rounds)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
