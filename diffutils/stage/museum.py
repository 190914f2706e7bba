"""The bug museum measured: what each exhibit shows, and the field guide made from it.

    row = museum()["exhibits"]["std"]
    symptoms("std")                         the names of what it shows, in the order of SYMPTOMS
    field_guide()                           {symptom: the exhibits that show it}

`python -m diffutils.stage.museum` opens every case and its healthy twin, measures both and writes
the table, in a few minutes of one core. With --train it first trains the twins that are not there
(`diffutils.stage.twins`). Shares are [count, total], means [mean, standard error]; samples are held
against real sprites by the kernel distance, whose floor, real against real, is in the table.
"""

import argparse
import functools
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from diffutils.expect import check_choice
from diffutils.measure import distance_floor, kernel_distance, mean_and_error, variety_and_error
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.judge import class_agreement, flawless
from diffutils.stage import desk, twins
from diffutils.stage.cases import Case, classes_in_turn, healthy_of, open_case
from diffutils.stage.exhibits import EXHIBITS
from diffutils.stage.lines import SCHEDULE, Lines, T
from diffutils.stage.tables import made_by, rounded

TABLE = Path(__file__).with_name("museum.json")
SAMPLES, REAL = 100, 2000
MANY = ("std", "root-again", "schedule")  # whose sets are looked at with four times as many samples
LOSSES = (60, 150, 250, 350, 450)  # the levels at which losses are measured
ON_THE_WAY = (400, 250, 100)  # the levels at which walks are looked at


# --- the three plots, as numbers -----------------------------------------------------------------


def size_on_the_way(walk):
    """The std round 0 of all numbers at each level, in units of what noised sprites have."""
    x0, _ = twins.twin_sprites()
    square = float(x0.square().mean())
    there = walk.x.square().mean((1, 2, 3, 4))
    alpha_bar = SCHEDULE.alpha_bar[walk.levels]
    return (there / (alpha_bar * square + 1 - alpha_bar)).sqrt().tolist()


def told(case, levels):
    """The std of the noise that the network is told of at each level."""
    read = [round(float(case.lines.time(i)) * T) % (T + 1) for i in levels]
    return (1 - SCHEDULE.alpha_bar[read]).sqrt().tolist()


def there(walk):
    """The std of what is in the picture besides its own end, faded to the level; the median."""
    faded = [SCHEDULE.alpha_bar[i].sqrt() * walk.x[-1] for i in walk.levels]
    pairs = zip(walk.x, faded, strict=True)
    return [float((x - end).flatten(1).std(1).median()) for x, end in pairs]


# --- what a network answers, and what is drawn ---------------------------------------------------


@torch.no_grad()
def answered(case, level, n=100):
    """(slope, squared error) of a case's answers to n rightly noised sprites at a level.

    The slope is that of the answer on the noise that is there: 1 if as much is answered.
    """
    x0, c = (part[:n] for part in twins.twin_sprites())
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    x_t = Lines().mix(x0, torch.full((len(x0),), level), noise)
    eps = case.guess(c)(x_t, level)
    return float((eps * noise).mean() / noise.square().mean()), float((eps - noise).square().mean())


def roughness(x):
    """The rms step from a pixel to its neighbour on the right, of pictures (B, C, H, W)."""
    return float((x[..., 1:] - x[..., :-1]).square().mean().sqrt())


# --- the table -----------------------------------------------------------------------------------


def at(walk, numbers, levels=ON_THE_WAY):
    """Those of one number a level that belong to the levels nearest to some, in three digits."""
    near = [min(range(len(walk.levels)), key=lambda k: abs(walk.levels[k] - i)) for i in levels]
    return rounded([numbers[k] for k in near], 3)


