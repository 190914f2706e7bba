"""Cells out of order, stopped, or run twice: right results, or a sentence that says what to run.

The sentences first, on a lesson of a few lines in a shell of this process; then the real lessons in
real kernels, whose stop button is pressed. DIFFUTILS_SLOW_TESTS=1 does that to all of them.
"""

import os
import shutil
import signal
import sys

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from kernels import NOTEBOOKS, Kernel, code_of
from traitlets.config import Config

from diffutils.interrupts import interrupts_held
from diffutils.stage.order import find_lesson, names_of, watch

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
slow = pytest.mark.skipif(
    "DIFFUTILS_SLOW_TESTS" not in os.environ,
    reason="whole lessons, minutes each; set DIFFUTILS_SLOW_TESTS=1 to run it",
)
FIRST, NUMBERS, SUMS, WORDS, SHOW = CELLS = (
    "import math",
    "numbers = []\nfor k in range(3):\n    numbers.append(k)",
    "total = sum(numbers)",
    "numbers = ['one', 'two']\ndef shout():\n    return len(numbers)",
    "print(shout(), numbers[0])",
)
ALL_ABOVE = " first, or all cells above this one (menu Run > Run All Above Selected Cell)."


# --- the sentence ----------------------------------------------------------------------------


def write_lesson(path, cells):
    """A notebook with a heading above each of these cells."""
    notebook = nbformat.v4.new_notebook()
    for k, cell in enumerate(cells, 1):
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"## Part {k}\n\nA word."))
        notebook.cells.append(nbformat.v4.new_code_cell(cell))
    nbformat.write(notebook, path)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """run(cell) -> what is printed, errors included; the first cell has been run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # IPython warns where another one is active
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell takes its place
    write_lesson(tmp_path / "lesson.ipynb", CELLS)
    quiet = Config({"HistoryManager": {"enabled": False},
                    "InteractiveShell": {"colors": "nocolor"}})  # fmt: skip
    shell = InteractiveShell(config=quiet)
    watch(shell)

    def run(cell):
        shell.run_cell(cell)
        return capsys.readouterr().out

    run(FIRST)
    return run


def test_a_missing_name_is_told_by_the_cell_that_makes_it(run):
    assert run(SUMS).strip() == (
        "NameError: `numbers` is not there yet: run the cell under 'Part 2' that begins with "
        "`numbers = []`" + ALL_ABOVE
    )


@pytest.mark.parametrize("cell, words", [
    ("misspelt", "name 'misspelt' is not defined"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("def f():\n    x += 1\nf()", "UnboundLocalError"),
])  # fmt: skip
def test_any_other_error_is_shown_as_it_is(run, cell, words):
    told = run(cell)
    assert words in told and "Traceback" in told and "run the cell" not in told


def test_what_a_stopped_cell_was_making_is_told_until_it_is_run_again(run):
    stop = "def range(n):\n    raise KeyboardInterrupt"
    run(stop)
    assert "KeyboardInterrupt" in run(NUMBERS)
    assert run(SUMS).strip() == (
        "[order] `numbers` is not what this cell expects: run the cell under 'Part 2' that begins "
        "with `numbers = []`" + ALL_ABOVE
    )
    run("del range")
    assert run(NUMBERS) == run(SUMS) == ""


def test_a_name_of_another_cell_is_told(run):
    assert run(NUMBERS) == run(WORDS) == ""
    assert "`numbers`" in run(SUMS) and "Part 2" in run(SUMS)  # made further down
    assert run(NUMBERS) == ""
    assert "`numbers`" in run(SHOW) and "Part 4" in run(SHOW)  # made further up


def test_from_top_to_bottom_and_again_nothing_is_said(run):
    for cell in CELLS * 2:
        assert run(cell) == ("2 one\n" if cell == SHOW else "")


def test_a_cell_or_a_name_of_the_students_own_is_left_alone(run):
    run("numbers = [5, 6]")
    assert run(SUMS) == "" and run("print(total)") == "11\n"
    assert run("print(len(numbers))") == "2\n"


def test_the_lesson_is_the_one_whose_cells_were_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lesson(tmp_path / "a.ipynb", ["one = 1", "two = 2"])
    write_lesson(tmp_path / "b.ipynb", ["one = 1", "three = 3"])
    (tmp_path / "c.ipynb").write_text("<html>")
    (tmp_path / "d.ipynb").write_text('{"cells": [1]}')
    assert [cell.text for cell in find_lesson({"one = 1", "three = 3"})] == ["one = 1", "three = 3"]
    assert find_lesson({"one = 1"}) == () and find_lesson({"four = 4"}) == ()


def test_the_lesson_is_found_from_a_folder_above_it_below_it_or_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "1f0c-7d")  # no notebook, as of a console
    for inner in ("my_lessons/deeper", "src/a"):
        (tmp_path / inner).mkdir(parents=True)
    write_lesson(tmp_path / "my_lessons" / "lesson.ipynb", CELLS)
    write_lesson(tmp_path / "my_lessons" / "deeper" / "more.ipynb", ["one = 1", "more = 2"])
    for start in (".", "my_lessons", "my_lessons/deeper", "src", "src/a"):
        monkeypatch.chdir(tmp_path / start)
        assert [cell.text for cell in find_lesson({SUMS})] == list(CELLS), start
        assert [cell.text for cell in find_lesson({"more = 2"})] == ["one = 1", "more = 2"], start


def test_of_two_copies_of_a_lesson_the_nearer_is_read(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    write_lesson(tmp_path / "notebooks" / "lesson.ipynb", CELLS)
    write_lesson(tmp_path / "mine.ipynb", [*CELLS, "mine = 1"])
    monkeypatch.chdir(tmp_path)
    assert find_lesson({FIRST, SUMS})[-1].text == "mine = 1"


def test_the_notebook_that_the_editor_names_is_read(tmp_path, monkeypatch):
    """A kernel of VS Code has the path among its names, one of a Jupyter server in a variable."""
    for folder in ("here", "elsewhere"):
        (tmp_path / folder).mkdir()
    for name in ("here/a", "here/b", "elsewhere/c"):
        write_lesson(tmp_path / f"{name}.ipynb", ["one = 1", f"{name[-1]} = 2"])
    monkeypatch.chdir(tmp_path / "here")
    assert find_lesson({"one = 1"}) == ()
    named = str(tmp_path / "elsewhere" / "c.ipynb")
    for names in ({"__vsc_ipynb_file__": named}, {"__session__": named}):
        assert find_lesson({"one = 1"}, names)[1].text == "c = 2"
    monkeypatch.setenv("JPY_SESSION_NAME", named)
    assert find_lesson({"one = 1"})[1].text == "c = 2"
    assert find_lesson({"b = 2"})[1].text == "b = 2"  # the named one is another notebook
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "gone.ipynb"))
    assert find_lesson({"one = 1"}) == ()


@pytest.mark.parametrize("text, made, used", [
    ("import a.b as c, d.e\nfrom f import g", "c d g", ""),
    ("def f(x, y=z):\n    w = x\n    return w + v", "f", "z v"),
    ("for i in a:\n    b = [j for j in i if c]", "i b", "a c"),
    ("x = {i: [k for k in {j for j in a}] for i in b}", "x", "a b"),
    ("with o as p:\n    (q, *r), s.t, u[v] = w", "p q r", "o s u v w"),
    ("class A(B):\n    c = d\n    def e(self):\n        return f", "A", "B d f"),
    ("%matplotlib inline", "", ""),
])  # fmt: skip
def test_what_a_cell_makes_and_uses(text, made, used):
    assert names_of(text) == (set(made.split()), set(used.split()))


@pytest.fixture
def ctrl_c_heard():
    """Ctrl+C raises KeyboardInterrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_until_the_block_is_done(ctrl_c_heard):
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append(True)
        done.append("and no further")
    assert done == [True] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- the lessons -----------------------------------------------------------------------------


