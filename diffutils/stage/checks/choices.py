"""Questions with four answers, three of which are known misunderstandings, each put to the test.

`choice(name, answer)` reads one letter. A wrong answer is met by the experiment that refutes it,
run at the moment of the check; nothing that is said to it tells which answer is right.
To add a question, add a `Choice` to CHOICES: its `measure` is run once, and the replies are
sentences with blanks for what it found.
"""

import copy
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch

from diffutils.descent import guess_noise
from diffutils.ideal import IdealDenoiser
from diffutils.measure import frechet_distance, kernel_distance, variety
from diffutils.noising import perturb_input, predict_x0
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.schedule import NoiseSchedule, cosine_schedule, linear_schedule
from diffutils.sprites import bob, forge_sprites, render
from diffutils.sprites import judge as read_back
from diffutils.sprites.judge import seen
from diffutils.stage import cases, dial, exhibits, museum, patches
from diffutils.stage.checks.engine import Result
from diffutils.stage.controlling import (
    controlling,
    exact_draws,
    guided_counts,
    in_their_span,
    the_law,
    total_variation,
    uncertain_world,
)
from diffutils.stage.ledger import cost_by_level, ledger
from diffutils.weights import load_pretrained

LETTERS = "abcd"


@dataclass(frozen=True)
class Answer:
    """One of the four: a name for it, what it says, and the reply, with blanks for numbers."""

    name: str
    text: str
    reply: str


@dataclass(frozen=True)
class Choice:
    """One question.

    measure   a function without arguments -> {name: number}, what the replies speak of
    answers   four of them, in the order in which they are shown; one is named "right"
    """

    name: str
    text: str
    measure: Callable
    answers: tuple


def some_sprites(n):
    """(n, 3, 16, 16) forged sprites, always the same."""
    return to_float(forge_sprites(n, 7)[0])


def noise_like(x0, seed):
    return torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))


def off(guess, x0):
    """The mean squared error of a guess."""
    return ((guess - x0) ** 2).mean().item()


@cache
def measure_fog():
    """The ideal denoiser at level 500: of 500 sprites, and of the one that is there."""
    schedule, x0 = linear_schedule(), some_sprites(500)
    x_t = perturb_input(x0, 500, noise_like(x0, 0), schedule=schedule)
    ideal = IdealDenoiser(x0, schedule=schedule)
    first = ideal.shares(x_t, 500).argmax(1)
    alone = [IdealDenoiser(one[None], schedule=schedule) for one in x0[:20]]
    guesses = [one.guess_x0(x[None], 500)[0] for one, x in zip(alone, x_t, strict=False)]
    return {
        "fog": off(ideal.guess_x0(x_t, 500), x0),
        "favourite": off(x0[first], x0),
        "blind": off(x0.mean(0, keepdim=True), x0),
        "hits": 100 * (first == torch.arange(500)).double().mean().item(),
        "chance": 100 / 500,
        "alone": off(torch.stack(guesses), x0[:20]),
    }


def right_answers(score_bob, score_noise, threshold):
    """The share of both kinds that a threshold between them gets right, in percent."""
    caught, cleared = (score_bob > threshold).double(), (score_noise <= threshold).double()
    return 50 * (caught.mean() + cleared.mean()).item()


@cache
def measure_pattern():
    """Bob at level 300 against noise: by a heap of numbers, by the pattern, by shuffled pixels."""
    schedule, x_bob = linear_schedule(), to_float(bob()[None])
    noise = noise_like(x_bob.expand(2000, -1, -1, -1), 1)
    x_t = perturb_input(x_bob.expand(1000, -1, -1, -1), 300, noise[:1000], schedule=schedule)
    half = schedule.alpha_bar[300].sqrt() * (x_bob**2).sum() / 2
    order = torch.randperm(768, generator=torch.Generator().manual_seed(2))
    shuffled = x_t.flatten(1)[:, order].reshape(x_t.shape)
    agree = {
        "bob": (x_t * x_bob).sum((1, 2, 3)),
        "noise": (noise[1000:] * x_bob).sum((1, 2, 3)),
        "shuffled": (shuffled * x_bob).sum((1, 2, 3)),
    }
    return {
        "pattern": right_answers(agree["bob"], agree["noise"], half),
        "shuffled": right_answers(agree["shuffled"], agree["noise"], half),
        "std": x_t.std().item(),
        "spread": right_answers(-x_t.flatten(1).std(1), -noise[1000:].flatten(1).std(1),
                                -(1 + x_t.std().item()) / 2),
        "corner": right_answers(x_t[:, 0, 0, 0], noise[1000:, 0, 0, 0],
                                schedule.alpha_bar[300].sqrt() * x_bob[0, 0, 0, 0] / 2),
        "fade": schedule.alpha_bar[300].sqrt().item(),
    }  # fmt: skip


