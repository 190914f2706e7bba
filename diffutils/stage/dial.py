"""What lesson 08 reads: when a network copies, and where it stands between the two ideals.

    for row in dial()["rows"]:
        ...

`python -m diffutils.stage.dial` trains the small networks, judges them and writes the table, in
about two hours of one core. Stopped and called again it goes on where it was; --seeds and --part
do some of it. Everything a network could learn is a small world, `coats`: every hero whose pairs
of parts are not held out, in Bob's colours but for the cloth, which may have any of eight, each as
likely as the others. So both ideals are exact: the copier's list is the training set, the
generaliser's the whole world.

rows     a network by n, the sprites it was trained on (0: all of the world but those kept apart),
         `times`, how often each stood in the data, its seed and the step it was measured at
paced    networks that were trained until each of their sprites had been shown LOOKS[-1] times; and
         one of all the world, for as many steps as that of the most sprites
shipped  how far the palette network is from both ideals of its own training, by level

Of each row: how many of `samples` were flawless, how many of these are sprites of the training set
(`copied`), how many were read as one of them, flawless or not (`read`), the mean loss of noise
guessed on its training sprites (`seen`) and on sprites kept apart (`unseen`), and how far its guess
of a sprite kept apart lies from the copier's and the generaliser's, root mean square a number, at
each of LEVELS.
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.expect import check_choice
from diffutils.grammar import GrammarDenoiser
from diffutils.ideal import IdealDenoiser
from diffutils.measure import loss_by_level, mean_and_error
from diffutils.noising import perturb_input, predict_x0
from diffutils.pixels import to_float
from diffutils.schedule import linear_schedule
from diffutils.sprites import forge_sprites, judge, render
from diffutils.sprites.forge import (
    BOB,
    CLASSES,
    ROLES,
    class_factors,
    class_table,
    palettes,
    training_counts,
)
from diffutils.sprites.judge import seen
from diffutils.stage import desk
from diffutils.stage.controlling import draw
from diffutils.stage.tables import made_by, rounded
from diffutils.training import fit
from diffutils.votes import PaletteUnet
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("dial.json")
FREE = ("cloth",)  # what is not Bob's
SIZES = (20, 60, 200, 600, 2000, 0)
RUNS = ((20, 1), (60, 1), (200, 1), (600, 1), (2000, 1), (0, 1), (60, 50))  # n, times
CHANNELS, HIDDEN, BATCH, RATE, STEPS = 32, 128, 16, 1e-2, 2000
CONVICTION = 20.0  # to draw with; 1 where an average is asked for
MOMENTS = (500, 1000, 1500, STEPS)
PACED, LOOKS = (20, 60, 200, 0), (60, 120, 180, 240, 360, 480)  # looks at each sprite of so many
SAMPLES, APART, NOISY = 200, 500, 64
LEVELS = (20, 60, 100, 150, 200, 250, 300, 400)
SEEDS = (0, 1, 2)
SHIPPED_SEED = 2026


# --- the world -----------------------------------------------------------------------------------


@functools.cache
def coats():
    """Factors of every sprite of the world, in a fixed random order."""
    table = class_table("hero")
    shapes = np.flatnonzero(~table.held_out)
    factors = class_factors(table, shapes, np.zeros(len(shapes), np.int64))
    for role in set(ROLES) & set(BOB):
        bobs = palettes()[role][0].index(BOB[role])
        factors[role] = np.where(factors[role] < 0, -1, bobs)  # -1: does not show
    for role in FREE:
        shown = factors[role] >= 0
        parts = [factors[~shown]]
        for k in range(len(palettes()[role][0])):
            parts.append(factors[shown].copy())
            parts[-1][role] = k
        factors = np.concatenate(parts)
    return factors[np.argsort(np.random.PCG64(8).random_raw(len(factors)), kind="stable")]


def training_set(n, seed):
    """Factors of n sprites, of all where n is 0; the last APART of the world are kept apart."""
    possible = coats()[:-APART]
    if n == 0:
        return possible
    return possible[np.argsort(np.random.PCG64(100 + seed).random_raw(len(possible)))[:n]]


def begin(n, times, seed, steps=STEPS):
    """(factors of the training set, its run): a fresh network."""
    factors = training_set(n, seed)
    images = render(factors)

    def supply(count, generator):
        rows = torch.randint(len(images) * times, (count,), generator=generator) // times
        return to_float(images[rows.numpy()]), None

    torch.manual_seed(seed)
    schedule = linear_schedule()
    nn_model = PaletteUnet(schedule=schedule, channels=CHANNELS, hidden=HIDDEN)
    return factors, fit(nn_model, supply, schedule=schedule, steps=steps, batch_size=BATCH,
                        seed=seed, learning_rate=RATE)  # fmt: skip


# --- the dial ------------------------------------------------------------------------------------


@torch.no_grad()
def guesses_of(nn_model, x_t, levels):
    """The sprite that nn_model guesses in x_t[k] at levels[k]: (K, B, 3, H, W)."""
    schedule, found = nn_model.schedule, []
    for x, i in zip(x_t, levels, strict=True):
        eps = nn_model(x, torch.tensor([i / schedule.timesteps]).view(1, 1, 1, 1))
        found.append(predict_x0(x, i, eps, schedule=schedule))
    return torch.stack(found)


def apart(one, other):
    """How far two lists of guesses are from each other, by level: [root mean square a number]."""
    return rounded((one - other).square().mean((1, 2, 3, 4)).sqrt().tolist())


@functools.cache
def kept_apart():
    """(x0 (NOISY, 3, 16, 16), the same noisy at each of LEVELS, the generaliser's guesses)."""
    schedule = linear_schedule()
    x0 = to_float(render(coats()[-NOISY:]))
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(88))
    x_t = [perturb_input(x0, i, noise, schedule=schedule) for i in LEVELS]
    world = to_float(render(coats()))  # 0.2 GB
    return x0, x_t, guesses_of(IdealDenoiser(world, schedule=schedule), x_t, LEVELS)


