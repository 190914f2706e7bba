"""The bug museum: what stands beside an exhibit is what runs, and what it shows is what is said."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from diffutils import PaletteUnet, load_pretrained, sample_ddim, sample_ddpm
from diffutils.noising import spread
from diffutils.schedule import cosine_schedule
from diffutils.stage import cabinet, cases, exhibits, lines, museum, patients, twins
from diffutils.stage.cases import healthy, healthy_of, open_case
from diffutils.stage.exhibits import EXHIBITS
from diffutils.stage.lines import GUIDANCE, SCHEDULE, WRITTEN, BatchNormUnet, Lines, T
from diffutils.training import bound_weights, fit, frequent_colours
from diffutils.weights import load_weights

NAMES = {"torch": torch, "T": T, "w": GUIDANCE, "spread": spread,
         "cosine_schedule": cosine_schedule, "alpha_bar": SCHEDULE.alpha_bar}  # fmt: skip


def seeded():
    return torch.Generator().manual_seed(3)


def probes():
    """Arguments for each of the lines that are formulas."""
    x = torch.randn(5, 3, 4, 4, generator=seeded())
    levels, other = torch.tensor([3, 80, 250, 400, 500]), x.flip(0)
    return {
        "pictures": (x,), "contexts": (torch.eye(5),), "noise": (x.shape, seeded()),
        "mix": (x, levels, other), "shown": (x, other), "told": (levels / 500, levels),
        "alpha_bar": (SCHEDULE.alpha,), "levels": (30,), "time": (77,), "guess": (x, other),
        "dice": (x.shape, seeded()), "spread": (torch.tensor(0.02),), "more": (0,),
        "again": (torch.tensor(0.7),), "display": (x,),
    }  # fmt: skip


def written(line, text):
    """The function that a line's text stands for."""
    return eval(f"lambda {WRITTEN[line][0]}: {text}", dict(NAMES))


def as_tensor(answer):
    return answer if isinstance(answer, torch.Tensor) else torch.tensor(list(answer) if isinstance(
        answer, range | list) else answer)  # fmt: skip


