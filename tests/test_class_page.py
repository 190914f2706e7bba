"""A class's ledgers on one page: what is read, how it is counted, what is not told."""

import json
import re

import pytest

from diffutils import present
from diffutils.stage import class_page, desk
from diffutils.stage.checks import predictions
from diffutils.stage.class_page import histogram, read_ledgers


def entry(guess, truth=5, within=0.1, question="The std of both?"):
    return {"question": question, "guess": guess, "truth": truth, "within": within}


def hand_in(folder, **ledgers):
    for name, ledger in ledgers.items():
        desk.write(folder / name / "predictions.json", json.dumps(ledger).encode())


def test_ledgers_are_found_in_folders_and_under_names(tmp_path):
    hand_in(tmp_path, mia={"02-x": entry(7)}, ben={"02-x": entry(5)})
    (tmp_path / "ada.json").write_text(json.dumps({"02-x": entry(25)}))
    (tmp_path / "torn.json").write_text("{")
    (tmp_path / "other.json").write_text('{"02-x": {"answer": 1}}')
    ledgers, refused = read_ledgers(tmp_path)
    assert {name: led["02-x"]["guess"] for name, led in ledgers.items()} == {
        "ada": 25, "ben": 5, "mia": 7}  # fmt: skip
    assert [re.search(r"(\w+)\.json: left out, it (.*)", line).groups() for line in refused] == [
        ("other", "is no ledger of predictions"), ("torn", "cannot be read as JSON")]


@pytest.mark.parametrize("change", [
    {"guess": None}, {"guess": float("nan")}, {"truth": float("inf")}, {"within": "0.1"},
])
def test_an_entry_that_cannot_be_graded_is_no_ledger(tmp_path, change):
    hand_in(tmp_path, mia={"02-x": entry(7)}, ben={"02-x": entry(7) | change})
    ledgers, (refused,) = read_ledgers(tmp_path)
    assert list(ledgers) == ["mia"] and "it is no ledger of predictions" in refused


def test_a_folder_without_ledgers_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        read_ledgers(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no ledger"):
        read_ledgers(tmp_path)


def test_a_ledger_as_the_lessons_write_it_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predictions, "predicted", set())
    predictions.predict("02-x", "The std of both?", 7)
    predictions.reveal("02-x", 5, within=0.1)
    predictions.predict("02-x", "The std of both?", 5)  # a second try does not count
    (ledger,) = read_ledgers(tmp_path)[0].values()
    assert histogram([ledger["02-x"]]) == [("7", {"miss": 1})]


def test_few_different_numbers_have_a_bar_each_in_their_order_and_words_come_last():
    said = [25, 5, 7, 5, "no idea", 5.05, 5.2]
    assert histogram([entry(guess) for guess in said]) == [
        ("5", {"hit": 2}), ("5.05", {"hit": 1}), ("5.2", {"close": 1}), ("7", {"miss": 1}),
        ("25", {"miss": 1}), ("no idea", {"miss": 1})]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ([k / 20 for k in range(21)], ["0 to 0.15", "0.15 to 0.3"]),
        ([2.0**k for k in range(-9, 20)], ["below 0.01", "0.01 to 0.1", "0.1 to 1"]),
    ],
)
def test_many_different_numbers_go_into_bins_with_round_edges_and_none_is_lost(said, labels):
    found = histogram([entry(guess) for guess in said])
    assert [label for label, _ in found][: len(labels)] == labels
    assert len(found) <= class_page.MOST_BARS
    assert sum(sum(counts.values()) for _, counts in found) == len(said)


def test_a_bin_that_nobody_chose_is_shown_empty():
    found = histogram([entry(guess) for guess in [*range(10), *range(90, 100)]])
    assert ({}, "45 to 60") in [(counts, label) for label, counts in found]


def test_the_page_counts_and_names_the_idea_that_was_misjudged_most():
    ledgers = {f"s{k}": {"02-easy": entry(5, question="Easy?"),
                         "02-hard": entry(5 if k == 0 else 7, question="Hard <b>?"),
                         "02-rare": entry(7, question="Rare?")} for k in range(4)}
    for k in (1, 2, 3):
        del ledgers[f"s{k}"]["02-rare"]  # one wrong answer of one says little
    page = class_page.class_page(ledgers)
    assert "4 students, 3 predictions, 9 answers" in page
    assert "<b>Misjudged most</b>: Hard &lt;b&gt;? 1 of 4 were right." in page
    assert "4 answers: 1 hit, 3 miss." in page and "4 answers: 4 hit." in page


def test_nobody_is_named_unless_asked():
    ledgers = {"mia": {"02-x": entry(5)}, "ben": {"02-x": entry(7)}}
    page = class_page.class_page(ledgers)
    assert "mia" not in page and "ben" not in page
    assert re.search(r"ben</td><td>0 of 1 points .*mia</td><td>1 of 1 points",
                     class_page.class_page(ledgers, names=True))


def test_what_was_not_revealed_is_neither_right_nor_wrong():
    page = class_page.class_page({"a": {"05-x": {"guess": 3}}, "b": {"05-x": {"guess": "much"}}})
    assert "2 answers: 2 not revealed." in page
    assert "Misjudged" not in page and "Measured" not in page


def test_the_command_writes_a_page_and_says_which_files_were_left_out(
    tmp_path, monkeypatch, capsys
):
    hand_in(tmp_path / "in", mia={"02-x": entry(7)})
    (tmp_path / "in" / "torn.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    present.main(["--ledgers", "in"])
    assert "torn.json: left out" in capsys.readouterr().out
    assert "mia" not in (tmp_path / "class.html").read_text("utf-8")
    present.main(["--ledgers", "in", "--names"])  # over its own page
    assert "mia" in (tmp_path / "class.html").read_text("utf-8")
