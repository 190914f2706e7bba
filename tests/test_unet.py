"""What the plain U-Net has of its own; what it shares with the other is in test_networks.py."""

import pathlib

import pytest
import torch
from torch import nn

from diffutils import ContextUnet, unet
from diffutils.unet import Embedding, ResidualBlock

MOVE = 8  # pixels, the width of a place on the smallest maps
MIDDLE = slice(56, 72)  # of 128: nothing there has seen an edge


def without_norms(module):
    """The module with each group norm replaced by nothing: a norm sees how bright the whole is."""
    for name, part in module.named_children():
        setattr(module, name, nn.Identity() if isinstance(part, nn.GroupNorm) else part)
        without_norms(part)
    return module


def stirred(module):
    """The module with every weight moved a little, so that no layer answers 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module


@pytest.mark.parametrize("axis", [2, 3])
def test_a_residual_block_treats_all_places_alike(axis):
    block = without_norms(stirred(ResidualBlock(8, 16, 4)))
    x, e = torch.randn(2, 8, 12, 12), torch.randn(2, 4)
    moved = block(x.roll(1, axis), e)[..., 3:-3, 3:-3]
    expected = block(x, e).roll(1, axis)[..., 3:-3, 3:-3]
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("axis", [2, 3])
def test_a_sword_moved_is_the_same_sword(axis):
    """Far from the edges the whole network's answer moves with its input."""
    nn_model, t = without_norms(stirred(ContextUnet(channels=8, hidden=16))), torch.tensor(0.5)
    x = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        moved = nn_model(x.roll(MOVE, axis), t)[..., MIDDLE, MIDDLE]
        expected = nn_model(x, t).roll(MOVE, axis)[..., MIDDLE, MIDDLE]
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-4)
    assert expected.std() > 0.01


def test_only_level_and_context_go_through_dense_layers():
    dense = [name for name, part in ContextUnet().named_modules() if isinstance(part, nn.Linear)]
    assert all(name.startswith("embed.") or name.endswith(".scale_shift") for name in dense)


@pytest.mark.parametrize("i", [1, 7, 50, 250, 499, 500])
def test_a_fresh_network_answers_0(i):
    eps = ContextUnet(channels=16)(torch.randn(2, 3, 16, 16), torch.tensor(i / 500))
    assert eps.shape == (2, 3, 16, 16) and not eps.any()


def test_a_fresh_block_passes_on_what_it_gets():
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(ResidualBlock(16, 16, 8)(x, torch.randn(2, 8)), x)


def test_a_block_scales_by_one_more_than_its_scale_and_then_shifts():
    block = stirred(ResidualBlock(8, 8, 4))
    x, e = torch.randn(2, 8, 4, 4), torch.randn(1, 4)
    scale, shift = block.scale_shift(e).view(2, 8, 1, 1)
    h = block.norm2(block.conv1(nn.functional.silu(block.norm1(x))))
    expected = x + block.conv2(nn.functional.silu(h + h * scale + shift))
    torch.testing.assert_close(block(x, e), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("block, kept", [("up1", "down1"), ("up2", "down2")])
def test_a_skip_hands_on_the_map_kept_on_the_way_down_as_the_second_half(block, kept):
    nn_model, seen = stirred(ContextUnet(channels=16, hidden=32)), {}
    nn_model.get_submodule(kept).register_forward_hook(lambda _, a, out: seen.update(kept=out))
    nn_model.get_submodule(block).register_forward_pre_hook(lambda _, a: seen.update(given=a[0]))
    nn_model(torch.randn(2, 3, 16, 16), torch.tensor(0.5))
    assert torch.equal(seen["given"].chunk(2, dim=1)[1], seen["kept"])


def test_the_first_layer_sees_blocks_of_2x2_pixels():
    nn_model = stirred(ContextUnet(channels=16, hidden=32))
    x, t = torch.randn(1, 3, 32, 32), torch.tensor(0.5)
    heard = []
    nn_model.enter.register_forward_pre_hook(lambda _, arguments: heard.append(arguments[0]))
    nn_model(x, t)
    blocks = heard[0].view(3, 2, 2, 16, 16)  # channel, row and column in the block, place
    assert torch.equal(blocks[:, 1, 0, 3, 5], x[0, :, 7, 10])


def test_the_embedding_adds_no_context_where_none_is_given():
    embed, t = stirred(Embedding(5, 8)), torch.tensor([0.3])
    none, one = embed(t, torch.zeros(1, 5)), embed(t, torch.eye(5)[:1])
    level = embed.level(torch.cat([(t * embed.frequency).sin(), (t * embed.frequency).cos()]))
    silu = nn.functional.silu
    torch.testing.assert_close(none[0], silu(embed.mix(silu(level))), rtol=0, atol=1e-6)
    assert (one - none).abs().max() > 1e-3


def test_the_network_is_one_short_file():
    assert len(pathlib.Path(unet.__file__).read_text().splitlines()) <= 110