def says_what_to_run(done):
    """The cell went wrong and said in a sentence which other cell to run first."""
    alone = done.error.startswith("NameError: `") and "\n" not in done.error
    return (alone or "[order] `" in done.text) and "Run All Above" in done.error + done.text


def stop_everything(kernel, cells, after):
    """Runs all cells, stops those that take longer; returns how many. Cells go on or say why."""
    stopped = 0
    for cell in cells:
        done = kernel.run(cell, after)
        stopped += done.stopped
        assert done.stopped or not done.error or says_what_to_run(done), (cell, done)
    return stopped


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_from_bottom_to_top_each_cell_runs_or_says_what_to_run_first(path):
    setup, imports, *cells = code_of(path)
    with Kernel() as kernel:
        assert not kernel.run(setup).error and not kernel.run(imports).error
        said = 0
        for cell in reversed(cells):
            done = kernel.run(cell)
            assert not done.error or says_what_to_run(done), (cell, done)
            said += bool(done.error)
    assert said > len(cells) / 6  # in lesson 06 many cells stand by themselves


@pytest.mark.parametrize("folder", [".", "a folder/deeper down"])
def test_a_kernel_that_works_elsewhere_says_what_to_run_first_and_where_predictions_are(
    folder, tmp_path
):
    """As VS Code, papermill and a server with another root may start it."""
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    setup, imports, *cells = code_of(LESSONS[0])
    with Kernel(tmp_path / folder) as kernel:
        told = kernel.run(setup).text.splitlines()
        assert len(told) == 2 and str(tmp_path / folder) in told[1] and "predictions" in told[1]
        assert not kernel.run(imports).error
        for cell in cells[-4:]:
            done = kernel.run(cell)
            assert not done.error or says_what_to_run(done), (cell, done)
        assert any(says_what_to_run(kernel.run(cell)) for cell in cells[3:9])
        kernel.run("from diffutils.stage import checks\nchecks.predict('01-x', 'How?', 5)")
        assert "you said 5" in kernel.run("checks.ledger('01')").text
    assert (tmp_path / folder / "predictions.json").exists()


