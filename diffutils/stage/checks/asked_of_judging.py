"""Questions of lessons 08 and 09 and what they measure: copies, distances, bits, bugs."""

import math
from functools import cache

import torch

from diffutils.ideal import IdealDenoiser
from diffutils.measure import frechet_distance, kernel_distance
from diffutils.noising import perturb_input, predict_x0
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim
from diffutils.schedule import linear_schedule
from diffutils.sprites import judge, render
from diffutils.sprites.judge import seen
from diffutils.stage import cases, dial, exhibits, museum, patches
from diffutils.stage.checks.questions import Answer, Choice, noise_like, off, some_sprites
from diffutils.stage.controlling import controlling
from diffutils.stage.ledger import cost_by_level, ledger
from diffutils.weights import load_pretrained

# --- copying, in lesson 08 -----------------------------------------------------------------------


@cache
def measure_no_copies():
    """What 20 and 2,000 sprites make of the small network; what the ideals cost, and draw."""
    few, many = dial.find(20)[0], dial.find(2000)[0]
    factors, schedule, i = dial.training_set(2000, 0), linear_schedule(), 250
    x0 = to_float(render(factors[:64]))
    x_t = perturb_input(x0, i, noise_like(x0, 5), schedule=schedule)
    copier = IdealDenoiser(to_float(render(factors)), schedule=schedule)
    world = IdealDenoiser(to_float(render(dial.coats())), schedule=schedule)
    sixteen = {"n_sample": 16, "n": 25, "schedule": schedule, "progress": False}
    drawn, _ = sample_ddim(**sixteen, nn_model=IdealDenoiser(x0, schedule=schedule),
                           generator=torch.Generator().manual_seed(1))  # fmt: skip
    copies = seen(dial.judge(drawn).factors, factors[:64]).sum()
    shown = dial.BATCH * dial.STEPS
    return {
        "few": few["read"], "of": few["samples"], "many": many["read"],
        "chance": 100 * 2000 / len(dial.coats()),
        "looks_few": shown / 20, "looks_many": shown / 2000, "copies": int(copies),
        "copier": off(copier.guess_x0(x_t, i), x0), "general": off(world.guess_x0(x_t, i), x0),
    }  # fmt: skip


CHOICES = (
    Choice(
        "why-no-copies",
        "Trained on 20 sprites, the small network draws copies; trained on 2,000, with the same "
        "steps, hardly more than chance. Why?",
        measure_no_copies,
        (
            Answer(
                "loss",
                "Of 2,000 sprites the lowest loss is not that of a copier any more, and training "
                "finds the lowest.",
                "then the copier would cost more on its own sprites. In 64 of the 2,000 at level "
                "250 it is off by {copier:.4f} (mean square), the generaliser by {general:.4f}",
            ),
            Answer(
                "fresh-noise",
                "Fresh noise in every step keeps it from meeting the same picture twice, so that "
                "it cannot learn any by heart.",
                "the noise was as fresh with 20 sprites, and {few:.0f} of {of:.0f} samples are "
                "read as one of them",
            ),
            Answer(
                "right",
                "What all share is learnt from any sprite; what is one's own only from that one, "
                "and of 2,000 it comes up too seldom.",
                "of 20 sprites each was shown {looks_few:.0f} times, of 2,000 each "
                "{looks_many:.0f} times; read as one of them are {few:.0f} of {of:.0f} samples and "
                "{many:.0f}, where chance alone gives {chance:.0f} in a hundred",
            ),
            Answer(
                "many-starts",
                "Each sample starts from noise of its own, and from so many starts there are ways "
                "to sprites that nobody drew.",
                "then an ideal denoiser would draw new ones too. Sixteen starts with that of 64 "
                "sprites end in {copies:.0f} copies",
            ),
        ),
    ),
)


# --- what conviction costs in bits, lesson 08 ----------------------------------------------------


