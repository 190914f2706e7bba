"""Both networks keep one contract: shapes, contexts, levels, determinism, and clear errors."""

import copy
import pickle

import pytest
import torch

from diffutils import ContextUnet, PaletteUnet, cosine_schedule
from diffutils.weights import KINDS


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def trained(kind):
    """A small network whose layers all count, as after training."""
    torch.manual_seed(0)
    nn_model = KINDS[kind](channels=16, hidden=32)
    if kind == "palette":
        nn_model.learn_palette(torch.rand(100, 3) * 2 - 1)
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return nn_model.eval()


def noisy(n=3, height=16):
    return torch.randn(n, 3, height, height, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("height", [8, 16, 24, 32])
def test_heights_8_16_24_and_32_run(trained, height):
    x = noisy(height=height)
    eps = trained(x, torch.tensor([0.2, 0.5, 1.0]))
    assert eps.shape == x.shape and eps.dtype == torch.float32
    assert torch.isfinite(eps).all()


def test_a_picture_need_not_be_square(trained):
    x = noisy(height=32)[..., :16]
    assert trained(x, torch.tensor(0.5)).shape == (3, 3, 32, 16)


@pytest.mark.parametrize("shape", [(3, 3, 12, 12), (3, 3, 17, 17), (3, 1, 16, 16), (3, 16, 16),
                                   (0, 3, 16, 16), (3, 3, 0, 0)])
def test_a_shape_that_the_network_cannot_take_is_named(trained, shape):
    name = type(trained).__name__
    with pytest.raises(ValueError, match=name + r": x has shape .*expected \(B, ., H, W\)"):
        trained(torch.zeros(shape), torch.tensor(0.5))


def test_integer_images_are_refused(trained):
    with pytest.raises(TypeError, match="x holds torch.uint8"):
        trained(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), torch.tensor(0.5))


@pytest.mark.parametrize("t", [torch.tensor([0.5, 0.5]), torch.full((3, 2), 0.5)])
def test_levels_of_a_wrong_shape_are_named(trained, t):
    with pytest.raises(ValueError, match="t has shape"):
        trained(noisy(), t)


@pytest.mark.parametrize("t", [-0.1, 1.5, float("nan"), 250.0])
def test_levels_outside_0_to_1_are_named(trained, t):
    with pytest.raises(ValueError, match=r"t .*in \[0, 1\]"):
        trained(noisy(), torch.tensor(t))


def test_a_context_of_the_wrong_width_is_named(trained):
    with pytest.raises(ValueError, match=r"c has shape \(3, 4\); expected \(3, 5\)"):
        trained(noisy(), torch.tensor(0.5), torch.zeros(3, 4))


def test_a_context_for_another_batch_is_named(trained):
    with pytest.raises(ValueError, match=r"c has shape \(2, 5\)"):
        trained(noisy(), torch.tensor(0.5), torch.zeros(2, 5))


def test_integer_contexts_are_refused(trained):  # known faults 7
    with pytest.raises(TypeError, match="c .*torch.int64"):
        trained(noisy(), torch.tensor(0.5), torch.zeros(3, 5, dtype=torch.int64))


def test_fractions_of_a_context_count(trained):  # known faults 7
    whole, half = torch.eye(5)[:1], 0.5 * torch.eye(5)[:1]
    t = torch.tensor(0.5)
    assert (trained(noisy(), t, whole) - trained(noisy(), t, half)).abs().max() > 1e-4


def test_no_context_is_a_context_of_zeros(trained):
    t = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(trained(noisy(), t), trained(noisy(), t, torch.zeros(3, 5)),
                               rtol=0, atol=1e-6)


def test_one_level_in_the_shape_of_the_snippet_is_the_level_of_every_image(trained):
    x = noisy()
    one = trained(x, torch.tensor([0.4])[:, None, None, None])
    each = trained(x, torch.full((3,), 0.4))
    torch.testing.assert_close(one, each, rtol=0, atol=1e-5)


