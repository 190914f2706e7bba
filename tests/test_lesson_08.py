"""Lesson 08, its dial and its impostors: what they measure, claim and ask."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diffutils import IdealDenoiser, load_pretrained, perturb_input
from diffutils.grammar import GrammarDenoiser
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, render
from diffutils.sprites.forge import CLASSES
from diffutils.sprites.judge import is_held_out, seen
from diffutils.stage import checks, dial, impostors
from diffutils.stage.checks import asked_of_judging
from diffutils.train import forged
from diffutils.weights import pretrained_path, weights_metadata

TABLE = dial.dial()


def percent(n, word="read", **where):
    return np.mean(dial.percents(word, n, **where))


# --- the choice ----------------------------------------------------------------------------------


def test_the_four_reasons_for_no_copies_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-no-copies", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["c"]
    found = asked_of_judging.measure_no_copies()
    assert found["copier"] < 0.5 * found["general"]  # on its own sprites nothing is better
    assert found["copies"] == 16 and found["few"] > 0.9 * found["of"]
    assert abs(100 * found["many"] / found["of"] - found["chance"]) < 10
    assert found["looks_few"] == 100 * found["looks_many"]


# --- the small world -----------------------------------------------------------------------------


def test_the_small_world_is_every_hero_of_bobs_colours_in_any_coat():
    world = dial.coats()
    assert len(world) == len(np.unique(world)) == 1596 * 8 == TABLE["world"]
    assert not is_held_out(world).any() and set(world["class"]) == {0}
    assert set(world["cloth"]) == set(range(8)) and len(np.unique(world["skin"])) == 1
    assert len(np.unique(world["hair"][world["hair"] >= 0])) == 1


def test_training_sets_are_different_sprites_and_none_is_kept_apart():
    apart = dial.coats()[-dial.APART :]
    for n in (20, 2000, 0):
        sprites = dial.training_set(n, 1)
        assert len(sprites) == len(np.unique(sprites)) == (n or len(dial.coats()) - dial.APART)
        assert not seen(sprites, apart).any()
    assert not np.array_equal(dial.training_set(20, 0), dial.training_set(20, 1))
    assert np.array_equal(dial.training_set(200, 0)[:20], dial.training_set(20, 0))


def test_a_sprite_that_stands_fifty_times_in_the_data_is_drawn_no_more_often_than_its_share():
    factors, run = dial.begin(3, 50, 0)
    x0, c = run.draw(3000, torch.Generator().manual_seed(0))
    sprites = to_float(render(factors))
    which = torch.cdist(x0.flatten(1), sprites.flatten(1)).argmin(1)
    assert c is None and (torch.bincount(which, minlength=3) - 1000).abs().max() < 110


def test_the_generaliser_of_the_small_world_is_its_ideal_and_answers_the_truth_at_low_levels():
    x0, x_t, general = dial.kept_apart()
    assert len(x_t) == len(general) == len(dial.LEVELS)
    assert (general[0] - x0).abs().max() < 1e-3  # level 20
    few = IdealDenoiser(to_float(render(dial.training_set(20, 0))), schedule=load_pretrained()[1])
    assert (few.guess_x0(x_t[0], 20) - x0).square().mean().sqrt() > 0.3  # it can only copy


# --- its table -----------------------------------------------------------------------------------


def test_the_table_has_every_run_of_a_seed_and_says_where_it_comes_from():
    assert TABLE["command"] == "python -m diffutils.stage.dial"
    assert TABLE["date"].count("-") == 2 and "torch" in TABLE["machine"]
    assert TABLE["levels"] == list(dial.LEVELS)
    assert TABLE["recipe"]["steps"] == dial.STEPS and TABLE["recipe"]["channels"] == dial.CHANNELS
    for n, times in dial.RUNS:
        for step in dial.MOMENTS:
            rows = dial.find(n, times, step)
            for row in rows:
                assert 0 <= row["copied"] <= min(row["flawless"], row["read"]) <= row["samples"]
                assert len(row["seen"]) == len(row["general"]) == len(dial.LEVELS)
            assert [row["seed"] for row in rows] == list(dial.SEEDS)
    assert {row["n"] for row in TABLE["paced"]} == set(dial.PACED)


def test_few_sprites_are_copied_and_many_are_not():
    assert percent(20) > 95 and percent(60) > 80 and percent(20, "copied") > 95
    assert percent(200) < 50 and percent(200) > 4 * dial.by_chance(200)
    for n in (2000, 0):
        assert abs(percent(n) - dial.by_chance(n)) < 8
    assert percent(60, times=50) > 80  # three thousand pictures of sixty sprites
    for n in (20, 60):
        for row in dial.find(n):
            assert np.mean(row["unseen"]) > 10 * np.mean(row["seen"])
    for row in dial.find(2000):
        assert np.mean(row["unseen"]) < 1.3 * np.mean(row["seen"])


def test_the_answers_to_strangers_go_from_the_copier_to_the_generaliser_along_the_dial():
    at = dial.LEVELS.index(200)
    nearer = {n: np.mean([row["general"][at] / row["copier"][at] for row in dial.find(n)])
              for n in (20, 60, 200, 600, 2000)}  # fmt: skip
    assert nearer[20] > 1.2 and nearer[60] < 0.97 and nearer[200] < 0.7 and nearer[2000] < 0.8


def test_copying_sets_in_later_the_more_sprites_there_are():
    third, ends = {}, {}
    for n in (20, 60, 200, 0):
        runs = dial.runs_paced(n)
        assert [rows[0]["seed"] for rows in runs] == list(dial.SEEDS)
        third[n] = [dial.third_copied(rows) for rows in runs]
        ends[n] = np.mean([dial.percent(rows[-1]) for rows in runs])
    assert min(ends[20], ends[60]) > 85 and 40 < ends[200] < 62
    assert max(third[20]) < min(third[60]) and max(third[60]) < min(third[200])
    assert 8 < np.mean(third[200]) / np.mean(third[20]) < 17
    assert runs[0][-1]["step"] == 6000 and abs(ends[0] - dial.by_chance(0)) < 6  # as many as 200


def test_a_run_is_read_by_its_rows():
    def row(step, read, unseen):
        return {"step": step, "read": read, "samples": 100, "unseen": unseen}

    rows = [row(10, 0, [3, 3]), row(20, 30, [1, 2]), row(30, 40, [2, 2])]
    assert dial.third_copied(rows) == pytest.approx(20 + 10 / 3) and dial.best_stop(rows) == 20


def test_curves_over_seeds_have_their_means_and_ends():
    (looks, means), (low, high) = dial.by_looks(60)
    runs = dial.runs_paced(60)
    assert looks == [row["looks"] for row in runs[0]] and len(looks) == len(dial.LOOKS)
    for k in range(len(looks)):
        read = [dial.percent(rows[k]) for rows in runs]
        assert (low[k], high[k]) == (min(read), max(read)) and low[k] <= means[k] <= high[k]
        assert means[k] == pytest.approx(np.mean(read))


def test_the_shipped_network_stands_with_the_generaliser():
    shipped = TABLE["shipped"]
    at = {i: k for k, i in enumerate(shipped["levels"])}
    copier, general, ideals = (np.array(shipped["rms"][pair])[:, 0] for pair in (
        "network to copier", "network to generaliser", "copier to generaliser"))  # fmt: skip
    assert general[at[100]] < 0.2 * copier[at[100]] and general[at[200]] < 0.6 * copier[at[200]]
    assert ideals[at[400]] < 0.3 * general[at[400]]
    assert set(shipped["rms"]) == set(dial.COMPARED)


def test_a_word_or_a_size_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="percents: word is 'good'; expected one of"):
        dial.percents("good", 20)
    with pytest.raises(ValueError, match="find: n is 21"):
        dial.find(21)


def test_the_text_of_the_dial_has_a_line_for_each_size():
    lines = dial.table_of_sizes().splitlines()
    assert [line.split()[0] for line in lines] == ["sprites", "20", "60", "200", "600", "2000",
                                                   "all"]  # fmt: skip
    assert float(lines[1].split()[3]) == pytest.approx(percent(20), abs=0.5)


def test_the_command_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    for name, value in {"STEPS": 3, "MOMENTS": (2, 3), "RUNS": ((5, 1), (3, 50)), "SAMPLES": 4,
                        "PACED": (), "BATCH": 4}.items():  # fmt: skip
        monkeypatch.setattr(dial, name, value)
    path = tmp_path / "dial.json"
    call = ["--output", str(path), "--part", "rows", "--seeds", "0"]
    dial.main(call)
    first = json.loads(path.read_text())
    assert [(row["n"], row["times"], row["step"]) for row in first["rows"]] == [
        (5, 1, 2), (5, 1, 3), (3, 50, 2), (3, 50, 3)]  # fmt: skip
    kept = first | {"rows": first["rows"][:2]}
    dial.write(path, kept)
    dial.main(call)
    assert json.loads(path.read_text())["rows"] == first["rows"]
    monkeypatch.setattr(dial, "train", None)
    dial.main(call)  # nothing is left to train
    assert json.loads(path.read_text())["rows"] == first["rows"]


# --- the network's training set, and the impostors -----------------------------------------------


def test_what_the_shipped_network_was_trained_on_is_what_its_file_says():
    sprites = forged(dial.SHIPPED_SEED)
    story = weights_metadata(pretrained_path("palette"))
    assert sprites.checksum() == story["data_checksum"]
    assert np.array_equal(sprites.factors, impostors.all_trained_on())


@pytest.mark.parametrize("name", CLASSES)
def test_sprites_that_were_never_seen_are_of_the_law_and_not_in_the_training_set(name):
    sprites = dial.never_seen(name, 40)
    assert len(sprites) == len(np.unique(sprites)) == 40
    assert not seen(sprites, dial.trained_on(name)).any() and not is_held_out(sprites).any()


def test_three_answers_are_those_of_the_three_and_leave_the_network_as_it_was():
    nn_model, schedule = load_pretrained()
    kept = nn_model.conviction
    x0 = to_float(render(dial.never_seen("spell", 3)))
    x_t = perturb_input(x0, 150, torch.randn_like(x0), schedule=schedule)
    copier = IdealDenoiser(to_float(render(dial.trained_on("spell")[:50])), schedule=schedule)
    generaliser, c = GrammarDenoiser(schedule=schedule), torch.eye(5)[3:4]
    found = dial.three_answers(nn_model, copier, generaliser, x_t, 150, c)
    assert torch.equal(found["copier"], copier.guess_x0(x_t, 150))
    assert torch.equal(found["generaliser"], generaliser.guess_x0(x_t, 150, c))
    assert nn_model.conviction == kept and not torch.equal(found["network"], found["convinced"])


def test_the_linear_guess_is_the_regression_on_many_noisy_pictures():
    schedule, dice = load_pretrained()[1], torch.Generator().manual_seed(0)
    known = torch.randn(5, 1, 2, 2, generator=dice)
    x0 = known.repeat(40_000, 1, 1, 1)
    x_t = perturb_input(x0, 150, torch.randn(x0.shape, generator=dice), schedule=schedule)
    known_twice = known.repeat(4000, 1, 1, 1)  # so that n or n - 1 makes no difference
    inputs = torch.cat([x_t.flatten(1), torch.ones(len(x_t), 1)], 1)
    weights = torch.linalg.lstsq(inputs, x0.flatten(1)).solution
    found = dial.linear_guess(known_twice, x_t[:50], 150, schedule).flatten(1)
    assert (found - inputs[:50] @ weights).abs().max() < 0.02


def test_what_is_asked_is_counted_by_hand():
    known, other = forge_sprites(30, 1)[2], forge_sprites(400, 2, split="all")[2]
    strangers = other[~seen(other, known)][:20]
    sprites = render(np.concatenate([known[:10], strangers]))
    veiled = sprites[:10].astype(int) // 2 + 90  # whoever they are, they are not flawless
    pictures = to_float(np.concatenate([sprites, veiled.astype(np.uint8)]))
    asked = impostors.ask(pictures, known)
    assert (asked.legal.count, asked.legal.total) == (30, 40)
    assert (asked.new.count, asked.new.total) == (20, 30)
    assert (asked.copied.count, asked.copied.total) == (10, 40)
    assert asked.read.count >= 10 and 0 < asked.covered < 1
    assert asked.apart.count == is_held_out(strangers).sum()
    line = impostors.in_a_line("these", asked)
    assert line.split()[:4] == ["these", "75%", "67%", "25%"]
    assert len(line) == len(impostors.HEAD)


def test_where_nothing_is_flawless_new_has_no_answer():
    asked = impostors.ask(torch.zeros(3, 3, 16, 16), forge_sprites(30, 1)[2])
    assert asked.legal.count == 0 and impostors.in_a_line("grey", asked).split()[2] == "none"
    with pytest.raises((TypeError, ValueError), match="ask: known"):
        impostors.ask(torch.zeros(3, 3, 16, 16), [1, 2])


def test_the_lessons_files_are_small():
    folder = Path(dial.__file__).parent
    assert (folder / "dial.json").stat().st_size < 150_000


# --- a run of hours, taken up again --------------------------------------------------------------


@pytest.mark.parametrize("part, runs", [("rows", dial.RUNS), ("paced", dial.PACED)])
def test_runs_that_the_table_has_are_not_made_again(part, runs, monkeypatch):
    made, kept_on_disk = [], []

    def train(n, times, seed, moments, say):
        made.append((n, times, seed))
        return [{"n": n, "times": times, "seed": seed, "step": step} for step in moments]

    monkeypatch.setattr(dial, "train", train)
    build = getattr(dial, part)
    first = build([], kept_on_disk.append, (0,), print)
    assert len(made) == len(runs) == len(kept_on_disk) and kept_on_disk[-1] == first
    rest = build(kept_on_disk[1], kept_on_disk.append, (0, 1), print)
    assert made[len(runs) :] == [*made[2 : len(runs)],
                                      *((n, times, 1) for n, times, _ in made[: len(runs)])]
    assert rest[: len(first)] == first
    if part == "paced":  # the steps make up the looks; all the world has the steps of the longest
        few = [row["looks"] for row in first if row["n"] == 20]
        assert few == pytest.approx(dial.LOOKS, rel=0.05)
        assert max(row["looks"] for row in first if row["n"] == 0) < 20


def test_near_a_sprite_the_network_answers_as_one_who_knows_the_world_and_not_as_a_copier(
    monkeypatch,
):
    few = {name: forge_sprites(300, 3, classes=[name])[2] for name in CLASSES}
    monkeypatch.setattr(dial, "trained_on", few.get)
    said = []
    found = dial.shipped(said.append, n=2, levels=(60, 300))
    assert found["levels"] == [60, 300] and found["n"] == 10 and said == list(CLASSES)
    (near, _), (later, _) = found["rms"]["network to generaliser"]
    assert near < 0.02 < 0.2 < found["rms"]["network to copier"][0][0] and near < later