def test_in_the_lessons_folder_nothing_is_said_of_folders(tmp_path):
    shutil.copy(LESSONS[0], tmp_path / "copy.ipynb")
    for folder in (tmp_path, NOTEBOOKS):
        with Kernel(folder) as kernel:
            assert kernel.run(code_of(LESSONS[0])[0]).text.count("[setup]") == 1


def test_lesson_04_goes_on_after_every_press_of_the_stop_button():
    cells = code_of(NOTEBOOKS / "04_training.ipynb")
    start = next(k for k, cell in enumerate(cells) if "run = fit(" in cell) + 1
    live = next(k for k, cell in enumerate(cells) if "picture = display(" in cell)
    assert "play(" in cells[live + 1]
    with Kernel() as kernel:
        for cell in cells[:live]:
            assert not kernel.run(cell).error
        assert not kernel.run(cells[live + 1]).error  # as if stopped before the first was drawn
        assert stop_everything(kernel, cells[start:], after=1) >= 3
        assert not kernel.run("assert draw(run.model).isfinite().all()").error


@slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_goes_on_when_one_of_its_long_cells_was_stopped(path):
    cells = code_of(path)
    with Kernel() as kernel:
        for n, cell in enumerate(cells):
            done = kernel.run(cell, 2 if n else None)
            if done.stopped:
                for later in cells[n + 1 : n + 7]:
                    done = kernel.run(later, 10)
                    assert done.stopped or not done.error or says_what_to_run(done), (later, done)
                done = kernel.run(cell)  # at last, in full
            assert not done.error, (cell, done)


@slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_run_all_twice_gives_the_same_twice(path):
    with Kernel() as kernel:
        first, second = ([kernel.run(cell) for cell in code_of(path)] for _ in range(2))
    for cell, one, other in zip(code_of(path), first, second, strict=True):
        assert not one.error and not other.error and "[order]" not in one.text + other.text, cell
        assert one.text == other.text, cell
