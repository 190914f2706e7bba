"""The check on edges: the right answers, each mistake of its bank, and wrong answers outside it."""

import pytest
import torch
from banks import assert_all_differ
from torch import nn
from torch.nn.functional import conv2d, elu, gelu, hardtanh, leaky_relu, relu, softplus

from diffutils.stage import checks
from diffutils.stage.checks.windows import EDGE, EITHER_EDGE, FALLING, RISING

RIGHT = {
    "size": lambda x, w: conv2d(x, w).abs(),
    "root of the square": lambda x, w: (conv2d(x, w) ** 2).sqrt(),
    "larger of two": lambda x, w: torch.maximum(conv2d(x, w), conv2d(x, -w)),
    "two windows in one layer": lambda x, w: relu(conv2d(x, torch.cat([w, -w]))).sum(1, True),
    "negative picture": lambda x, w: relu(conv2d(x, w)) + relu(conv2d(-x, w)),
    "twice the positive, less all": lambda x, w: 2 * relu(conv2d(x, w)) - conv2d(x, w),
    "clamped": lambda x, w: conv2d(x, w).clamp(min=0) - conv2d(x, w).clamp(max=0),
}
OTHERS = {  # written as a student would, without a look at the bank
    "max with 1": lambda x, w: torch.maximum(conv2d(x, w), torch.ones(1)),
    "relu of everything": lambda x, w: relu(conv2d(relu(x), relu(w))),
    "minus the window": lambda x, w: conv2d(x, -w),
    "both stopped and multiplied": lambda x, w: relu(conv2d(x, w)) * relu(conv2d(x, -w)),
    "window upside down": lambda x, w: relu(conv2d(x, w)) + relu(conv2d(x, w.flip(2))),
    "window turned": lambda x, w: relu(conv2d(x, w)) + relu(conv2d(x, w.transpose(2, 3))),
    "fixed window": lambda x, w: conv2d(x, EDGE).abs(),
    "nothing done": lambda x, w: x,
    "one minus": lambda x, w: relu(1 - conv2d(x, w)),
    "plus three": lambda x, w: conv2d(x, w) + 3,
    "relu of the negative, less": lambda x, w: relu(conv2d(x, -w)) - relu(conv2d(x, w)),
    "sigmoid": lambda x, w: torch.sigmoid(conv2d(x, w)),
    "tanh of the size": lambda x, w: 3 * torch.tanh(conv2d(x, w).abs()),
    "leaky": lambda x, w: leaky_relu(conv2d(x, w), 0.1),
    "gelu twice": lambda x, w: gelu(conv2d(x, w)) + gelu(conv2d(x, -w)),
    "softplus twice": lambda x, w: softplus(conv2d(x, w)) + softplus(conv2d(x, -w)),
    "elu twice": lambda x, w: elu(conv2d(x, w)) + elu(conv2d(x, -w)),
    "clipped at 3": lambda x, w: hardtanh(conv2d(x, w), -3, 3).abs(),
    "summed up": lambda x, w: conv2d(x, w).abs().sum(),
    "the largest": lambda x, w: conv2d(x, w).abs().max(),
    "padded": lambda x, w: conv2d(x, w, padding=1).abs(),
    "window twice in a row": lambda x, w: relu(conv2d(relu(conv2d(x, w)), -w)),
    "mean of both": lambda x, w: (relu(conv2d(x, w)) + relu(conv2d(x, -w))) / 2,
    "rounded": lambda x, w: conv2d(x, w).abs().round(),
    "first picture only": lambda x, w: conv2d(x[:1], w).abs(),
    "unsquared": lambda x, w: conv2d(x, w).pow(2),
    "bias": lambda x, w: relu(conv2d(x, w, torch.ones(1))) + relu(conv2d(x, -w)),
    "a fresh layer": lambda x, w: relu(nn.Conv2d(1, 1, 3)(x)),
    "scaled window": lambda x, w: conv2d(x, w / 9).abs(),
    "picture less its mean": lambda x, w: conv2d(x - x.mean(), w).abs(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_any_way_to_lose_the_sign_is_right(name):
    result = checks.either_edge(RIGHT[name])
    assert result.passed and "gives 3 where black turns white, 3 where" in result.message


@pytest.mark.parametrize("mistake", EITHER_EDGE.mistakes, ids=lambda mistake: mistake.name)
def test_each_mistake_is_named_with_numbers(mistake):
    result = checks.either_edge(mistake.function)
    assert result.mistake == mistake.name and not result.passed
    assert any(digit in result.message for digit in "0123456789")
    assert not any(word in result.message for word in ("nan", "{", "abs", "relu(", "conv2d"))


def test_no_two_mistakes_look_alike():
    assert_all_differ(EITHER_EDGE)


def test_at_least_four_of_five_other_wrong_answers_are_named():
    found = {name: checks.either_edge(function) for name, function in OTHERS.items()}
    assert not [name for name, result in found.items() if result.passed]
    named = [name for name, result in found.items() if result.mistake != "unknown"]
    assert len(named) >= 0.8 * len(OTHERS), sorted(set(OTHERS) - set(named))


def test_a_stub_is_not_done():
    assert checks.either_edge(lambda x, window: ...).mistake == "not-done"
    assert checks.either_edge(None).mistake == "not-done"


def test_no_single_window_can_do_it():
    for seed in range(20):
        one = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(seed))
        rise, fall = (conv2d(x, one) - conv2d(0.5 * torch.ones_like(x), one) for x in
                      (RISING, FALLING))  # fmt: skip
        torch.testing.assert_close(rise, -fall)  # what it says of one it unsays of the other
