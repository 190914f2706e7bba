"""The network that knows what sprites are: painted with few colours, in the middle of the picture.

`PaletteUnet` is called like `ContextUnet` and shares its pieces. Three things are its own: a glance
at the whole picture, a look at all 4x4 places at once, and a vote on each pixel's colour among 127.
"""

import torch
from torch import nn
from torch.nn.functional import linear, silu

from diffutils.expect import check_kind, check_network_input, check_network_sizes, check_number
from diffutils.pixels import fold, resized, unfold
from diffutils.schedule import NoiseSchedule, linear_schedule
from diffutils.unet import GROUPS, Embedding, zeroed

COLOURS, ROWS, LOG2_E = 127, 4096, 1.4426950408889634  # e = 2^LOG2_E


class PaletteUnet(nn.Module):
    """Guesses the unit noise in a noisy sprite: `eps = nn_model(x, t, c=None)`.

    n_context   length of a context vector (the five classes of sprite)
    channels    channels of the 8x8 maps; the 4x4 maps have twice as many
    hidden      numbers in which level and context, and all places seen at once, are summed up
    schedule    the NoiseSchedule of the levels that it learns; linear_schedule() if None
    conviction  what votes are multiplied by: 1 to train; above 1, cleaner samples, less varied
    """

    def __init__(self, n_context=5, channels=48, hidden=256, schedule=None, conviction=1.0):
        super().__init__()
        schedule = linear_schedule() if schedule is None else schedule
        check_kind("PaletteUnet", "schedule", schedule, NoiseSchedule)
        check_network_sizes("PaletteUnet", n_context, channels, hidden)
        check_number("PaletteUnet", "conviction", conviction)
        self.config = {"n_context": n_context, "channels": channels, "hidden": hidden}
        self.n_context, self.conviction = n_context, conviction
        self.register_buffer("palette", torch.full((COLOURS, 3), 1e9))  # far from every pixel
        self.register_buffer("alpha_bar", None, persistent=False)
        self.know(schedule)
        wide, narrow = channels, 2 * channels
        self.embed = Embedding(n_context, hidden)
        self.glance = nn.Linear(3 * 16 * 16, hidden, bias=False)
        self.enter = nn.Conv2d(12, wide, 3, padding=1)
        self.shrink = nn.Conv2d(wide, narrow, 2, stride=2)
        self.middle = WholeBlock(narrow, hidden, hidden)
        self.grow = nn.ConvTranspose2d(narrow, wide, 2, stride=2)
        self.up = ConvBlock(wide, hidden)
        self.norm = nn.Sequential(nn.GroupNorm(GROUPS, wide), nn.SiLU())
        self.leave = zeroed(nn.Conv2d(wide, 12, 1))
        self.vote = zeroed(nn.Conv2d(wide, 4 * (COLOURS + 1), 1))
        self.to(memory_format=torch.channels_last)

    def forward(self, x, t, c=None):
        """The guess of the unit noise in x, like x.

        x   (B, 3, H, W) noisy sprites, H and W each a multiple of 8
        t   level / timesteps in [0, 1]: (B,), or one number as (1, 1, 1, 1)
        c   (B, n_context) or (1, n_context) float contexts; None is "any sprite"
        """
        t, c = check_network_input("PaletteUnet", x, t, c, self.n_context, self.palette)
        seen = self.glance(resized(x, (16, 16)).flatten(1))  # any size is seen as 16x16
        e = self.embed(t, c, seen)  # (B, 256)
        pixels = fold(x)  # (B, 8, 8, 4, 3)
        h = self.enter(pixels.flatten(3).permute(0, 3, 1, 2))  # (B, 48, 8, 8)
        m = self.middle(self.shrink(h), e)  # (B, 96, 4, 4)
        h = self.norm(self.up(h + self.grow(m), e))  # (B, 48, 8, 8)
        v = self.leave(h).permute(0, 2, 3, 1).reshape(pixels.shape)
        votes = self.vote(h).permute(0, 2, 3, 1).reshape(-1, COLOURS + 1)  # (B 256, 128)
        level = (t * self.schedule.timesteps).round().long()
        alpha_bar = self.alpha_bar[level].view(-1, 1, 1, 1, 1)
        with torch.autocast(x.device.type, enabled=False):  # colours need all their digits
            return unfold(self.noise_from(pixels, v.to(x), votes.to(x), alpha_bar))

    def noise_from(self, x, v, votes, alpha_bar):
        """The noise in pixels x (B, h, w, 4, 3): what is left when their likely colour is taken.

        Bayes' rule for each pixel, with a = sqrt(alpha_bar), s^2 = 1 - alpha_bar: colour m of the
        palette weighs exp(vote) N(x; a m, s^2); the last, "none of these", exp(vote) N(x; 0, 1),
        and its colour is a x - s v, where v = a noise - s x0 (arXiv 2202.00512, app. D).
        """
        a, std = alpha_bar.sqrt(), (1 - alpha_bar).clamp(min=1e-5).sqrt()
        none = (1 / std**2 - 1) * x.square().sum(-1, keepdim=True) / 2 + 3 * std.log()
        m, one, zero = self.palette.T, self.palette.new_ones(1, COLOURS), 0 * none
        facts = torch.cat([a / std**2 * x, zero - (a / std) ** 2 / 2, zero, none], -1).view(-1, 6)
        table = torch.block_diag(torch.cat([m, m.square().sum(0, keepdim=True), one]), one[:, :1])
        shown = []  # ROWS pixels at a time: their votes stay in the processor's cache
        for part in zip(votes.split(ROWS), facts.split(ROWS), strict=True):
            belief = torch.addmm(*part, table, beta=self.conviction * LOG2_E, alpha=LOG2_E)
            belief.detach().sub_(belief.detach().amax(-1, keepdim=True)).clamp_(min=-115)
            shown.append(linear(belief.exp2_(), table))  # faster than e^; below 2^-126 it is slow
        known, some, unknown = torch.cat(shown).view(*none.shape[:-1], 6).split([4, 1, 1], -1)
        return (x - a * (known[..., :3] + unknown * (a * x - std * v)) / (some + unknown)) / std

    def get_extra_state(self):
        """What the answer depends on besides the weights; it goes where `state_dict` goes."""
        return torch.cat([torch.tensor([self.conviction]).double(), self.schedule.beta[1:]])

    def set_extra_state(self, state):
        self.conviction = float(state[0])
        self.know(NoiseSchedule(state[1:]))

    def know(self, schedule):
        self.schedule = schedule
        self.alpha_bar = schedule.alpha_bar.to(self.palette)

    def learn_palette(self, colours):
        """Takes the first 127 of colours (n, 3), in [-1, 1], as palette, if there is none yet."""
        if (self.palette > 1).all():
            self.palette[: len(colours)] = colours[:COLOURS].detach().to(self.palette)


