"""What lesson 06 reads: guidance by its scale, mixes of classes on trial, and the law of guidance.

    for row in controlling()["guidance"]["palette"]:
        ...

`python -m diffutils.stage.controlling` measures all of it and writes the table, in about an hour of
one core; with --part it measures some parts anew. Shares are [count, total], means [mean, error].

guidance  samples of all five classes by 25 DDIM steps at each scale, and by 500 DDPM steps
dropout   the two small networks, which differ in that one was never shown a sprite without its
          class, with a class and without
mixes     the verdicts of `sprites.mixed` on the course's mixes, beside no context, the other
          classes, and the exact mixture: the ideal denoiser of 1,000 sprites with those weights
slider    the same from all hero to all food
law       what guided ideal denoisers draw, beside the law p(x|c)^scale p(x)^(1 - scale)
"""

import functools
import json
from pathlib import Path

import numpy as np
import torch

from diffutils.ideal import IdealDenoiser
from diffutils.measure import mean_and_error, variety_and_error
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.schedule import cosine_schedule, linear_schedule
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import Share, class_agreement, different_parts, flawless
from diffutils.sprites.mixed import verdicts
from diffutils.stage.tables import measured, rounded
from diffutils.weights import load_pretrained

TABLE = Path(__file__).with_name("controlling.json")
SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
DRAWN = 500  # samples at a scale, 100 of each class
GREY = 2 / 255  # one grey level
MIXES = {  # the course's mixes, and the two classes in each
    (1, 0, 0.6, 0, 0): ("hero", "food"),
    (0, 0, 0.6, 0.4, 0): ("food", "spell"),
    (1, 0, 0, 0, 1): ("hero", "side-facing"),
    (1, 1, 0, 0, 0): ("hero", "non-hero"),
    (1, 0, 0, 1, 0): ("hero", "spell"),
}


def draw(nn_model, n, *, steps=25, context=None, guidance=None, seed=0):
    """n samples by DDIM, or by all of DDPM's steps where steps is 500; clipping is up to others."""
    parts = []
    for first in range(0, n, 100):
        count = min(100, n - first)
        c = context if context is None or len(context) == 1 else context[first : first + count]
        same = {"nn_model": nn_model, "schedule": nn_model.schedule, "context": c,
                "guidance": guidance, "progress": False,
                "generator": torch.Generator().manual_seed(1000 * seed + first)}
        x, _ = sample_ddpm(count, save_rate=500, **same) if steps == 500 else sample_ddim(
            count, n=steps, **same)  # fmt: skip
        parts.append(x)
    return torch.cat(parts)


# --- guidance and dropout ------------------------------------------------------------------------


@functools.cache
def training_parts(n, draws=20):
    """How many different parts n training sprites show, all five classes: (mean, std) of draws."""
    counts = [different_parts(forge_sprites(n, 100 + k)[2]) for k in range(draws)]
    return float(np.mean(counts)), float(np.std(counts, ddof=1))


def describe(samples, contexts):
    """One row of the table; contexts (n, 5) one-hot, what each sample was asked for.

    parts   different ones in the samples read as asked, in percent of as many training sprites'
    read    for each class asked for, how many were read as each: 5 lists of 5 counts
    """
    verdict, asked = judge(samples.clamp(-1, 1)), contexts.argmax(1)
    as_asked = verdict.class_ == asked.numpy()
    apart = [variety_and_error(samples[asked == k].clamp(-1, 1)) for k in asked.unique()]
    varieties, errors = np.array(apart).T
    shares = {"class": class_agreement(verdict, contexts), "flawless": flawless(verdict)}
    mean, std = training_parts(max(5, int(as_asked.sum())))
    seen = different_parts(verdict.factors[as_asked])
    return {
        **{name: [share.count, share.total] for name, share in shares.items()},
        "read": [np.bincount(verdict.class_[asked == k], minlength=5).tolist() for k in range(5)],
        "right": rounded(mean_and_error(verdict.correct), 5),
        "parts": rounded((100 * seen / mean, 100 * std / mean), 5),
        "variety": rounded((varieties.mean(), np.sqrt((errors**2).sum()) / len(errors)), 5),
        "beyond": rounded(mean_and_error((samples.abs() > 1 + GREY).double().mean((1, 2, 3))), 5),
    }


