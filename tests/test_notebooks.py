"""The lessons as files: run in order, mostly prose, small, self-contained, and true to their form.

What the cells print is compared by nbval when pytest runs the notebooks themselves.
"""

import re

import nbformat
import pytest
from build_notebooks import NOTEBOOKS, complaint, find_notebooks, fingerprint, normal_form

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
TAGS = {"predict", "teach", "figure", "check", "exercise", "hide-input", "nbval-ignore-output"}


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
def test_a_notebook_is_under_500_kb(path):
    assert path.stat().st_size < 500_000


@every_lesson
def test_the_first_cell_sets_up_and_the_second_imports(path):
    first, second, *rest = (c for c in read(path).cells if c.cell_type == "code")
    assert first.source == "from diffutils.stage import lesson\n\ndevice = lesson.setup(seed=0)"
    assert all(re.match(r"(from|import|    |\)|$)", line) for line in second.source.split("\n"))
    for cell in rest:
        assert not re.search(r"^\s*(from \S+ )?import ", cell.source, re.MULTILINE), cell.source


@every_lesson
def test_prose_leads(path):
    cells = read(path).cells
    words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
    lines = sum(len(code_lines(c)) for c in cells if c.cell_type == "code")
    assert words / lines >= 12


@every_lesson
def test_cells_are_short_and_a_sentence_stands_between_them(path):
    cells = read(path).cells
    for cell, following in zip(cells, cells[1:], strict=False):
        assert not (cell.cell_type == following.cell_type == "code"), following.source
    for cell in cells:
        if cell.cell_type == "code":
            assert len(code_lines(cell)) <= 20, cell.source
            assert set(cell.metadata.get("tags", [])) <= TAGS


@every_lesson
def test_a_lesson_asks_predicts_checks_and_ends_with_its_sources(path):
    notebook = read(path)
    tags = [tag for c in notebook.cells for tag in c.metadata.get("tags", [])]
    assert tags.count("exercise") >= 3 and tags.count("predict") >= 2 and tags.count("check") >= 3
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for part in ("you will", "What to remember", "Sources", "Exercise 3", ".ipynb)"):
        assert part in prose, part
    assert "—" not in prose.replace(" — ", "") and "!" not in re.sub(r"!\[|!=", "", prose)


@every_lesson
def test_links_lead_somewhere(path):
    prose = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#\s]+)\)", prose):
        if not target.startswith("https://arxiv.org/"):
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
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    notebook.cells[0].execution_count = 1
    path = tmp_path / "lesson.ipynb"
    path.write_text(normal_form(notebook), encoding="utf-8")
    assert complaint(path) is None
    path.write_text(path.read_text().replace("1 + 1", "1 + 2"), encoding="utf-8")
    assert complaint(path) == "was edited and not run since"


def test_what_was_printed_in_pieces_is_kept_as_one():
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in "abcd"]
    pieces.insert(2, nbformat.v4.new_output("display_data", {"text/plain": "a picture"}))
    cell = nbformat.v4.new_code_cell("look()", outputs=pieces)
    form = normal_form(nbformat.v4.new_notebook(cells=[cell]))
    outputs = nbformat.reads(form, as_version=4).cells[0].outputs
    assert [o.get("text") for o in outputs] == ["ab", None, "cd"]


def test_the_normal_form_of_a_normal_form_is_itself():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("one", id="x")])
    text = normal_form(notebook)
    again = nbformat.reads(text, as_version=4)
    assert normal_form(again) == text and again.metadata.fingerprint == fingerprint(again)
