"""The lessons as files: run in order, mostly prose, small, self-contained, and true to their form.

What the cells print is compared by nbval when pytest runs the notebooks themselves.
"""

import builtins
import re
import subprocess
import sys

import build_notebooks
import nbformat
import pytest
from build_notebooks import (
    NOTEBOOKS,
    complaint,
    find_notebooks,
    fingerprint,
    misshapen,
    normal_form,
    run,
)
from cells import shown
from nbconvert.exporters import ScriptExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from diffutils.stage.order import names_of
from diffutils.stage.sections import CUTS, read_notebook

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
TAGS = {"predict", "teach", "figure", "check", "exercise", "notes", "hide-input",
        "nbval-ignore-output"}  # fmt: skip


def read(path):
    return nbformat.read(path, as_version=4)


def code_lines(cell):
    lines = [line.strip() for line in cell.source.split("\n")]
    return [line for line in lines if line and not line.startswith("#")]


def outputs(notebook):
    return [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]


def test_there_are_lessons():
    assert len(LESSONS) >= 5


@every_notebook
def test_outputs_belong_to_the_cells(path):
    assert complaint(path) is None


@every_lesson
def test_a_lesson_keeps_to_its_measure(path):
    cells = shown(path)
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    lines = sum(len(code_lines(cell)) for cell in cells if cell.cell_type == "code")
    assert len(cells) <= 60 and words <= 3000 and lines <= 220


@pytest.mark.parametrize("minutes", CUTS)
@every_lesson
def test_a_cut_fits_its_time_and_uses_no_name_that_it_left_out(path, minutes):
    sections = read_notebook(path).cut(minutes)
    assert sum(section.minutes for section in sections) <= minutes
    made = set(dir(builtins))
    for cell in (cell for section in sections for cell in section.cells):
        if cell.kind == "code":
            makes, uses = names_of(cell.source)
            assert not {name for name in uses - made if not name.startswith("__")}, cell.id
            made |= makes


@every_notebook
def test_nothing_went_wrong_and_nothing_warned(path):
    for output in outputs(read(path)):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"


@every_notebook
def test_outputs_need_no_network_and_hold_no_address(path):
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", str(outputs(read(path))))
    assert not re.search(r"(src|href)=.?.?https?://", text)
    assert not re.search(r"0x[0-9a-f]{6,}", text)


@every_notebook
def test_a_lesson_is_under_700_kb_and_a_deeper_notebook_under_250(path):
    assert path.stat().st_size < (250_000 if path.parent.name == "deeper" else 700_000)


@every_lesson
def test_the_first_cell_sets_up_and_the_second_imports(path):
    first, second, *rest = (c for c in read(path).cells if c.cell_type == "code")
    assert first.source == "from diffutils.stage import lesson\n\ndevice = lesson.setup(seed=0)"
    assert all(re.match(r"(from|import|    |\)|$)", line) for line in second.source.split("\n"))
    for cell in rest:
        assert not re.search(r"^\s*(from \S+ )?import ", cell.source, re.MULTILINE), cell.source


@every_lesson
def test_prose_leads(path):
    cells = shown(path)
    words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
    lines = sum(len(code_lines(c)) for c in cells if c.cell_type == "code")
    assert words / lines >= 12


@every_lesson
def test_cells_are_short_and_a_sentence_stands_between_them(path):
    cells = shown(path)
    for cell, following in zip(cells, cells[1:], strict=False):
        assert not (cell.cell_type == following.cell_type == "code"), following.source
    for cell in cells:
        if cell.cell_type == "code":
            assert len(code_lines(cell)) <= 20, cell.source
            assert set(cell.metadata.get("tags", [])) <= TAGS


@every_lesson
def test_a_lesson_asks_predicts_checks_and_ends_with_its_sources(path):
    tags = [tag for c in shown(path) for tag in c.metadata.get("tags", [])]
    assert tags.count("exercise") >= 3 and tags.count("predict") >= 2 and tags.count("check") >= 3
    prose = "\n".join(c.source for c in shown(path) if c.cell_type == "markdown")
    for part in ("you will", "What to remember", "Sources", "Exercise 3", ".ipynb)"):
        assert part in prose, part
    assert "—" not in prose.replace(" — ", "") and "!" not in re.sub(r"!\[|!=", "", prose)