def examine(case, samples=SAMPLES):
    """One row of the table: all that can be seen of a case."""
    walk, contexts = case.walk(samples, seed=1), classes_in_turn(samples)
    x = walk.x[-1]
    verdict = judge(x.clamp(-1, 1))
    shares = {"flawless": flawless(verdict), "class": class_agreement(verdict, contexts)}
    noise = [a / b for a, b in zip(there(walk), told(case, walk.levels), strict=True) if b]
    dice = case.lines.dice((1000, 1000), torch.Generator().manual_seed(0))
    usual = Lines().display(x)
    row = {
        **{name: [share.count, share.total] for name, share in shares.items()},
        "right": mean_and_error(verdict.correct),
        "variety": variety_and_error(x),
        "distance": kernel_distance(x.clamp(-1, 1), real_sprites()),
        "lowest": float(x.min()),
        "highest": float(x.max()),
        "size": at(walk, size_on_the_way(walk)),
        "noise": at(walk, [*noise, 0]),
        "loss": [case.loss(level) for level in LOSSES],
        "mixed": case.mixed(),
        "one sprite": case.one_sprite(),
        "bell": case.bell(),
        "company": case.in_company(),
        "largest dice": float(dice.max()),
        "shown": float((case.lines.display(x) - usual).abs().mean()) * 255,
    }
    return {name: rounded(value) for name, value in row.items()}


