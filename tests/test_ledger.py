"""The bits ledger: its parts against worked numbers, and what the shipped table has to say."""

import json
import math

import numpy as np
import pytest
import torch

from diffutils import IdealDenoiser, linear_schedule, perturb_input
from diffutils.grammar import GrammarDenoiser
from diffutils.sprites import forge, forge_sprites
from diffutils.sprites.forge import CLASSES, class_table
from diffutils.stage import ledger as module
from diffutils.stage.figures import bits_by_level
from diffutils.stage.ledger import cost_by_level, even_in_ratio, ledger, open_by_level, own_bits

TABLE = ledger()


def test_ratios_fall_by_the_same_factor_from_level_to_level():
    schedule = even_in_ratio(50, 200, 1e-3)
    ratio = schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:])
    assert ratio[[0, -1]].tolist() == pytest.approx([200, 1e-3], rel=1e-7)
    even = np.full(49, math.log(1e-3 / 200) / 49)
    assert ratio.log().diff().numpy() == pytest.approx(even, rel=1e-6)


def test_a_sprites_own_bits_are_those_of_its_class_its_shape_and_its_palettes():
    """By hand: count the sprites that the forge has of each training shape."""
    _, _, factors = forge_sprites(50, seed=1)
    for bits, one in zip(own_bits(factors), factors, strict=True):
        table = class_table(CLASSES[one["class"]])
        several = [role for role in forge.ROLES if one[role] >= 0]
        ways = math.prod(len(forge.palettes()[role][0]) for role in several)
        assert 2**bits == pytest.approx(5 * np.sum(~table.held_out) * ways)


def test_the_training_sprites_hold_20_188_bits_not_the_logarithm_of_their_number():
    bits = module.entropy()
    assert sum(bits.values()) == pytest.approx(20.188, abs=5e-4)
    many = own_bits(forge_sprites(4000, seed=3)[2])
    assert many.mean() == pytest.approx(20.188, abs=3 * many.std() / 4000**0.5)
    number = sum(int(table.sprites[~table.held_out].sum())
                 for table in map(class_table, CLASSES))  # fmt: skip
    assert math.log2(number) > 21.5


def test_the_error_is_the_squared_distance_summed_over_the_sprite():
    x0 = torch.stack([torch.ones(3, 16, 16), -torch.ones(3, 16, 16)])
    schedule = even_in_ratio(3, lowest=1e-8)
    errors = module.errors_of(IdealDenoiser(x0, schedule=schedule), x0, schedule,
                              torch.Generator().manual_seed(0))  # fmt: skip
    assert errors.shape == (3, 2) and errors[0].numpy() == pytest.approx(768, rel=0.05)
    assert errors[2].abs().max() < 1e-6
    assert module.integrals(errors, schedule).shape == (2,)


def test_the_divergence_of_the_start_is_that_of_gaussian_data():
    """x0 of one sprite: x_T is N(sqrt(alpha_bar) x0, 1 - alpha_bar), nothing is told."""
    alpha_bar = float(linear_schedule().alpha_bar[-1])
    found = module.start({"open": [sum(module.entropy().values()), 0]}, n=100)
    x0 = module.to_float(forge_sprites(100, module.SEED)[0])
    here = torch.distributions.Normal(alpha_bar**0.5 * x0, (1 - alpha_bar) ** 0.5)
    nats = torch.distributions.kl_divergence(here, torch.distributions.Normal(0, 1))
    assert found["cost"] == found["signal"]
    assert found["cost"] == pytest.approx(float(nats.sum() / 100) / math.log(2), rel=1e-3)


def test_the_table_is_that_of_the_command_and_of_these_sprites():
    assert TABLE["command"] == "python -m diffutils.stage.ledger" and TABLE["date"]
    assert TABLE["conviction"] == 20 and TABLE["sprites"] >= 1200
    assert [row["level"] for row in TABLE["levels"]] == list(module.LEVELS)
    assert TABLE["entropy"] == {k: round(v, 5) for k, v in module.entropy().items()}
    assert TABLE["sizes"]["bytes"] == [6144.0, 0.0]