def test_each_image_is_answered_at_its_own_level_in_its_own_context(trained):
    x, t, c = noisy(), torch.linspace(0.1, 0.9, 3), torch.eye(5)[:3]
    together = trained(x, t, c)
    for k in range(3):
        alone = trained(x[k : k + 1], t[k : k + 1], c[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-5)


def test_the_level_is_told_as_points_on_circles_the_slowest_a_quarter_of_one(trained):
    heard = []
    trained.embed.level.register_forward_pre_hook(lambda _, arguments: heard.append(arguments[0]))
    trained(noisy(), torch.tensor([0.0, 0.5, 1.0]))
    sines, cosines = heard[0].chunk(2, dim=1)
    torch.testing.assert_close(sines**2 + cosines**2, torch.ones(3, 16), rtol=0, atol=1e-5)
    slowest = torch.tensor([0.0, 0.5**0.5, 1.0])
    torch.testing.assert_close(sines[:, 0], slowest, rtol=0, atol=1e-6)


def test_two_eval_forwards_are_bit_equal(trained):  # known faults 2
    x, t, c = noisy(), torch.tensor(0.3), torch.eye(5)[:3]
    assert torch.equal(trained(x, t, c), trained(x, t, c))


def test_every_parameter_used_is_in_the_state_dict(trained):  # known faults 2
    again = type(trained)(channels=16, hidden=32)
    again.load_state_dict(trained.state_dict())
    x, t, c = noisy(), torch.tensor(0.3), torch.eye(5)[:3]
    assert torch.equal(trained(x, t, c), again(x, t, c))


def test_every_parameter_learns(trained):
    trained(noisy(), torch.tensor([0.1, 0.5, 0.9]), torch.eye(5)[:3]).square().mean().backward()
    assert [n for n, p in trained.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_nothing_is_kept_between_batches(trained):  # known faults 17
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    trained.train()(noisy(), torch.tensor(0.5))
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_the_schedule_goes_where_the_state_goes(kind):
    teacher = KINDS[kind](channels=16, schedule=cosine_schedule(300))
    pupil = KINDS[kind](channels=16)
    pupil.load_state_dict(teacher.state_dict())
    assert pupil.schedule.timesteps == 300
    assert torch.equal(pupil.schedule.alpha_bar, teacher.schedule.alpha_bar)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
                         ids=["deepcopy", "pickle"])
def test_a_copy_answers_alike_and_learns_alone(trained, copied):
    x, t = noisy(), torch.tensor(0.3)
    again = copied(trained)
    expected = trained(x, t)
    assert torch.equal(again(x, t), expected)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    assert torch.equal(trained(x, t), expected)


def test_bfloat16_changes_the_guess_by_its_rounding_only(trained):
    x, t = noisy(), torch.tensor([0.02, 0.5, 1.0])
    exact = trained(x, t)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = trained(x, t)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05


def test_the_shipped_architecture_takes_no_arguments_and_fits_in_4_megabytes(kind):
    nn_model = KINDS[kind]()
    half_floats = 2 * sum(p.numel() for p in nn_model.parameters())
    assert half_floats <= 4e6
    assert nn_model(noisy(), torch.tensor(0.5)).shape == (3, 3, 16, 16)


def test_the_schedule_must_be_a_schedule(kind):
    with pytest.raises(TypeError, match=KINDS[kind].__name__ + ": schedule"):
        KINDS[kind](schedule=[0.1, 0.2])


@pytest.mark.parametrize("sizes", [{"channels": 12}, {"channels": 0}, {"hidden": -1},
                                   {"n_context": 2.5}])
def test_sizes_that_no_network_has_are_named(kind, sizes):
    (name,) = sizes
    with pytest.raises((TypeError, ValueError), match=f"{KINDS[kind].__name__}: .*{name}"):
        KINDS[kind](**sizes)


def test_the_two_kinds_are_the_networks_of_the_package():
    assert KINDS == {"plain": ContextUnet, "palette": PaletteUnet}
