"""Assignments for nbgrader: made of the lessons, marked by their checks, graded for three students.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from diffutils import present
from diffutils.stage import desk, grading

ROOT = Path(__file__).parents[1]
LESSON = "02_noising"


def cells_of(lesson, start):
    return [cell for cell in grading.assignment(lesson).cells if cell.id.startswith(start)]


@pytest.mark.parametrize("lesson", grading.lessons())
def test_every_exercise_of_a_lesson_is_in_its_assignment(lesson):
    told = nbformat.read(desk.edition()[f"{lesson}.ipynb"], as_version=4).cells
    stubs = [cell.source for cell in told if "exercise" in cell.metadata.get("tags", [])]
    checks = [cell.source for cell in cells_of(lesson, "check-")]
    assert len(checks) == len(stubs) >= 3
    assert [grading.key(source) for source in checks] == [grading.key(source) for source in stubs]
    assert all(len(cell.source) > 80 for cell in cells_of(lesson, "text-"))
    assert not any("notes" in cell.metadata.get("tags", [])
                   for cell in grading.assignment(lesson).cells)


@pytest.mark.parametrize("lesson", grading.lessons())
def test_without_the_solution_an_answer_still_parses_and_gives_nothing_away(lesson):
    for cell in cells_of(lesson, "answer-"):
        head, rest = cell.source.split("### BEGIN SOLUTION")
        solution, after = rest.split("### END SOLUTION")
        assert after == "" and solution.strip()
        assert "return" not in head.replace('"""', "")
        indent = " " * (len(head) - len(head.rstrip(" ")))
        ast.parse(head.rstrip(" ") + indent + "...")


@pytest.mark.parametrize("lesson", grading.lessons())
def test_the_solutions_earn_every_point(lesson, capsys):
    """All cells in one scope, as a kernel runs them: `require` raises what is not right."""
    scope = {}
    for cell in grading.assignment(lesson).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), scope)
    assert capsys.readouterr().out.count("right: ") == len(cells_of(lesson, "check-"))


def test_a_course_is_not_written_over(tmp_path):
    assert grading.lay_out(tmp_path / "course") == grading.lessons()
    made = sorted(path.name for path in (tmp_path / "course").rglob("*") if path.is_file())
    assert made == sorted([f"{name}.ipynb" for name in grading.lessons()] + ["nbgrader_config.py"])
    with pytest.raises(FileExistsError, match="nbgrader_config.py is there already"):
        grading.lay_out(tmp_path / "course")


def nbgrader(course, *words):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for alembic
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": path,
                                "JUPYTER_CONFIG_DIR": str(course / "jupyter")}
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "nbgrader", *words], cwd=course,
                          env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def hand_in(course, student, source, change=lambda notebook: notebook):
    """A student's notebook, from the released one or the instructor's."""
    folder = course / "submitted" / student / LESSON
    folder.mkdir(parents=True)
    notebook = nbformat.read(course / source / LESSON / f"{LESSON}.ipynb", as_version=4)
    nbformat.write(change(notebook), folder / f"{LESSON}.ipynb")


def forget_the_root(notebook):
    """A published mistake: the noise by its variance, not its standard deviation."""
    for cell in notebook.cells:
        if "def my_perturb_input" in cell.source:
            cell.source = cell.source.replace("(1 - schedule.alpha_bar[i]).sqrt()",
                                              "(1 - schedule.alpha_bar[i])")  # fmt: skip
    return notebook


def test_nbgrader_grades_right_wrong_and_empty_copies(tmp_path):
    pytest.importorskip("nbgrader")
    course = tmp_path / "course"
    grading.lay_out(course)
    for name in grading.lessons():
        if name != LESSON:
            shutil.rmtree(course / "source" / name)
    nbgrader(course, "generate_assignment", LESSON)
    released = (course / "release" / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
    assert "cumprod" not in released and "SOLUTION" not in released
    hand_in(course, "right", "source")
    hand_in(course, "wrong", "source", forget_the_root)
    hand_in(course, "empty", "release")
    nbgrader(course, "autograde", LESSON)
    nbgrader(course, "export")
    lines = [line.split(",") for line in (course / "grades.csv").read_text().splitlines()]
    student, score = lines[0].index("student_id"), lines[0].index("raw_score")
    assert {line[student]: float(line[score]) for line in lines[1:]} == {
        "right": 4, "wrong": 3, "empty": 0}  # fmt: skip
    told = (course / "autograded" / "wrong" / LESSON / f"{LESSON}.ipynb").read_text("utf-8")
    assert "variance" in told, "the feedback names the mistake"


def test_the_command_says_how_to_go_on(tmp_path, capsys):
    present.main(["--assignments", str(tmp_path / "course")])
    assert "nbgrader generate_assignment 01_intuition" in capsys.readouterr().out
    assert (tmp_path / "course" / "source" / LESSON / f"{LESSON}.ipynb").exists()
