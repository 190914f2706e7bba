"""The ideal denoiser of the whole grammar: the best answer of all, for four million sprites.

`IdealDenoiser` compares a noisy picture with each sprite of a list. Here the list is every legal
sprite, and it is never written down. Given its shape, a sprite's colour roles (skin, hair, cloth
...) take their palettes independently, so that the sum over all sprites

    sum over shapes of  prior[shape] * product over roles of  mean over palettes of
        exp(-(|d|^2 - 2 y . d) / (2 s^2))

needs no more terms than there are shapes and palettes. There d is the sprite and y the picture,
both minus white and in grey levels, over the pixels of that role alone, and s is the std of the
noise on y. The average of all sprites with these shares comes apart in the same way.

Its loss is the floor for pictures drawn by `forge_sprites`: a network that goes below it on sprites
it never saw does not exist. Given weights of the classes, it is the floor of that mixture.
"""

import math

import torch

from diffutils.expect import (
    check_choice,
    check_count,
    check_images,
    check_kind,
    check_levels,
    check_mixture,
    check_times,
)
from diffutils.noising import check_signal, noise_in
from diffutils.schedule import NoiseSchedule
from diffutils.sprites import forge
from diffutils.sprites.judge import class_readers

HALF_RANGE = 127.5  # grey levels in one unit of a picture in [-1, 1]
CHUNK = 16  # pictures at a time: each takes 2 MB


