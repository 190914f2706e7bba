"""The lines of a diffusion model that a bug can be in, each a small function, and the loops.

    right = Lines()
    wrong = Lines(spread=lambda beta: beta)     the variance of the dice for their std

An exhibit of the bug museum is `Lines` with one of them written wrong. The loops are those of
lessons 04, 05 and 07 without their checks, which would refuse most of the bugs.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from diffutils.noising import perturb_input
from diffutils.schedule import linear_schedule
from diffutils.training import Run
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet

SCHEDULE = linear_schedule()
T = SCHEDULE.timesteps
GUIDANCE = 3.0


@dataclass(frozen=True)
class Lines:
    """Every line right, unless said otherwise; WRITTEN has them as one reads them."""

    # training
    pictures: Callable = lambda x0: x0
    contexts: Callable = lambda c: c
    noise: Callable = lambda shape, generator: torch.randn(shape, generator=generator)
    mix: Callable = lambda x0, i, noise: perturb_input(x0, i, noise, schedule=SCHEDULE)
    shown: Callable = lambda x0, x_t: x_t
    # the network that is sampled from
    kept: Callable = lambda averaged: averaged.state_dict()
    mode: Callable = lambda nn_model: nn_model.eval()
    told: Callable = lambda t, i: t
    # sampling
    alpha_bar: Callable = lambda alpha: alpha.cumprod(0)
    levels: Callable = lambda n: [T * k // n for k in range(n, -1, -1)]
    time: Callable = lambda i: i / T
    guess: Callable = lambda given, without: given
    dice: Callable = lambda shape, generator: torch.randn(shape, generator=generator)
    spread: Callable = lambda beta: beta**0.5
    more: Callable = lambda j: j > 0
    again: Callable = lambda alpha_bar: (1 - alpha_bar) ** 0.5
    # what is looked at
    display: Callable = lambda x: (x.clamp(-1, 1) + 1) / 2


WRITTEN = {  # what the function is given, the line with a blank, and what is right in the blank
    "pictures": ("x0", "x0 = {}", "x0"),
    "contexts": ("c", "c = {}", "c"),
    "noise": ("shape, generator", "noise = {}", "torch.randn(shape, generator=generator)"),
    "mix": ("x0, i, noise", "x_t = {}",
            "spread(alpha_bar[i].sqrt(), x0) * x0 + spread((1 - alpha_bar[i]).sqrt(), x0) * noise"),
    "shown": ("x0, x_t", "pred_noise = nn_model({}, t, c)", "x_t"),
    "kept": ("averaged", "nn_model.load_state_dict({}, strict=False)", "averaged.state_dict()"),
    "mode": ("nn_model", "{}", "nn_model.eval()"),
    "told": ("t, i", "angle = {} * frequency", "t"),
    "alpha_bar": ("alpha", "alpha_bar = {}", "alpha.cumprod(0)"),
    "levels": ("n", "levels = {}", "[T * k // n for k in range(n, -1, -1)]"),
    "time": ("i", "t = {}", "i / T"),
    "guess": ("given, without", "eps = {}", "given"),
    "dice": ("shape, generator", "z = {}", "torch.randn(shape, generator=generator)"),
    "spread": ("beta", "x = mean + {} * z", "beta**0.5"),
    "more": ("j", "z = z if {} else 0", "j > 0"),
    "again": ("alpha_bar", "x = alpha_bar**0.5 * x0 + {} * eps", "(1 - alpha_bar) ** 0.5"),
    "display": ("x", "show({})", "(x.clamp(-1, 1) + 1) / 2"),
}  # fmt: skip


class BatchNormUnet(ContextUnet):
    """A ContextUnet that normalises each channel over the batch instead of within a picture."""

    def __init__(self, **sizes):
        super().__init__(**sizes)
        for block in self.modules():
            for name, layer in block.named_children():
                if isinstance(layer, nn.GroupNorm):
                    setattr(block, name, nn.BatchNorm2d(layer.num_channels))


KINDS = {"palette": PaletteUnet, "plain": BatchNormUnet}


class LinesRun(Run):
    """A training run whose step is made of the given lines."""

    def __init__(self, lines, *arguments):
        super().__init__(*arguments)
        self.lines = lines

    def train_step(self):
        lines = self.lines
        x0, c = self.draw_batch()
        x0, c = lines.pictures(x0), lines.contexts(c)
        i = torch.randint(1, T + 1, (len(x0),), generator=self.generator)
        noise = lines.noise(x0.shape, self.generator)
        x_t = lines.mix(x0, i, noise)
        pred_noise = self.nn_model(lines.shown(x0, x_t), i / T, c)
        error = ((pred_noise - noise) ** 2).mean(dim=(1, 2, 3))

        self.nn_model.zero_grad()
        (self.weight[i] * error).mean().backward()
        nn.utils.clip_grad_norm_(self.nn_model.parameters(), 1.0)
        self.optimizer.step(self.rate())
        self.averaged.update_parameters(self.nn_model)
        return error.detach(), i


def prepare(lines, averaged):
    """The network that is sampled from, made from the averaged one of a training run."""
    nn_model = type(averaged)(**averaged.config, schedule=averaged.schedule)
    nn_model.load_state_dict(lines.kept(averaged), strict=False)
    lines.mode(nn_model)
    forward = nn_model.embed.forward

    def embed(self, t, *rest):
        return forward(lines.told(t, t * T), *rest)

    nn_model.embed.forward = types.MethodType(embed, nn_model.embed)
    return nn_model.requires_grad_(False)


def asker(lines, nn_model, context=None, guided=False):
    """The function guess(x, i): the noise in x at level i, for a context, guided or not."""
    def guess(x, i):
        t = lines.time(i)
        given = nn_model(x, t, context)
        return lines.guess(given, nn_model(x, t)) if guided else given

    return guess


def ddpm(lines, guess, n, steps, generator):
    """DDPM in long steps: yields (level, x, eps) on the way, and (0, x, None) at the end."""
    alpha_bar = lines.alpha_bar(SCHEDULE.alpha)
    x = torch.randn(n, 3, 16, 16, generator=generator)
    for i, j in pairwise(lines.levels(steps)):
        eps = guess(x, i)
        yield i, x, eps
        alpha = alpha_bar[i] / alpha_bar[j]
        beta = 1 - alpha
        z = lines.dice(x.shape, generator)
        mean = (x - beta / (1 - alpha_bar[i]) ** 0.5 * eps) / alpha**0.5
        x = mean + lines.spread(beta) * z if lines.more(j) else mean
    yield 0, x, None


def ddim(lines, guess, n, steps, generator):
    """DDIM, likewise; the end is called level 0 wherever it is."""
    alpha_bar = lines.alpha_bar(SCHEDULE.alpha)
    x = torch.randn(n, 3, 16, 16, generator=generator)
    for i, j in pairwise(lines.levels(steps)):
        eps = guess(x, i)
        yield i, x, eps
        x0 = (x - (1 - alpha_bar[i]) ** 0.5 * eps) / alpha_bar[i] ** 0.5
        x = alpha_bar[j] ** 0.5 * x0 + lines.again(alpha_bar[j]) * eps
    yield 0, x, None
