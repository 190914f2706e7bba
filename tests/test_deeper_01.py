"""What the deeper notebooks of lesson 01 write by hand gives the numbers of a reference."""

import math

import pytest
import torch
from cells import functions_of
from scipy import stats
from torch.testing import assert_close

from diffutils import linear_schedule


def test_the_largest_gap_is_that_of_kolmogorov_and_smirnov():
    names = functions_of("deeper/01_is_it_noise.ipynb", "def largest_gap")
    x = names["other"][:5]
    expected = [stats.kstest(picture.flatten().double().numpy(), "norm").statistic for picture in x]
    assert_close(names["largest_gap"](x).double(), torch.tensor(expected), rtol=0, atol=1e-6)
    assert stats.kstwo.isf(0.05, 768) == pytest.approx(0.049, abs=5e-4)


def test_the_evidence_is_the_difference_of_two_normal_log_likelihoods():
    given = functions_of("deeper/01_is_it_noise.ipynb", "def largest_gap")
    given |= functions_of("deeper/01_is_it_noise.ipynb", "def right", **given)
    names = functions_of("deeper/01_is_it_noise.ipynb", "def evidence", **given)
    x, alpha_bar = names["x_500"][:3].double(), names["schedule"].alpha_bar[500].item()
    faded = alpha_bar**0.5 * names["x_bob"].double()
    with_bob = stats.norm.logpdf(x, faded, (1 - alpha_bar) ** 0.5).sum((1, 2, 3))
    without = stats.norm.logpdf(x).sum((1, 2, 3))
    assert_close(names["evidence"](x, 500), torch.tensor(with_bob - without))


def test_the_solved_exercise_agrees_with_the_throws():
    given = {"apart": torch.tensor([2.9635]), "schedule": linear_schedule()}
    names = functions_of("deeper/01_lost_first.ipynb", "def standard_deviations", **given)
    d, alpha_bar, std = names["d"], names["alpha_bar"], (1 - names["alpha_bar"]) ** 0.5
    promised = stats.norm.cdf(-(alpha_bar**0.5) * d / 2 / std)
    assert names["thrown"] == pytest.approx(promised, abs=4 * math.sqrt(promised / 100_000))
