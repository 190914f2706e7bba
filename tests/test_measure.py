"""Measures against numbers worked by hand and against theory."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.testing import assert_close

from diffutils import IdealDenoiser, linear_schedule
from diffutils.measure import (
    bits_told,
    distance_floor,
    distance_to_average,
    frechet_distance,
    kernel_distance,
    loss_by_level,
    mean_and_error,
    sharpness,
    variety,
    variety_and_error,
)
from diffutils.stage.ledger import even_in_ratio

SCHEDULE = linear_schedule()


def test_a_network_that_answers_zero_has_loss_1_at_every_level(generator):
    x0 = torch.rand(100, 3, 16, 16, generator=generator)
    losses = loss_by_level(lambda x, t: 0 * x, x0, [1, 250, 500], schedule=SCHEDULE)
    assert_close(losses, torch.ones(3).double(), rtol=0, atol=0.02)


def test_the_ideal_denoiser_of_gaussian_data_has_the_loss_of_theory(generator):
    """Data N(0, s^2): the loss is alpha_bar s^2 / (alpha_bar s^2 + 1 - alpha_bar)."""
    x0, levels = 0.5 * torch.randn(400, 3, 8, 8, generator=generator), [50, 200, 400]
    alpha_bar = SCHEDULE.alpha_bar[levels]
    expected = alpha_bar * 0.25 / (alpha_bar * 0.25 + 1 - alpha_bar)

    def best(x, t):
        ab = float(SCHEDULE.alpha_bar[round(float(t) * 500)])
        return math.sqrt(1 - ab) * x / (ab * 0.25 + 1 - ab)

    assert_close(
        loss_by_level(best, x0, levels, schedule=SCHEDULE, seed=1), expected, rtol=0.02, atol=0
    )


def test_no_network_is_below_the_floor_of_the_ideal_denoiser(generator):
    x0 = torch.rand(20, 3, 4, 4, generator=generator) * 2 - 1
    many = x0.repeat(50, 1, 1, 1)
    floor = loss_by_level(IdealDenoiser(x0, schedule=SCHEDULE), many, [300, 500], schedule=SCHEDULE)
    other = loss_by_level(lambda x, t: x * t, many, [300, 500], schedule=SCHEDULE)
    assert (floor > 0).all() and (floor < other).all()


def test_context_reaches_the_network(generator):
    x0, context = torch.rand(2, 3, 4, 4, generator=generator), torch.ones(2, 5)

    def nn_model(x, t, c=None):
        return x * 0 + (0 if c is None else 10)

    with_context = loss_by_level(nn_model, x0, [1], schedule=SCHEDULE, context=context)
    assert with_context > 50 > loss_by_level(nn_model, x0, [1], schedule=SCHEDULE)


def test_distance_to_average_by_hand():
    x0 = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 3, 4, 4)
    samples = torch.tensor([0.0, 0.5, -1.0]).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    assert_close(distance_to_average(samples, x0), torch.tensor([0.0, 0.5, 1.0]))


def test_variety_by_hand():
    samples = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    assert_close(variety(samples), torch.tensor([2.0, 1.5, 2.5]), rtol=1e-3, atol=1e-3)
    assert float(variety(samples[:1].expand(5, -1, -1, -1)).max()) == pytest.approx(0, abs=1e-3)


def test_the_error_of_variety_counts_both_ends_of_a_pair():
    samples = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    assert variety_and_error(samples) == pytest.approx((2.0, 2 * 0.5 / 3**0.5), abs=1e-3)


def test_sharpness_by_hand():
    stripes = torch.tensor([-1.0, 1.0]).repeat(2).expand(1, 3, 4, 4)
    assert_close(sharpness(stripes), torch.tensor([1.0]))  # 2 across, 0 down, as many of each
    assert float(sharpness(torch.ones(1, 3, 4, 4))) == 0


def test_mean_and_error_by_hand():
    assert mean_and_error([1.0, 3.0]) == pytest.approx((2.0, 1.0))
    assert mean_and_error(torch.ones(9)) == (1.0, 0.0)


def slow_kernel_distance(x, y):
    """The same sum over pairs, one by one."""
    def k(a, b):
        return (float((a * b).double().mean()) + 1) ** 3

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j)
              / (len(z) * (len(z) - 1)) for z in (x, y)]
    return sum(within) - 2 * sum(k(a, b) for a in x for b in y) / (len(x) * len(y))


def test_kernel_distance_by_hand_and_pair_by_pair(generator):
    x = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)  # k(1, -1) = 0, k(0, .) = 1, k(1, 1) = 8
    assert kernel_distance(x, torch.zeros(2, 1, 1, 1)) == pytest.approx(0 + 1 - 2)
    x, y = (torch.rand(n, 3, 4, 4, generator=generator) * 2 - 1 for n in (5, 7))
    assert kernel_distance(x, y) == pytest.approx(slow_kernel_distance(x, y), abs=1e-6)


def test_kernel_distance_is_0_on_average_between_pictures_of_one_law(generator):
    """Small sets, many times: a biased estimate (with the pairs of a picture and itself) shows."""
    x0 = torch.randn(60, 3, 4, 4, generator=generator)
    floor = distance_floor(kernel_distance, x0, 8, repeats=300)
    mean, error = mean_and_error(floor)
    assert abs(mean) < 3 * error and floor.min() < 0 < floor.max()
    wider = distance_floor(kernel_distance, 1.5 * x0, 8, repeats=5)
    assert wider.shape == (5,) and wider.dtype == torch.float64


def test_kernel_distance_sees_what_the_average_does_not(generator):
    """Two sets with one average, of which one varies less."""
    x = torch.randn(300, 3, 4, 4, generator=generator)
    y = torch.randn(300, 3, 4, 4, generator=generator)
    floor = distance_floor(kernel_distance, x, 100)
    assert kernel_distance(y, x) < 3 * floor.std() < kernel_distance(0.5 * y, x)


def test_frechet_distance_by_hand():
    """Of one number: (m1 - m2)^2 + (s1 - s2)^2."""
    x = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)  # mean 0, variance 2 of two draws
    assert frechet_distance(x, 3 * x + 5) == pytest.approx(25 + (2 * 2**0.5) ** 2)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [200, 20])  # more and fewer pictures than they have numbers
def test_frechet_distance_is_that_of_the_published_formula(count, generator):
    x = torch.randn(count, 3, 4, 4, generator=generator)
    y = x.cumsum(1)[torch.randperm(count, generator=generator)] + 0.1
    a, b = (z.flatten(1).double().numpy() for z in (x, y))
    c1, c2 = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(c1 @ c2 + 1e-9 * np.eye(len(c1))).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-3)


def test_few_pictures_make_the_frechet_distance_too_large(generator):
    x = torch.randn(400, 3, 4, 4, generator=generator)
    few, many = (distance_floor(frechet_distance, x, n, repeats=5).mean() for n in (25, 200))
    assert few > 3 * many > 0


def test_the_floor_compares_disjoint_sets_and_the_same_ones_for_a_seed():
    x0, sizes = torch.arange(10.0).reshape(10, 1, 1, 1), []

    def distance(a, b):
        sizes.append((len(a), len(b), len(set(a.flatten().tolist()) & set(b.flatten().tolist()))))
        return a.mean() - b.mean()

    first = distance_floor(distance, x0, 4, repeats=3, seed=5)
    assert sizes == [(4, 6, 0)] * 3 and first.std() > 0
    assert torch.equal(first, distance_floor(distance, x0, 4, repeats=3, seed=5))
    assert not torch.equal(first, distance_floor(distance, x0, 4, repeats=3, seed=6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernel_distance(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4)), "holds 1"),
        (lambda: kernel_distance(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8)), "like samples"),
        (lambda: distance_floor(kernel_distance, torch.zeros(5, 3, 4, 4), 4), "n is 4"),
        (lambda: loss_by_level(None, torch.zeros(1, 3, 4, 4), [1], schedule=SCHEDULE), "nn_model"),
        (lambda: loss_by_level(abs, torch.zeros(1, 3, 4, 4), [0], schedule=SCHEDULE), "level 0"),
        (lambda: loss_by_level(abs, torch.zeros(1, 3, 4, 4), [1], schedule=9), "schedule is a int"),
        (lambda: variety(torch.zeros(1, 3, 4, 4)), "samples holds 1"),
        (lambda: sharpness(torch.zeros(3, 4, 4)), r"samples has shape \(3, 4, 4\)"),
        (lambda: distance_to_average([1], torch.zeros(1, 3, 4, 4)), "samples is a list"),
        (lambda: mean_and_error([1.0]), r"values has shape \(1,\)"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def ratios_of(schedule):
    """The levels from the noisiest to the clearest, and their ratios."""
    levels = list(range(schedule.timesteps, 0, -1))
    return levels, schedule.alpha_bar[levels] / (1 - schedule.alpha_bar[levels])


def test_the_bits_of_gaussian_numbers_are_those_of_shannons_formula():
    """One number N(0, s^2): the error is s^2 / (1 + r s^2), the bits log2(1 + r s^2) / 2."""
    _, ratios = ratios_of(even_in_ratio(120, 1e3, 1e-5))
    told = bits_told(0.25 / (1 + 0.25 * ratios), ratios)
    assert_close(told, torch.log2(1 + 0.25 * ratios) / 2, rtol=3e-3, atol=0)


def test_two_sprites_hold_one_bit_by_an_integral_of_scipy():
    """x = +1 or -1: the error is 1 - E tanh(r + sqrt(r) z)."""
    from scipy.integrate import quad

    def error(r):
        def part(z):
            return np.tanh(r + r**0.5 * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return 1 - quad(part, -12, 12, epsabs=1e-11)[0]

    _, ratios = ratios_of(even_in_ratio(60, 200, 1e-4))
    told = bits_told([error(float(r)) for r in ratios], ratios)
    assert told[-1] == pytest.approx(1, abs=2e-4) and (told.diff() >= -1e-9).all()


def test_the_ideal_of_n_sprites_tells_ln_n(generator):
    x0, schedule = 2 * torch.rand(20, 3, 4, 4, generator=generator) - 1, even_in_ratio(30)
    levels, ratios = ratios_of(schedule)
    losses = loss_by_level(IdealDenoiser(x0, schedule=schedule), x0.repeat(500, 1, 1, 1), levels,
                           schedule=schedule)  # fmt: skip
    told = bits_told(48 * losses / ratios, ratios)
    assert told[-1] == pytest.approx(math.log2(20), rel=0.01)


def test_below_the_first_ratio_the_error_counts_as_it_is_there():
    assert_close(bits_told([3.0], [0.5]), torch.tensor([0.75 / math.log(2)]).double())


@pytest.mark.parametrize(("errors", "ratios", "message"), [
    ([1.0, 2.0], [0.1], "errors has shape"), ([], [], "errors has shape"),
    ([1.0, 2.0], [0.2, 0.1], "ratios do not rise"), ([1.0], [0.0], "ratios do not rise"),
    ([math.nan], [1.0], "errors holds"), ([1.0], [math.inf], "ratios holds"),
])  # fmt: skip
def test_errors_and_ratios_that_do_not_fit_are_named(errors, ratios, message):
    with pytest.raises(ValueError, match=f"bits_told: {message}"):
        bits_told(errors, ratios)