@cache
@torch.no_grad()
def measure_conviction():
    """The bill of the palette network at two convictions, and what its answers look like."""
    bills, found = ledger()["cost"], {}
    schedule, x0 = linear_schedule(), some_sprites(60)
    x_t = perturb_input(x0, 300, noise_like(x0, 1), schedule=schedule)
    nn_model, _ = load_pretrained()
    sure, palette = nn_model.conviction, nn_model.palette[nn_model.palette[:, 0] <= 1]
    for name, nn_model.conviction in (("plain", 1.0), ("sure", sure)):
        guess = predict_x0(x_t, 300, nn_model(x_t, torch.tensor(0.6).expand(60)), schedule=schedule)
        pixels = guess.permute(0, 2, 3, 1).reshape(-1, 1, 3)
        pure = ((pixels - palette).abs().amax(2).amin(1) < 2 / 127.5).double().mean().item()
        found[f"{name}_pure"] = 100 * pure
    levels, bits = cost_by_level("as shipped")
    at_100 = levels.index(100)
    (plain, plain_error), (shipped, shipped_error) = bills["conviction 1"], bills["as shipped"]
    guided = next(row for row in controlling()["guidance"]["palette"] if row["scale"] == 1)
    return found | {
        "plain": plain, "plain_error": plain_error, "sure": shipped, "sure_error": shipped_error,
        "apart": (shipped - plain) / math.hypot(plain_error, shipped_error),
        "sure_above": bits[at_100], "plain_above": cost_by_level("conviction 1")[1][at_100],
        "parts": guided["parts"][0],
        "spread": guided["parts"][1],
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-sure-costs",
        "With conviction 20 the network draws cleaner sprites than with 1, and yet its bill in "
        "bits is more than twice as high. Why?",
        measure_conviction,
        (
            Answer(
                "chance",
                "So few sprites were measured that the two bills cannot be told apart.",
                "they can: {plain:.1f} ± {plain_error:.1f} bits with 1 and {sure:.1f} ± "
                "{sure_error:.1f} with 20, {apart:.0f} standard errors apart",
            ),
            Answer(
                "right",
                "Where several sprites are possible the best answer is their average; a sure one "
                "picks.",
                "at level 300 {sure_pure:.0f} % of the pixels of its guess have a colour of the "
                "palette with 20, and {plain_pure:.0f} % with 1. A pick is sharp, and farther from "
                "the average than the average is from the truth",
            ),
            Answer(
                "left-out",
                "The sure network no longer draws some parts at all, and what is never drawn costs "
                "the most.",
                "its samples show {parts:.0f} ± {spread:.0f} % as many different parts as "
                "training sprites do; and the bill counts answers, level by level, no samples",
            ),
            Answer(
                "last-levels",
                "It errs at the last levels, where the ratio of signal to noise, by which errors "
                "are weighted, is huge.",
                "stopped at level 100, before the last levels, the bills are {sure_above:.0f} bits "
                "with 20 and {plain_above:.0f} with 1, and more than twice as high already",
            ),
        ),
    ),
)


# --- why real sprites are far from real sprites, lesson 08 ---------------------------------------


@cache
def measure_set_floor():
    """Real sprites from other real ones: by Fréchet's distance, its two parts, and the kernel's."""
    x0 = some_sprites(3000)
    real, sets = x0[:2000], x0[2000:].split(250)
    far = [frechet_distance(some, real) for some in sets]
    means = [(some.mean(0) - real.mean(0)).square().sum().item() for some in sets]
    kernel = torch.tensor([kernel_distance(some, real) for some in sets])
    return {
        "far": sum(far) / len(far), "means": 100 * sum(means) / sum(far),
        "least": min(far), "most": max(far), "kernel": kernel.mean().abs().item(),
        "spread": kernel.std().item(), "itself": abs(frechet_distance(sets[0], sets[0])),
        "thin": torch.linalg.matrix_rank(torch.cov(sets[0].flatten(1).T.double())).item(),
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-a-floor",
        "250 real sprites have a large Fréchet distance from 2,000 other real ones, by pixels. "
        "Why is it not about 0?",
        measure_set_floor,
        (
            Answer(
                "another-law",
                "Each draw of the forge has a law of its own, so that the two sets do differ.",
                "then every distance would see it. The kernel distance of these sets is "
                "{kernel:.4f}, with a spread of {spread:.4f} from set to set; Fréchet's is between "
                "{least:.0f} and {most:.0f} for each of them",
            ),
            Answer(
                "rounding",
                "The root of a product of two matrices of 768 by 768 is full of rounding errors.",
                "the same formula with the same matrices gives a set's distance from itself as "
                "{itself:.5f}; between sets it is {far:.0f}",
            ),
            Answer(
                "means",
                "The average of so few sprites is off, and the distance of the averages is in it.",
                "the averages make up {means:.1f} % of the {far:.0f}",
            ),
            Answer(
                "right",
                "A covariance counted from so few is off in each of its many directions.",
                "250 sprites span {thin} of 768 directions and have no spread at all in the rest, "
                "and each such error adds to the distance: {far:.0f} in all, of which the averages "
                "are {means:.1f} %",
            ),
        ),
    ),
)