def draw_boldly(nn_model, n, seed=0):
    """n samples by 25 steps of DDIM with conviction 20; the network keeps its own."""
    kept, nn_model.conviction = nn_model.conviction, CONVICTION
    samples = draw(nn_model, n, seed=seed).clamp(-1, 1)
    nn_model.conviction = kept
    return samples


def measure(nn_model, factors, samples, seed):
    """What a row says of a network that was trained on sprites of these factors."""
    verdict = judge(draw_boldly(nn_model, samples, seed=500 + seed))
    known = seen(verdict.factors, factors[:2000])  # of all: the first 2,000
    row = {"samples": samples, "flawless": int(verdict.flawless.sum()),
           "copied": int((known & verdict.flawless).sum()), "read": int(known.sum()),
           "right": rounded(verdict.correct.mean())}  # fmt: skip
    x0, x_t, general = kept_apart()
    shown = to_float(render(factors[np.arange(NOISY) % len(factors)]))
    for name, sprites in (("seen", shown), ("unseen", x0)):
        losses = loss_by_level(nn_model, sprites, LEVELS, schedule=nn_model.schedule, seed=9)
        row[name] = rounded(list(losses))
    guesses = guesses_of(nn_model, x_t, LEVELS)
    row["general"] = apart(guesses, general)
    if len(factors) <= 2000:
        copier = IdealDenoiser(to_float(render(factors)), schedule=nn_model.schedule)
        copies = guesses_of(copier, x_t, LEVELS)
        row |= {"copier": apart(guesses, copies), "ideals": apart(copies, general)}
    return row


def train(n, times, seed, moments, say):
    """The rows of one run, a row at each of these steps, the last of which ends it."""
    factors, run = begin(n, times, seed, moments[-1])
    rows = []
    for record in run:
        if record.step in moments:
            samples = SAMPLES if record.step == moments[-1] else SAMPLES // 2
            rows.append({"n": n, "times": times, "seed": seed, "step": record.step}
                        | measure(run.model, factors, samples, seed))  # fmt: skip
            say(rows[-1])
    return rows


def rows(kept, keep, seeds, say):
    """All runs of these seeds; those that `kept` has are not made again."""
    done = {(row["n"], row["times"], row["seed"]) for row in kept}
    for seed in seeds:
        for n, times in RUNS:
            if (n, times, seed) not in done:
                kept = kept + train(n, times, seed, MOMENTS, say)
                keep(kept)
    return kept