class GrammarDenoiser:
    """Called like the network: `ideal(x, t)` is the best possible guess of the unit noise in x.

    schedule   a NoiseSchedule; t = i / timesteps is read back to the level i, 1..T
    split      which shapes the sprites have: "train", "held_out" or "all", as `forge_sprites`
    Classes are equally likely, then the shapes of a class, then the palettes of a shape.
    `c` is a row of weights of the five classes, at least 0, (B, 5) or (1, 5): the law of that
    mixture of classes, one-hot that of one; None is all, equally. Any other row is a ValueError.
    """

    def __init__(self, *, schedule, split="train"):
        check_kind("GrammarDenoiser", "schedule", schedule, NoiseSchedule)
        check_choice("GrammarDenoiser", "split", split, forge.SPLITS)
        self.schedule = schedule
        self.classes = [ClassPieces(name, split) for name in forge.CLASSES]

    def __call__(self, x, t, c=None):
        """The guess of the noise, like x. t: one number or (B,) equal ones, level i / timesteps."""
        check_sprites("GrammarDenoiser", x)
        t = check_times("GrammarDenoiser", t, x).cpu().double()
        if not (t == t[0]).all():
            raise ValueError("GrammarDenoiser: t has several levels; expected one for all of x")
        i = int((t[0] * self.schedule.timesteps).round())
        check_levels("GrammarDenoiser", "t", i, x, self.schedule.timesteps, lowest=1)
        x0 = self.guess("GrammarDenoiser", x, i, c)
        return noise_in(x.double(), i, x0.double(), schedule=self.schedule).to(x.dtype)

    def guess_x0(self, x, i, c=None):
        """The average of all legal sprites, each weighted by its share, like x."""
        check_sprites("guess_x0", x)
        check_count("guess_x0", "i", i, highest=self.schedule.timesteps)
        return self.guess("guess_x0", x, i, c)

    def bits_left(self, x, i, c=None):
        """What x at level i, 1..T, leaves open, in bits: {"class", "shape", "palettes"}, each (B,).

        The entropy of the sprite, given x, by the chain rule: of its class; of its shape once the
        class is known; of its palettes once the shape is known. They add up to that of the sprite.
        """
        check_sprites("bits_left", x)
        check_count("bits_left", "i", i, highest=self.schedule.timesteps)
        parts = [self.open_bits(*few) for few in self.in_chunks("bits_left", x, i, c)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def posterior(self, x, i, c=None):
        """What x at level i, 1..T, leaves possible: {name: probabilities (B, K) float64}.

        "class"        of the five classes
        "shape"        of all shapes, class after class, as `judge.all_shapes` has them
        "skin" ...     of the palettes of each role that has several; the row of a picture adds up
                       to the probability that the role shows
        """
        check_sprites("posterior", x)
        check_count("posterior", "i", i, highest=self.schedule.timesteps)
        parts = [self.possible(*few) for few in self.in_chunks("posterior", x, i, c)]
        return {name: torch.cat([part[name].T for part in parts]).double() for name in parts[0]}

    def guess(self, where, x, i, c):
        """`guess_x0`, asked for by the function `where`."""
        parts = [self.average(*few) for few in self.in_chunks(where, x, i, c)]
        return torch.cat(parts).reshape(x.shape).to(x.dtype)

    def in_chunks(self, where, x, i, c):
        """Of a few pictures at a time: y (256, 3, B), the variance of its noise, the shares.

        y is the picture minus white in grey levels; the shares, (S, B) for each class, are those of
        its shapes, given y, and of the class c before y was seen.
        """
        check_signal(where, torch.tensor(i), self.schedule, x)
        alpha_bar, even = self.schedule.alpha_bar[i], torch.ones(1, len(self.classes))
        c = check_mixture(where, even if c is None else c, len(x), len(self.classes))
        variance = float(HALF_RANGE**2 * (1 - alpha_bar) / alpha_bar)
        for some, of_class in zip(x.split(CHUNK), c.expand(len(x), -1).split(CHUNK), strict=True):
            y = HALF_RANGE * (some.double().flatten(2) / alpha_bar.sqrt() - 1)  # (B, 3, 256)
            y = y.permute(2, 1, 0).float().contiguous()
            pairs = zip(self.classes, of_class.float().log().T, strict=True)
            belief = torch.cat([part.log_belief(y, variance) + share for part, share in pairs])
            shares = torch.softmax(belief, dim=0)
            yield y, variance, shares.split([len(part.prior) for part in self.classes])

    def average(self, y, variance, shares):
        """What `guess_x0` returns, (B, 3, 256)."""
        parts = zip(self.classes, shares, strict=True)
        mean = sum(part.average(y, variance, share) for part, share in parts)  # (256, 3, B)
        return 1 + mean.permute(2, 1, 0) / HALF_RANGE

    def possible(self, y, variance, shares):
        """What `posterior` returns, turned round: (K, B)."""
        found = {"class": torch.stack([share.sum(0) for share in shares]),
                 "shape": torch.cat(shares)}  # fmt: skip
        for part, share in zip(self.classes, shares, strict=True):
            for piece in part.pieces:
                if isinstance(piece, RolePiece):
                    weight = piece.gathered(share) * piece.shown[:, None]
                    of_palette = piece.shares(y, variance, weight).sum(1)  # (P, B)
                    found[piece.role] = found.get(piece.role, 0) + of_palette
        return found

    def open_bits(self, y, variance, shares):
        """What `bits_left` returns."""
        of_class = torch.stack([share.double().sum(0) for share in shares])  # (5, B)
        of_shape = torch.cat(shares).double()
        palettes = [(share * part.palette_nats(y, variance)).double().sum(0)
                    for part, share in zip(self.classes, shares, strict=True)]
        nats = {"class": nats_of(of_class), "shape": nats_of(of_shape) - nats_of(of_class),
                "palettes": sum(palettes)}
        return {name: value / math.log(2) for name, value in nats.items()}


def nats_of(shares):
    """The entropy of shares that add up to 1 over the first dimension, in nats."""
    return -torch.special.xlogy(shares, shares).sum(0)


def check_sprites(where, x):
    """x is a batch of images of the forge's size."""
    check_images(where, "x", x)
    if x.shape[1:] != (3, forge.HEIGHT, forge.HEIGHT) or len(x) == 0:
        raise ValueError(f"{where}: x has shape {tuple(x.shape)}; expected (B, 3, 16, 16)")


class ClassPieces:
    """One class: the pieces whose palettes are free, the pixels whose colours are fixed.

    prior   (S,) logarithm of each shape's probability within the class
    """

    def __init__(self, name, split):
        table = forge.class_table(name)
        held_out = torch.from_numpy(table.held_out)
        in_split = {"all": held_out | True, "train": ~held_out, "held_out": held_out}[split]
        self.prior = (in_split / in_split.sum()).log()
        bands, roles = class_readers(name)
        self.pieces = [FixedPiece(band) for band in bands] + [RolePiece(role) for role in roles]

    def log_belief(self, y, variance):
        """log(prior * likelihood) of each shape, up to the same constant for all: (S, B)."""
        return self.prior[:, None] + sum(
            piece.log_likelihood(y, variance)[piece.of_shape] for piece in self.pieces
        )

    def palette_nats(self, y, variance):
        """How open the palettes of each shape are, in nats: (S, B)."""
        return sum(piece.nats(y, variance)[piece.of_shape] for piece in self.pieces)

    def average(self, y, variance, share):
        """The sum of share (S, B) times each shape's average sprite, minus white: (256, 3, B)."""
        total = torch.zeros_like(y)
        for piece in self.pieces:
            piece.add_average(total, y, variance, piece.gathered(share))
        return total


class Piece:
    """Pixels that are drawn in V ways: `ways`, and which of them in each shape: `of_shape`."""

    def gathered(self, share):
        """The probability of each way from that of each shape, (S, B): (V, B)."""
        return torch.zeros(self.ways, share.shape[1]).index_add_(0, self.of_shape, share)


class FixedPiece(Piece):
    """Four rows of pixels whose letters have one palette: V patterns of colours (V, K, 3)."""

    def __init__(self, band):
        self.columns = torch.from_numpy(band.columns)
        self.colours = torch.from_numpy(band.colours).float()
        self.base = torch.from_numpy(band.base)
        self.of_shape = torch.from_numpy(band.of_shape)
        self.ways = len(self.colours)

    def log_likelihood(self, y, variance):
        """(V, B)"""
        products = self.colours @ y[self.columns].flatten(0, 1)
        return (2 * products - self.base) / (2 * variance)

    def nats(self, y, variance):
        """There is nothing to choose: (V, B) zeros."""
        return torch.zeros(self.ways, y.shape[2])

    def add_average(self, total, y, variance, weight):
        mean = self.colours.T @ weight  # (3 K, B)
        total[self.columns] += mean.view(-1, 3, y.shape[2])


class RolePiece(Piece):
    """One colour role: V ways to draw it in three tones, each in P palettes."""

    def __init__(self, role):
        self.role = forge.ROLES[role.role]
        self.tones = [(torch.from_numpy(columns), torch.from_numpy(masks).float())
                      for columns, masks in role.tones]
        self.which = torch.from_numpy(role.which)  # (V, 3)
        self.colours = torch.from_numpy(role.colours)  # (P, 9)
        self.base = torch.from_numpy(role.base)  # (P, V, 1)
        self.of_shape = torch.from_numpy(role.of_shape)
        self.ways = len(self.which)
        drawn = [masks.sum(1)[self.which[:, k]] for k, (_, masks) in enumerate(self.tones)]
        self.shown = sum(drawn) > 0  # (V,) a palette that no pixel shows is no choice

    def by_palette(self, y, variance):
        """The log likelihood of each palette in each way: (P, V, B)."""
        batch = y.shape[2]
        sums = [(masks @ y[columns].flatten(1)).view(-1, 3, batch)[self.which[:, tone]]
                for tone, (columns, masks) in enumerate(self.tones)]  # three of (V, 3, B)
        sums = torch.cat(sums, dim=1).permute(1, 0, 2).flatten(1)  # (9, V B)
        products = (self.colours @ sums).view(-1, self.ways, batch)
        return (2 * products - self.base) / (2 * variance)

    def log_likelihood(self, y, variance):
        """The mean over palettes: (V, B)."""
        return self.by_palette(y, variance).logsumexp(0) - torch.tensor(len(self.colours)).log()

    def nats(self, y, variance):
        """The entropy of the palette in each way: (V, B)."""
        return nats_of(torch.softmax(self.by_palette(y, variance), dim=0)) * self.shown[:, None]

    def shares(self, y, variance, weight):
        """How likely each palette is in each way, whose own probability is weight: (P, V, B)."""
        return torch.softmax(self.by_palette(y, variance), dim=0) * weight

    def add_average(self, total, y, variance, weight):
        share = self.shares(y, variance, weight)
        colour = torch.einsum("pk,pvb->vkb", self.colours, share)  # (V, 9, B)
        for tone, (columns, masks) in enumerate(self.tones):
            of_mask = torch.zeros(len(masks), 3, y.shape[2])
            of_mask.index_add_(0, self.which[:, tone], colour[:, 3 * tone : 3 * tone + 3])
            total[columns] += (masks.T @ of_mask.flatten(1)).view(-1, 3, y.shape[2])