@cache
def measure_jump():
    """100,000 white pixels at level 250: walked, walked with a late start of the noise, jumped."""
    schedule, white = linear_schedule(), torch.ones(100_000, 1, 1, 1)
    generator = torch.Generator().manual_seed(3)
    whole, late = white, white
    for i in range(1, 251):
        z = torch.randn(white.shape, generator=generator)
        keep, add = schedule.alpha[i].sqrt(), schedule.beta[i].sqrt()
        whole, late = keep * whole + add * z, keep * late + (add * z if i > 125 else 0)
    jumped = perturb_input(white, 250, noise_like(white, 4), schedule=schedule)
    together = torch.corrcoef(torch.stack([whole.flatten(), jumped.flatten()]))[0, 1]
    return {
        "together": together.abs().item(),
        "missing": 100 * (1 - late.var() / whole.var()).item(),
        "sum": (schedule.alpha_bar[250].sqrt() + (1 - schedule.alpha_bar[250]).sqrt()).item(),
        "squares": (jumped.mean() ** 2 + jumped.var()).item(),
    } | {
        f"{name}_{place}": 100 * (x < value).double().mean().item()
        for name, x in (("walked", whole), ("jumped", jumped))
        for place, value in (("low", -0.5), ("high", 1.5))
    }


@cache
def measure_collapse():
    """The ideal denoiser of 200 sprites in 100 steps: noise put back, none, and no dice at all."""
    x0, every = some_sprites(200), linear_schedule().alpha_bar[::5]
    schedule = NoiseSchedule(1 - every[1:] / every[:-1])
    ideal = IdealDenoiser(x0, schedule=schedule)

    def draw(sample, **how):
        generator = torch.Generator().manual_seed(5)
        return sample(
            48, nn_model=ideal, schedule=schedule, generator=generator, progress=False, **how
        )

    drawn, run = draw(sample_ddpm, save_rate=10)
    without, run_without = draw(sample_ddpm, save_rate=10, inject_noise=False)
    k = run.levels.index(60)  # level 300 of 500
    fade = schedule.alpha_bar[60].sqrt()
    from_copy = torch.cdist(drawn.flatten(1), x0.flatten(1)).amin(1) / 768**0.5
    return {
        "data": variety(x0).mean().item(),
        "with": variety(drawn).mean().item(),
        "without": variety(without).mean().item(),
        "no_dice": variety(draw(sample_ddim, n=25)[0]).mean().item(),
        "off": from_copy.max().item(),
        "told": (1 - schedule.alpha_bar[60]).sqrt().item(),
        "there": (run.x[k] - fade * drawn).flatten(1).std(1).median().item(),
        "left": (run_without.x[k] - fade * without).flatten(1).std(1).median().item(),
    }


