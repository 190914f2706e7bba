"""The network: a small U-Net that looks at a noisy sprite and guesses the noise in it.

    eps = nn_model(x, t, c)     the contract that every sampler and the training loop rely on

`ContextUnet` reads the sprite as blocks of 2x2 pixels, so its widest maps are 8x8 and its narrowest
4x4 for a 16x16 sprite. U-Net: Ronneberger et al., arXiv 1505.04597; scale and shift from the level:
Dhariwal and Nichol, arXiv 2105.05233, sec. 3.1. Batch statistics are not used anywhere: a guess
never depends on the other sprites of its batch.
"""

import math

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from diffutils.expect import check_kind
from diffutils.schedule import NoiseSchedule, linear_schedule

GROUPS = 8


class ContextUnet(nn.Module):
    """Guesses the unit noise in a noisy sprite: `eps = nn_model(x, t, c=None)`.

    n_context   length of a context vector (the five classes of sprite)
    channels    channels of the 8x8 maps; the 4x4 maps have twice as many
    blocks      residual blocks: on the way down, in the middle, on the way up
    schedule    the NoiseSchedule whose levels the network learns; linear_schedule() if None
    """

    def __init__(self, n_context=5, channels=64, blocks=(1, 2, 2), schedule=None):
        super().__init__()
        schedule = linear_schedule() if schedule is None else schedule
        check_kind("ContextUnet", "schedule", schedule, NoiseSchedule)
        self.config = {"n_context": n_context, "channels": channels, "blocks": list(blocks)}
        self.config["beta"] = schedule.beta[1:].tolist()
        self.n_context, self.timesteps = n_context, schedule.timesteps
        self.register_buffer("alpha_bar", schedule.alpha_bar.clone(), persistent=False)
        wide, narrow, embedding = channels, 2 * channels, 2 * channels
        down, middle, up = blocks
        self.embed = Embedding(n_context, embedding)
        self.enter = nn.Conv2d(12, wide, 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(wide, embedding) for _ in range(down))
        self.shrink = nn.Conv2d(wide, narrow, 2, stride=2)
        self.middle = nn.ModuleList(ResidualBlock(narrow, embedding) for _ in range(middle))
        self.grow = nn.ConvTranspose2d(narrow, wide, 2, stride=2)
        self.up = nn.ModuleList(ResidualBlock(wide, embedding) for _ in range(up))
        self.leave = nn.Sequential(nn.GroupNorm(GROUPS, wide), nn.SiLU(),
                                   nn.Conv2d(wide, 12, 3, padding=1))
        nn.init.zeros_(self.leave[-1].weight)
        nn.init.zeros_(self.leave[-1].bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, x, t, c=None):
        """The guess of the unit noise in x.

        x         (B, 3, H, W) noisy sprites, H and W each a multiple of 8
        t         level / timesteps in [0, 1]: (B,), or one number as (1, 1, 1, 1)
        c         (B, n_context) or (1, n_context) float contexts; None is "any sprite"
        returns   (B, 3, H, W), like x
        Raises ValueError or TypeError naming the argument that has a wrong shape or type.
        """
        t, c = self.check(x, t, c)
        e = self.embed(t, c)  # (B or 1, 128)
        h = pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)  # (B, 12, 8, 8)
        h = self.enter(h)  # (B, 64, 8, 8)
        for block in self.down:
            h = block(h, e)  # (B, 64, 8, 8)
        m = self.shrink(h)  # (B, 128, 4, 4)
        for block in self.middle:
            m = block(m, e)  # (B, 128, 4, 4)
        h = h + self.grow(m)  # (B, 64, 8, 8)
        for block in self.up:
            h = block(h, e)  # (B, 64, 8, 8)
        v = pixel_shuffle(self.leave(h), 2)  # (B, 3, 16, 16)
        return self.noise_from(x, t, v)

    def noise_from(self, x, t, v):
        """The noise, from the mix v of noise and sprite that the layers guess.

        v = sqrt(alpha_bar) * noise - sqrt(1 - alpha_bar) * x0      (arXiv 2202.00512, app. D)
        eps = sqrt(1 - alpha_bar) * x + sqrt(alpha_bar) * v
        At high noise v is the sprite and at low noise the noise: what there is to find out.
        """
        alpha_bar = self.alpha_bar[(t * self.timesteps).round().long()].view(-1, 1, 1, 1)
        return (1 - alpha_bar).sqrt().to(x.dtype) * x + alpha_bar.sqrt().to(x.dtype) * v

    def check(self, x, t, c):
        """t as (B or 1,) and c as (B or 1, n_context), or an error that names the argument."""
        where = "ContextUnet"
        check_kind(where, "x", x, torch.Tensor)
        if not x.is_floating_point():
            raise TypeError(f"{where}: x holds {x.dtype}; expected floating-point images")
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % 8 or x.shape[3] % 8 or 0 in x.shape:
            raise ValueError(f"{where}: x has shape {tuple(x.shape)}; expected (B, 3, H, W) with "
                             "H and W multiples of 8, such as 8, 16, 24 or 32")
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        if t.numel() not in (1, len(x)) or t.shape[:1].numel() != t.numel():
            raise ValueError(f"{where}: t has shape {tuple(t.shape)}; expected ({len(x)},) or one "
                             "number")
        if not ((t >= 0) & (t <= 1)).all():
            raise ValueError(f"{where}: t reaches from {t.min():.4g} to {t.max():.4g}; expected "
                             "level / timesteps, in [0, 1]")
        if c is None:
            c = x.new_zeros(1, self.n_context)
        if not c.is_floating_point():
            raise TypeError(f"{where}: c is {c.dtype}; expected floating point contexts")
        if c.ndim != 2 or len(c) not in (1, len(x)) or c.shape[1] != self.n_context:
            raise ValueError(f"{where}: c has shape {tuple(c.shape)}; expected "
                             f"({len(x)}, {self.n_context})")
        return t.flatten(), c.to(x)


class Embedding(nn.Module):
    """Level and context as one vector: the level as a row of waves, the context as it is."""

    def __init__(self, n_context, size, waves=16):
        super().__init__()
        frequency = math.pi * torch.logspace(0, 2, waves) / 2
        self.register_buffer("frequency", frequency, persistent=False)
        self.level = nn.Linear(2 * waves, size)
        self.context = nn.Linear(n_context, size, bias=False)  # no context adds nothing
        self.mix = nn.Linear(size, size)

    def forward(self, t, c):
        angle = t[:, None] * self.frequency  # (B, 16)
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)  # (B, 32)
        return silu(self.mix(silu(self.level(waves) + self.context(c))))  # (B, 128)


class ResidualBlock(nn.Module):
    """Adds a correction to its maps; level and context scale and shift it. Starts as identity."""

    def __init__(self, channels, embedding):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale_shift = nn.Linear(embedding, 2 * channels)
        self.norm2 = nn.GroupNorm(GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, e):
        scale, shift = self.scale_shift(e)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1)
        h = self.conv1(silu(self.norm1(x)))  # (B, C, H, W)
        h = self.norm2(h) * (1 + scale) + shift
        return x + self.conv2(silu(h))
