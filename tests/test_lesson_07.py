"""Lesson 07, its table and its tools: what they measure, write by hand, claim and ask."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency
from torch.testing import assert_close

from diffutils import IdealDenoiser, linear_schedule, sample_ddim, sample_ddpm
from diffutils.measure import kernel_distance
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.judge import Share, shares_apart
from diffutils.stage import checks, frontier, orders
from diffutils.stage.checks import asked_of_sampling

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCHEDULE = linear_schedule()
ROWS = frontier.frontier()["rows"]


# --- the lesson ----------------------------------------------------------------------------------


def test_the_four_reasons_for_no_dice_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-no-dice", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["b"]
    found = asked_of_sampling.measure_no_dice()
    for name in ("few", "many"):
        assert abs(found[name] - found["data"]) < 0.02
    for name in ("none_few", "none"):
        assert found[name] < found["data"] - 0.03
    assert abs(found["there"] - found["told"]) < 0.03 and found["left"] < found["told"] / 3
    assert found["again"] == 0


# --- the table -----------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_setting_and_says_where_it_comes_from():
    table = frontier.frontier()
    assert table["command"] == "python -m diffutils.stage.frontier"
    assert table["date"].count("-") == 2 and "torch" in table["machine"]
    assert [(row["sampler"], row["steps"]) for row in ROWS] == frontier.settings()
    assert [(row["sampler"], row["steps"]) for row in table["again"]] == list(frontier.AGAIN)
    for row in ROWS + table["again"]:
        heun = row["sampler"] == frontier.HEUN
        assert row["calls"] == (2 * row["steps"] - 1 if heun else row["steps"])
        assert 0 <= row["flawless"] <= row["samples"] and 0 <= row["covered"] <= 1
    assert {row["samples"] for row in ROWS} == {frontier.SAMPLES}
    assert {row["samples"] for row in table["again"]} == {frontier.MORE}
    assert frontier.find(*frontier.REFERENCE)["seconds"] == 1


def test_with_more_samples_what_could_not_be_told_can_be():
    again = {(r["sampler"], r["steps"]): frontier.share(r) for r in frontier.frontier()["again"]}
    reference = again.pop(frontier.REFERENCE)
    assert all(shares_apart(one, reference) < -1.96 for one in again.values())
    assert shares_apart(again["DPM-Solver++", 10], again["DDIM", 100]) < -1.96


def test_seconds_go_with_calls():
    calls, seconds = (np.log([row[k] for row in ROWS]) for k in ("calls", "seconds"))
    assert np.corrcoef(calls, seconds)[0, 1] > 0.97


def test_a_setting_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="find: sampler is 'Euler'; expected one of"):
        frontier.find("Euler", 10)
    with pytest.raises(ValueError, match="find: steps is 11; expected one of .500, 250"):
        frontier.find("DDPM", 11)
    with pytest.raises(ValueError, match="plot_frontier: column is 'steps'"):
        orders.plot_frontier("steps")


def test_shares_of_several_rows_are_added_up():
    rows = [frontier.find("DDIM", n) for n in (100, 500)]
    both = frontier.pooled("DDIM", (100, 500))
    assert both == Share(sum(row["flawless"] for row in rows), 2 * frontier.SAMPLES)


def test_the_plots_of_the_frontier_tell_every_curve_in_words():
    for column in ("calls", "seconds"):
        text = repr(orders.plot_frontier(column))
        assert all(f"{name}: from" in text for name in orders.SHOWN)


def ideal_of(n):
    return IdealDenoiser(to_float(forge_sprites(n, seed=3)[0]), schedule=SCHEDULE)


@pytest.mark.parametrize("name", frontier.SAMPLERS)
def test_every_sampler_draws_by_its_name_the_same_for_a_seed(name):
    same = {"nn_model": ideal_of(5), "schedule": SCHEDULE}
    samples, run = frontier.draw(name, 7, 3, seed=1, **same)
    again, _ = frontier.draw(name, 7, 3, seed=1, **same)
    assert torch.equal(samples, again) and samples.shape == (3, 3, 16, 16)
    assert run.levels == [500, 428, 357, 285, 214, 142, 71, 0][: len(run.levels)] or name == "DDPM"
    start = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    assert torch.equal(run.x[0], start)
    assert judge(samples).flawless.all()  # copies of the five, whoever walks


def test_names_mean_what_the_library_draws():
    same = {"nn_model": ideal_of(20), "schedule": SCHEDULE}

    def library(sampler, **how):
        return sampler(2, generator=torch.Generator().manual_seed(4), progress=False, **same, **how)

    levels = [500, 375, 250, 125, 0]
    for name, (samples, _) in {
        "DDPM": library(sample_ddpm, levels=levels), "DDIM": library(sample_ddim, n=4),
        "DDIM, eta 0.5": library(sample_ddim, n=4, eta=0.5),
        "DDIM, eta 1": library(sample_ddim, n=4, eta=1),
    }.items():  # fmt: skip
        assert torch.equal(frontier.draw(name, 4, 2, seed=4, **same)[0], samples)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The command with two settings and few sprites to hold them against."""
    for name, value in {
        "STEPS": {"DDPM": (2,), "Heun": (3, 2)}, "REFERENCE": ("DDPM", 2), "TRAINING": 30,
        "AGAIN": (("DDPM", 2),), "BATCH": 3, "load_pretrained": lambda: (Noise(), SCHEDULE),
    }.items():  # fmt: skip
        monkeypatch.setattr(frontier, name, value)
    frontier.scales_of.cache_clear()
    yield tmp_path / "table.json"
    frontier.scales_of.cache_clear()