def assert_same(line, function, text):
    one, other = (f(*probes()[line]) for f in (function, written(line, text)))
    assert_close(as_tensor(one), as_tensor(other), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("line", probes())
def test_the_right_line_is_what_runs(line):
    assert_same(line, getattr(Lines(), line), WRITTEN[line][2])


@pytest.mark.parametrize("name", [n for n, one in EXHIBITS.items() if one.line in probes()])
def test_the_wrong_line_of_an_exhibit_is_what_runs(name):
    exhibit = EXHIBITS[name]
    assert_same(exhibit.line, getattr(exhibit.lines(), exhibit.line), exhibit.wrong)
    right, wrong = exhibit.lines_apart().split("\n")
    assert right.startswith("right   ") and wrong.startswith("wrong   ") and right[5:] != wrong[5:]


def test_the_two_wrong_lines_about_the_network_are_what_runs():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    kept = EXHIBITS["buffers"].lines().kept(network)
    assert kept.keys() == written("kept", EXHIBITS["buffers"].wrong)(network).keys()
    assert not any("running" in name for name in kept)
    assert EXHIBITS["train-mode"].lines().mode(network.eval()).training
    assert EXHIBITS["train-mode"].wrong == "nn_model.train()"


def test_guidance_turned_round_differs_from_the_right_one_by_one_line():
    given, without = torch.tensor(2.0), torch.tensor(1.0)
    right = EXHIBITS["guidance"].right_lines().guess(given, without)
    assert right == written("guess", exhibits.RIGHT_WHEN_GUIDED)(given, without)
    assert right == 1 + GUIDANCE and EXHIBITS["guidance"].lines().guess(given, without) < 1


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_has_one_wrong_line_and_says_where_it_was_seen(name):
    exhibit = EXHIBITS[name]
    bug, right = exhibit.lines(), exhibit.right_lines()
    differ = [line for line in WRITTEN if getattr(bug, line) is not getattr(right, line)]
    assert differ == [exhibit.line]
    said, address = exhibit.seen
    thread = r"https://github\.com/\S+/(issues|pull)/\d+"
    assert said and (not address or re.fullmatch(thread, address))
    assert exhibit.found and exhibit.caught and exhibit.title


def test_there_are_at_least_fourteen():
    assert len(EXHIBITS) >= 14 and len({one.title for one in EXHIBITS.values()}) == len(EXHIBITS)


# --- the loops are the library's -----------------------------------------------------------------


def test_the_right_loops_draw_what_the_library_draws():
    nn_model, schedule = load_pretrained()
    context = cases.classes_in_turn(2)
    for loop, steps, sampler in (("ddpm", 20, sample_ddpm), ("ddim", 25, sample_ddim)):
        case = healthy(loop=getattr(lines, loop), steps=steps)
        levels = Lines().levels(steps)
        theirs, _ = sampler(2, levels=levels, nn_model=nn_model, schedule=schedule,
                              context=context, generator=seeded(), progress=False)  # fmt: skip
        ours = case.descend(case.guess(context), 2, 3)
        assert ours.levels == levels
        assert_close(ours.x[-1], theirs, rtol=1e-3, atol=1e-3)


def test_a_healthy_sampler_returns_the_one_sprite_and_keeps_plain_noise():
    case = healthy()
    assert case.one_sprite() < 1e-3
    mean, std = case.bell(n=256)
    assert abs(mean) < 0.01 and abs(std - 1) < 0.01


def test_what_is_right_about_a_case_is_1_on_the_way_and_on_the_diagonal():
    walk = healthy().walk(10)
    assert all(0.8 < size < 1.2 for size in museum.size_on_the_way(walk))
    told, there = museum.told(healthy(), walk.levels), museum.there(walk)
    assert all(abs(a - b) < 0.1 for a, b in zip(told, there, strict=True))


def test_answers_are_measured_against_the_noise_that_is_there():
    case = healthy()
    half = cases.Case(Lines(), "palette", lines.ddpm, 10, False)
    half.guess = lambda context: lambda x, level: 0 * x
    assert museum.answered(half, 150) == pytest.approx((0, 1), abs=0.02)
    slope, wrong = museum.answered(case, 250)
    assert 0.9 < slope < 1.1 and wrong == pytest.approx(case.loss(250), rel=0.5)
    stripes = torch.tensor([-1.0, 1.0]).repeat(2, 3, 4, 4)
    assert museum.roughness(stripes) == 2 and museum.roughness(stripes * 0 + 1) == 0


def test_the_loss_of_a_training_batch_mixes_levels():
    assert 0.5 < open_case("shown-clean").training_loss() < 1.5
    losses = [healthy().loss(level) for level in (10, 60, 150, 250, 350, 450)]
    assert min(losses) < healthy().training_loss(100) < max(losses)


# --- the twins -----------------------------------------------------------------------------------


def test_the_twins_are_there_and_small():
    sizes = [twins.twin_path(name).stat().st_size for name in twins.TRAINED]
    assert max(sizes) <= 300_000 and sum(sizes) <= 4_000_000


@pytest.mark.parametrize("name", twins.TRAINED)
def test_a_twin_is_of_its_kind_and_trained_alike(name):
    nn_model = twins.load_twin(name)
    kind = twins.TRAINED[name][0]
    assert isinstance(nn_model, BatchNormUnet) == (kind == "plain")
    other = twins.load_twin(kind)
    assert {k: v.shape for k, v in nn_model.state_dict().items() if k != "_extra_state"} == {
        k: v.shape for k, v in other.state_dict().items() if k != "_extra_state"}  # fmt: skip


def test_a_twin_is_no_file_of_the_course():
    with pytest.raises(ValueError, match="load_weights"):
        load_weights(twins.twin_path("plain"))
    with pytest.raises(ValueError, match="load_twin: name is 'plane'"):
        twins.load_twin("plane")


def test_training_a_twin_is_training_with_its_line(monkeypatch, tmp_path):
    """Two steps of the healthy palette twin are two steps of `fit`; with a bug they are not."""
    x0, contexts = twins.twin_sprites()
    torch.manual_seed(twins.SEED)
    nn_model = PaletteUnet(**twins.SIZES["palette"], schedule=SCHEDULE)
    nn_model.learn_palette(frequent_colours(x0))
    usual = fit(nn_model, x0, contexts=contexts, schedule=SCHEDULE, steps=twins.STEPS,
                batch_size=twins.BATCH, seed=twins.SEED, learning_rate=twins.RATE,
                level_weights=bound_weights)  # fmt: skip
    losses = {name: [] for name in ("fit", "palette", "shown-clean", "half-range")}
    for name in losses:
        run = usual if name == "fit" else twins.run_of(name)
        for record in run:
            losses[name].append(record.loss)
            if record.step == 2:
                break
    assert losses["fit"] == losses["palette"]
    assert losses["shown-clean"] != losses["fit"] != losses["half-range"]


def test_a_twin_is_written_and_gone_on_with(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(twins, "STEPS", 1)
    monkeypatch.setattr(twins, "TRAINED", {"plain": twins.TRAINED["plain"]})
    twins.main(["--output", str(tmp_path)])
    assert "written" in capsys.readouterr().out
    nn_model, _ = load_weights(tmp_path / "plain.safetensors", kinds=twins.KINDS)
    assert isinstance(nn_model, BatchNormUnet) and not nn_model.training
    assert [path.name for path in tmp_path.iterdir()] == ["plain.safetensors"]
    twins.main(["--output", str(tmp_path)])
    assert capsys.readouterr().out == ""


# --- the table and the guide ---------------------------------------------------------------------


def test_the_table_has_every_exhibit_and_its_twin_and_says_where_it_comes_from():
    table = museum.museum()
    assert table["command"] == "python -m diffutils.stage.museum"
    assert table["date"].count("-") == 2 and "torch" in table["machine"]
    assert list(table["exhibits"]) == list(EXHIBITS)
    for name in EXHIBITS:
        row, twin = museum.pair(name)
        assert row.keys() == twin.keys()
        assert row["flawless"][1] == twin["flawless"][1] == table["samples"]


def test_the_command_measures_and_goes_on(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(museum, "EXHIBITS", {"std": EXHIBITS["std"]})
    monkeypatch.setattr(museum, "examine", lambda case, n: {"flawless": [n, n]})
    monkeypatch.setattr(museum, "examine_set", lambda case, n: {"flawless": [n, n]})
    out = tmp_path / "museum.json"
    museum.main(["--output", str(out), "--samples", "2"])
    found = json.loads(out.read_text())
    assert found["exhibits"] == {"std": {"flawless": [2, 2]}} and len(found["healthy"]) == 1
    assert found["many"]["std"] == {"flawless": [8, 8]} and len(found["floor"]) == 2
    assert list(tmp_path.iterdir()) == [out]


def test_the_command_goes_on_where_it_was_stopped_and_trains_twins_if_asked(tmp_path, monkeypatch):
    looked_at, trained = [], []
    monkeypatch.setattr(museum, "EXHIBITS", {"std": EXHIBITS["std"]})
    monkeypatch.setattr(museum, "examine", lambda case, n: looked_at.append("one") or [n])
    monkeypatch.setattr(museum, "examine_set", lambda case, n: looked_at.append("set") or [n])
    monkeypatch.setattr(museum.twins, "main", trained.append)
    monkeypatch.setattr(museum, "distance_floor", lambda distance, x0, n: torch.zeros(2))
    key, out = museum.key_of(healthy_of("std")), tmp_path / "museum.json"
    kept = {"samples": 2, "healthy": {key: [9]}, "exhibits": {}, "many": {key: [9]}}
    partial = tmp_path / "museum.json.partial"
    partial.write_text(json.dumps(kept))
    museum.main(["--output", str(out), "--samples", "2", "--train"])
    found = json.loads(out.read_text())
    assert looked_at == ["one", "set"] and trained == [[]]
    assert found["healthy"][key] == found["many"][key] == [9] and found["exhibits"]["std"] == [2]
    partial.write_text(json.dumps(kept))  # of another number of samples: nothing of it is taken
    museum.main(["--output", str(out), "--samples", "3"])
    assert len(looked_at) == 2 + 4 and json.loads(out.read_text())["healthy"][key] == [3]


def test_an_exhibit_is_shown_beside_its_healthy_twin():
    figure = cabinet.show_exhibit("wraps")
    said = re.findall(r"(healthy|the bug): (\d+) of 20 flawless, \d+ % of the pixels", figure.text)
    assert [name for name, _ in said] == ["healthy", "the bug"]
    assert int(said[1][1]) < 5 and int(said[0][1]) > 15
    alone = cabinet.show_plots(open_case("std"), plots=["loss"])
    assert alone.text == "plots: loss by level." and alone.png != figure.png


@pytest.mark.parametrize("name", ["std", "told-low", "wraps"])
def test_the_oracles_of_the_table_are_what_the_cases_show(name):
    case, row = open_case(name), museum.pair(name)[0]
    assert_close(case.one_sprite(), row["one sprite"], rtol=0.02, atol=0.01)
    assert_close(torch.tensor(case.bell()), torch.tensor(row["bell"]), rtol=0.02, atol=0.01)


def test_the_field_guide_says_what_the_exhibits_show():
    guide = museum.field_guide()
    assert list(guide) == list(museum.SYMPTOMS)
    for symptom, suspects in guide.items():
        for name in EXHIBITS:
            assert (name in suspects) == museum.SYMPTOMS[symptom].shows(*museum.pair(name))
        assert suspects, symptom
    assert {name for suspects in guide.values() for name in suspects} == set(EXHIBITS) 


def test_a_healthy_case_has_no_symptom():
    for row in museum.museum()["healthy"].values():
        assert not [name for name, one in museum.SYMPTOMS.items() if one.shows(row, row)]


# --- patients ------------------------------------------------------------------------------------


def test_a_ward_has_five_patients_one_of_them_healthy():
    for seed in range(20):
        bugs = [patient._bug for patient in patients.Ward(seed)]
        assert len(set(bugs)) == 5 and bugs.count(patients.HEALTHY) == 1
    assert {patient._bug for seed in range(20) for patient in patients.Ward(seed)} == {
        *patients.BUGS, patients.HEALTHY}  # fmt: skip
    first, again = patients.Ward(3), patients.Ward(3)
    assert [p._bug for p in first] == [p._bug for p in again]


@pytest.mark.parametrize("seed", range(3))
def test_the_right_name_is_told_with_evidence_and_every_other_refuted(seed, capsys):
    for patient in patients.Ward(seed):
        before = patient.points
        assert patient.name(None).mistake == "not-done" and patient.points == before
        capsys.readouterr()
        for bug in (*patients.BUGS, patients.HEALTHY):
            result = patient.name(bug)
            assert capsys.readouterr().out == result.message + "\n"
            assert result.passed == (bug == patient._bug)
            if not result.passed:
                assert re.search(r"that one shows \S+, this patient \S+", result.message)
                here, there = re.search(r"shows (\S+), this patient (\S+)", result.message).groups()
                assert here != there
                assert patient._bug == bug or f"is {patient._bug!r}" not in result.message


def test_messages_print_what_was_measured_and_no_offsets():
    evidence = patients.difference(*museum.pair("last-dice"))
    here, there = re.search(r"(\S+) here, (\S+) in its", evidence).groups()
    row, twin = museum.pair("last-dice")
    assert (float(here), float(there)) == (float(f"{row['one sprite']:.3g}"), twin["one sprite"])
    row, twin = museum.pair("train-mode")
    assert f"{row['company']:.3g} here" in patients.difference(row, twin)
    row, twin = museum.pair("uniform-dice")
    for name, (measure, _) in patients.MEASURED.items():
        if "mean of plain noise" in name:
            assert (measure(row), measure(twin)) == (row["bell"][0], twin["bell"][0])
    bare = {"one sprite": 0.0, "bell": [0.0, 1.0]}
    almost = {**row, **bare, "one sprite": 0.02}
    assert "one sprite" not in patients.farthest(almost, {**row, **bare, "lowest": -9})[0]


def test_points_count_for_patients_named_right_and_a_wrong_name_costs_once():
    ward = patients.Ward(9)
    assert ward.points == 0
    patient = ward[0]
    wrong = [bug for bug in patients.BUGS if bug != patient._bug]
    patient.name(wrong[0]), patient.name(wrong[0])
    assert patient.points == patients.POINTS - patients.LOST and ward.points == 0
    patient.name(patient._bug)
    assert ward.points == patient.points == patients.POINTS - patients.LOST
    patient.name(wrong[1]), patient.oracles(), patient.company()
    assert ward.points == patients.POINTS - patients.LOST
    for bug in (*patients.BUGS, patients.HEALTHY):
        if bug != ward[1]._bug:
            ward[1].name(bug)
    assert ward[1].points == 0 and ward.points == patients.POINTS - patients.LOST


def test_a_ward_is_named_whole_and_right_only_if_all_are(capsys):
    ward, nobody = patients.Ward(9), [None] * 5
    assert ward.name(nobody).mistake == "not-done" and ward.points == 0
    assert capsys.readouterr().out.endswith("not done yet: 0 of 5 named right, 0 points\n")
    right = [patient._bug for patient in ward]
    first = ward.name([*right[:4], None])
    assert not first.passed and "4 of 5 named right, 40 points" in first.message
    assert ward.name(right).require().message == "right: 5 of 5 named right, 50 points"
    with pytest.raises(ValueError, match="name: bugs is .*expected a list of 5 names"):
        ward.name("std")


def test_a_look_costs_once():
    patient = patients.Ward(0)[0]
    assert patient.points == patients.POINTS
    patient.company(), patient.company()
    assert patient.points == patients.POINTS - 1 and patient.looks == ["company"]
    patient.oracles()
    assert patient.points == patients.POINTS - 3
    with pytest.raises(ValueError, match="name: bug is 'measles'"):
        patient.name("measles")


def test_paths_of_the_twins_are_in_the_package_data():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert "shipped/museum/*" in text


def test_healthy_of_is_without_the_bug():
    for name in EXHIBITS:
        case = healthy_of(name)
        assert case.lines == EXHIBITS[name].right_lines() or case.guided
        assert (case.loop, case.steps) == (EXHIBITS[name].loop, EXHIBITS[name].steps)