def test_half_the_integral_is_the_entropy_to_one_percent():
    for row in [*TABLE["lists"], TABLE["grammar"][0]]:
        bits, error = row["bits"]
        assert bits == pytest.approx(row["exact"], rel=0.015)
        assert abs(bits - row["exact"]) < 3 * error < 0.03 * row["exact"]
    for row in TABLE["grammar"]:
        assert abs(row["apart"][0]) < 3.5 * row["apart"][1]
    assert TABLE["grammar"][0]["exact"] == pytest.approx(20.188, abs=0.2)


def test_what_the_integral_has_told_the_posterior_does_not_leave_open():
    """Two ways to one number, ratio by ratio: 20.188 - what is open = half the integral."""
    ratios = [row["ratio"] for row in TABLE["ratios"]]
    told = [row["told"] for row in TABLE["ratios"]]
    for row in TABLE["levels"]:
        here = np.interp(math.log(row["ratio"]), np.log(ratios), told)
        assert here == pytest.approx(20.188 - row["open"][0], abs=0.7)


def test_class_is_told_first_and_palettes_last():
    levels, parts, total = open_by_level()
    assert total == pytest.approx(20.188, abs=5e-4)
    half = {name: max(i for i, b in zip(levels, bits, strict=True) if b < bits[0] / 2)
            for name, bits in parts.items()}  # fmt: skip
    assert half["class"] > half["shape"] > half["palettes"]
    assert total - sum(bits[0] for bits in parts.values()) == pytest.approx(1.6, abs=0.15)


def test_a_level_measured_again_is_the_tables():
    ideal = GrammarDenoiser(schedule=linear_schedule())
    x0, _, generator = module.some_sprites(50, 40)
    noise = torch.randn(x0.shape, generator=generator)
    left = ideal.bits_left(perturb_input(x0, 400, noise, schedule=linear_schedule()), 400)
    row = next(row for row in TABLE["levels"] if row["level"] == 400)
    for name in module.PARTS:
        assert float(left[name].mean()) == pytest.approx(row[name][0], abs=0.9)


def test_the_networks_mistakes_cost_more_with_more_conviction():
    for name, (bits, _) in TABLE["cost"].items():
        levels, costs = cost_by_level(name)
        assert levels[0] == 500 and costs[0] == 0 and (np.diff(costs) >= 0).all()
        assert costs[-1] == pytest.approx(bits, rel=1e-3)
    assert TABLE["cost"]["as shipped"][0] > 1.7 * TABLE["cost"]["conviction 1"][0]


def test_stopped_and_called_again_it_is_the_same_table(tmp_path, monkeypatch):
    small = {"lists": [[1.0] * 8], "levels": {str(i): {name: [1.0, 2.0] for name in (
        *module.PARTS, "ideal", *module.NETWORKS)} for i in module.LEVELS}}  # fmt: skip
    grammar = {"errors": [[1.0] * 10] * 41, "bits": [20.0] * 10, "own": [20.0] * 10,
               "class": list(range(5)) * 2}  # fmt: skip
    calls = []

    def step(name, answer, stop_at=None):
        def run(*arguments):
            calls.append((name, arguments))
            if name == stop_at:
                raise KeyboardInterrupt
            return answer
        return run

    def put(stop_at=None):
        monkeypatch.setattr(module, "of_list", step("list", [1.0] * 8, stop_at))
        monkeypatch.setattr(module, "of_levels", step("levels", small["levels"], stop_at))
        monkeypatch.setattr(module, "of_grammar", step("grammar", grammar, stop_at))

    put(stop_at="grammar")
    with pytest.raises(KeyboardInterrupt):
        module.work(tmp_path / "a.json", 2, 10, say=lambda _: None)
    done = len(calls)
    put()
    module.work(tmp_path / "a.json", 2, 10, say=lambda _: None)
    assert [name for name, _ in calls[done:]] == ["grammar", "grammar"]
    assert json.loads((tmp_path / "a.json").read_text())["sprites"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_figure_says_what_level_500_has_told():
    figure = bits_by_level(*open_by_level())
    assert "of 20.19 bits" in figure.text and "class" in figure.text
    with pytest.raises(ValueError, match="bits_by_level: parts"):
        bits_by_level([1, 2], {"a": [1.0]}, 3.0)
    with pytest.raises(ValueError, match="bits_by_level: levels"):
        bits_by_level([1, 1], {"a": [1.0, 2.0]}, 3.0)
