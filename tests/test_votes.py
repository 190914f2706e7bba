"""What the voting network has of its own; what both networks share is in test_networks.py."""

import pathlib

import pytest
import torch

from diffutils import cosine_schedule
from diffutils.votes import ROWS, PaletteUnet

LEVELS = (1, 7, 50, 250, 499, 500)


@pytest.fixture
def trained():
    """A small network whose layers all count, as after training."""
    torch.manual_seed(0)
    nn_model = PaletteUnet(channels=16)
    nn_model.learn_palette(torch.rand(100, 3) * 2 - 1)
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return nn_model.eval()


def noisy(n=3, height=16):
    return torch.randn(n, 3, height, height, generator=torch.Generator().manual_seed(1))


def test_each_image_is_answered_at_its_own_level(trained):
    n = 2 * ROWS // 256 + 3  # so that their pixels do not all vote at once
    x, t = noisy(n), torch.linspace(0.1, 0.9, n)
    together = trained(x, t)
    for k in range(n):
        alone = trained(x[k : k + 1], t[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("i", LEVELS)
def test_an_untrained_network_guesses_the_best_linear_noise(i):
    """v = 0 at first, so that eps = sqrt(1 - alpha_bar) x."""
    schedule = cosine_schedule()
    nn_model = PaletteUnet(channels=16, schedule=schedule)
    x = noisy()
    expected = (1 - schedule.alpha_bar[i]).sqrt().float() * x
    torch.testing.assert_close(nn_model(x, torch.tensor(i / 500)), expected, rtol=0, atol=1e-4)


def test_a_pixel_of_a_known_colour_is_recognised_under_noise():
    """With equal votes Bayes' rule alone decides: two far colours, noise of std 0.037."""
    nn_model = PaletteUnet(channels=16)
    nn_model.learn_palette(torch.tensor([[-1.0, -1, -1], [1, 1, 1]]))
    x0 = torch.ones(1, 3, 16, 16)
    x0[..., :8] = -1
    noise = noisy(1)
    alpha_bar = nn_model.alpha_bar[10]
    x = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
    torch.testing.assert_close(nn_model(x, torch.tensor(0.02)), noise, rtol=0, atol=0.3)


def test_a_colour_outside_the_palette_is_left_to_the_layers():
    nn_model = PaletteUnet(channels=16)
    nn_model.learn_palette(torch.tensor([[-1.0, -1, -1]]))
    x, i = torch.full((1, 3, 16, 16), 0.7), 10
    expected = (1 - nn_model.alpha_bar[i]).sqrt() * x
    torch.testing.assert_close(nn_model(x, torch.tensor(i / 500)), expected, rtol=0, atol=1e-5)


def test_bayes_rule_is_that_of_the_slow_sum():
    torch.manual_seed(0)
    nn_model = PaletteUnet(channels=16)
    nn_model.learn_palette(torch.rand(127, 3) * 2 - 1)
    x, votes = torch.randn(1, 1, 1, 4, 3), torch.randn(4, 128)
    v, alpha_bar = torch.randn(1, 1, 1, 4, 3), torch.tensor(0.4).view(1, 1, 1, 1, 1)
    a, std = 0.4**0.5, 0.6**0.5
    expected = torch.zeros(4, 3)
    for k in range(4):
        pixel, vote = x.view(4, 3)[k].double(), votes.view(4, 128)[k].double().exp()
        near = torch.distributions.Normal(a * nn_model.palette.double(), std).log_prob(pixel)
        none = torch.distributions.Normal(0.0, 1.0).log_prob(pixel)
        weight = torch.cat([vote[:-1] * near.sum(1).exp(), vote[-1:] * none.sum().exp()])
        colours = torch.cat([nn_model.palette.double(), (a * pixel - std * v.view(4, 3)[k])[None]])
        expected[k] = (pixel - a * (weight @ colours) / weight.sum()) / std
    guess = nn_model.noise_from(x, v, votes, alpha_bar)
    torch.testing.assert_close(guess.view(4, 3), expected, rtol=0, atol=1e-4)


def test_a_palette_is_kept_for_life():
    nn_model = PaletteUnet(channels=16)
    nn_model.learn_palette(torch.tensor([[-1.0, 0, 1]]))
    nn_model.learn_palette(torch.tensor([[0.5, 0.5, 0.5], [1, 1, 1]]))
    assert nn_model.palette[0].tolist() == [-1, 0, 1] and (nn_model.palette <= 1).all(1).sum() == 1


def test_a_hook_that_keeps_the_votes_has_them_as_they_were_cast(trained):
    kept = []
    with torch.no_grad():
        trained.norm.register_forward_hook(lambda layer, inputs, output: kept.append(output))
        trained.vote.register_forward_hook(lambda layer, inputs, output: kept.append(output))
        trained(noisy(), torch.tensor(0.5))
        assert torch.equal(kept[1], trained.vote(kept[0]))


def test_conviction_multiplies_the_votes(trained):
    x, t = noisy(), torch.tensor(0.5)
    once = trained(x, t)
    trained.conviction = 2.0
    twice = trained(x, t)
    trained.conviction = 1.0
    with torch.no_grad():
        trained.vote.weight.mul_(2)
        trained.vote.bias.mul_(2)
    torch.testing.assert_close(trained(x, t), twice, rtol=0, atol=1e-4)
    assert (once - twice).abs().max() > 1e-3


def test_the_network_is_one_short_file():
    source = pathlib.Path(__import__("diffutils.votes").votes.__file__)
    assert len(source.read_text().splitlines()) <= 150
