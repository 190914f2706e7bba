"""Lesson 06, its deeper notebook, its table and its two small networks: what they claim and ask."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from banks import assert_all_differ, assert_four_of_five_are_named, written
from cells import cell_with, functions_of
from torch.testing import assert_close

from diffutils import IdealDenoiser, cosine_schedule, fit, load_pretrained
from diffutils.sprites.judge import Share
from diffutils.stage import controlling
from diffutils.stage.checks import asked_of_sampling, choices, needs
from diffutils.stage.checks.guided import LAW_VARIANCE, SOME_LEVELS, law_variance, some_levels
from diffutils.train import parse
from diffutils.votes import PaletteUnet
from diffutils.weights import pretrained_path, weights_metadata

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
TABLE = controlling.controlling()


# --- the lesson ----------------------------------------------------------------------------------


def test_the_four_reasons_are_answered_by_what_was_measured():
    replies = {letter: choices.choice("why-not-the-law", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["c"]
    found = asked_of_sampling.measure_guided_law()
    assert found["few"] > 0.12 and found["many"] > 0.12 and found["none"] == 0
    for passes in ("own", "unguided"):
        assert found[passes] < 0.09 < found["few"]
    assert found["exact"] + 4 * found["spread"] < found["few"]


# --- two small networks --------------------------------------------------------------------------


def test_the_small_networks_differ_in_what_was_dropped_alone():
    stories = [weights_metadata(pretrained_path(name)) for name in ("small", "small-undropped")]
    commands = [story["command"].split(" --output ")[0] for story in stories]
    assert commands[0] == commands[1].replace("--context-dropout 0 ", "--context-dropout 0.1 ")
    for key in ("config", "data_checksum", "class_names", "kind"):
        assert stories[0][key] == stories[1][key]
    for name in ("small", "small-undropped"):
        nn_model, schedule = load_pretrained(name)
        assert sum(p.numel() for p in nn_model.parameters()) < 160_000
        assert pretrained_path(name).stat().st_size < 330_000
        assert nn_model(torch.randn(2, 3, 16, 16), torch.tensor([0.5])).isfinite().all()
    with pytest.raises(ValueError, match="load_pretrained: name is 'tiny'"):
        load_pretrained("tiny")


class Listening(PaletteUnet):
    """Notes the contexts that it is shown."""

    def __init__(self):
        super().__init__(channels=8, hidden=8)
        self.seen = []

    def forward(self, x, t, c=None):
        self.seen.append(c.clone())
        return super().forward(x, t, c)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.4, 0.3, 0.5), (1.0, 1, 1)])
def test_as_many_contexts_are_dropped_as_was_asked_for(share, low, high):
    torch.manual_seed(0)
    nn_model, x0 = Listening(), torch.rand(40, 3, 16, 16) * 2 - 1
    run = fit(nn_model, x0, schedule=nn_model.schedule, contexts=torch.ones(40, 5), steps=4,
              batch_size=100, context_dropout=share)  # fmt: skip
    assert len(list(run)) == 4
    dropped = (torch.cat(nn_model.seen) == 0).all(1).float().mean()
    assert low <= dropped <= high


def test_runs_with_other_dropout_see_the_same_sprites():
    x0, contexts = torch.rand(40, 3, 16, 16) * 2 - 1, torch.eye(5).repeat(8, 1)
    runs = [fit(Listening(), x0, schedule=Listening().schedule, contexts=contexts, steps=1,
                context_dropout=share) for share in (0.0, 1.0)]  # fmt: skip
    (one, _), (other, _) = (run.draw_batch() for run in runs)
    assert torch.equal(one, other)
    with pytest.raises(ValueError, match="fit: context_dropout is 1.5"):
        fit(Listening(), x0, schedule=Listening().schedule, steps=1, context_dropout=1.5)


def test_the_command_takes_sizes_and_dropout_and_refuses_a_share_above_1(capsys):
    options = parse(["--channels", "24", "--hidden", "48", "--context-dropout", "0"])
    assert (options.channels, options.hidden, options.context_dropout) == (24, 48, 0)
    assert parse([]).context_dropout == 0.1
    for wrong in ("1.5", "-0.1"):
        with pytest.raises(SystemExit):
            parse(["--context-dropout", wrong])
        assert "of at least 0 and up to 1" in capsys.readouterr().err


# --- the law, against pencil and paper -----------------------------------------------------------


def test_a_world_in_its_span_has_the_same_distances_and_the_same_shares():
    x0, contexts, _ = controlling.uncertain_world()
    small, schedule = controlling.in_their_span(x0), cosine_schedule()
    exactly = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    assert_close(torch.cdist(small.flatten(1), small.flatten(1), **exactly),
                 torch.cdist(x0.flatten(1), x0.flatten(1), **exactly), atol=1e-4, rtol=1e-5)
    one, other = (IdealDenoiser(x, schedule=schedule, contexts=contexts) for x in (x0, small))
    for k, i in ((0, 100), (7, 300)):
        clean = [x[k : k + 1] * schedule.alpha_bar[i].sqrt().float() for x in (x0, small)]
        c = torch.eye(2)[:1]
        assert_close(one.shares(clean[0], i, c), other.shares(clean[1], i, c), atol=1e-4, rtol=0)


def test_the_law_is_the_power_of_the_probability_and_uniform_where_classes_are_certain():
    p = torch.tensor([0.2, 0.4, 0.4], dtype=torch.float64)
    assert_close(controlling.the_law(p, 2.0), torch.tensor([1, 4, 4]).double() / 9)
    assert_close(controlling.the_law(p, 0.0), torch.ones(3).double() / 3)
    certain = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    for scale in (1.0, 8.0):
        assert_close(controlling.the_law(certain, scale), torch.tensor([0, 0.5, 0.5]).double())


def test_the_distance_is_half_of_what_the_shares_differ_by_and_counts_what_is_no_sprite():
    law = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert controlling.total_variation(torch.tensor([5, 5, 0]), law) == 0
    assert controlling.total_variation(torch.tensor([10, 0, 0]), law) == pytest.approx(0.5)
    assert controlling.total_variation(torch.tensor([0, 0, 10]), law) == pytest.approx(1)
    assert controlling.total_variation(torch.tensor([4, 4, 0]), law, none=2) == pytest.approx(0.2)


def test_exact_draws_are_as_far_as_the_binomial_says():
    n, k = 1000, 40
    mean, spread = controlling.exact_draws(torch.full((k,), 1 / k, dtype=torch.float64), n)
    share = 1 / k
    wanted = k / 2 * math.sqrt(2 / math.pi * share * (1 - share) / n)
    assert mean == pytest.approx(wanted, rel=0.02) and 0 < spread < mean / 5


def test_samples_are_counted_at_the_sprite_they_are_and_apart_where_they_are_none():
    x0 = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    samples = torch.cat([x0[[0, 1, 1]] + 0.05, torch.full((1, 3, 4, 4), 0.5)])
    counts, none = controlling.count_sprites_in(samples, x0)
    assert counts.tolist() == [1, 2] and none == 1


def row_of(**wanted):
    return next(one for one in TABLE["law"] if wanted.items() <= one.items())


@pytest.mark.parametrize("sampler", ["DDIM", "DDPM"])
@pytest.mark.parametrize("world", ["certain", "uncertain"])
def test_scale_1_passes_and_the_distance_grows_up_to_scale_8(world, sampler):
    far = {}
    for scale in (1.0, 2.0, 4.0, 8.0):
        row = row_of(world=world, schedule="cosine", sampler=sampler, scale=scale)
        far[scale] = row["distance"][0]
        assert row["none"] == 0 and sum(row["counts"]) == 1000
        exact, spread = row["exact"]
        assert (far[scale] < exact + 2 * spread) if scale == 1 else True
    assert far[8.0] > exact + 6 * spread and far[1.0] < far[4.0] < far[8.0]


def test_the_linear_schedule_is_off_at_scale_1_already():
    row = row_of(world="certain", schedule="linear", sampler="DDIM", scale=1.0)
    exact, spread = row["exact"]
    assert row["distance"][0] > exact + 2 * spread


def test_the_counts_of_the_table_are_those_of_its_distances_and_can_be_had_again():
    x0, contexts, p = controlling.uncertain_world()
    row = row_of(world="uncertain", sampler="DDIM", scale=8.0)
    counts = torch.tensor(row["counts"])
    far = controlling.total_variation(counts, controlling.the_law(p, 8.0))
    assert far == pytest.approx(row["distance"][0], abs=1e-4)
    ideal = IdealDenoiser(controlling.in_their_span(x0), schedule=cosine_schedule(),
                          contexts=contexts)  # fmt: skip
    again, none = controlling.guided_counts(ideal, 1000, "DDIM", 8.0, seed=18)
    assert none == 0 and (again - counts).abs().sum() < 20  # rounding may move a few


# --- what the table says of guidance and mixes ---------------------------------------------------


def test_the_table_is_whole_and_says_where_it_comes_from():
    assert TABLE["command"] == "python -m diffutils.stage.controlling" and TABLE["date"]
    assert set(controlling.PARTS) <= set(TABLE) and "/" not in TABLE["machine"]
    for name in ("palette", "small"):
        rows = TABLE["guidance"][name]
        assert [row["scale"] for row in rows if row["steps"] == 25] == list(controlling.SCALES)
        assert [row["scale"] for row in rows if row["steps"] == 500] == [1.0]
        assert all(row["class"][1] == controlling.DRAWN for row in rows)
    (real,) = TABLE["guidance"]["training sprites"]
    assert real["flawless"] == [500, 500] and abs(real["parts"][0] - 100) < 3


def test_what_the_lesson_says_of_the_price_is_so():
    rows = {name: {row["scale"]: row for row in TABLE["guidance"][name] if row["steps"] == 25}
            for name in ("palette", "small")}  # fmt: skip
    small, big = rows["small"], rows["palette"]
    assert 0.55 < Share(*small[1.0]["class"]).share < 0.65  # three of five
    assert 0.72 < Share(*small[3.0]["class"]).share < 0.78  # three of four
    assert small[1.0]["beyond"][0] == 0 and 1 / 180 < small[8.0]["beyond"][0] < 1 / 120
    assert big[1.0]["class"] == [498, 500]
    lost = [Share(*big[1.0]["flawless"]).share - Share(*big[s]["flawless"]).share for s in (6, 8)]
    assert all(0.03 < one < 0.07 for one in lost)
    assert all(96 < row["parts"][0] < 102 for row in big.values())
    assert all(big[s]["variety"][0] >= big[1.0]["variety"][0] for s in (2.0, 4.0, 8.0))
    (pair, rest), (pair_3, rest_3) = (
        controlling.taken_for(TABLE["guidance"]["small"], scale) for scale in (1.0, 3.0))
    assert (pair, pair_3) == (93, 90) and pair + rest == 500 - small[1.0]["class"][0]
    assert rest_3 < 0.36 * rest  # to a third
    side = [sum(one[4] for one in TABLE["dropout"][name]["without"]["read"])
            for name in ("small-undropped", "small")]  # fmt: skip
    assert side == [17, 53]
    better = small[3.0]["right"][0] - small[1.0]["right"][0]
    assert 0.01 < better < 0.02


def test_the_mixes_are_mixtures_and_the_exact_ones_keep_to_their_weights():
    for one in TABLE["mixes"]:
        first, second = one["classes"]
        drawn, exact = one["counts"]["network"], one["counts"]["exact mixture"]
        assert drawn["both"] <= 2 and drawn["neither"] < 25
        assert exact["both"] == exact["neither"] == 0 and exact["flawless"] == exact["of"]
        weights = np.array(one["mix"])[[controlling.CLASSES.index(c) for c in (first, second)]]
        wanted = weights[0] / weights.sum()
        assert abs(exact[first] / 400 - wanted) < 3 * (wanted * (1 - wanted) / 400) ** 0.5
        assert one["counts"]["no context"]["neither"] >= 200
        assert one["counts"]["the other classes"]["neither"] > 290
        assert 100 <= one["counts"]["the other classes"]["flawless"] < 220
    assert sum(one["counts"]["network"]["both"] for one in TABLE["mixes"]) == 2
    doubting = [one["counts"]["network"]["flawless"] < 0.8 * 400 for one in TABLE["mixes"]]
    assert sum(doubting) == 4  # in four of the five fewer than 89 percent


def test_a_table_of_guidance_reads_as_text():
    rows = TABLE["guidance"]["small"][:1]
    head, line = controlling.guidance_table(rows).split("\n")
    assert head.split() == ["scale", "class", "as", "asked", "flawless", "pixels", "parts",
                            "variety", "beyond"]  # fmt: skip
    assert line.split()[:4] == ["0", "18", "(15", "to"]


def test_the_command_keeps_the_parts_that_are_not_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "table.json"
    path.write_text('{"law": [1], "mixes": [2]}')
    monkeypatch.setitem(controlling.PARTS, "mixes", lambda say: [3])
    controlling.main(["--output", str(path), "--part", "mixes"])
    text = path.read_text()
    assert '"law": [1]' in text and '"mixes": [3]' in text and '"date"' in text


# --- exercise 4: a scale for a need --------------------------------------------------------------

SHARES = needs.measured()
GOOD = min(s for s in SHARES if 100 * SHARES[s].low >= needs.NEED)
LOW = 100 * SHARES[GOOD].low
WRONG = [
    (0, 15, "unconditional"), (0.5, 37, "too-low"), (1, 54.4, "too-low"), (1.5, 63.8, "upper-end"),
    (2, 67.7, "count-for-interval"), (4, 73.5, "too-high"), (6, 74.8, "too-high"),
    (8, 76.3, "too-high"), (5, 70, "not-measured"), (-1, 70, "not-measured"),
    (7, 70, "not-measured"), (GOOD, 100 * SHARES[GOOD].share, "share"),
    (GOOD, 100 * SHARES[GOOD].high, "upper"), (GOOD, LOW / 100, "fraction"),
    (GOOD, SHARES[GOOD].count, "count"), (GOOD, 100 - LOW, "misses"),
    (GOOD, 100 * (SHARES[GOOD].high - SHARES[GOOD].low), "width"),
    (GOOD, 50 * (SHARES[GOOD].high - SHARES[GOOD].low), "half-width"),
    (GOOD, 70, "need"), (GOOD, 68.5, "other-number"), ("3", LOW, "type"), (GOOD, "70 %", "type"),
]  # fmt: skip


@pytest.mark.parametrize(("scale", "low", "mistake"), WRONG)
def test_a_wrong_scale_or_defence_is_named(scale, low, mistake, capsys):
    result = needs.scale_for(scale, low)
    assert not result.passed and result.mistake == mistake
    said = capsys.readouterr().out
    assert said.startswith("not right yet") and f"{LOW:.1f}" not in said.split("scale does it")[-1]


def test_the_lowest_scale_that_does_it_is_right_and_blanks_are_not_done():
    assert GOOD == 3 and needs.scale_for(GOOD, round(LOW, 1)).passed
    assert needs.scale_for(3, round(LOW)).passed
    assert needs.scale_for(None, 70).mistake == needs.scale_for(3, ...).mistake == "not-done"


# --- deeper: the law of two bell curves ----------------------------------------------------------


DEEPER = {law_variance: LAW_VARIANCE, some_levels: SOME_LEVELS}


@pytest.mark.parametrize(("check", "mistake"), [(c, m) for c, e in DEEPER.items()
                                                for m in e.mistakes])  # fmt: skip
def test_each_known_mistake_of_the_deeper_exercises_is_named(check, mistake):
    assert check(mistake.function).mistake == mistake.name
    assert check(DEEPER[check].right).passed


@pytest.mark.parametrize("exercise", DEEPER.values(), ids=lambda one: one.name)
def test_no_two_mistakes_of_the_deeper_exercises_look_alike(exercise):
    assert len(exercise.mistakes) >= 15
    assert_all_differ(exercise)


UNSEEN = [
    "v ** (s / 2)", "1 / (1 / v + 1)", "v / (1 + s)", "(1 - s) * v + s", "s / v", "v ** s / 2",
    "(s * v + 1 - s) ** 2", "1 / (s / v + 2 - s)", "2 / (s / v + 1 - s)", "v / s ** 2",
    "1 / (s ** 2 / v + (1 - s) ** 2)", "s ** 2 * v + (1 - s) ** 2", "v - s", "1 / (1 + s * v)",
    "torch.exp(-s * v)", "v / (s + (1 - s))", "(v + 1) / 2", "1 / (s / v - 1 + s)",
    "v ** s / (v ** s + 1)", "s * (1 / v) + (s - 1)", "v / (s * v + 1 - s)", "1 - s * (1 - v)",
]  # fmt: skip


UNSEEN_SCALES = [
    "scale if i > 400 else 1", "scale * (low < i <= high) + 1", "1 + scale * (low < i <= high)",
    "0", "low", "i", "scale if high < i <= low else 1", "2 * scale if low < i <= high else 1",
    "1 / scale if low < i <= high else 1", "scale if low < i <= high else scale - 1",
    "i / 500 * scale", "scale if low < i / 500 <= high else 1", "scale ** (low < i < high + 1) - 1",
    "scale if i in (low, high) else 1", "max(1, scale * (i - low) / (high - low))",
    "scale if low <= i else 1", "scale if i < high else 1", "1 if low < i <= high else 0",
    "scale if low + 1 < i <= high else 1", "scale if low < i <= high + 1 else 1",
    "-scale if low < i <= high else 1", "scale if low < i <= high else 2",
]  # fmt: skip


@pytest.mark.parametrize(("check", "given", "bodies"), [
    (law_variance, "v, s", UNSEEN), (some_levels, "i, low, high, scale", UNSEEN_SCALES),
])  # fmt: skip
def test_wrong_answers_that_nobody_has_listed_are_named(check, given, bodies):
    assert_four_of_five_are_named(check, {body: written(given, body) for body in bodies})


def test_the_right_variance_is_that_of_the_product_on_a_grid():
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    for v, s in ((0.25, 2.0), (0.5, 3.0), (0.9, 0.5)):
        density = torch.exp(-(x**2) / 2 * (s / v + 1 - s))
        bells = torch.exp(-(x**2) / (2 * v)) ** s * torch.exp(-(x**2) / 2) ** (1 - s)
        assert_close(bells, density)
        variance = (x**2 * bells).sum() / bells.sum()
        assert LAW_VARIANCE.right(v, s) == pytest.approx(variance.item(), rel=1e-6)


def test_the_denoiser_of_a_bell_curve_is_the_regression_of_the_noise():
    names = functions_of("deeper/06_law.ipynb", "def ideal(x, t, c=None)")
    noise, clean = torch.randn(2, 400_000, dtype=torch.float64)
    for i, c, v in ((400, None, 1.0), (250, 1, 0.25)):
        bar = names["schedule"].alpha_bar[i]
        x = bar.sqrt() * v**0.5 * clean + (1 - bar).sqrt() * noise
        slope = (x @ noise) / (x @ x)
        guess = names["ideal"](torch.ones(1, dtype=torch.float64), torch.tensor([i / 500]), c)
        assert guess.item() == pytest.approx(slope.item(), rel=0.02)


def test_the_way_down_multiplies_the_variance_to_the_power_of_the_scale():
    """The path's equation, integrated by itself, ends where the deeper notebook says."""
    for v, s in ((0.25, 2.0), (0.25, 4.0), (0.5, 3.0)):
        sigma = torch.logspace(4, -6, 400_001, dtype=torch.float64)
        slope = s * sigma / (v + sigma**2) + (1 - s) * sigma / (1 + sigma**2)
        shrunk = torch.trapezoid(slope, sigma)  # log of x at the end over x at the start
        assert (2 * shrunk).exp() * sigma[0] ** 2 == pytest.approx(v**s, rel=1e-3)
    assert "v**scale" in cell_with("deeper/06_law.ipynb", "v to the power").source
