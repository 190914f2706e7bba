"""The ideal denoiser against hand-worked numbers, a slow loop, and calculus."""

import math

import pytest
import torch
from torch.testing import assert_close

from diffutils import IdealDenoiser, linear_schedule, perturb_input, sample_ddim
from diffutils.ideal import ROWS

SCHEDULE = linear_schedule()


@pytest.fixture
def sprites(generator):
    return torch.rand(12, 3, 8, 8, generator=generator) * 2 - 1


def noisy(sprites, i, generator):
    noise = torch.randn(sprites.shape, generator=generator)
    return perturb_input(sprites, i, noise, schedule=SCHEDULE)


def test_shares_of_two_one_pixel_sprites_worked_by_hand():
    """Sprites -1 and 1, seen at 0.3: the odds are exp(2 sqrt(alpha_bar) 0.3 / (1 - alpha_bar))."""
    ideal = IdealDenoiser(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1), schedule=SCHEDULE)
    alpha_bar = float(SCHEDULE.alpha_bar[400])
    odds = math.exp(2 * math.sqrt(alpha_bar) * 0.3 / (1 - alpha_bar))
    shares = ideal.shares(torch.full((1, 1, 1, 1), 0.3), 400)
    assert_close(shares, torch.tensor([[1 / (1 + odds), odds / (1 + odds)]]).double())
    number = ideal.effective_number(torch.full((1, 1, 1, 1), 0.3), 400)
    assert_close(number, torch.tensor([(1 + odds) ** 2 / (1 + odds**2)]).double())


def test_shares_equal_the_slow_loop(sprites, generator):
    """A second, independent oracle, straight from the normal density."""
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    for i in (1, 60, 250, 500):
        alpha_bar = SCHEDULE.alpha_bar[i]
        for x in noisy(sprites, i, generator)[:3]:
            normal = torch.distributions.Normal(0.0, (1 - alpha_bar).sqrt())
            log = torch.stack(
                [normal.log_prob(x.double() - alpha_bar.sqrt() * s.double()).sum() for s in sprites]
            )
            assert_close(ideal.shares(x[None], i)[0], log.softmax(0), rtol=1e-6, atol=1e-9)


def test_more_sprites_than_are_weighed_at_a_time(generator):
    x0 = torch.rand(2 * ROWS + 7, 3, 4, 4, generator=generator) * 2 - 1
    ideal = IdealDenoiser(x0, schedule=SCHEDULE)
    x, alpha_bar = noisy(x0, 200, generator)[[0, ROWS, -1]], SCHEDULE.alpha_bar[200]
    distance = torch.cdist(x.double().flatten(1), alpha_bar.sqrt() * x0.double().flatten(1)) ** 2
    shares = (-distance / (2 * (1 - alpha_bar))).softmax(1)
    assert_close(ideal.shares(x, 200), shares, rtol=1e-6, atol=1e-9)
    average = (shares @ x0.double().flatten(1)).reshape(x.shape).float()
    assert_close(ideal.guess_x0(x, 200), average)


def test_the_guess_is_the_gradient_of_the_log_density(sprites, generator):
    """Tweedie: the best guess of the noise is -sqrt(1 - alpha_bar) times the score of p(x_t)."""
    i, alpha_bar = 300, SCHEDULE.alpha_bar[300]
    x = noisy(sprites, i, generator)[:1].double().requires_grad_()
    distance = ((x - alpha_bar.sqrt() * sprites.double()) ** 2).flatten(1).sum(1)
    torch.logsumexp(-distance / (2 * (1 - alpha_bar)), 0).backward()
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    eps = ideal(x.detach(), torch.tensor([i / 500]))
    assert_close(eps, -(1 - alpha_bar).sqrt() * x.grad, rtol=0, atol=1e-10)


def test_no_other_guess_has_a_smaller_error(sprites, generator):
    """Moving the guess a little, along itself or towards one sprite, makes it worse on average."""
    x0 = sprites.repeat(300, 1, 1, 1)
    x_t = noisy(x0, 350, generator)
    best = IdealDenoiser(sprites, schedule=SCHEDULE).guess_x0(x_t, 350)
    error = ((best - x0) ** 2).mean()
    for other in (best * 0.97, best * 1.03, best + 0.02, best * 0.97 + sprites[:1] * 0.03):
        assert ((other - x0) ** 2).mean() > error


def test_the_effective_number_runs_from_1_to_all(sprites, generator):
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    assert_close(ideal.effective_number(sprites, 1), torch.ones(12).double())
    same = IdealDenoiser(sprites[:1].repeat(5, 1, 1, 1), schedule=SCHEDULE)
    assert_close(same.effective_number(sprites, 500), torch.full((12,), 5.0).double())