def examine_set(case, samples):
    """What is seen of a set only: flawless, variety, distance to real ones; 100s of samples."""
    parts = []
    for seed in range(2, 2 + samples // 100):
        parts.append(case.walk(100, seed).x[-1].clamp(-1, 1))
        case.walks.clear()
    x = torch.cat(parts)
    share = flawless(judge(x))
    return {"flawless": [share.count, share.total], "variety": rounded(variety_and_error(x)),
            "distance": rounded(kernel_distance(x, real_sprites()))}  # fmt: skip


@functools.cache
def real_sprites():
    """REAL sprites that no twin has learnt, which samples are held against."""
    return to_float(forge_sprites(REAL, 2 * twins.SEED)[0])


def key_of(case: Case):
    """What a healthy case is called in the table."""
    return f"{case.network}, {case.loop.__name__} {case.steps}" + ", guided" * case.guided


def work(output, samples, say=print):
    """The whole table, row by row; what is done is kept beside `output` until all is."""
    partial = output.with_name(output.name + ".partial")
    kept = json.loads(partial.read_text(encoding="utf-8")) if partial.exists() else {}
    if kept.get("samples") != samples:
        kept = {"samples": samples, "healthy": {}, "exhibits": {}, "many": {}}
    for name in EXHIBITS:
        healthy = healthy_of(name)
        for group, key, case in (("healthy", key_of(healthy), healthy),
                                 ("exhibits", name, open_case(name))):  # fmt: skip
            if key not in kept[group]:
                kept[group][key] = examine(case, samples)
                case.walks.clear()
                desk.write(partial, json.dumps(kept).encode())
                say(key, kept[group][key])
    for name in filter(EXHIBITS.get, MANY):
        for key, case in ((key_of(healthy_of(name)), healthy_of(name)), (name, open_case(name))):
            if key not in kept["many"]:
                kept["many"][key] = examine_set(case, 4 * samples)
                desk.write(partial, json.dumps(kept).encode())
                say(key, kept["many"][key])
    found = made_by("museum") | {
        "floor": [rounded(distance_floor(kernel_distance, real_sprites(), n).tolist())
                  for n in (samples, 4 * samples)],
        **kept,
    }
    desk.write(output, (json.dumps(found, indent=1) + "\n").encode())
    partial.unlink()


@functools.cache
def museum():
    """The table: `exhibits` and `healthy` by name, and what it was made with."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def pair(name):
    """(row of an exhibit, row of its healthy twin) of the table."""
    check_choice("pair", "name", name, EXHIBITS)
    return museum()["exhibits"][name], museum()["healthy"][key_of(healthy_of(name))]


# --- the field guide -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Symptom:
    """Something that can be seen of a case.

    text         what is seen
    shows        shows(row, healthy row), whether a case has it
    experiment   the cheapest thing that tells its suspects apart
    """

    text: str
    shows: object
    experiment: str


def far(one, other, by):
    """Whether one of the numbers differs from its partner by more than a factor `by`."""
    return any(not 1 / by < a / b < by for a, b in zip(one, other, strict=True))


def share(pair):
    return pair[0] / pair[1]


SYMPTOMS = {
    "mixed": Symptom(
        "pictures of variance 1 do not keep it where training adds noise",
        lambda row, twin: not 0.97 < row["mixed"] < 1.03,
        "print mean and std of the noise, and the factor before it",
    ),
    "loss": Symptom(
        "a loss is half as high again as its twin's, or more",
        lambda row, twin: any(a > 1.5 * b for a, b in zip(row["loss"], twin["loss"], strict=True)),
        "print what the network is given, in training and in sampling: picture, t, class",
    ),
    "company": Symptom(
        "a picture is answered otherwise in company",
        lambda row, twin: row["company"] > 0.01,
        "ask one picture alone and among others",
    ),
    "class": Symptom(
        "another class comes than was asked for",
        lambda row, twin: share(row["class"]) < share(twin["class"]) / 2,
        "ask for one class; chance level or none at all",
    ),
    "colours": Symptom(
        "the darkest pixel is grey",
        lambda row, twin: row["lowest"] > -0.3,
        "print the least and the greatest number of the data",
    ),
    "pixels": Symptom(
        "a tenth fewer pixels are right",
        lambda row, twin: row["right"][0] < twin["right"][0] - 0.1,
        "ask the oracles: a bug of the sampler, or of the network",
    ),
    "dull": Symptom(
        "sets of samples are farther from real sprites than real ones ever are",
        lambda row, twin: row["distance"] > 2 * max(twin["distance"], *museum()["floor"][0]),
        "count kinds and colours; look at the noise that is put back",
    ),
    "way": Symptom(
        "pictures on the way are too large or too small by a tenth",
        lambda row, twin: far(row["size"], twin["size"], 1.1),
        "let plain noise, of variance 1, go down the way",
    ),
    "bell": Symptom(
        "plain noise does not keep its mean and variance",
        lambda row, twin: abs(row["bell"][0]) > 0.05
        or far(row["bell"][1:], twin["bell"][1:], 1.03),
        "print mean and std of the dice, and the factor before them",
    ),
    "one": Symptom(
        "one sprite in the world is missed by a grey level or more",
        lambda row, twin: row["one sprite"] > 1,
        "print the levels told and alpha_bar at both ends",
    ),
    "dice": Symptom(
        "no die of a million is above 4",
        lambda row, twin: row["largest dice"] < 4,
        "draw a million dice",
    ),
    "shown": Symptom(
        "what is shown is not what is there",
        lambda row, twin: row["shown"] > 1,
        "show a grey picture",
    ),
}


def sets(name):
    """(row of an exhibit of MANY, row of its healthy twin) of what is seen of sets."""
    check_choice("sets", "name", name, MANY)
    return museum()["many"][name], museum()["many"][key_of(healthy_of(name))]


def symptoms(name):
    """What an exhibit shows, beside its healthy twin: names of SYMPTOMS, in their order."""
    row, twin = pair(name)
    return [symptom for symptom, one in SYMPTOMS.items() if one.shows(row, twin)]


def field_guide():
    """{symptom: the exhibits that show it}, from the table."""
    return {name: [one for one in EXHIBITS if name in symptoms(one)] for name in SYMPTOMS}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.museum",
        description="Measures every exhibit of the bug museum and writes the table of lesson 09.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--samples", default=SAMPLES, metavar="N", type=int, help="of each case")
    parser.add_argument("--train", action="store_true", help="train the twins first")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.train:
        twins.main([])
    work(options.output, options.samples)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
