"""The band of good runs and the verdict on a run against it."""

import json
import re

import numpy as np
import pytest
import torch

from diffutils.schedule import linear_schedule
from diffutils.sprites import judge
from diffutils.stage import reference
from diffutils.stage.reference import STEPS, WINDOW, guild, lesson_run, smooth, verdict
from diffutils.training import Record, fit
from diffutils.votes import PaletteUnet


@pytest.fixture
def normal():
    """Losses whose mean over 100 steps is the band's, without the noise of a real run."""
    band = reference.reference()
    steps = np.arange(1, STEPS + 1)
    return np.interp(steps + WINDOW / 2, band["step"], band["mean"])


def test_a_run_in_the_middle_of_the_band_is_normal_wherever_it_stops(normal):
    for stop in (400, 777, STEPS):
        assert verdict(normal[:stop]).startswith("inside: ")
        assert verdict(normal[:stop]).endswith("Normal.")


def test_a_loss_half_as_high_again_is_above_and_slow(normal):
    assert verdict(1.5 * normal).startswith("above: ")
    assert "too slowly" in verdict(1.5 * normal)


def test_a_loss_that_is_where_good_runs_were_before_is_told_when(normal):
    late = np.concatenate([np.full(800, normal[0]), normal[:800]])
    assert re.search(r"good runs had this after (7[89]|80|81)\d steps", verdict(late))
    assert "good runs had" not in verdict(np.linspace(0.6, 0.3, STEPS))


def test_a_loss_that_has_not_moved_is_told_so():
    said = verdict(np.full(STEPS, 0.17))
    assert "hardly moved" in said and "a hundred times or more. That is the learning rate" in said
    wrong_target = verdict(np.full(STEPS, 1.8))
    assert "began at 1.8" in wrong_target and "learning rate" not in wrong_target


def test_the_band_and_what_passes_for_normal_are_both_told(normal):
    band = reference.reference()
    mean, low, high = (band[key][-1] for key in ("mean", "low", "high"))
    for loss, word in ((high + 0.09 * mean, "inside"), (high + 0.11 * mean, "above"),
                       (low - 0.09 * mean, "inside"), (low - 0.11 * mean, "below")):  # fmt: skip
        said = verdict(np.concatenate([normal[:-100], np.full(100, loss)]))
        assert said.startswith(f"{word}: ") and "have 0.0041 to 0.0046 after 1600 steps" in said
        assert "0.0036 to 0.005 passes for normal" in said


@pytest.mark.parametrize(("rate", "words"), [
    (3e-5, "a hundred times or more. That is the learning rate"),
    (3e-4, "too slowly. Is the learning rate near 3e-3"),
])  # fmt: skip
def test_a_learning_rate_that_is_too_small_is_named(rate, words):
    torch.manual_seed(0)
    schedule = linear_schedule()
    run = fit(PaletteUnet(schedule=schedule), guild()[0], schedule=schedule, steps=STEPS,
              batch_size=reference.BATCH_SIZE, learning_rate=rate)  # fmt: skip
    losses = [record.loss for record, _ in zip(run, range(150), strict=False)]
    assert verdict(losses).startswith("above: ") and words in verdict(losses)


def test_a_loss_that_exploded_within_the_first_window_has_too_large_steps():
    """Its mean over 100 steps was never low, and falls again at the end."""
    losses = np.concatenate([np.full(40, 0.14), np.full(60, 30.0), np.full(50, 0.2)])
    assert "too large" in verdict(losses)


def test_a_loss_that_jumped_and_came_back_has_too_large_steps():
    """Single losses of lesson 04's timid run vary by half; the reckless run's more than trebled."""
    losses = np.full(150, 0.14)
    losses[45] = 0.52
    assert "too large" in verdict(losses)
    losses[45] = 0.24
    assert "hardly moved" in verdict(losses)


def test_a_loss_that_rose_again_has_too_large_steps(normal):
    risen = np.concatenate([normal[:800], np.full(400, 0.6)])
    assert "smaller rate" in verdict(risen)


def test_numbers_are_told_in_two_digits(normal):
    high = verdict(np.concatenate([normal[:200], np.full(100, 387.4)]))
    assert high.startswith("above: 387 over the last 100 steps")
    assert reference.digits(0.004321) == "0.0043"


def test_a_loss_that_is_no_number_is_told_the_step(normal):
    normal[122] = np.nan
    assert "from step 123 on" in verdict(normal)


def test_a_loss_too_good_to_be_true_is_below(normal):
    assert verdict(0.5 * normal).startswith("below: ")
    assert "root" in verdict(0.5 * normal)


def test_a_short_run_gets_no_verdict():
    assert verdict([0.5] * 99) == "unknown: 99 steps say too little; 100 are needed."


def test_a_run_longer_than_the_band_is_judged_at_its_last_step(normal):
    assert f"after {STEPS} steps" in verdict(np.concatenate([normal, np.zeros(500)]))


def test_losses_must_be_one_number_a_step():
    with pytest.raises(ValueError, match=r"losses has shape \(3, 2\); expected one number"):
        verdict(np.zeros((3, 2)))


def test_smooth_is_the_mean_of_the_last_steps():
    smoothed = smooth([4.0, 2.0, 6.0, 1.0], window=2)
    assert np.isnan(smoothed[0]) and smoothed[1:].tolist() == [3.0, 4.0, 3.5]
    assert np.isnan(smooth([1.0], window=2)).all() and len(smooth([1.0], window=2)) == 1


def test_the_guild_is_every_hero_once_in_bobs_colours():
    x0, held_out = guild()
    everyone = torch.cat([x0, held_out])
    assert len(everyone.unique(dim=0)) == len(everyone) and len(held_out) > 100
    found = judge(everyone[::40])
    assert found.flawless.all() and (found.class_ == 0).all()
    assert len(np.unique(found.factors["cloth"][found.factors["cloth"] >= 0])) == 1


def test_the_band_is_of_runs_like_the_lessons():
    """The first 100 steps of seed 0 lie in the band that the file has for its five seeds."""
    band = reference.reference()
    run = lesson_run(guild()[0], seed=0)
    first = np.mean([record.loss for record, _ in zip(run, range(WINDOW), strict=False)])
    assert band["step"][0] == WINDOW and band["step"][-1] == STEPS
    assert band["low"][0] - 1e-3 <= first <= band["high"][0] + 1e-3


def test_a_run_of_the_band_is_the_losses_of_the_lessons_run(monkeypatch):
    def run(x0, seed):
        assert (x0, seed) == ("to train on", 3)
        return (Record(k, 1 / k, [], 1, 1) for k in (1, 2, 4))

    monkeypatch.setattr(reference, "guild", lambda: ("to train on", "held out"))
    monkeypatch.setattr(reference, "lesson_run", run)
    assert reference.train(3, show=False) == [1, 0.5, 0.25]


def test_the_command_writes_the_band_of_its_seeds(tmp_path, monkeypatch):
    runs = {seed: np.linspace(1, 0.1, STEPS) + 0.01 * seed for seed in range(5)}
    monkeypatch.setattr(reference, "train", runs.__getitem__)
    reference.main(["--output", str(tmp_path / "band.json")])
    band = json.loads((tmp_path / "band.json").read_text())
    assert set(band) == {"command", "step", "mean", "low", "high"}
    width = np.array(band["high"]) - np.array(band["low"])
    np.testing.assert_allclose(width, 0.04, atol=2e-5)
    middle = smooth(runs[2])[np.array(band["step"]) - 1]
    np.testing.assert_allclose(band["mean"], middle, atol=2e-5)
