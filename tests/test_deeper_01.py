"""What the deeper notebooks of lesson 01 write by hand gives the numbers of a reference."""

import math
from pathlib import Path

import nbformat
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from diffutils import linear_schedule

DEEPER = Path(__file__).parents[1] / "notebooks" / "deeper"


def functions_of(name, start, **given):
    """What the cell that holds `start` defines, run after the imports of its notebook."""
    cells = [c for c in nbformat.read(DEEPER / name, as_version=4).cells if c.cell_type == "code"]
    (cell,) = (c for c in cells if start in c.source)
    names = {}
    exec(cells[1].source, names)
    names |= given
    torch.manual_seed(0)
    exec(cell.source, names)
    return names


def test_the_largest_gap_is_that_of_kolmogorov_and_smirnov():
    names = functions_of("01_is_it_noise.ipynb", "def largest_gap")
    x = names["other"][:5]
    expected = [stats.kstest(picture.flatten().double().numpy(), "norm").statistic for picture in x]
    assert_close(names["largest_gap"](x).double(), torch.tensor(expected), rtol=0, atol=1e-6)
    assert stats.kstwo.isf(0.05, 768) == pytest.approx(0.049, abs=5e-4)


def test_the_evidence_is_the_difference_of_two_normal_log_likelihoods():
    given = functions_of("01_is_it_noise.ipynb", "def largest_gap")
    given |= functions_of("01_is_it_noise.ipynb", "def right", **given)
    names = functions_of("01_is_it_noise.ipynb", "def evidence", **given)
    x, alpha_bar = names["x_500"][:3].double(), names["schedule"].alpha_bar[500].item()
    faded = alpha_bar**0.5 * names["x_bob"].double()
    with_bob = stats.norm.logpdf(x, faded, (1 - alpha_bar) ** 0.5).sum((1, 2, 3))
    without = stats.norm.logpdf(x).sum((1, 2, 3))
    assert_close(names["evidence"](x, 500), torch.tensor(with_bob - without))


def test_the_solved_exercise_agrees_with_the_throws():
    given = {"apart": torch.tensor([2.9635]), "schedule": linear_schedule()}
    names = functions_of("01_lost_first.ipynb", "def standard_deviations", **given)
    d, alpha_bar, std = names["d"], names["alpha_bar"], (1 - names["alpha_bar"]) ** 0.5
    promised = stats.norm.cdf(-(alpha_bar**0.5) * d / 2 / std)
    assert names["thrown"] == pytest.approx(promised, abs=4 * math.sqrt(promised / 100_000))
