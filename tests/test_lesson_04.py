"""Lesson 04, its deeper notebooks and its table: what they write by hand, claim and ask."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from diffutils import IdealDenoiser, linear_schedule, perturb_input, predict_x0, training
from diffutils.measure import loss_by_level
from diffutils.stage import additions, checks
from diffutils.stage.checks import asked_of_training, choices
from diffutils.stage.reference import guild

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SCHEDULE = linear_schedule()


# --- the lesson ----------------------------------------------------------------------------------


def test_walking_down_the_valley_is_plain_gradient_descent():
    x_t, noise = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)

    def loss_of(w):
        return ((w * x_t - noise) ** 2).mean()

    source = nbformat.read(NOTEBOOKS / "04_training.ipynb", as_version=4)
    (cell,) = (c.source for c in source.cells if "def walk(rate" in c.source)
    names = {"loss_of": loss_of, "torch": torch}
    exec(cell.split("walks =")[0], names)
    square, product = (x_t**2).mean(), (x_t * noise).mean()
    w, wanted = 0.0, [0.0]
    for _ in range(5):
        w -= 0.3 * float(2 * w * square - 2 * product)
        wanted.append(w)
    assert names["walk"](0.3) == pytest.approx(wanted, abs=1e-5)


def test_the_weights_of_the_levels_are_as_the_lesson_says():
    raw = additions.uncut(SCHEDULE)
    weight = training.bound_weights(SCHEDULE)
    assert 45 < raw[1] < 55 and weight[1] == 4  # fifty, cut at 4
    assert_close(weight[1:], raw[1:].clamp(max=4))
    assert 0.65 < weight[100:].min() < 0.75 and 1.0 < weight[100:].max() < 1.15


def test_the_floor_of_the_guild_is_nothing_below_150_and_a_thousandth_above_260():
    x0, held_out = guild()
    ideal = IdealDenoiser(torch.cat([x0, held_out]), schedule=SCHEDULE)
    levels = [20, 100, 140, 280, 400, 500]
    floor = loss_by_level(ideal, held_out[:64], levels, schedule=SCHEDULE)
    assert (floor[:3] < 1e-5).all() and (floor[3:] > 1e-3).all()
    assert 0.004 < floor.max() < 0.008


def test_the_four_reasons_for_a_floor_are_answered_by_what_was_measured():
    replies = {letter: choices.choice("why-not-zero", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["a"]
    found = asked_of_training.measure_floor()
    assert found["alone"] < 1e-9 and found["low"] < 1e-9  # one sprite, or little noise: no floor
    assert found["high"] > 0.003 and found["fit"] > 5 and found["upper"] > 90


# --- the table of the additions ------------------------------------------------------------------


def test_the_table_has_a_row_for_each_switch_and_two_runs_in_each():
    table = additions.additions()
    assert table["command"].endswith("stage.additions")
    assert [row["off"] for row in table["rows"]] == list(additions.ROWS)
    for row in table["rows"]:
        assert list(row["runs"]) == [str(steps) for steps in additions.LENGTHS]
        for runs in row["runs"].values():
            assert len(runs) == len(additions.SEEDS)
            assert all(set(one) == {*additions.LEVELS, "right"} for one in runs)
    assert set(table["networks"]["right"]) == set(additions.NETWORKS)
    assert set(table["contexts"]) == set(additions.CONTEXTS)


def shape(table):
    """The table with the type of each number in its place."""
    if isinstance(table, dict):
        return {key: shape(value) for key, value in table.items()}
    if isinstance(table, list):
        return [shape(value) for value in table]
    return table if isinstance(table, str) else type(table)


def test_a_table_of_untrained_networks_is_built_like_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.setattr(additions, "right", lambda nn_model, context=None: 0.5)
    monkeypatch.setattr(additions, "LEVELS", {name: [400] for name in additions.LEVELS})
    trained = []

    def train(seed, x0, contexts=None, *, steps, look=lambda step, nn_model: None, **change):
        trained.append(contexts is not None)
        nn_model = change.get("network", additions.PaletteUnet)(schedule=SCHEDULE).eval()
        for step in range(1, steps + 1):
            look(step, nn_model)
        return nn_model

    monkeypatch.setattr(additions, "train", train)
    additions.main(["--output", str(tmp_path / "additions.json")])
    written = json.loads((tmp_path / "additions.json").read_text(encoding="utf-8"))
    assert shape(written) == shape(additions.additions())
    assert len(trained) == 2 * (2 * 8 + 2 + 2) and sum(trained) == 4  # those with contexts


def test_the_table_says_what_the_lesson_says_of_it():
    off, table = additions.right_pixels(), additions.additions()
    assert {len(row) for row in off.values()} == {2} and "1,600 steps" in off["no palette"]
    for row in off.values():  # two runs of 1,600 steps hardly differ
        assert row["1,600 steps"][1] < 0.6
    best = max(row["1,600 steps"][0] for name, row in off.items() if name != "no palette")
    assert 0.5 < best - off["as fit does"]["1,600 steps"][0] < 1.5  # a point or so
    cut = off["as fit does"]["400 steps"][0] - off["weights not cut at 4"]["400 steps"][0]
    assert 2 < cut < 8
    shares = [share for found in table["contexts"].values() for pair in found.values()
              for share in pair]  # fmt: skip
    assert max(shares) - min(shares) < 0.02  # dropping the context: nothing but noise
    palette, plain = (np.mean(table["networks"]["right"][name], 0) for name in ("palette", "plain"))
    assert 8 < palette[0] / plain[0] < 13 and 1.5 < palette[-1] / plain[-1] < 2


class Small(torch.nn.Module):
    """A network with one weight, to be trained in no time."""

    n_context = 5

    def __init__(self, schedule):
        super().__init__()
        self.weight, self.asked = torch.nn.Parameter(torch.tensor(0.0)), []

    def forward(self, x, t, c=None):
        self.asked.append(c)
        return self.weight * x


@pytest.fixture
def small():
    """What a run of 200 steps of the small network needs, and a few sprites."""
    return {"network": Small, "steps": 200}, torch.rand(8, 3, 8, 8) * 2 - 1


def rates_of(small, monkeypatch, name):
    """The learning rates of a run with a row's change."""
    (network, x0), rates = small, []

    class Noting(training.AdamW):
        def step(self, learning_rate):
            rates.append(learning_rate)
            super().step(learning_rate)

    monkeypatch.setattr(training, "AdamW", Noting)
    additions.train(0, x0, **network | additions.ROWS[name])
    return np.array(rates) / 3e-3


