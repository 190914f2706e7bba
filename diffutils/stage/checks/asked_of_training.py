"""Questions of lessons 01 to 05 and what they measure: what a network learns, and why."""

import copy
from functools import cache

import torch

from diffutils.ideal import IdealDenoiser
from diffutils.measure import variety
from diffutils.noising import perturb_input
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.schedule import NoiseSchedule, linear_schedule
from diffutils.sprites import bob
from diffutils.stage.checks.questions import Answer, Choice, alike, noise_like, off, some_sprites
from diffutils.weights import load_pretrained


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
