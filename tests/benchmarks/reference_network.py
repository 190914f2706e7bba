"""The network and recipe of the original course, re-stated from its facts, its faults repaired.

1.48 million parameters: convolutions at 16x16 of 64 channels, down to 8x8 and 4x4, one vector, and
up again with skips; level and context as `context * maps + level` on the way up. Recipe: batch 100,
Adam at 1e-3 falling linearly, plain error of the noise, contexts dropped one time in ten.
Repaired: the shortcut convolution is a layer and not made anew in each call; the pooled size
follows the height; contexts are floats.
"""

import torch
from torch import nn


def normal_conv(size_in, size_out):
    return nn.Sequential(nn.Conv2d(size_in, size_out, 3, padding=1), nn.BatchNorm2d(size_out),
                         nn.GELU())


class TwoConvs(nn.Module):
    def __init__(self, size_in, size_out, residual=False):
        super().__init__()
        self.first = normal_conv(size_in, size_out)
        self.second = normal_conv(size_out, size_out)
        self.shortcut = nn.Conv2d(size_in, size_out, 1) if residual else None

    def forward(self, x):
        h = self.second(self.first(x))
        return h if self.shortcut is None else (h + self.shortcut(x)) / 2**0.5


def vector(size_in, size_out):
    return nn.Sequential(nn.Linear(size_in, size_out), nn.GELU(), nn.Linear(size_out, size_out))


def down(size_in, size_out):
    return nn.Sequential(TwoConvs(size_in, size_out), TwoConvs(size_out, size_out), nn.MaxPool2d(2))


def up(size_in, size_out):
    return nn.Sequential(nn.ConvTranspose2d(size_in, size_out, 2, 2), TwoConvs(size_out, size_out),
                         TwoConvs(size_out, size_out))


class ReferenceUnet(nn.Module):
    """eps = nn_model(x, t, c=None), like diffutils.votes.PaletteUnet."""

    def __init__(self, n_context=5, size=64, height=16):
        super().__init__()
        self.n_context, low = n_context, height // 4
        self.enter = TwoConvs(3, size, residual=True)
        self.down1, self.down2 = down(size, size), down(size, 2 * size)
        self.pool = nn.Sequential(nn.AvgPool2d(low), nn.GELU())
        self.level1, self.level2 = vector(1, 2 * size), vector(1, size)
        self.context1, self.context2 = vector(n_context, 2 * size), vector(n_context, size)
        self.unpool = nn.Sequential(nn.ConvTranspose2d(2 * size, 2 * size, low, low),
                                    nn.GroupNorm(8, 2 * size), nn.ReLU())
        self.up1, self.up2 = up(4 * size, size), up(2 * size, size)
        self.leave = nn.Sequential(nn.Conv2d(2 * size, size, 3, padding=1), nn.GroupNorm(8, size),
                                   nn.ReLU(), nn.Conv2d(size, 3, 3, padding=1))

    def forward(self, x, t, c=None):
        t = t.reshape(-1, 1).to(x)
        c = x.new_zeros(1, self.n_context) if c is None else c
        level1, level2, context1, context2 = (
            part(given)[:, :, None, None] for part, given in
            ((self.level1, t), (self.level2, t), (self.context1, c), (self.context2, c)))
        h0 = self.enter(x)
        h1 = self.down1(h0)
        h2 = self.down2(h1)
        h = self.unpool(self.pool(h2))
        h = self.up1(torch.cat([context1 * h + level1, h2], dim=1))
        h = self.up2(torch.cat([context2 * h + level2, h1], dim=1))
        return self.leave(torch.cat([h, h0], dim=1))


def diffusers_unet():
    """diffusers' UNet2DModel of the table, called like the others; context is not its business."""
    from diffusers import UNet2DModel

    unet = UNet2DModel(sample_size=16, layers_per_block=1, block_out_channels=(32, 64),
                       norm_num_groups=8, down_block_types=("DownBlock2D", "DownBlock2D"),
                       up_block_types=("UpBlock2D", "UpBlock2D"))

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = unet

        def forward(self, x, t, c=None):
            return self.unet(x, (t.flatten() * 500).expand(len(x))).sample

    return Wrapped()