@every_notebook
def test_links_lead_somewhere(path):
    prose = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#\s]+)\)", prose):
        thread = re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", target)
        if not (thread or target.startswith("https://arxiv.org/")):
            assert (path.parent / target).exists(), target


@every_lesson
def test_every_lesson_has_its_solutions(path):
    solutions = path.parent / "solutions" / path.name
    solved = re.findall(r"checks\.(\w+)\(", solutions.read_text(encoding="utf-8"))
    exercises = [c for c in read(path).cells if "exercise" in c.metadata.get("tags", [])]
    for cell in exercises:
        for check in re.findall(r"checks\.(\w+)\(", cell.source):
            assert check in solved, check


def test_a_notebook_that_was_edited_and_not_run_is_found(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("1 + 1")])
    notebook.cells[0].execution_count = 1
    path = tmp_path / "lesson.ipynb"
    path.write_text(normal_form(notebook), encoding="utf-8")
    assert complaint(path) is None
    path.write_text(path.read_text().replace("1 + 1", "1 + 2"), encoding="utf-8")
    assert complaint(path) == "was edited and not run since"


def test_what_was_printed_in_pieces_is_kept_as_one():
    pieces = [new_output("stream", name="stdout", text=text) for text in "abcd"]
    pieces.insert(2, new_output("display_data", {"text/plain": "a picture"}))
    cell = new_code_cell("look()", outputs=pieces)
    form = normal_form(new_notebook(cells=[cell]))
    outputs = nbformat.reads(form, as_version=4).cells[0].outputs
    assert [o.get("text") for o in outputs] == ["ab", None, "cd"]


def test_the_normal_form_of_a_normal_form_is_itself():
    notebook = new_notebook(cells=[new_markdown_cell("one", id="x")])
    text = normal_form(notebook)
    again = nbformat.reads(text, as_version=4)
    assert normal_form(again) == text and again.metadata.fingerprint == fingerprint(again)


def cell_ids(notebook):
    return [cell.id for cell in notebook.cells]


def test_a_cell_keeps_its_id_when_others_are_put_before_it_or_taken_away():
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in "abcd"])
    normal_form(notebook)
    assert cell_ids(notebook) == ["cell-01", "cell-02", "cell-03", "cell-04"]
    notebook.cells.insert(1, new_code_cell("new"))
    del notebook.cells[3]
    normal_form(notebook)
    assert cell_ids(notebook) == ["cell-01", "cell-05", "cell-02", "cell-04"]


def test_speaker_notes_keep_the_id_of_their_section():
    cells = [new_markdown_cell("## One", id="cell-05"), new_markdown_cell("new")]
    notes = new_markdown_cell("Say.", id="notes-cell-05", metadata={"tags": ["notes"]})
    notebook = new_notebook(cells=[cells[0], notes, cells[1]])
    normal_form(notebook)
    assert cell_ids(notebook) == ["cell-05", "notes-cell-05", "cell-06"]


def test_a_copied_cell_gets_an_id_of_its_own_and_none_is_random():
    notebook = new_notebook(cells=[new_code_cell(str(k)) for k in range(120)])
    notebook.cells[0].id = notebook.cells[1].id = "cell-07"
    notebook.cells[2].id = "3f1c0a52-93a4-4a8e-b3a5-0d2f6a8b1c11"  # as JupyterLab makes them
    normal_form(notebook)
    assert cell_ids(notebook)[:3] == ["cell-07", "cell-08", "cell-09"]
    assert len(set(cell_ids(notebook))) == 120 and cell_ids(notebook)[-1] == "cell-126"
    again = cell_ids(notebook)
    normal_form(notebook)
    assert cell_ids(notebook) == again


def test_a_notebook_older_than_ids_gets_them():
    old = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "one"}],
           "metadata": {}, "nbformat": 4, "nbformat_minor": 2}  # fmt: skip
    form = nbformat.reads(normal_form(nbformat.from_dict(old)), as_version=4)
    assert cell_ids(form) == ["cell-01"] and form.nbformat_minor == 5


def test_what_the_course_reads_of_a_cells_metadata_is_kept_and_nothing_else():
    said = {"lesson": {"minutes": 4, "in": ["20", "45", "90"]}, "tags": ["figure"],
            "jupyter": {"source_hidden": True}}  # fmt: skip
    odd = {"execution": {"iopub.status.busy": "2026"}, "collapsed": True, "scrolled": False,
           "jupyter": {"source_hidden": True, "outputs_hidden": True}}  # fmt: skip
    plain = {"tags": [], "jupyter": {"source_hidden": False}, "editable": True}
    cells = [new_code_cell("1", metadata=data) for data in (said, said | odd, plain)]
    notebook = new_notebook(cells=cells)
    normal_form(notebook)
    assert [cell.metadata for cell in notebook.cells] == [said, said, {}]