def test_each_plan_of_the_rate_is_without_the_part_that_it_is_named_after(small, monkeypatch):
    whole = rates_of(small, monkeypatch, "as fit does")
    jumping = rates_of(small, monkeypatch, "rate does not climb")
    steady = rates_of(small, monkeypatch, "rate does not fall")
    assert whole[0] < 0.02 and whole[-1] < 0.01 and whole.max() > 0.9
    assert jumping[0] == 1 and jumping[-1] < 0.01
    assert steady[0] < 0.02 and (steady[100:] == 1).all()


def test_the_gradient_is_limited_but_where_that_is_switched_off(small, monkeypatch):
    (network, x0), longest = small, []

    class Noting(training.AdamW):
        def step(self, learning_rate):
            longest.append(max(p.grad.norm().item() for p in self.parameters.values()))
            super().step(learning_rate)

    monkeypatch.setattr(training, "AdamW", Noting)
    additions.train(0, x0, **network)
    assert 0.99 < max(longest) < 1.001
    longest.clear()
    additions.train(0, x0, **network | additions.ROWS["gradient not limited"])
    assert max(longest) > 1.2


def test_the_context_is_never_dropped_where_that_is_switched_off(small, monkeypatch):
    (network, x0), runs, fit = small, [], additions.fit

    def keeping(nn_model, *arguments, **keywords):
        runs.append(nn_model)
        return fit(nn_model, *arguments, **keywords)

    monkeypatch.setattr(additions, "fit", keeping)
    for change in additions.CONTEXTS.values():
        additions.train(0, x0, torch.eye(5)[torch.arange(8) % 5], **network | change)
    dropped, kept = (sum((c.sum(1) == 0).sum() for c in run.asked) / (200 * 32) for run in runs)
    assert 0.07 < dropped < 0.13 and kept == 0


