"""The bug museum: models made of an exhibit's lines, ready to be looked at.

    case = open_case("std")                 the model with the bug
    case.walk(16).x[-1]                     its samples, one class after the other
    case.loss(150)
    healthy_of("std")                       the same network, or its healthy twin, without it
"""

from dataclasses import dataclass
from functools import cache

import torch

from diffutils.expect import check_choice, check_count
from diffutils.noising import noise_in
from diffutils.stage.exhibits import EXHIBITS, guided_guess
from diffutils.stage.lines import SCHEDULE, Lines, T, asker, ddpm, prepare
from diffutils.stage.twins import TRAINED, load_twin, twin_sprites
from diffutils.weights import load_pretrained


@dataclass
class Walk:
    """A run on its way down: levels (K,), x (K, B, 3, 16, 16); the last level is 0."""

    levels: list
    x: torch.Tensor


class Case:
    """A model, with a bug or without, and what can be measured of it.

    lines     the `Lines` that it is made of
    network   "shipped", the name of a twin, or a network of the course
    loop, steps, guided   how it is sampled
    """

    def __init__(self, lines, network, loop, steps, guided):
        self.lines, self.network, self.loop = lines, network, loop
        self.steps, self.guided = steps, guided
        if not isinstance(network, torch.nn.Module):
            network = load_pretrained()[0] if network == "shipped" else load_twin(network)
        self.nn_model = prepare(lines, network)
        self.walks = {}

    def guess(self, context):
        """The function guess(x, i) as the sampler calls it."""
        return asker(self.lines, self.nn_model, context, self.guided)

    @torch.no_grad()
    def walk(self, n, seed=0):
        """n samples, asked for the five classes in turn, and how they came about."""
        check_count("walk", "n", n)
        if (n, seed) not in self.walks:
            self.walks[n, seed] = self.descend(self.guess(classes_in_turn(n)), n, seed)
        return self.walks[n, seed]

    def descend(self, guess, n, seed):
        generator = torch.Generator().manual_seed(seed)
        passed = list(self.loop(self.lines, guess, n, self.steps, generator))
        return Walk([i for i, *_ in passed], torch.stack([x for _, x, _ in passed]).float())

    @torch.no_grad()
    def loss(self, level, n=100):
        """The loss at a level, on n sprites noised as in its own training, asked as in sampling."""
        lines, (x0, c) = self.lines, twin_sprites()
        x0, c = lines.pictures(x0[:n]), lines.contexts(c[:n])
        generator = torch.Generator().manual_seed(level)
        noise = lines.noise(x0.shape, generator)
        x_t = lines.mix(x0, torch.full((len(x0),), level), noise)
        eps = self.guess(c)(lines.shown(x0, x_t), level)
        return float((eps - noise).square().mean())

    @torch.no_grad()
    def training_loss(self, n=32, seed=0):
        """The loss of one batch as training draws it: n sprites, each at a level of its own."""
        lines, (x0, c) = self.lines, twin_sprites()
        x0, c = lines.pictures(x0[:n]), lines.contexts(c[:n])
        generator = torch.Generator().manual_seed(seed)
        noise = lines.noise(x0.shape, generator)
        levels = torch.randint(1, T + 1, (n,), generator=generator)
        x_t = lines.mix(x0, levels, noise)
        eps = self.nn_model(lines.shown(x0, x_t), levels / T, c)
        return float((eps - noise).square().mean())

    def mixed(self, level=100):
        """The std round 0, at a level, of pictures of variance 1 noised as in its training."""
        generator = torch.Generator().manual_seed(level)
        x0 = torch.randn(64, 3, 16, 16, generator=generator)
        noise = self.lines.noise(x0.shape, generator)
        x_t = self.lines.mix(x0, torch.full((64,), level), noise)
        return float(x_t.square().mean().sqrt())

    def one_sprite(self, seed=0):
        """How far the sampler misses the only sprite in the world, at most, in grey levels.

        It asks an oracle that knows the sprite, in place of the network.
        """
        x0 = twin_sprites()[0][:1]

        def oracle(x, i):
            level = max(1, round(float(self.lines.time(i)) * T) % (T + 1))
            return noise_in(x.double(), torch.tensor(level), x0.double(), schedule=SCHEDULE)

        end = self.descend(oracle, 8, seed).x[-1]
        return float((end - x0).abs().max()) * 127.5

    def bell(self, seed=0, n=64):
        """(mean, std) of all numbers where the data are plain noise, N(0, 1): 0 and 1 if right."""
        def oracle(x, i):
            level = round(float(self.lines.time(i)) * T) % (T + 1)
            return (1 - SCHEDULE.alpha_bar[level]) ** 0.5 * x.double()

        end = self.descend(oracle, n, seed).x[-1]
        return float(end.mean()), float(end.std())

    @torch.no_grad()
    def in_company(self, level=250, n=32):
        """How the answer to a picture changes with what else is asked: an rms; 0 if it does not."""
        x0, c = twin_sprites()
        noise = torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(level))
        x = noise * float(1 - SCHEDULE.alpha_bar[level]) ** 0.5
        x = x + float(SCHEDULE.alpha_bar[level]) ** 0.5 * x0[:n]
        together = self.guess(c[:n])(x, level)[:4]
        alone = torch.cat([self.guess(c[k : k + 1])(x[k : k + 1], level) for k in range(4)])
        return float((together - alone).square().mean().sqrt())


def classes_in_turn(n):
    """One-hot contexts (n, 5): hero, non-hero, food, spell, side-facing, hero, ..."""
    return torch.eye(5).repeat(-(-n // 5), 1)[:n]


@cache
def open_case(name):
    """The case of an exhibit, by its name."""
    check_choice("open_case", "name", name, EXHIBITS)
    exhibit = EXHIBITS[name]
    return Case(exhibit.lines(), exhibit.network, exhibit.loop, exhibit.steps, exhibit.guided)


def healthy_of(name):
    """The same without its bug."""
    check_choice("healthy_of", "name", name, EXHIBITS)
    exhibit = EXHIBITS[name]
    network = exhibit.network
    if network in TRAINED:
        network = TRAINED[network][0]
    return healthy(network, exhibit.loop, exhibit.steps, exhibit.guided)


@cache
def healthy(network="shipped", loop=ddpm, steps=100, guided=False):
    """A case without a bug: "shipped", or a healthy twin, "palette" or "plain"."""
    lines = Lines(guess=guided_guess) if guided else Lines()
    return Case(lines, network, loop, steps, guided)
