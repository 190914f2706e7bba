"""The one pixel map: exact both ways, never stretched, bad input named."""

import numpy as np
import pytest
import torch

from diffutils.pixels import fold, resized, to_float, to_uint8, unfold


def test_bytes_survive_the_way_to_floats_and_back():
    every_byte = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    x = to_float(every_byte)
    assert x.dtype == torch.float32 and x.shape == (1, 3, 16, 16)
    assert (x.min(), x.max()) == (-1, 1)
    assert (to_uint8(x) == every_byte).all()


def test_what_lies_outside_is_clipped_and_nothing_is_stretched():
    x = torch.tensor([-9.0, -1.0, 0.0, 0.5, 1.0, 9.0]).reshape(6, 1, 1, 1).repeat(1, 3, 1, 1)
    assert to_uint8(x)[:, 0, 0, 0].tolist() == [0, 0, 128, 191, 255, 255]


def test_a_picture_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="to_uint8: x holds numbers that are not finite"):
        to_uint8(torch.full((1, 3, 2, 2), float("nan")))


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (np.zeros((1, 4, 4, 3)), TypeError, "images holds float64; expected uint8"),
        (np.zeros((4, 4, 3), np.uint8), ValueError, r"images has shape \(4, 4, 3\)"),
    ],
)
def test_to_float_says_what_came(wrong, error, said):
    with pytest.raises(error, match=said):
        to_float(wrong)


def test_resized_averages_blocks_and_spreads_places():
    maps = torch.arange(32.0).reshape(1, 2, 4, 4)
    assert resized(maps, (4, 4)) is maps
    down = resized(maps, (2, 2))
    torch.testing.assert_close(down[0, 0], torch.tensor([[2.5, 4.5], [10.5, 12.5]]))
    torch.testing.assert_close(resized(down, (4, 4))[0, 1, :2, 2:], torch.full((2, 2), 20.5))


@pytest.mark.parametrize("height", [8, 16])
def test_blocks_unfold_to_the_same_picture(height):
    x = torch.randn(2, 3, height, 16)
    blocks = fold(x)
    assert blocks.shape == (2, height // 2, 8, 4, 3)
    assert torch.equal(blocks[1, 2, 3, 1], x[1, :, 4, 7])  # upper right of its block
    assert torch.equal(unfold(blocks), x)