CHOICES = (
    Choice(
        "why-the-fog",
        "At level 500 the best guess of the ideal network is a pale fog. Why?",
        measure_fog,
        (
            Answer(
                "too-weak",
                "It is not good enough yet: a larger network, trained for longer, would see the "
                "sprite that is there.",
                "then a sharper answer should cost less. In a world of 500 sprites the fog is off "
                "by {fog:.2f} (mean squared error), and the sharp sprite that the ideal network "
                "believes in most is off by {favourite:.2f}",
            ),
            Answer(
                "nothing-left",
                "At level 500 nothing of the sprite is left, so it has nothing to go by.",
                "then it could do no better than by drawing lots. In a world of 500 sprites its "
                "favourite is the true one in {hits:.0f} % of all cases, where lots find it in "
                "{chance:.1f} %",
            ),
            Answer(
                "smoothed-noise",
                "The fog is the noise itself, smoothed: that is what is left when one filters it.",
                "then the fog would come wherever there is such noise. With the same noise, in a "
                "world of one sprite, the guess is that sprite: it is off by {alone:.4f}",
            ),
            Answer(
                "right",
                "A great many sprites could be behind this noise, and the guess that costs least "
                "is their average.",
                "in a world of 500 sprites the average is off by {fog:.2f}, the likeliest sprite "
                "by {favourite:.2f}; and in a world of one, the average of one is sharp",
            ),
        ),
    ),
    Choice(
        "normal-and-yet-bob",
        "At level 300 the numbers of a noisy Bob pass for normal ones, and the detective is "
        "never wrong. How can both be?",
        measure_pattern,
        (
            Answer(
                "test-too-weak",
                "The heap of his numbers does give him away after all, and the detective is "
                "simply a better test of the heap.",
                "then he could do it from the heap alone. Shuffle the 768 numbers of each noisy "
                "Bob, all in the same way: the heap is the same, number for number, and the "
                "detective is right in {shuffled:.0f} % of all cases; a coin is in 50 %",
            ),
            Answer(
                "right",
                "Each number holds too little of Bob, but it is known where each one stands, and "
                "the hints add up.",
                "one number, the top left one, tells Bob from noise in {corner:.0f} % of all "
                "cases, all 768 in their places in {pattern:.0f} %, all 768 out of their places "
                "in {shuffled:.0f} %",
            ),
            Answer(
                "one-pixel",
                "Some pixels of Bob are hardly touched by the noise, and those the detective sees.",
                "the noise is equally strong everywhere. The top left pixel is white, as bright as "
                "a pixel can be, and its red tells Bob from noise in {corner:.0f} % of all cases",
            ),
            Answer(
                "spread",
                "Bob changes the spread of the numbers a little, and that is what the detective "
                "measures.",
                "the spread does differ, {std:.2f} where noise has 1.00, but whoever goes by it is "
                "right in {spread:.0f} % of all cases, and the detective in {pattern:.0f} %",
            ),
        ),
    ),
    Choice(
        "why-jump",
        "Training never takes the small steps: it jumps. Why may it?",
        measure_jump,
        (
            Answer(
                "same-picture",
                "Because 250 small steps and one jump to level 250 end at the same picture.",
                "then walk and jump would go up and down together. For 100,000 pixels that walked "
                "and jumped to level 250, the correlation of the two places is {together:.2f}",
            ),
            Answer(
                "early-noise-is-gone",
                "Because the noise of the early steps has faded by level 250 and can be left out.",
                "then a walk without it would end alike. Leave out the noise of the first 125 "
                "steps, and at level 250 {missing:.0f} % of the noise's variance is missing",
            ),
            Answer(
                "right",
                "Because walks and jumps end equally often at each place, and a training example "
                "is a single picture.",
                "of 100,000 white pixels {walked_low:.0f} % walk below -0.5 and {jumped_low:.0f} % "
                "jump there; {walked_high:.0f} % and {jumped_high:.0f} % are below 1.5. Two levels "
                "of one walk would be another matter",
            ),
            Answer(
                "parts-of-one",
                "Because what is left of the sprite and the std of the noise add up to 1 at each "
                "level, however one got there.",
                "at level 250 the two add up to {sum:.2f}. What adds up to 1 are their squares: "
                "{squares:.2f}, measured on 100,000 pixels",
            ),
        ),
    ),
    Choice(
        "why-put-back",
        "Without the noise that is put back the samples grow alike. Why?",
        measure_collapse,
        (
            Answer(
                "no-dice",
                "Without fresh dice on the way each run is settled by its start alone, so that "
                "all go the same way and end alike.",
                "then any sampler without dice would do that. `sample_ddim` rolls none after the "
                "start, and with the ideal network of 200 sprites the variety is {no_dice:.2f}; of "
                "the 200 it is {data:.2f}, and with this sampler and no noise put back "
                "{without:.2f}",
            ),
            Answer(
                "poor-network",
                "The network makes mistakes, and the fresh noise covers them up.",
                "then a network without mistakes would not need it. The ideal network of 200 "
                "sprites draws them with a variety of {with:.2f} with the noise, and of "
                "{without:.2f} without",
            ),
            Answer(
                "specks",
                "The noise that was put back on the way is still in the finished samples, a "
                "little of it in each pixel, and makes them differ.",
                "then it could be found in them. With all of the noise put back, the samples of "
                "the ideal network are sprites of its list, off by at most {off:.3f} (root mean "
                "square), and their variety is {with:.2f}; without, it is {without:.2f}",
            ),
            Answer(
                "right",
                "Each step takes out more noise than one level has, and a picture too clean for "
                "its level agrees best with the average.",
                "at level 300 an ideal network is told of noise of std {told:.2f}; with the noise "
                "put back there is {there:.2f}, without {left:.2f}",
            ),
        ),
    ),
)