def paced(kept, keep, seeds, say):
    """Runs of one number of looks at each sprite: the more sprites, the more steps.

    That of all the world has the steps of the longest of the others, and so fewer looks.
    """
    done = {(row["n"], row["seed"]) for row in kept}
    for seed in seeds:
        for n in PACED:
            if (n, seed) not in done:
                moments = [looks * (n or max(PACED)) // BATCH for looks in LOOKS]
                found = train(n, 1, seed, moments, say)
                size = n or len(training_set(0, seed))
                kept = kept + [row | {"looks": row["step"] * BATCH / size} for row in found]
                keep(kept)
    return kept


# --- the network that draws ----------------------------------------------------------------------


@functools.cache
def trained_on(name):
    """Factors of the sprites of a class that the shipped palette network was trained on."""
    return forge_sprites(training_counts()[name], SHIPPED_SEED, classes=[name])[2]


def never_seen(name, n, seed=808):
    """Factors of n sprites of a class, of the law of the training set, that are not in it."""
    factors = forge_sprites(4 * n, seed, classes=[name])[2]
    return factors[~seen(factors, trained_on(name))][:n]


COMPARED = {  # conviction 1, as trained, where an average is asked for
    "network to generaliser": ("network", "generaliser"),
    "network to copier": ("network", "copier"),
    "copier to generaliser": ("copier", "generaliser"),
    "network at conviction 20 to generaliser": ("convinced", "generaliser"),
    "network at conviction 20 to copier": ("convinced", "copier"),
}


@torch.no_grad()
def three_answers(nn_model, copier, generaliser, x_t, i, c):
    """{who: the sprite guessed in x_t at level i, like x_t}; c (1, 5) is the class."""
    t, found = torch.tensor([i / nn_model.schedule.timesteps]), {}
    kept = nn_model.conviction
    for who, conviction in (("network", 1.0), ("convinced", CONVICTION)):
        nn_model.conviction = conviction
        eps = nn_model(x_t, t, c)
        found[who] = predict_x0(x_t, i, eps, schedule=nn_model.schedule)
    nn_model.conviction = kept
    found["copier"] = copier.guess_x0(x_t, i)
    return found | {"generaliser": generaliser.guess_x0(x_t, i, c)}


def linear_guess(known, x_t, i, schedule):
    """The best linear guess of the sprites in x_t at level i, like x_t: Wiener's filter.

    It knows of the sprites `known`, (M, C, H, W), their mean and their covariance only; with
    Gaussian data it would be the ideal denoiser.
    """
    flat, alpha_bar = known.flatten(1).double(), float(schedule.alpha_bar[i])
    mean, covariance = flat.mean(0), torch.cov(flat.T)
    spread = alpha_bar * covariance + (1 - alpha_bar) * torch.eye(len(mean), dtype=torch.float64)
    gain = alpha_bar**0.5 * torch.linalg.solve(spread, covariance)
    off = x_t.flatten(1).double() - alpha_bar**0.5 * mean
    return (mean + off @ gain).view_as(x_t).to(x_t)


def shipped(say, n=16, levels=(10, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400, 450)):
    """{"levels", "n", "rms": {pair: [mean, error] by level}} of the palette network.

    How far two guesses are from each other, root mean square a number, the mean over n sprites of
    each class that the network never saw, each asked for by its class. The copier has all sprites
    of the class that the network was trained on.
    """
    nn_model, schedule = load_pretrained()
    generaliser, far = GrammarDenoiser(schedule=schedule), {pair: {} for pair in COMPARED}
    for k, name in enumerate(CLASSES):
        x0 = to_float(render(never_seen(name, n)))
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(k))
        c = torch.eye(len(CLASSES))[k : k + 1]
        copier = IdealDenoiser(to_float(render(trained_on(name))), schedule=schedule)
        for i in levels:
            x_t = perturb_input(x0, i, noise, schedule=schedule)
            answers = three_answers(nn_model, copier, generaliser, x_t, i, c)
            for pair, (one, other) in COMPARED.items():
                d = (answers[one] - answers[other]).square().mean((1, 2, 3)).sqrt()
                far[pair].setdefault(i, []).append(d)
        say(name)
    rms = {pair: rounded([mean_and_error(torch.cat(by_level[i])) for i in levels])
           for pair, by_level in far.items()}  # fmt: skip
    return {"levels": list(levels), "n": n * len(CLASSES), "rms": rms}


# --- the file ------------------------------------------------------------------------------------


