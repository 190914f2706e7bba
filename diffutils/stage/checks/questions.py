"""What a question with four answers is, and the sprites that questions are measured on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites


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


def alike(a, b):
    """The correlation of two batches of pictures."""
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()