def guidance(say):
    """{network: rows}, a row for each scale; and what real sprites would show."""
    contexts, found = torch.eye(5).repeat(DRAWN // 5, 1), {}
    for name in ("palette", "small"):
        nn_model, _ = load_pretrained(name)
        rows = []
        for steps, scale in [*((25, scale) for scale in SCALES), (500, 1.0)]:
            asked = {"context": contexts, "guidance": None if scale == 1 else scale}
            x = draw(nn_model, DRAWN, steps=steps, **asked)
            rows.append({"scale": scale, "steps": steps} | describe(x, contexts))
            say(name, rows[-1])
        found[name] = rows
    images, contexts, _ = forge_sprites(DRAWN, 99)
    found["training sprites"] = [describe(to_float(images), torch.from_numpy(contexts))]
    return found


def dropout(say):
    """{network: {asked how: row}}, with a class, without, and guided."""
    contexts, found = torch.eye(5).repeat(DRAWN // 5, 1), {}
    for name in ("small", "small-undropped"):
        nn_model, _ = load_pretrained(name)
        ways = {"with a class": {"context": contexts}, "without": {},
                "guided, scale 3": {"context": contexts, "guidance": 3.0}}
        found[name] = {way: describe(draw(nn_model, DRAWN, **asked), contexts)
                       for way, asked in ways.items()}  # fmt: skip
        say(name, found[name])
    return found


def guidance_table(rows):
    """Rows of the table in percent, as text: shares with their intervals, means as they are."""
    lines = [f"{'scale':<7}{'class as asked':<20}{'flawless':<20}{'pixels':<8}{'parts':<7}"
             f"{'variety':<9}beyond"]
    for row in rows:
        shares = [Share(*row[name]) for name in ("class", "flawless")]
        said = [f"{100 * one.share:.0f} ({100 * one.low:.0f} to {100 * one.high:.0f})"
                for one in shares]
        right, parts, variety, beyond = (row[name][0] for name in
                                         ("right", "parts", "variety", "beyond"))
        steps = "" if row["steps"] == 25 else f", {row['steps']} steps"
        lines.append(f"{row['scale']:<7g}{said[0]:<20}{said[1]:<20}{100 * right:<8.1f}{parts:<7.0f}"
                     f"{variety:<9.2f}{100 * beyond:.2f}{steps}")
    return "\n".join(lines)


def taken_for(rows, scale, one="hero", other="side-facing"):
    """(how many of 25 steps at this scale were one of these two for the other, how many otherwise).

    Of all samples that were not read as asked.
    """
    wanted = {"scale": scale, "steps": 25}
    read = next(np.array(row["read"]) for row in rows if wanted.items() <= row.items())
    k, n = CLASSES.index(one), CLASSES.index(other)
    pair = read[k, n] + read[n, k]
    return int(pair), int(read.sum() - read.trace() - pair)


# --- mixes on trial ------------------------------------------------------------------------------


def trial(samples, one, other):
    """How many samples are of `one`, `other`, "both", "neither"; and how many are flawless."""
    said = verdicts(samples.clamp(-1, 1), one, other)
    counts = {word: int((said == word).sum()) for word in (one, other, "both", "neither")}
    return counts | {"flawless": flawless(judge(samples.clamp(-1, 1))).count, "of": len(samples)}


@functools.cache
def ideal_of_all(n=1000):
    """The ideal denoiser of n sprites of all classes, with their classes.

    Its schedule is the cosine one: with what the linear one leaves of a sprite at the last level
    its samples do not keep to the weights.
    """
    images, contexts, _ = forge_sprites(n, 12)
    return IdealDenoiser(to_float(images), schedule=cosine_schedule(),
                         contexts=torch.from_numpy(contexts))


def row(values):
    return torch.tensor([values], dtype=torch.float32)


def mixes(say, n=400):
    """A list of dictionaries: mix, classes, and {who draws: counts}."""
    nn_model, _ = load_pretrained()
    found = []
    for mix, (one, other) in MIXES.items():
        others = [float(name not in (one, other)) for name in CLASSES]
        asked = {
            "network": (nn_model, row(mix)),
            "exact mixture": (ideal_of_all(), row(mix)),
            "no context": (nn_model, None),
            "the other classes": (nn_model, row(others)),
        }
        counts = {who: trial(draw(model, n, context=c), one, other)
                  for who, (model, c) in asked.items()}  # fmt: skip
        found.append({"mix": list(mix), "classes": [one, other], "counts": counts})
        say(found[-1])
    return found


def slider(say, n=200):
    """{who draws: [counts]} for 0, 0.1 .. 1 of food beside hero."""
    nn_model, found = load_pretrained()[0], {"network": [], "exact mixture": []}
    for tenths in range(11):
        mix = row([1 - tenths / 10, 0, tenths / 10, 0, 0])
        for who, model in (("network", nn_model), ("exact mixture", ideal_of_all())):
            found[who].append(trial(draw(model, n, context=mix, seed=tenths), "hero", "food"))
        say(tenths, {who: counts[-1] for who, counts in found.items()})
    return found


# --- the law that guidance is said to follow -----------------------------------------------------


def certain_world(n=200):
    """(x0, contexts, p): n sprites of five classes, each of one class; p(class 0 | sprite)."""
    images, contexts, _ = forge_sprites(n, 6)
    return to_float(images), torch.from_numpy(contexts), torch.from_numpy(contexts)[:, 0].double()


def uncertain_world(n=40):
    """The same with two classes, of which a sprite is the first with p = 0.1, 0.3 .. 0.9."""
    x0 = to_float(forge_sprites(n, 6)[0])
    sure = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]).repeat(n // 5)
    sure = sure[torch.randperm(n, generator=torch.Generator().manual_seed(2))]
    return x0, torch.stack([sure, 1 - sure], dim=1), sure.double()


def in_their_span(x0):
    """The same world in fewer numbers, (N, 3, h, h): all distances are kept.

    Where no sprite differs from another the ideal denoiser has nothing to decide.
    """
    u, length, _ = torch.linalg.svd(x0.flatten(1).double(), full_matrices=False)
    height = int(np.ceil((u.shape[1] / 3) ** 0.5))
    coordinates = torch.zeros(len(x0), 3 * height**2)
    coordinates[:, : u.shape[1]] = (u * length).float()
    return coordinates.unflatten(1, (3, height, height))


def the_law(p, scale):
    """p(x | c)^scale p(x)^(1 - scale) where all sprites are equally likely: p^scale, scaled."""
    law = torch.where(p > 0, p**scale, 0)
    return law / law.sum()


def count_sprites_in(samples, x0, near=0.1):
    """(counts (N,) int64, how many are none of them): which sprite of x0 each sample is.

    near   how far from it a sample may be, root mean square a number
    """
    apart, which = torch.cdist(samples.flatten(1), x0.flatten(1)).min(1)
    found = apart < near * x0[0].numel() ** 0.5
    return torch.bincount(which[found], minlength=len(x0)), int((~found).sum())


def total_variation(counts, law, none=0):
    """Half the sum of |share - law|; samples that are none of the sprites count as wrong."""
    n = int(counts.sum()) + none
    return 0.5 * ((counts / n - law).abs().sum().item() + none / n)


def exact_draws(law, n, times=400):
    """(mean, std) of the distance of n exact draws from their own law."""
    generator = torch.Generator().manual_seed(0)
    far = []
    for _ in range(times):
        drawn = torch.multinomial(law, n, replacement=True, generator=generator)
        far.append(total_variation(torch.bincount(drawn, minlength=len(law)), law))
    return float(np.mean(far)), float(np.std(far))


def distance_error(counts, law, none=0, times=200):
    """The std of the distance over samples drawn again out of these (the bootstrap)."""
    generator, n = torch.Generator().manual_seed(0), int(counts.sum()) + none
    shares = torch.cat([counts, torch.tensor([none])]).double() / n
    far = []
    for _ in range(times):
        again = torch.multinomial(shares, n, replacement=True, generator=generator)
        again = torch.bincount(again, minlength=len(shares))
        far.append(total_variation(again[:-1], law, int(again[-1])))
    return float(np.std(far))


def law(say, n=1000):
    """A list of rows: world, schedule, sampler, scale, counts, distance from the law."""
    found = []
    for world, (x0, contexts, p), schedules, scales in (
        ("certain", certain_world(), {"cosine": cosine_schedule(), "linear": linear_schedule()},
         (1.0, 2.0, 4.0, 8.0)),
        ("uncertain", uncertain_world(), {"cosine": cosine_schedule()}, (0.0, 1.0, 2.0, 4.0, 8.0)),
    ):
        small = in_their_span(x0)
        for name, schedule in schedules.items():
            ideal = IdealDenoiser(small, schedule=schedule, contexts=contexts)
            for sampler in ("DDIM", "DDPM"):
                for scale in scales:
                    counts, none = guided_counts(ideal, n, sampler, scale, seed=int(10 + scale))
                    far = the_law(p, scale)
                    found.append({
                        "world": world, "schedule": name, "sampler": sampler, "scale": scale,
                        "counts": counts.tolist(), "none": none,
                        "distance": rounded((total_variation(counts, far, none),
                                             distance_error(counts, far, none)), 5),
                        "exact": rounded(exact_draws(far, n), 5),
                    })  # fmt: skip
                    say({k: v for k, v in found[-1].items() if k != "counts"})
    return found


def guided_counts(ideal, n, sampler, scale, steps=50, seed=10):
    """`count_sprites_in` of n samples of the first class; DDIM in 50 steps, DDPM in all."""
    contexts = torch.eye(len(ideal.of_class))[:1]
    same = {"nn_model": ideal, "schedule": ideal.schedule, "height": ideal.x0.shape[2],
            "context": contexts, "guidance": scale, "progress": False,
            "generator": torch.Generator().manual_seed(seed)}
    x, _ = sample_ddim(n, n=steps, **same) if sampler == "DDIM" else sample_ddpm(
        n, save_rate=500, **same)  # fmt: skip
    return count_sprites_in(x, ideal.x0)


# --- the file ------------------------------------------------------------------------------------

PARTS = {"guidance": guidance, "dropout": dropout, "mixes": mixes, "slider": slider, "law": law}


@functools.cache
def controlling():
    """The table: a dictionary with a key for each part, and "command", "date" and "machine"."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def main(arguments=None):
    about = "Measures what lesson 06 shows of guidance and mixes, and writes its table."
    measured("controlling", about, TABLE, PARTS, arguments)


if __name__ == "__main__":
    main()
