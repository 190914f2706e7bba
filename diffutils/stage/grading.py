"""The exercises of the lessons as assignments of nbgrader, marked by the lessons' own checks.

    lay_out("course")     # then: cd course && nbgrader generate_assignment 02_noising

nbgrader is a package of its own (`pip install nbgrader`), and nothing here imports it: what is made
is a folder as it expects one. An assignment holds each exercise of a lesson with its text, a cell
for the answer, which in the instructor's version has the solution between nbgrader's marks, and a
locked cell with the check, worth one point. Its feedback is the sentence that a student of the
lesson reads. The exercises of the deeper notebooks are not in it.
"""

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from diffutils.stage import desk
from diffutils.stage.sections import find_lessons, read_lesson

CONFIG = '''\
c = get_config()
c.CourseDirectory.course_id = "diffutils"
c.ClearSolutions.code_stub = {"python": "...  # your answer"}
c.ExecutePreprocessor.timeout = 120
'''
INTRODUCTION = """\
# {title}

The exercises of this lesson. Put your answer where the dots are; the cell below it tells you what \
is wrong, as in the lesson. Each exercise is worth one point. Run all cells once more before you \
hand in."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: its text, the cell for the answer with its marks, the cell with the check."""

    text: str
    answer: str
    check: str


def lay_out(folder):
    """Makes nbgrader's course folder with an assignment for each lesson; returns their names.

    FileExistsError where one of its files is there already: nothing is then written.
    """
    folder = Path(folder)
    made = {folder / "source" / name / f"{name}.ipynb": assignment(name) for name in lessons()}
    config = folder / "nbgrader_config.py"
    for path in (config, *made):
        if path.exists():
            raise FileExistsError(f"{path} is there already; choose a new folder")
    for path, notebook in made.items():
        text = nbformat.writes(notebook, version=4)
        desk.write(path, text.encode())
    desk.write(config, CONFIG.encode())
    return lessons()


def lessons():
    """The names of the lessons: "01_intuition", ..."""
    return [path.stem for path in find_lessons().values()]


def assignment(lesson):
    """The instructor's version of a lesson's exercises, a notebook."""
    told, solved = (nbformat.read(desk.edition()[f"{folder}{lesson}.ipynb"], as_version=4).cells
                    for folder in ("", "solutions/"))
    title = INTRODUCTION.format(title=read_lesson(lesson).title)
    cells = [new_markdown_cell(title, id="introduction")]
    cells += [new_code_cell(imports(solved), id="imports")]
    cells += [new_code_cell(c.source, id=c.id) for c in solved if "setup" in tags(c)]
    for k, exercise in enumerate(exercises(told, solved), 1):
        cells += [new_markdown_cell(exercise.text, id=f"text-{k}"),
                  marked(f"answer-{k}", exercise.answer, solution=True),
                  marked(f"check-{k}", exercise.check, grade=True, locked=True, points=1)]
    return new_notebook(cells=cells, metadata={"kernelspec": {
        "name": "python3", "display_name": "Python 3", "language": "python"}})


def marked(name, source, *, solution=False, grade=False, locked=False, **points):
    """A code cell with nbgrader's metadata."""
    marks = {"schema_version": 3, "grade_id": name, "solution": solution, "grade": grade,
             "locked": locked, "task": False, "cell_type": "code", **points}
    return new_code_cell(source, id=name, metadata={"nbgrader": marks})


def imports(solved):
    """The imports of a solutions notebook, one cell."""
    parts = [part for cell in solved if cell.cell_type == "code"
             for part in ast.parse(cell.source).body]
    lines = [ast.unparse(part) for part in parts if isinstance(part, ast.Import | ast.ImportFrom)]
    return "\n".join(dict.fromkeys(lines))


def is_solution(cell):
    return cell.cell_type == "code" and ".require()" in cell.source


def exercises(told, solved):
    """The exercises of a lesson, in its order, from its cells and those of its solutions."""
    answers = {key(cell.source): cell.source for cell in solved if is_solution(cell)}
    found = []
    for k, cell in enumerate(told):
        if "exercise" in tags(cell):
            found.append(Exercise(text_before(told, k), *split(cell.source, answers)))
    return found


def tags(cell):
    return set(cell.metadata.get("tags", []))


def text_before(cells, k):
    """The Markdown right before cell k."""
    texts = []
    while k > 0 and cells[k - 1].cell_type == "markdown":
        k -= 1
        if "notes" not in tags(cells[k]):
            texts.insert(0, cells[k].source)
    return "\n\n".join(texts)


def key(source):
    """What tells an exercise: the check's name, the question's and what else the check is told."""
    call = check_call(source)
    told = [*call.args[:-1], *(keyword.value for keyword in call.keywords)]
    said = [part.value for part in told if isinstance(part, ast.Constant)]
    return ast.unparse(call.func), *filter(None, said)


def check_call(source):
    """The call of the check, the last one with `.require()`, or the last statement."""
    calls = [part.value for part in ast.parse(source).body if isinstance(part, ast.Expr)]
    required = [call.func.value for call in calls if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute) and call.func.attr == "require"]
    return (required or calls)[-1]


def split(stub, answers):
    """(the cell for the answer, with the solution between marks; the cell with the check)."""
    call, solution = check_call(stub), answers[key(stub)]
    functions = [part for part in ast.parse(solution).body if isinstance(part, ast.FunctionDef)]
    if functions:
        answer = function_to_fill(solution, functions[-1])
    else:
        call.args = [ast.Name("answer") if is_blank(arg) else arg for arg in call.args]
        answer = values_to_fill(stub, call.args, solution)
    return answer, f"{ast.unparse(call)}.require()"


def is_blank(value):
    return isinstance(value, ast.Constant) and value.value is None


def function_to_fill(source, function):
    """A function whose body after the docstring is the solution."""
    lines = source.splitlines()
    first = function.body[ast.get_docstring(function) is not None].lineno - 1
    head = lines[function.lineno - 1 : first]
    return "\n".join([*head, *in_marks(lines[first : function.end_lineno], "    ")])


def values_to_fill(stub, names, source):
    """The lesson's blanks, and between marks what the solution reckons and puts into them."""
    call = check_call(source)
    blanks = stub.splitlines()[: check_call(stub).lineno - 1] or ["answer = None"]
    filled = [f"{ast.unparse(name)} = {ast.unparse(value)}"
              for name, value in zip(names, call.args, strict=True)
              if isinstance(name, ast.Name) and ast.unparse(name) != ast.unparse(value)]
    lines = [*source.splitlines()[: call.lineno - 1], *filled]
    return "\n".join([*filter(None, blanks), *in_marks(lines, "")])


def in_marks(lines, indent):
    return textwrap.indent("\n".join(["### BEGIN SOLUTION", *textwrap.dedent(
        "\n".join(lines)).splitlines(), "### END SOLUTION"]), indent).splitlines()