def test_what_is_handed_back_is_averaged_or_not(small):
    network, x0 = small
    averaged = additions.train(0, x0, **network)
    newest = additions.train(0, x0, **network | additions.ROWS["weights not averaged"])
    assert averaged.weight != newest.weight and abs(averaged.weight - newest.weight) < 0.1


def test_the_command_writes_what_it_measured(tmp_path, monkeypatch):
    for name, value in (("switched_off", [1]), ("by_steps", {"a": 2}), ("with_contexts", {})):
        monkeypatch.setattr(additions, name, lambda value=value: value)
    additions.main(["--output", str(tmp_path / "table.json")])
    written = json.loads((tmp_path / "table.json").read_text())
    assert written["rows"] == [1] and written["networks"] == {"a": 2} and written["contexts"] == {}


# --- the deeper notebooks ------------------------------------------------------------------------


def test_the_best_echo_costs_what_is_left_of_the_sprite():
    coins = torch.randint(0, 2, (64, 3, 16, 16)) * 2.0 - 1
    source = nbformat.read(NOTEBOOKS / "deeper" / "04_echo.ipynb", as_version=4)
    (cell,) = (c.source for c in source.cells if "def best_echo" in c.source)
    names = {"torch": torch, "perturb_input": perturb_input, "schedule": SCHEDULE,
             "held_out": coins, "device": "cpu", "turned": torch.linspace(0, 1, 101)}  # fmt: skip
    exec(cell[cell.index("def best_echo") : cell.index("best = {")], names)
    for level in (50, 184, 400):
        loss, w = names["best_echo"](level)
        left = SCHEDULE.alpha_bar[level].item()
        assert loss == pytest.approx(left, abs=0.015)
        assert w == pytest.approx((1 - left) ** 0.5, abs=0.02)


def test_every_stranger_is_new_to_the_network():
    x0, held_out = guild()
    assert (torch.cdist(held_out[:40].flatten(1), x0.flatten(1)).min(1).values > 0).all()
    assert len(x0[::80]) == 20


def test_a_loss_in_steps_of_grey_is_the_way_from_noise_to_sprite():
    x, eps = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    off = predict_x0(x, 250, eps * 0.005**0.5, schedule=SCHEDULE).abs().mean().item()
    assert checks.number("grey-of-a-loss", 127.5 * off).passed


ANSWERS = {  # as a student may give them, and the name of the mistake; None: right
    "best-echo-half-way": {
        0.5: None, 0.5008: None, 0.587: "echo", 0.59: "echo", 0.54: "turned-to-half", 1: "silent",
        0.707: "w-for-loss", 0.71: "w-for-loss", 0: "zero", 0.0858: "sprite-forgotten",
        0.25: "sprite-alone", 0.543: "turned-to-half",
    },
    "times-seen": {
        288: None, 360: "steps", 18: "one-a-step", 5760: "all-together", 22.5: "steps-by-batch",
        450: "fraction-upside-down", 320: "batch-by-heroes", 7200: "steps-by-heroes",
        0.8: "share-of-a-step", 3.6: "guild",
    },
    "grey-of-a-loss": {
        14.4: None, 14.43: None, 1.02: "root-missing", 9.02: "noise-for-sprite",
        9: "noise-for-sprite", 5.63: "factor-upside-down", 23.1: "factor-squared", 28.9: "doubled",
        18: "doubled-noise", 1.63: "all-squared", 0.113: "not-in-steps",
        0.0707: "noise-not-in-steps", 7.65: "spread-alone", 17: "signal-alone", 0: "zero",
    },
}  # fmt: skip
CASES = [(name, *pair) for name, answers in ANSWERS.items() for pair in answers.items()]


@pytest.mark.parametrize(("name", "answer", "mistake"), CASES)
def test_an_answer_to_a_deeper_exercise_is_read(name, answer, mistake):
    assert checks.number(name, answer).mistake == mistake