# --- why a moved copy is far away, lesson 08 -----------------------------------------------------


def moved(x):
    """The pictures one pixel further to the right, white where they were."""
    return torch.cat([torch.ones_like(x[..., :1]), x[..., :-1]], -1)


def nearest(x, x0, p=2.0):
    """How far pictures are from the nearest of x0: the mean of |difference|^p, to the 1/p."""
    distances = torch.cdist(x.flatten(1), x0.flatten(1), p=p).amin(1)
    return (distances / x[0].numel() ** (1 / p)).mean().item()


@cache
def measure_moved():
    """Copies moved by a pixel, and new sprites: how far from the nearest of 3,000, five ways."""
    x = some_sprites(3200)
    x0, new = x[:3000], x[3000:]
    free = x0[(x0[..., -1] == 1).flatten(1).all(1)][:200]  # nothing of them is moved out
    coarse = [torch.nn.functional.avg_pool2d(some, 4) for some in (moved(x0[:200]), new, x0)]
    return {
        "moved": nearest(moved(x0[:200]), x0), "new": nearest(new, x0),
        "free": nearest(moved(free), x0),
        "moved_few": nearest(moved(x0[:200]), x0[:300]), "new_few": nearest(new, x0[:300]),
        "moved_abs": nearest(moved(x0[:200]), x0, 1.0), "new_abs": nearest(new, x0, 1.0),
        "coarse": nearest(coarse[0], coarse[2]) / nearest(coarse[1], coarse[2]),
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-moved-is-far",
        "Copies of training sprites, moved by one pixel, are farther from the training set than "
        "sprites that are new. Why?",
        measure_moved,
        (
            Answer(
                "right",
                "Along each outline a pixel now meets another colour, and sprites are all outline.",
                "seen coarsely, in blocks of 4 by 4 pixels, where outlines are gone, the moved "
                "ones are {coarse:.1f} times as far as the new ones; in full they are {moved:.2f} "
                "away and the new ones {new:.2f}",
            ),
            Answer(
                "lost-column",
                "A column of pixels was moved out of the picture, and what is lost is missed.",
                "sprites whose last column is white lose nothing, and are {free:.2f} away when "
                "moved; all of them {moved:.2f}, new sprites {new:.2f}",
            ),
            Answer(
                "squares",
                "Squares blow up the few pixels that differ; absolute differences would not.",
                "the mean absolute difference from the nearest is {moved_abs:.2f} for the moved "
                "and {new_abs:.2f} for new ones, even farther apart than by squares",
            ),
            Answer(
                "many-to-choose-from",
                "New sprites have three thousand to be near to, and by luck one of them is close.",
                "with a tenth of the training sprites to choose from, the new ones are "
                "{new_few:.2f} away and the moved ones {moved_few:.2f}",
            ),
        ),
    ),
)


# --- bugs that nobody sees, lesson 09 ------------------------------------------------------------


@cache
def measure_silence():
    """The variance for the std, on two networks, with many steps and few; and a bug that shows."""
    def counted(name, steps, n=40):
        exhibit = exhibits.EXHIBITS[name]
        case = cases.Case(exhibit.lines(), exhibit.network, exhibit.loop, steps, False)
        walk = case.walk(n)
        k = min(range(len(walk.levels)), key=lambda k: abs(walk.levels[k] - 250))
        return judge(walk.x[-1].clamp(-1, 1)).flawless.sum(), museum.there(walk)[k]

    quiet, left = counted("std", 100)
    return {
        "n": 40, "quiet": quiet, "left": left, "few": counted("std", 25)[0],
        "loud": counted("wraps", 30)[0], "told": float(1 - SCHEDULE_500.alpha_bar[250]) ** 0.5,
        "bell": museum.pair("std")[0]["bell"][1], "far": museum.sets("std")[0]["distance"],
        "floor": max(museum.museum()["floor"][1]),
    }  # fmt: skip