# --- the plain network of lesson 03 --------------------------------------------------------------


def answers(nn_model, x_t, i, **cut):
    """The guess of the noise with zeros for what the skips bring, or for what comes from below."""

    def scissors(block, given):
        below, skip = given[0].chunk(2, dim=1)
        return torch.cat([cut.get("below", 1) * below, cut.get("skip", 1) * skip], 1), given[1]

    hooks = [up.register_forward_pre_hook(scissors) for up in (nn_model.up1, nn_model.up2)]
    try:
        with torch.no_grad():
            return nn_model(x_t, torch.tensor([i / nn_model.schedule.timesteps]))
    finally:
        for hook in hooks:
            hook.remove()


def inside_blocks(x):
    """What is left of pictures when the average of each block of 2x2 pixels is taken out."""
    block = torch.nn.functional.avg_pool2d(x, 2)
    return x - block.repeat_interleave(2, 2).repeat_interleave(2, 3)


def alike(a, b):
    """The correlation of two batches of pictures."""
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


@cache
def measure_skips():
    """The plain network with its skips cut, and with the way from below cut, on 200 sprites."""
    nn_model, schedule = load_pretrained("plain")
    x0, found = some_sprites(200), {}
    noise = noise_like(x0, 0)
    for i in (150, 300):
        x_t = perturb_input(x0, i, noise, schedule=schedule)
        whole, cut = answers(nn_model, x_t, i), answers(nn_model, x_t, i, skip=0)
        other = answers(nn_model, x_t, i, below=0)
        found |= {
            f"cut_{i}": off(cut, noise) / off(whole, noise),
            f"other_{i}": off(other, noise) / off(whole, noise),
        }
        if i == 150:
            details = inside_blocks(-cut)
            found |= {
                "details": alike(details, inside_blocks(x0)),
                "strangers": alike(details, inside_blocks(x0.roll(1, 0))),
                "whole_noise": alike(whole, noise),
                "cut_noise": abs(alike(cut, noise)),
                "told_60": answers(nn_model, x_t, 60, skip=0).std().item(),
                "told_300": answers(nn_model, x_t, 300, skip=0).std().item(),
            }
    return found


@cache
def measure_places():
    """The plain network and pieces of it, moved by 2 and by 8 pixels; and on a ring, without edges.

    Losses at level 150 of sprites with two white columns on their left, so that they stay whole.
    """
    nn_model, schedule = load_pretrained("plain")
    x0 = some_sprites(1000)
    x0 = x0[(x0[..., :2] == 1).flatten(1).all(1)]
    noise, ring = noise_like(x0, 0), copy.deepcopy(nn_model)
    for layer in ring.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.padding_mode = "circular"
    window, found = nn_model.enter, {}

    def moved(network, by):
        x_t = perturb_input(x0, 150, noise, schedule=schedule).roll(-by, 3)
        return answers(network, x_t, 150).roll(by, 3)

    with torch.no_grad():
        maps = torch.randn(1, 12, 8, 8, generator=torch.Generator().manual_seed(1))
        gap = window(maps.roll(1, 3)).roll(-1, 3) - window(maps)
        found["window"] = gap[..., 1:-2].abs().max().item()
    for name, network in (("net", nn_model), ("ring", ring)):
        for by in (0, 2, 8):
            found[f"{name}_{by}"] = off(moved(network, by), noise)
    found["ring_gap_2"] = off(moved(ring, 2), moved(ring, 0))
    found["ring_gap_8"] = off(moved(ring, 8), moved(ring, 0))
    return found