def test_t_in_all_its_shapes_means_the_same_level(sprites):
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    one = ideal(sprites, torch.tensor([[[[0.7]]]]))
    assert one.dtype == sprites.dtype and one.isfinite().all()
    assert torch.equal(one, ideal(sprites, torch.full((12,), 0.7)))
    assert torch.equal(one, ideal(sprites, torch.tensor(0.7)))


@pytest.mark.parametrize(
    ("x", "i", "message"),
    [
        (torch.zeros(2, 3, 8, 8), 0, "i has level 0; this schedule has levels 1..500"),
        (torch.zeros(2, 3, 8, 8), 501, "i has level 501"),
        (torch.zeros(2, 3, 4, 4), 1, r"x has shape \(2, 3, 4, 4\); expected \(B, 3, 8, 8\)"),
    ],
)
def test_bad_arguments_are_named(sprites, x, i, message):
    with pytest.raises(ValueError, match="shares: " + message):
        IdealDenoiser(sprites, schedule=SCHEDULE).shares(x, i)


def test_bad_data_sets_are_named(sprites):
    with pytest.raises(ValueError, match="x0 holds no sprites"):
        IdealDenoiser(sprites[:0], schedule=SCHEDULE)
    with pytest.raises(TypeError, match="schedule is a int"):
        IdealDenoiser(sprites, schedule=500)
    with pytest.raises(ValueError, match="c is given"):
        IdealDenoiser(sprites, schedule=SCHEDULE)(sprites, torch.tensor(1.0), torch.zeros(12, 5))


UNSURE = torch.tensor([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.25, 0.75]])  # p(class | sprite)


@pytest.mark.parametrize("c", [[1.0, 0, 0], [0, 2.0, 0], [1.0, 0, 0.6], [1.0, 1.0, 1.0]])
def test_shares_in_a_mixture_of_classes_equal_the_slow_loop(sprites, generator, c):
    some, i = sprites[:4], 480
    ideal = IdealDenoiser(some, schedule=SCHEDULE, contexts=UNSURE)
    x = torch.randn(1, *some.shape[1:], generator=generator)
    alpha_bar = float(SCHEDULE.alpha_bar[i])
    chances = []
    for n, sprite in enumerate(some.double()):
        prior = sum(c[k] / sum(c) * float(UNSURE[n, k] / UNSURE[:, k].sum()) for k in range(3))
        apart = float(((x[0] - alpha_bar**0.5 * sprite) ** 2).sum())
        chances.append(prior * math.exp(-apart / (2 * (1 - alpha_bar))))
    wanted = torch.tensor(chances, dtype=torch.float64) / sum(chances)
    shares = ideal.shares(x, i, torch.tensor([c]))
    assert_close(shares[0], wanted)
    guess = (wanted[:, None] * some.double().flatten(1)).sum(0).reshape(x.shape).to(x)
    assert_close(ideal.guess_x0(x, i, torch.tensor([c])), guess)
    eps = ideal(x, torch.tensor(i / 500), torch.tensor([c]))
    assert_close(alpha_bar**0.5 * guess + (1 - alpha_bar) ** 0.5 * eps, x)


def test_sampled_with_a_class_the_ideal_returns_sprites_of_that_class(sprites):
    ideal = IdealDenoiser(sprites[:4], schedule=SCHEDULE, contexts=UNSURE)
    samples, _ = sample_ddim(
        12, n=20, nn_model=ideal, schedule=SCHEDULE, height=8, context=torch.eye(3)[2:],
        generator=torch.Generator().manual_seed(0), progress=False,
    )  # fmt: skip
    assert_close(samples, sprites[3:4].expand(12, -1, -1, -1), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("c", "message"), [
    (torch.zeros(1, 3), "c has the row .*not all 0"),
    (torch.tensor([[1.0, -1, 1]]), "c has the row .*at least 0"),
    (torch.ones(1, 4), r"c has shape \(1, 4\)"),
    (torch.ones(2, 3), r"c has shape \(2, 3\); expected \(1, 3\)"),
    (torch.tensor([[0.0, 0, 1]]), "c asks for a class that no sprite has"),
])
def test_contexts_that_are_no_mixture_are_named(sprites, c, message):
    ideal = IdealDenoiser(sprites[:2], schedule=SCHEDULE, contexts=UNSURE[:2])
    with pytest.raises(ValueError, match=message):
        ideal(sprites[:1], torch.tensor(1.0), c)


@pytest.mark.parametrize("contexts", [UNSURE[:3], UNSURE / 2, -UNSURE, UNSURE[:, 0]])
def test_probabilities_of_classes_that_are_none_are_named(sprites, contexts):
    with pytest.raises(ValueError, match="IdealDenoiser: contexts h"):
        IdealDenoiser(sprites[:4], schedule=SCHEDULE, contexts=contexts)