@pytest.mark.parametrize("metadata, words", [
    ({"lesson": {"minutes": "4", "in": ["45"]}}, "minutes is '4'"),
    ({"lesson": {"minutes": True, "in": ["45"]}}, "minutes is True"),
    ({"lesson": {"minutes": 0, "in": ["45"]}}, "minutes is 0"),
    ({"lesson": {"minutes": 2.5, "in": ["45"]}}, "minutes is 2.5"),
    ({"lesson": {"minutes": 4}}, "expected 'minutes' and 'in'"),
    ({"lesson": 4}, "expected 'minutes' and 'in'"),
    ({"lesson": {"minutes": 4, "in": ["45"], "at": 1}}, "expected 'minutes' and 'in'"),
    ({"lesson": {"minutes": 4, "in": []}}, r"in is \[\]"),
    ({"lesson": {"minutes": 4, "in": "45"}}, "in is '45'"),
    ({"lesson": {"minutes": 4, "in": [45]}}, r"in is \[45\]"),
    ({"lesson": {"minutes": 4, "in": ["90", "45"]}}, "in this order"),
    ({"lesson": {"minutes": 4, "in": ["45", "60"]}}, "some of"),
    ({"jupyter": {"source_hidden": "yes"}}, "source_hidden is 'yes'"),
])  # fmt: skip
def test_metadata_of_another_form_is_told_with_its_cell(metadata, words, tmp_path):
    cells = [new_markdown_cell("# One"), new_markdown_cell("## Two\nwords", metadata=metadata)]
    notebook = new_notebook(cells=cells)
    assert re.search(words, misshapen(notebook)) and "cell 2 ('## Two')" in misshapen(notebook)
    path = tmp_path / "lesson.ipynb"
    nbformat.write(notebook, path)
    assert complaint(path) == misshapen(read(path))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of notebooks in place of ours: 01, its deeper one and its solutions, not run."""
    for folder in ("", "deeper", "solutions"):
        (tmp_path / folder).mkdir(exist_ok=True)
        cells = [new_markdown_cell("# One"), new_code_cell("print(6 * 7)")]
        nbformat.write(new_notebook(cells=cells), tmp_path / folder / "01_one.ipynb")
    monkeypatch.setattr(build_notebooks, "NOTEBOOKS", tmp_path)
    return tmp_path


def build(monkeypatch, *arguments):
    """The exit status of the command line."""
    monkeypatch.setattr(sys, "argv", ["build_notebooks.py", *arguments])
    with pytest.raises(SystemExit) as end:
        build_notebooks.main()
    return end.value.code


def test_the_deeper_notebooks_are_built_with_the_lessons(shelf):
    found = [str(path.relative_to(shelf).parent) for path in find_notebooks(["01"])]
    assert found == [".", "deeper", "solutions"]


def test_building_twice_changes_no_byte_and_the_check_tells_what_is_stale(
    shelf, monkeypatch, capsys
):
    assert build(monkeypatch, "--check") == 1
    assert capsys.readouterr().out.count("was edited and not run since") == 3
    assert build(monkeypatch) == 0
    first = [path.read_bytes() for path in find_notebooks()]
    assert build(monkeypatch) == 0 == build(monkeypatch, "--check")
    assert [path.read_bytes() for path in find_notebooks()] == first
    assert b"42" in first[1]


def test_a_notebook_whose_metadata_is_wrong_is_not_run(shelf, monkeypatch):
    path = shelf / "deeper" / "01_one.ipynb"
    notebook = read(path)
    notebook.cells[0].metadata["lesson"] = {"minutes": 4}
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert re.search(r"deeper.01_one\.ipynb: .*expected 'minutes'", build(monkeypatch))
    assert path.read_bytes() == before


def test_a_notebook_exported_to_a_script_is_python_that_runs(shelf):
    path = shelf / "01_one.ipynb"
    run(path)
    text, resources = ScriptExporter().from_filename(str(path))
    assert resources["output_extension"] == ".py" and "# # One" in text
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.stdout == "42\n" and done.returncode == 0
