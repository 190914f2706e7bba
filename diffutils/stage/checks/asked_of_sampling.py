"""Questions of lessons 06 and 07 and what they measure: guidance, and the way down."""

from functools import cache
from itertools import pairwise

import torch

from diffutils.descent import guess_noise
from diffutils.ideal import IdealDenoiser
from diffutils.measure import variety
from diffutils.noising import perturb_input, predict_x0
from diffutils.pixels import to_float
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.schedule import cosine_schedule, linear_schedule
from diffutils.sprites import forge_sprites
from diffutils.stage.checks.questions import Answer, Choice, alike, noise_like, some_sprites
from diffutils.stage.controlling import (
    exact_draws,
    guided_counts,
    in_their_span,
    the_law,
    total_variation,
    uncertain_world,
)
from diffutils.weights import load_pretrained

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


CHOICES = (
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
