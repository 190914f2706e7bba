"""The notebooks on steering, deeper 06: their checks, what they write by hand, and what they claim.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import bank_tests, written
from cells import functions_of
from torch.testing import assert_close

from diffutils import linear_schedule, load_pretrained, load_weights, sample_ddim
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.sprites.judge import Share
from diffutils.stage import parts, steering
from diffutils.stage.checks import steered
from diffutils.weights import pretrained_path, weights_metadata

EXERCISES = {
    steered.cancelling_scale: steered.CANCELLING_SCALE,
    steered.toward_and_away: steered.TOWARD_AND_AWAY,
    steered.naming: steered.NAMING,
}
SIGNATURES = {
    steered.cancelling_scale: "a, b",
    steered.toward_and_away: "n, w, u, t, a",
    steered.naming: "c, dice, widths",
}


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


RIGHT = {
    steered.cancelling_scale: [
        "b.log() / (b.log() - a.log())", "math.log(b) / math.log(b / a)", "math.log2(b) / (math.log2(b) - math.log2(a))",
        "1 / (1 - a.log() / b.log())", "(b.sqrt()).log() / (b.sqrt() / a.sqrt()).log()",
    ],
    steered.toward_and_away: [
        "n + t * (w - n) - a * (u - n)", "(1 - t + a) * n + t * w - a * u", "n + t * (w - n) + a * (n - u)",
        "torch.stack([n * (1 + a - t), t * w, -a * u]).sum(0)", "n - (a * (u - n) - t * (w - n))",
    ],
    steered.naming: [
        "c * (dice < 0.5).repeat_interleave(torch.tensor(widths), dim=1)",
        "torch.cat([part * (dice[:, k : k + 1] < 0.5) for k, part in enumerate(c.split(widths, dim=1))], 1)",
        "torch.where((dice < 0.5).repeat_interleave(torch.tensor(widths), 1), c, 0.0)",
        "c * torch.from_numpy(np.repeat(dice.numpy() < 0.5, widths, axis=1))",
        "    out, first = c.clone(), 0\n    for k, w in enumerate(widths):\n        out[dice[:, k] >= 0.5, first : first + w] = 0\n        first += w\n    return out",
    ],
}  # fmt: skip
STAY = "(dice < 0.5)"
OVER = ".repeat_interleave(torch.tensor(widths), dim=1)"
WRONG = {
    steered.cancelling_scale: [
        "1 / (b - a)", "b - a", "a * b", "(1 - b) / (a - b) + 1", "b / a - 1", "a / (b - a)", "math.log(b - a)",
        "math.log(b) / math.log(b - a) if b > a else 1.0", "math.log(b) - math.log(a)", "math.log(a * b)",
        "math.log(b) / (math.log(b) + math.log(a))", "-math.log(a) / math.log(b)", "(b - 1) / (a - 1)",
        "(a - 1) / (b - 1)", "1 - math.log(b) / math.log(b / a)", "math.log(b) / math.log(b / a) / 2",
        "math.log(1 + b) / math.log(1 + b / a)", "b.sqrt() / (b.sqrt() - a.sqrt())", "math.exp(b) / math.exp(b - a)",
        "2.0", "1.36", "b ** (1 - a)", "math.log(b) / math.log(a / b)", "(b * b - 1) / (b * b - a * a)", "1 / math.log(b / a)",
    ],
    steered.toward_and_away: [
        "n + t * (w - n) + a * (u - n)", "w + t * (w - n) - a * (u - n)", "n + t * w - a * u", "t * w - a * u",
        "n + t * (w - u)", "n + (t - a) * (w - u)", "u + t * (w - u)", "n + t * (n - w) - a * (n - u)",
        "n - t * (w - n) - a * (u - n)", "n + a * (w - n) - t * (u - n)", "n + t * (w - n) - a * (u - w)",
        "n + t * (w - n) * a * (u - n)", "(n + t * (w - n)) - a * u", "w - u", "n + t * a * (w - u)",
        "n + t * (w - n) - (u - n)", "n + (w - n) - (u - n)", "(1 + t) * w - a * u - (t - a) * n + n",
        "n + t * (w - n) / (1 + a) - a * (u - n) / (1 + t)", "n + t * (w - n) - t * (u - n)", "(n + w - u) / 3",
        "n + t * (w - n) - a * (u - n) / 2", "(1 - t) * n + t * w", "n + t * (w - n) - a * (n - u)",
    ],
    steered.naming: [
        f"c * (dice > 0.5){OVER}", f"c * (dice < 0.1){OVER}", f"c * (dice < 0.9){OVER}", "c * (dice[:, :1] < 0.5)",
        f"c * (torch.rand_like(dice) < 0.5){OVER}", "c * (torch.rand(len(c), 1) < 0.5)", "c * (torch.rand_like(c) < 0.5)",
        "c * (dice < 0.5).any(dim=1, keepdim=True)", "c * (dice < 0.5).all(dim=1, keepdim=True)", f"{STAY}{OVER} * 1.0",
        f"c - {STAY}{OVER} * 1.0", f"c / 0.5 * {STAY}{OVER}", f"c * {STAY}.repeat_interleave(torch.tensor(widths).flip(0), 1)",
        "c * dice.mean()", f"c * dice{OVER}", "c", "0 * c", "c * (dice.mean(1, keepdim=True) < 0.5)", f"c * (1 - dice){OVER}",
        f"c * (dice[:1] < 0.5){OVER}", f"c * {STAY}[torch.randperm(len(c))]{OVER}", f"c * (dice.roll(1, 1) < 0.5){OVER}",
        f"c * (dice.roll(1, 0) < 0.5){OVER}", f"torch.where({STAY}{OVER}, c, -c)", f"torch.where({STAY}{OVER}, c, 1.0)",
        f"c * (dice.round() > 0){OVER}",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


# --- what the notebooks write by hand, and the library -------------------------------------------


def like(value):
    """A network whose guess is this number, and one more for each number of its context."""
    return lambda x, t, c=None: 0 * x + value + (0 if c is None else c.sum(1).view(-1, 1, 1, 1))


def test_guided_by_a_worse_network_goes_from_it_to_the_good_one_and_past_it():
    good, worse = like(2.0), like(1.0)
    good.schedule = linear_schedule()
    x, t, c = torch.zeros(2, 3, 4, 4), torch.tensor([0.5]), torch.tensor([[1.0], [3.0]])
    by_hand = functions_of("deeper/06_worse_network", "def guided_by")["guided_by"]
    for make in (steering.guided_by, by_hand):
        for scale, shown in ((0.0, 1.0), (1.0, 2.0), (3.0, 4.0)):
            guess = make(good, worse, scale)(x, t, c)
            assert_close(guess, x + shown + c.view(-1, 1, 1, 1))
    assert steering.guided_by(good, worse, 2.0).schedule is good.schedule


def test_two_bells_drawn_from_have_the_variance_that_the_pencil_says():
    names = functions_of("deeper/06_worse_network", "def guided_by")
    start = torch.randn(10, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for a, b, s in ((1.2, 2.0, 1.8), (1.5, 0.6, 0.4)):
        guess = names["guided_by"](names["bell"](a), names["bell"](b), s)
        x, _ = sample_ddim(10, n=400, start=start, nn_model=guess, schedule=names["cosine"],
                           progress=False)  # fmt: skip
        assert x.var().item() == pytest.approx(a**s * b ** (1 - s), rel=0.06)


def test_a_network_steered_by_two_contexts_is_the_exercise_of_the_notebook():
    nn_model, schedule = load_pretrained("small")
    x, t = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([0.6])
    wanted, unwanted = torch.eye(5)[:1], torch.eye(5)[4:]
    with torch.no_grad():
        guess = steering.steered(nn_model, wanted, unwanted, 3.0, 2.0)(x, t)
        parts = (nn_model(x, t), nn_model(x, t, wanted), nn_model(x, t, unwanted))
    assert_close(guess, steered.right_way(*parts, 3.0, 2.0))


# --- the context of parts ------------------------------------------------------------------------


def test_a_wish_names_what_is_asked_for_and_nothing_else():
    kinds = parts.names()
    assert [len(options) for options in kinds.values()] == [12, 8, 8]
    assert torch.equal(parts.wish(), torch.zeros(1, 28))
    c = parts.wish(head="wizard", cloth="blue")
    words = [f"{kind} {name}" for kind, options in kinds.items() for name in options]
    assert [words[k] for k in c[0].nonzero().flatten()] == ["head wizard", "cloth blue"]
    for wrong, error in (({"head": "halo"}, "wish: head is 'halo'"), ({"feet": "bare"}, "'feet'")):
        with pytest.raises((TypeError, ValueError), match=error):
            parts.wish(**wrong)


def test_all_three_parts_named_are_those_of_the_sprite():
    _, _, factors = forge_sprites(50, 3, classes=["hero"])
    for row, c in zip(factors, parts.named_parts(factors), strict=True):
        wanted = {kind: options[row[parts.FIELDS[kind]]] for kind, options in parts.names().items()}
        assert torch.equal(parts.wish(**wanted)[0], c)


def test_each_part_is_named_in_half_of_the_heroes_whatever_the_others_are():
    heroes = parts.Heroes(300, 1)
    x0, c = heroes(4000, torch.Generator().manual_seed(0))
    named = torch.stack([group.sum(1) for group in c.split((12, 8, 8), dim=1)], 1)
    assert x0.shape == (4000, 3, 16, 16) and set(named.unique().tolist()) == {0.0, 1.0}
    assert ((named.mean(0) - 0.5).abs() < 0.03).all()
    kinds = (named @ torch.tensor([4.0, 2.0, 1.0])).long().bincount()
    assert (abs(kinds / 4000 - 1 / 8) < 0.02).all()


def test_pairs_kept_out_are_those_that_no_hero_of_training_has():
    _, _, factors = forge_sprites(20_000, 5, classes=["hero"])
    seen = {(parts.names()["head"][a], parts.names()["held"][b])
            for a, b in zip(factors["slot_2"], factors["slot_3"], strict=True)}  # fmt: skip
    assert seen == set(steering.pairs(held_out=False))
    assert len(steering.pairs(held_out=True)) == 18 and not seen & set(steering.pairs(True))


def test_what_was_wished_is_counted_by_what_is_read(monkeypatch):
    images, _, factors = forge_sprites(20, 3, classes=["hero"])
    wishes = [{"head": parts.names()["head"][row["slot_2"]], "cloth": "red"} for row in factors]
    monkeypatch.setattr(steering, "draw", lambda *given, **more: to_float(images))
    found = steering.ask(None, wishes, seed=0)
    red = int((factors["cloth"] == 0).sum())
    assert found["each"] == {"head": [20, 20], "held": [0, 0], "cloth": [red, 20]}
    assert found["as_asked"] == red and found["of"] == found["flawless"] == 20
    assert sum(found["shown"]["held"]) == 20


# --- the table -----------------------------------------------------------------------------------


def test_the_command_measures_a_part_and_keeps_the_others(tmp_path, monkeypatch):
    path = tmp_path / "table.json"
    path.write_text('{"away": [1], "both": [2]}')
    monkeypatch.setitem(steering.PARTS, "both", lambda say: [3])
    steering.main(["--output", str(path), "--part", "both"])
    assert '"away": [1]' in path.read_text() and '"both": [3]' in path.read_text()


def test_the_table_says_what_the_notebooks_say():
    table = steering.steering()
    assert set(steering.PARTS) < set(table)
    shares = {who: {row["scale"]: Share(*row["flawless"]) for row in table["worse"][who]}
              for who in table["worse"] if who != "floor"}  # fmt: skip
    assert shares["by the small one, sure"][2.0].count == 88
    assert shares["by the small one, unsure"][4.0].high < shares["by no class"][4.0].low
    (four,) = table["away"]["the other four"]
    assert Share(four["flawless"], four["of"]).high < 0.65
    rather = table["rather"]["hero"]
    assert [rather[k]["hero"] for k in (0, 2)] == [272, 221] and rather[0]["side-facing"] == 193
    wishes = table["wishes"]
    head, held = (Share(*wishes[kind]["scale 1"]["each"][kind]).share for kind in ("head", "held"))
    assert 0.28 < head < 0.37 and 0.45 < held < 0.55  # a third, and half
    pairs = [Share(wishes[name]["scale 1"]["as_asked"], 480).share
             for name in ("a pair of training", "a pair never seen")]  # fmt: skip
    assert [round(100 * share) for share in pairs] == [18, 3]


def test_the_command_trains_a_network_that_is_read_back_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "HEROES", 300)
    path = tmp_path / "parts.safetensors"
    parts.main(["--output", str(path), "--steps", "2"])
    nn_model, _ = load_weights(path)
    story = weights_metadata(path)
    assert nn_model.n_context == len(story["class_names"]) == 28 and nn_model.conviction == 20
    assert story["class_names"][5] == "head wizard" and story["scores"]["step"] == 2
    assert story["command"] == "python -m diffutils.stage.parts --steps=2"


def test_the_shipped_network_of_parts_is_small_and_says_how_it_was_trained():
    story = weights_metadata(pretrained_path("parts"))
    assert story["command"] == "python -m diffutils.stage.parts --steps=8000"
    assert story["scores"]["step"] == 8000 and len(story["class_names"]) == 28
    assert pretrained_path("parts").stat().st_size < 330_000