class Noise(torch.nn.Module):
    """A network that sees noise in everything."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, t, c=None):
        return self.weight.detach() * x


def test_the_command_writes_the_table_and_a_stopped_one_goes_on(small):
    said = []

    def stop(row):
        said.append(row)
        if len(said) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frontier.work(small, 5, 6, 2, say=stop)
    assert not small.exists()
    frontier.work(small, 5, 6, 2, say=said.append)
    table = json.loads(small.read_text(encoding="utf-8"))
    assert [row["steps"] for row in table["rows"]] == [2, 3, 2] and len(said) == 4
    assert [row["calls"] for row in table["rows"]] == [2, 5, 3]
    assert table["rows"][0]["seconds"] == 1 and table["again"][0]["samples"] == 6
    assert {"sampler", "steps", "calls", "samples"} < set(table["again"][0])
    assert len(list(small.parent.iterdir())) == 1  # nothing is left beside it
    small.unlink()
    frontier.work(small, 5, 6, 1, say=said.append)
    again = json.loads(small.read_text(encoding="utf-8"))
    for one, other in zip(again["rows"], table["rows"], strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert one == other


def test_what_was_kept_for_other_samples_is_not_used(small):
    partial = small.with_name("table.json.partial")
    partial.write_text(json.dumps({"for": {"samples": 4}, "rows": [{"sampler": "?"}]}))
    frontier.work(small, 5, 6, 1, say=lambda row: None)
    assert "?" not in small.read_text()


def test_samples_are_held_against_other_sprites_than_the_floors(small):
    scales = frontier.Scales(5)
    images, _, factors = forge_sprites(35, frontier.SEED)
    assert torch.equal(scales.real, to_float(images)[5:])
    fresh = to_float(images)[:5]
    found = scales.measure(fresh)
    assert found["flawless"] == 5 and found["right"] == 1
    assert found["distance"] == pytest.approx(kernel_distance(fresh, scales.real))
    assert found["covered"] == scales.floor["covered"]
    everything = frontier.Scales(5).covered(judge(images))
    assert everything == 1


# --- two shares ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "n", "b", "m"), [(420, 500, 455, 500), (3, 20, 9, 15), (0, 5, 3, 7)])
def test_two_shares_lie_as_far_apart_as_scipy_says(a, n, b, m):
    chi = chi2_contingency([[a, n - a], [b, m - b]], correction=False).statistic
    apart = shares_apart(Share(a, n), Share(b, m))
    assert apart**2 == pytest.approx(chi) and apart < 0
    assert shares_apart(Share(b, m), Share(a, n)) == -apart


def test_shares_of_nothing_and_of_all_alike():
    assert math.isnan(shares_apart(Share(0, 0), Share(1, 2)))
    assert shares_apart(Share(5, 5), Share(9, 9)) == shares_apart(Share(0, 5), Share(0, 9)) == 0
    with pytest.raises(TypeError, match="shares_apart: other is"):
        shares_apart(Share(1, 2), 0.5)


def test_two_shares_of_one_law_are_told_apart_once_in_twenty():
    hits = np.random.default_rng(0).binomial(500, 0.9, (4000, 2))
    told = [abs(shares_apart(Share(int(a), 500), Share(int(b), 500))) > 1.96 for a, b in hits]
    assert 0.04 < np.mean(told) < 0.06


# --- errors and orders ---------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0.5, 1, 2, 3.7])
def test_the_order_of_a_power_is_its_exponent_and_the_line_goes_through_it(order):
    counts = [5, 10, 37, 200]
    errors = [0.3 * n**-order for n in counts]
    found, line = orders.fit_order(counts, errors)
    assert found == pytest.approx(order) and line == pytest.approx(errors)


def test_errors_are_root_mean_squares_in_thousandths():
    exact = torch.zeros(2, 3, 4, 4)
    assert orders.thousandths(exact + 0.002, exact) == pytest.approx(2)
    half = exact.clone()
    half[0] = 0.002
    assert orders.thousandths(half, exact) == pytest.approx(2 / 2**0.5)
    with pytest.raises(ValueError, match="thousandths: x has shape"):
        orders.thousandths(exact[:1], exact)


def test_the_plot_of_errors_names_the_orders():
    errors = {"DDIM": [4.0, 2.0, 1.0], "Heun": [4.0, 1.0, 0.25]}
    text = repr(orders.plot_errors([10, 20, 40], errors, title="Errors"))
    assert "DDIM, order 1.00" in text and "Heun, order 2.00" in text
    assert "order" not in repr(orders.plot_errors([10, 20, 40], errors, title="E", fit=False))


def test_the_noise_that_is_left_is_what_was_put_in():
    sprites = to_float(forge_sprites(6, seed=3)[0])
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    _, run = sample_ddim(40, n=10, nn_model=ideal, schedule=SCHEDULE, progress=False,
                         generator=torch.Generator().manual_seed(0))  # fmt: skip
    wanted = (1 - SCHEDULE.alpha_bar[run.levels]).sqrt()
    assert_close(torch.tensor(orders.noise_left(run)).double(), wanted, atol=0.03, rtol=0)