class ConvBlock(nn.Module):
    """Adds to each place what a look at its neighbours suggests. Starts as identity."""

    def __init__(self, channels, embedding):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.scale_shift = nn.Linear(embedding, 2 * channels)
        self.conv = zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x, e):
        scale, shift = self.scale_shift(e)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1)
        return x + self.conv(silu(self.norm(x) * (1 + scale) + shift))  # (B, C, H, W)


class WholeBlock(nn.Module):
    """Adds to each place what a look at all 4x4 of them suggests. Starts as identity."""

    def __init__(self, channels, hidden, embedding):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.gather = nn.Linear(channels * 4 * 4, hidden)
        self.scale_shift = nn.Linear(embedding, 2 * hidden)
        self.spread = zeroed(nn.Linear(hidden, channels * 4 * 4))

    def forward(self, x, e):
        scale, shift = self.scale_shift(e).chunk(2, dim=1)  # (B, hidden)
        places = resized(silu(self.norm(x)), (4, 4))  # any size is seen as 4x4
        h = self.gather(places.permute(0, 2, 3, 1).flatten(1))  # (B, 1536) to (B, hidden)
        h = self.spread(silu(h * (1 + scale) + shift)).unflatten(1, (4, 4, -1))
        return x + resized(h.permute(0, 3, 1, 2), x.shape[2:])