CHOICES += (
    Choice(
        "why-skips",
        "With its skips cut, the network's answer at level 150 is tens of times worse. What did "
        "it use them for?",
        measure_skips,
        (
            Answer(
                "no-room-for-details",
                "For the details of the sprite: through the narrow part only an outline fits.",
                "then the answer without skips would hold no details. Take the average of each "
                "block of 2x2 pixels out of it: what is left, as a negative, agrees with the same "
                "details of its own sprite ({details:.2f}; with those of another sprite "
                "{strangers:.2f})",
            ),
            Answer(
                "right",
                "For the noise: it has to be named pixel by pixel, and by the skips the noisy "
                "picture gets to the end.",
                "at level 150 the correlation of the answer with the noise is {whole_noise:.2f}, "
                "and without skips {cut_noise:.2f}: none of the noise comes from below",
            ),
            Answer(
                "any-cut",
                "For nothing in particular: zeros in one half of the maps are a shock to a "
                "trained network, whichever half it is.",
                "then zeros in the other half, in what comes from below, would do as much harm. At "
                "level 150 they make the loss {other_150:.1f} times as large, the cut of the skips "
                "{cut_150:.0f} times; at level 300 {other_300:.1f} and {cut_300:.0f} times",
            ),
            Answer(
                "the-level",
                "For the level: without the skips the upper half does not know how much noise "
                "there is.",
                "then it would answer alike whatever level it is told. Without skips, and with the "
                "same pictures, the std of its answer is {told_60:.2f} when it is told 60, and "
                "{told_300:.2f} when it is told 300",
            ),
        ),
    ),
    Choice(
        "why-lost",
        "Two pixels to the side, and the plain network is lost. Why?",
        measure_places,
        (
            Answer(
                "windows-know-places",
                "Its windows have other weights on the left of a picture than on its right.",
                "then a window would answer otherwise in another place. The network's first layer, "
                "on a map that was moved by one: its answers move along, and away from the edge "
                "they differ by {window:.5f}",
            ),
            Answer(
                "strides",
                "It halves the picture three times, so that only moves by 8 pixels leave all of "
                "its layers in step; nothing else is wrong.",
                "then a move by 8 would do no harm. The loss at level 150 is {net_0:.2f} where the "
                "sprites stand, {net_2:.2f} moved by 2 and {net_8:.2f} moved by 8",
            ),
            Answer(
                "edges",
                "The zeros round its maps tell it where the edge is; nothing else is wrong.",
                "then without an edge it would answer alike wherever a sprite stands. On a ring, "
                "where the right side goes on at the left, its answers to sprites moved by 2 still "
                "differ, by {ring_gap_2:.2f} (mean square); moved by 8, by {ring_gap_8:.2f}",
            ),
            Answer(
                "right",
                "Edges and halvings let it tell places apart, and as its sprites all stood in one "
                "place, it relied on them.",
                "with edges and halvings moved out of the way, on a ring and by 8 pixels, its "
                "answers differ by {ring_gap_8:.2f}; but without the edges, even where the sprites "
                "stand, its loss is {ring_0:.2f} for {net_0:.2f}: it had come to rely on them",
            ),
        ),
    ),
)


# --- the floor of lesson 04 ----------------------------------------------------------------------


@cache
def measure_floor():
    """What the ideal denoiser of 500 sprites pays, by level, and that of a single sprite."""
    schedule, x0, levels = linear_schedule(), some_sprites(500), range(20, 501, 20)
    ideal, noise = IdealDenoiser(x0, schedule=schedule), noise_like(x0[:100], 6)
    alone, alone_at = IdealDenoiser(x0[:1], schedule=schedule), x0[:1].expand(100, -1, -1, -1)

    def paid(reader, sprites, i):
        x_t = perturb_input(sprites, i, noise, schedule=schedule)
        t = torch.full((len(x_t),), i / schedule.timesteps)
        return off(reader(x_t, t), noise)

    loss = {i: paid(ideal, x0[:100], i) for i in levels}
    x_t = perturb_input(x0[:100], 460, noise, schedule=schedule)
    return {
        "low": loss[20],
        "high": loss[460],
        "upper": 100 * sum(loss[i] for i in levels if i > 250) / sum(loss.values()),
        "fit": ideal.effective_number(x_t, 460).median().item(),
        "alone": max(paid(alone, alone_at, i) for i in levels),
    }