SCHEDULE_500 = linear_schedule()

CHOICES += (
    Choice(
        "why-nothing-shows",
        "With the variance in place of the std the samples are as flawless as before. Why?",
        measure_silence,
        (
            Answer(
                "small",
                "The mistake is too small to matter: a factor near 1 in a line among many.",
                "at level 250 the network is told of noise of std {told:.2f} and {left:.2f} is "
                "there, and plain noise comes down with a std of {bell:.2f}, not 1",
            ),
            Answer(
                "judge",
                "The judge is too lenient: it calls everything flawless that looks like a sprite.",
                "it calls {quiet:.0f} of {n} of these flawless, and of the samples whose levels "
                "wrap {loud:.0f}; each pixel has to be right, to 39 of 255",
            ),
            Answer(
                "steps",
                "In 100 steps such mistakes cancel out; with fewer the samples would suffer.",
                "in 25 steps {few:.0f} of {n} are flawless, in 100 {quiet:.0f}",
            ),
            Answer(
                "right",
                "It leads pictures with too little noise back to a sprite; "
                "variety is lost.",
                "{quiet:.0f} of {n} are flawless with noise of {left:.2f} where {told:.2f} is "
                "told; but as a set they are {far:.3f} from real sprites, which are {floor:.3f} "
                "from each other at most",
            ),
        ),
    ),
)


# --- why a small window explains more than the whole, lesson 08 ----------------------------------


@cache
@torch.no_grad()
def measure_windows():
    """At level 100, in percent: what windows of 500 sprites explain, and what else it could be."""
    schedule, i = load_pretrained()[1], 100
    x0, held = patches.owned(patches.OWNED)[0], patches.held()
    x, own = patches.noisy(held, i), patches.noisy(x0[::10], i)
    answer, answer_own = (patches.answer_of("plain", some, i) for some in (x, own))

    def told(size, x, answer):
        ideal = patches.PatchDenoiser(x0, size, schedule=schedule)
        return 100 * patches.explained(answer, ideal.guess_x0(x, i))[0]

    around = x.roll(7, 0).clone()  # all but 3 by 3 pixels is another picture's
    around[..., 7:10, 7:10] = x[..., 7:10, 7:10]
    swapped, other = (some - answer for some in (patches.answer_of("plain", around, i),
                                                 answer.roll(7, 0)))  # fmt: skip
    return {
        "one": told(1, x, answer), "three": told(3, x, answer), "all": told(31, x, answer),
        "own_three": told(3, own, answer_own), "own_all": told(31, own, answer_own),
        "known": 100 * patches.known_windows(held, x0),
        "same": 100 * patches.known_windows(held, x0, 31),
        "around": swapped[..., 8, 8].square().mean().item(),
        "other": other[..., 8, 8].square().mean().item(), "error": off(answer, held),
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-windows-explain",
        "At level 100, windows of 3 by 3 pixels of 500 sprites explain far more of the plain "
        "network's answers to new sprites than the same 500 seen whole. Why?",
        measure_windows,
        (
            Answer(
                "network-sees-no-more",
                "At so little noise the network itself looks no further than three pixels.",
                "give it another sprite's picture all around the 3 by 3, and its answer in the "
                "middle moves by {around:.2f} (mean square), {other:.2f} if the 3 by 3 is "
                "exchanged as well; its error is {error:.3f}",
            ),
            Answer(
                "few-are-quiet",
                "Twenty-seven numbers hold less noise than 768, so what fits is told more surely.",
                "to sprites that are among the 500, the whole picture explains {own_all:.1f} % of "
                "its answers and 3 by 3 {own_three:.1f} %; the noise is the same there",
            ),
            Answer(
                "right",
                "A new sprite is none of the 500, yet most of its windows are in one of them.",
                "of the new sprites' windows of 3 by 3, {known:.0f} % are in one of the 500 at "
                "that place, of whole sprites {same:.0f} %; the windows explain {three:.0f} %, the "
                "whole {all:.0f} %",
            ),
            Answer(
                "smaller-is-better",
                "The less a denoiser compares, the more sprites stay in its average, and so "
                "it errs less.",
                "one pixel compares even less, and explains {one:.1f} %; 3 by 3 explains "
                "{three:.1f} %",
            ),
        ),
    ),
)
