"""What lesson 08 asks of a set of sprites, in five numbers and a doubt.

    known = all_trained_on()
    asked = ask(samples, known)
    print(in_a_line("the network", asked))
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch

from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.forge import CLASSES, check_factors
from diffutils.sprites.judge import Share, coverage, held_out, seen, share_of
from diffutils.stage.dial import trained_on

HEAD = " " * 14 + "".join(f"{word:>9}" for word in
                          ("legal", "new", "copied", "covered", "read", "apart"))  # fmt: skip


@dataclass
class Asked:
    """What a set of sprites answers; shares with their intervals.

    legal    of all, the flawless
    new      of the flawless, those that are not in the training set
    copied   of all, the flawless that are
    covered  a number, the mean over slots and palettes of the share of the law's parts drawn
    read     of all, those whose closest legal sprite is in the training set, flawless or not
    apart    of the flawless, those with a pair of parts that training sprites never have together
    """

    legal: Share
    new: Share
    copied: Share
    covered: float
    read: Share
    apart: Share


@functools.cache
def all_trained_on():
    """Factors of all 202,176 sprites that the shipped palette network was trained on."""
    return np.concatenate([trained_on(name) for name in CLASSES])


@functools.cache
def fresh(n=2000):
    """Factors of n sprites of the law that the training set was drawn from."""
    return forge_sprites(n, 5)[2]


def fog_of(x0, n, seed=0):
    """n pictures like x0 in mean and covariance and in nothing else: normal noise, (n, 3, H, W)."""
    flat = x0.flatten(1).double()
    variances, axes = torch.linalg.eigh(torch.cov(flat.T))
    white = torch.randn(n, flat.shape[1], generator=torch.Generator().manual_seed(seed),
                        dtype=torch.float64)  # fmt: skip
    fog = flat.mean(0) + white * variances.clamp(min=0).sqrt() @ axes.T
    return fog.float().view(n, *x0.shape[1:])


def ask(samples, known):
    """The `Asked` of samples, floats (n, 3, 16, 16) in [-1, 1], with training factors `known`."""
    check_factors("ask", "known", known)
    verdict = judge(samples)
    good, copy = verdict.flawless, seen(verdict.factors, known)
    covered = coverage(verdict, fresh()).values()
    return Asked(share_of(good), share_of(~copy[good]), share_of(good & copy),
                 float(np.mean([one.share for one in covered])), share_of(copy),
                 held_out(verdict))  # fmt: skip


def in_a_line(name, asked):
    """The numbers in percent under HEAD; "none" where there is nothing to count."""
    numbers = (asked.legal, asked.new, asked.copied, asked.covered, asked.read, asked.apart)
    plain = [number if isinstance(number, float) else number.share for number in numbers]
    said = ["none" if math.isnan(one) else f"{one:.0%}" for one in plain]
    return f"{name:<14}" + "".join(f"{word:>9}" for word in said)