CHOICES += (
    Choice(
        "why-not-zero",
        "The loss of a good run stops falling long before it is 0. Why can no network, however "
        "good, bring it down to 0?",
        measure_floor,
        (
            Answer(
                "right",
                "Where the noise is strong, several sprites fit the same picture, and the "
                "cheapest answer is none of them.",
                "in a world of 500 sprites about {fit:.0f} fit a picture at level 460, and the "
                "ideal denoiser pays {high:.4f} there; in a world of one sprite it pays "
                "{alone:.6f} at most",
            ),
            Answer(
                "too-small",
                "Networks are too small: one that knew every sprite by heart would reach 0.",
                "the ideal denoiser does know every sprite of its world by heart. In a world of "
                "500 sprites it pays {high:.4f} at level 460",
            ),
            Answer(
                "noise-is-random",
                "Noise is random, so that nobody can guess it exactly.",
                "it was as random in a world of one sprite, and there the ideal denoiser is off by "
                "{alone:.6f} at most: who knows the sprite knows the noise",
            ),
            Answer(
                "too-little-noise",
                "At the low levels there is so little noise in a picture that no network can "
                "measure it to the last digit.",
                "at level 20 the ideal denoiser of 500 sprites pays {low:.6f}; {upper:.0f} % of "
                "all that it pays, it pays above level 250",
            ),
        ),
    ),
)

# --- the sampler without dice of lesson 07 -------------------------------------------------------