@functools.cache
def dial():
    """The table: a dictionary with `rows`, `shipped`, the recipe, and what it was made with."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def percents(word, n, times=1, step=STEPS):
    """Of the samples, the percent "flawless", "copied", "new" or "read": a number for each seed.

    "copied" are flawless sprites of the training set, "new" are flawless and none of them, "read"
    are those that the judge reads as one of them, flawless or not.
    """
    check_choice("percents", "word", word, ("flawless", "copied", "new", "read"))
    rows = find(n, times, step)
    counts = [row["flawless"] - row["copied"] if word == "new" else row[word] for row in rows]
    return [100 * count / row["samples"] for count, row in zip(counts, rows, strict=True)]


def find(n, times=1, step=STEPS):
    """The rows of a network at a step, one for each seed; ValueError where there are none."""
    wanted = {"n": n, "times": times, "step": step}
    rows = [row for row in dial()["rows"] if wanted.items() <= row.items()]
    if not rows:
        raise ValueError(f"find: n is {n!r}, times {times!r}, step {step!r}; expected one of "
                         f"{RUNS} at one of {MOMENTS}")
    return rows


def table_of_sizes():
    """The dial as text, a line for each number of sprites, means over the seeds.

    Percent of the samples, beside the percent that chance gives; losses as means over LEVELS; how
    far the guesses of sprites kept apart are from each ideal's at level 200.
    """
    heads = ("flawless", "new", "read", "chance", "loss seen", "unseen", "copier", "generaliser")
    lines, at = [f"{'sprites':<8}" + "".join(f"{head:>12}" for head in heads)], LEVELS.index(200)
    for n in SIZES:
        rows = find(n)
        said = [f"{np.mean(percents(word, n)):.0f}" for word in ("flawless", "new", "read")]
        said.append(f"{by_chance(n):.1f}")
        said += [f"{np.mean([row[key] for row in rows]):.3f}" for key in ("seen", "unseen")]
        said += [f"{np.mean([row[key][at] for row in rows]):.3f}" if key in rows[0] else "-"
                 for key in ("copier", "general")]
        lines.append(f"{n or 'all':<8}" + "".join(f"{word:>12}" for word in said))
    return "\n".join(lines)


def by_chance(n):
    """The percent of a perfect sampler's sprites of the world that are read as training sprites."""
    return 100 * (n or 2000) / dial()["world"]


def percent(row, word="read"):
    """A count of a row as percent of its samples."""
    return 100 * row[word] / row["samples"]


def by_size(value, step=STEPS):
    """((sizes, means), (lowest, highest)) of value(row) over the seeds, for a plot against n."""
    sizes = [n or len(training_set(0, 0)) for n in SIZES]
    return spread_over_seeds(sizes, [[value(row) for row in find(n, step=step)] for n in SIZES])


def by_looks(n):
    """((looks, means), (lowest, highest)) of the percent that are read, in the paced runs of n."""
    moments = list(zip(*runs_paced(n), strict=True))
    looks = [rows[0]["looks"] for rows in moments]
    return spread_over_seeds(looks, [[percent(row) for row in rows] for rows in moments])


def spread_over_seeds(x, found):
    """((x, means), (lowest, highest)) of lists of numbers, one for each x."""
    means = [sum(values) / len(values) for values in found]
    return (x, means), ([min(values) for values in found], [max(values) for values in found])


def runs_paced(n):
    """The paced runs of n sprites, seed by seed, each a list of rows from first to last."""
    seeds = sorted({row["seed"] for row in dial()["paced"]})
    return [[row for row in dial()["paced"] if (row["n"], row["seed"]) == (n, seed)]
            for seed in seeds]  # fmt: skip


def third_copied(rows):
    """The step of a run at which a third of the samples are read as training sprites."""
    return float(np.interp(100 / 3, [percent(row) for row in rows], [row["step"] for row in rows]))


def best_stop(rows):
    """The step of a run at which the loss on sprites kept apart was lowest."""
    return min(rows, key=lambda row: np.mean(row["unseen"]))["step"]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m diffutils.stage.dial",
        description="Trains small networks on few sprites and on many, measures what they copy "
        "and writes the table that lesson 08 reads.",
    )
    parser.add_argument("--output", default=TABLE, metavar="FILE", type=Path)
    parser.add_argument("--seeds", nargs="+", default=list(SEEDS), type=int, metavar="SEED")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))  # fmt: skip
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    recipe = {"channels": CHANNELS, "hidden": HIDDEN, "batch_size": BATCH, "steps": STEPS,
              "learning_rate": RATE, "conviction": CONVICTION}  # fmt: skip
    there = options.output.exists()
    table = json.loads(options.output.read_text(encoding="utf-8")) if there else {}
    if table.get("recipe") != recipe:
        table = {"recipe": recipe}
    table |= made_by("dial") | {"world": len(coats()), "levels": list(LEVELS)}

    for part in options.part:
        def keep(found, part=part):
            table[part] = found
            write(options.output, table)

        if part == "shipped":
            keep(shipped(print))
        else:
            keep(PARTS[part](table.get(part, []), keep, options.seeds, print))
    print(f"written: {options.output}")


def write(path, table):
    """The whole file or none of it, a row a line."""
    def lines(rows):
        return "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]"

    parts = [f' "{key}": ' + (lines(value) if key in ("rows", "paced") else json.dumps(value))
             for key, value in table.items()]  # fmt: skip
    desk.write(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


PARTS = {"rows": rows, "paced": paced, "shipped": shipped}


if __name__ == "__main__":
    main()
