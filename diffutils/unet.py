"""The network: a U-Net that guesses the noise in a noisy picture, eps = nn_model(x, t, c).

`ContextUnet` is a U-Net as the field knows it (arXiv 1505.04597): convolutions that look at
neighbours, down to half the size and half again, and up past the maps kept on the way, the skips.
Level and context come in through scale and shift (2105.05233). It knows no palette, and has one set
of windows for all places; that it learns places all the same, by its edges, lesson 03 measures.
"""

import torch
from torch import nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from diffutils.expect import check_kind, check_network_input, check_network_sizes
from diffutils.schedule import NoiseSchedule, linear_schedule

GROUPS = 8


class ContextUnet(nn.Module):
    """Guesses the unit noise in a noisy picture: `eps = nn_model(x, t, c=None)`.

    n_context   length of a context vector (the five classes of sprite)
    channels    channels of the 8x8 maps; the 4x4 and 2x2 maps have twice as many
    hidden      numbers in which level and context are summed up
    schedule    the NoiseSchedule of the levels that it learns; linear_schedule() if None
    """

    def __init__(self, n_context=5, channels=48, hidden=192, schedule=None):
        super().__init__()
        schedule = linear_schedule() if schedule is None else schedule
        check_kind("ContextUnet", "schedule", schedule, NoiseSchedule)
        check_network_sizes("ContextUnet", n_context, channels, hidden)
        self.config = {"n_context": n_context, "channels": channels, "hidden": hidden}
        self.n_context, self.schedule, wide, deep = n_context, schedule, channels, 2 * channels
        self.embed = Embedding(n_context, hidden)
        self.enter = nn.Conv2d(12, wide, 3, padding=1)
        self.down1 = ResidualBlock(wide, wide, hidden)
        self.shrink1 = nn.Conv2d(wide, deep, 2, stride=2)
        self.down2 = ResidualBlock(deep, deep, hidden)
        self.shrink2 = nn.Conv2d(deep, deep, 2, stride=2)
        self.middle = ResidualBlock(deep, deep, hidden)
        self.grow2 = nn.ConvTranspose2d(deep, deep, 2, stride=2)
        self.up2 = ResidualBlock(2 * deep, deep, hidden)
        self.grow1 = nn.ConvTranspose2d(deep, wide, 2, stride=2)
        self.up1 = ResidualBlock(2 * wide, wide, hidden)
        self.norm = nn.GroupNorm(GROUPS, wide)
        self.leave = zeroed(nn.Conv2d(wide, 12, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, x, t, c=None):
        """The guess of the unit noise in x, like x.

        x   (B, 3, H, W) noisy pictures, H and W each a multiple of 8
        t   level / timesteps in [0, 1]: (B,), or one number as (1, 1, 1, 1)
        c   (B, n_context) or (1, n_context) float contexts; None is "any sprite"
        """
        t, c = check_network_input("ContextUnet", x, t, c, self.n_context, self.leave.weight)
        e = self.embed(t, c)  # (B, 192)
        h1 = self.down1(self.enter(pixel_unshuffle(x, 2)), e)  # of 2x2 pixels: (B, 48, 8, 8)
        h2 = self.down2(self.shrink1(h1), e)  # (B, 96, 4, 4)
        m = self.middle(self.shrink2(h2), e)  # (B, 96, 2, 2)
        u = self.up2(torch.cat([self.grow2(m), h2], dim=1), e)  # (B, 96, 4, 4), past a skip
        u = self.up1(torch.cat([self.grow1(u), h1], dim=1), e)  # (B, 48, 8, 8), past a skip
        return pixel_shuffle(self.leave(silu(self.norm(u))), 2).to(x)  # the noise itself

    def get_extra_state(self):  # the schedule goes where `state_dict` goes
        return self.schedule.beta[1:]

    def set_extra_state(self, beta):
        self.schedule = NoiseSchedule(beta)


class Embedding(nn.Module):
    """Level and context as one vector, the level as waves (arXiv 2006.11239, appendix B)."""

    def __init__(self, n_context, size, waves=16):
        super().__init__()
        frequency = torch.pi / 2 * torch.logspace(0, 2, waves, device="cpu")
        self.register_buffer("frequency", frequency, persistent=False)
        self.level = nn.Linear(2 * waves, size)
        self.context = nn.Linear(n_context, size, bias=False)  # no context adds nothing
        self.mix = nn.Linear(size, size)

    def forward(self, t, c, more=0):
        angle = t[:, None] * self.frequency  # (B or 1, 16)
        level = self.level(torch.cat([angle.sin(), angle.cos()], dim=1))
        return silu(self.mix(silu(level + self.context(c) + more)))  # (B or 1, size)


class ResidualBlock(nn.Module):
    """Adds to each place what its neighbours suggest, at this level and in this context."""

    def __init__(self, before, after, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, before), nn.GroupNorm(GROUPS, after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.scale_shift = nn.Linear(hidden, 2 * after)
        self.same = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x, e):
        scale, shift = self.scale_shift(e)[:, :, None, None].chunk(2, dim=1)  # (B, after, 1, 1)
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(silu(self.norm2(h) * (1 + scale) + shift))
        return self.same(x) + h  # (B, after, H, W)


def zeroed(layer):
    """The layer, answering 0 until it has learned better."""
    return layer.apply(lambda part: [nn.init.zeros_(p) for p in part.parameters()])