@cache
def measure_no_dice():
    """The ideal denoiser of 200 sprites: DDIM by 25 and 100 steps, and DDPM with none put back."""
    schedule, x0 = linear_schedule(), some_sprites(200)
    ideal = IdealDenoiser(x0, schedule=schedule)
    start, stds = noise_like(x0[:64], 0), {}
    same = {"nn_model": ideal, "schedule": schedule, "start": start, "progress": False}

    def varied(name, sampler, n, **more):
        levels = [500 * k // n for k in range(n, -1, -1)]
        samples, run = sampler(64, levels=levels, generator=torch.Generator().manual_seed(1),
                               **same, **more)  # fmt: skip
        noise = run.x[run.levels.index(300)] - schedule.alpha_bar[300].sqrt() * samples
        stds[name] = noise.flatten(1).std(1).median().item()
        return samples, variety(samples).mean().item()

    few, few_varied = varied("few", sample_ddim, 25)
    again, _ = varied("again", sample_ddim, 25)
    none = {"save_rate": 1, "inject_noise": False}
    return {
        "data": variety(x0).mean().item(),
        "few": few_varied,
        "many": varied("many", sample_ddim, 100)[1],
        "none_few": varied("none_few", sample_ddpm, 25, **none)[1],
        "none": varied("none", sample_ddpm, 100, **none)[1],
        "again": (few - again).abs().max().item(),
        "told": (1 - schedule.alpha_bar[300]).sqrt().item(),
        "there": stds["few"],
        "left": stds["none"],
    }


CHOICES += (
    Choice(
        "why-no-dice",
        "DDIM throws no dice on its way, and yet its sprites do not grow alike, as those of lesson "
        "05 did without the noise that is put back. Why?",
        measure_no_dice,
        (
            Answer(
                "few-steps",
                "It takes few steps, so that there is no time to drift towards the average.",
                "then it would drift in more steps, and the other sampler would not in few. Of an "
                "ideal network's samples the variety is {few:.2f} in 25 steps of DDIM and "
                "{many:.2f} in 100; of DDPM with none put back {none_few:.2f} in 25 and {none:.2f} "
                "in 100; the sprites themselves have {data:.2f}",
            ),
            Answer(
                "right",
                "It noises its guess again, to the new level's own amount: the network is told the "
                "truth.",
                "at level 300 the network is told of noise of std {told:.2f}, and {there:.2f} is "
                "there; where DDPM puts none back {left:.2f} is",
            ),
            Answer(
                "better-network",
                "The palette network draws here, and it is too good to blur anything.",
                "then an ideal network would not need it either. It blurs nothing at all, and with "
                "none put back the variety of its samples falls to {none:.2f} where its sprites "
                "have {data:.2f}; with DDIM it is {few:.2f}",
            ),
            Answer(
                "hidden-dice",
                "It does throw dice: the noise with which it noises its guess again is drawn "
                "afresh at each step.",
                "then two runs from one start would end in different sprites. In 64 pairs of runs "
                "the largest difference of a pixel is {again:.4f}",
            ),
        ),
    ),
)

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


CHOICES += (
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

# --- the way back to the noise, deeper in lesson 07 ----------------------------------------------


def walk_up(nn_model, x, levels, schedule):
    """DDIM upwards: the guess of the sprite noised to a higher level, with the guessed noise."""
    for i, j in pairwise(levels):
        eps = guess_noise(nn_model, x, i, schedule=schedule)
        x = perturb_input(predict_x0(x, i, eps, schedule=schedule), j, eps, schedule=schedule)
    return x


@cache
def measure_way_up():
    """The palette network, votes as cast, from clean sprites and from level 5 up to level 500."""
    nn_model, schedule = load_pretrained()
    nn_model.conviction = 1.0
    held_out, trained = (to_float(forge_sprites(12, 9, split=split)[0])
                         for split in ("held_out", "train"))
    noise = noise_like(held_out, 1)

    def top(x, first, n):
        levels = [first + (500 - first) * k // n for k in range(n + 1)]
        with torch.no_grad():
            x_t = perturb_input(x, first, noise, schedule=schedule)
            return walk_up(nn_model, x_t, levels, schedule)

    clean = top(held_out, 0, 25)
    with torch.no_grad():
        guess = guess_noise(nn_model, held_out, 0, schedule=schedule)
    return {
        "few": clean.std().item(), "many": top(held_out, 0, 100).std().item(),
        "trained": top(trained, 0, 25).std().item(), "noisy": top(held_out, 5, 25).std().item(),
        "guess": guess.std().item(), "alike": alike(clean, held_out),
        "jumped": alike(perturb_input(held_out, 500, noise, schedule=schedule), held_out),
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-no-noise",
        "The palette network walks a clean sprite up to level 500, and no noise stands there. Why?",
        measure_way_up,
        (
            Answer(
                "too-few-steps",
                "The steps are too long; in more of them noise would come up.",
                "what stands at level 500 after 25 steps has std {few:.2f}, after 100 steps "
                "{many:.2f}",
            ),
            Answer(
                "never-seen",
                "These sprites it has never seen in training, so that it does not know their "
                "noise.",
                "then those of its training would end in noise. From sprites of a kind that it "
                "has not seen the std is {few:.2f}, from others {trained:.2f}",
            ),
            Answer(
                "level-500-holds-it",
                "Level 500 holds a part of the sprite by the schedule, and that is what one sees.",
                "then a sprite that is noised to level 500 in one jump would show as much. The "
                "jump has a correlation of {jumped:.2f} with its sprite, the way up {alike:.2f}",
            ),
            Answer(
                "right",
                "A clean sprite has no noise that could be guessed, so none is brought in, and "
                "each level finds the picture cleaner than it should be.",
                "in the clean sprite the network guesses noise of std {guess:.4f}, and the way up "
                "ends with std {few:.2f}; from level 5, with real noise in it, with {noisy:.2f}",
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


# --- what guidance draws, lesson 06 --------------------------------------------------------------


@cache
@torch.no_grad()
def measure_guided_law(n=1000, scale=8.0):
    """Distances of what guided ideals draw from the law of guidance, in a world of 40 sprites."""
    x0, contexts, p = uncertain_world()
    world, schedule, law = in_their_span(x0), cosine_schedule(), the_law(p, scale)
    ideal = IdealDenoiser(world, schedule=schedule, contexts=contexts)
    shares = (law / law.max()).float()
    own = IdealDenoiser(world, schedule=schedule, contexts=torch.stack([shares, 1 - shares], 1))

    def far(model, guidance, steps, target=law):
        counts, none = guided_counts(model, n, "DDIM", guidance, steps)
        return total_variation(counts, target, none), none

    exact, spread = exact_draws(law, n)
    return {
        "few": far(ideal, scale, 50)[0], "many": far(ideal, scale, 500)[0],
        "none": far(ideal, scale, 50)[1], "unguided": far(ideal, 1.0, 50, the_law(p, 1.0))[0],
        "own": far(own, None, 50)[0], "exact": exact, "spread": spread, "n": n, "scale": scale,
    }  # fmt: skip


CHOICES += (
    Choice(
        "why-not-the-law",
        "Guided at scale 8, even the ideal denoiser does not draw by the law p(x|c)^8 p(x)^-7. "
        "Why not?",
        measure_guided_law,
        (
            Answer(
                "too-few-steps",
                "It takes too few steps; with more of them the shares would settle on the law.",
                "then ten times the steps would bring it nearer. The distance from the law is "
                "{few:.2f} after 50 steps and {many:.2f} after 500; exact draws, as "
                "many, have {exact:.2f}",
            ),
            Answer(
                "flawed-guesses",
                "The two guesses are not exact, and a scale above 1 blows their faults up.",
                "these guesses are exact. At scale 1 they draw by the law: the distance is "
                "{unguided:.2f}. At scale {scale:.0f} it is {few:.2f}, and yet {none:.0f} of "
                "{n:.0f} samples are flawed",
            ),
            Answer(
                "right",
                "At each level it adds up what two readers of a noisy picture say; noisy pictures "
                "of that law would be read otherwise.",
                "a denoiser whose list holds the sprites with the shares of that law reads them "
                "rightly, and its samples are {own:.2f} from the law, as exact draws are "
                "({exact:.2f}); the two guided guesses end {few:.2f} from it",
            ),
            Answer(
                "chance",
                "The samples are few, and any count of so few is off by as much.",
                "{n:.0f} exact draws from the law are {exact:.2f} from it, give or take "
                "{spread:.2f}; the guided ones are {few:.2f} from it",
            ),
        ),
    ),
)


def find(name):
    """The Choice of this name; ValueError names those there are."""
    for choice in CHOICES:
        if choice.name == name:
            return choice
    names = ", ".join(choice.name for choice in CHOICES)
    raise ValueError(f"choice: name is {name!r}; expected one of {names}")


def choice(name, answer=None):
    """The student's answer to a question checked: prints it, returns a Result.

    name     of a question; ValueError names those there are
    answer   a letter, "a" to "d", or None, which shows the question and the four answers
    """
    asked = find(name)
    mistake, message = judge(asked, answer)
    print(message)
    return Result(name, mistake is None, mistake, message)


def judge(asked, answer):
    """(name of the mistake or None, what to print)."""
    if answer is None or answer is ...:
        return "not-done", f"not done yet: {listed(asked)}"
    letter = as_letter(answer)
    if letter is None:
        return "type", f"not right yet: {answer!r} is none of the letters a to d. {listed(asked)}"
    given = asked.answers[LETTERS.index(letter)]
    with torch.random.fork_rng(devices=[]):  # a network that is loaded draws its weights first
        reply = given.reply.format(**asked.measure())
    if given.name == "right":
        return None, f"right: {reply}"
    return given.name, f"not right yet: {letter}) {reply}"


def listed(asked):
    """The question, and its answers a line each."""
    pairs = zip(LETTERS, asked.answers, strict=True)
    return "\n".join([asked.text, *(f"  {letter}) {answer.text}" for letter, answer in pairs)])


def as_letter(answer):
    """The letter as people write it, "B", "(b)", "b)", "b.": or None."""
    written = answer if isinstance(answer, str) else ""
    found = re.fullmatch(r"\s*[(\[]?([a-dA-D])[)\].:]?\s*", written)
    return found.group(1).lower() if found else None


# --- bugs that nobody sees, lesson 09 ------------------------------------------------------------


@cache
def measure_silence():
    """The variance for the std, on two networks, with many steps and few; and a bug that shows."""
    def counted(name, steps, n=40):
        exhibit = exhibits.EXHIBITS[name]
        case = cases.Case(exhibit.lines(), exhibit.network, exhibit.loop, steps, False)
        walk = case.walk(n)
        k = min(range(len(walk.levels)), key=lambda k: abs(walk.levels[k] - 250))
        return read_back(walk.x[-1].clamp(-1, 1)).flawless.sum(), museum.there(walk)[k]

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
