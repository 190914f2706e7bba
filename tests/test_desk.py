"""The student's copies: made, kept, brought up to date, and never written over once edited."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from diffutils import __main__ as door
from diffutils.stage import desk

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"""\]\(([^)#\s]+)[^)]*\)|(?:src|href)=["']([^"'#]+)""")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package of its own whose lessons a test may rewrite: shop(text, ...) makes an edition."""
    package = tmp_path / "installed" / "diffutils"
    for inner in ("notebooks/solutions", "notebooks/deeper", "diagrams"):
        (package / inner).mkdir(parents=True)
    monkeypatch.setattr(desk, "PACKAGE", package)

    def edition(**texts):
        for name, text in ({"n01_one": "first", "n02_two": "second"} | texts).items():
            code = new_code_cell(f"print({text!r})", execution_count=1)
            code.outputs = [new_output("stream", text=f"{text}\n")]
            code.metadata = {"tags": ["check"], "jupyter": {"source_hidden": True}}
            notes = new_markdown_cell("Ask the class.", metadata={"tags": ["notes"]})
            picture = new_markdown_cell("![a dot](../diagrams/dot.png)")
            notebook = new_notebook(cells=[picture, code, notes])
            nbformat.write(notebook, package / "notebooks" / f"{name[1:]}.ipynb")
        cell = new_markdown_cell("[back](../01_one.ipynb) ![a dot](../../diagrams/dot.png)")
        nbformat.write(new_notebook(cells=[cell]), package / "notebooks/solutions/01_one.ipynb")
        (package / "diagrams" / "dot.png").write_bytes(b"a dot")

    edition()
    return edition


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "home" / "my_lessons"


def edit(path, old, new):
    """As an editor saves it: indented otherwise, sources as lists, outputs, an empty cell."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [new_output("stream", text="ran\n")], 7
            cell.metadata["execution"] = {"iopub.execute_input": "2026"}
    notebook.cells.append(new_code_cell(""))
    nbformat.write(notebook, path)


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


# --- copies ----------------------------------------------------------------------------------


def test_copies_are_made_without_outputs_and_notes(shop, mine):
    report = desk.lay_out(mine)
    assert report.made == ["01_one.ipynb", "02_two.ipynb", "solutions/01_one.ipynb"]
    assert not report.renewed and not report.behind and report.kept == 0
    copy = nbformat.read(mine / "01_one.ipynb", as_version=4)
    nbformat.validate(copy)
    picture, code = copy.cells
    assert picture.source == "![a dot](diagrams/dot.png)"
    assert code.source == "print('first')" and code.outputs == [] and code.execution_count is None
    assert code.metadata == {"tags": ["check"], "jupyter": {"source_hidden": True}}
    assert sources(mine / "solutions" / "01_one.ipynb") == [
        "[back](../01_one.ipynb) ![a dot](../diagrams/dot.png)"
    ]
    assert (mine / "diagrams" / "dot.png").read_bytes() == b"a dot"


def test_a_second_time_nothing_is_written(shop, mine):
    desk.lay_out(mine)
    edit(mine / "02_two.ipynb", "second", "my second")
    before, times = tree(mine), [path.stat().st_mtime_ns for path in sorted(mine.rglob("*"))]
    report = desk.lay_out(mine)
    assert report == desk.Report(kept=3)
    assert tree(mine) == before
    assert [path.stat().st_mtime_ns for path in sorted(mine.rglob("*"))] == times


def test_a_new_edition_takes_the_place_of_a_copy_that_was_only_run(shop, mine):
    desk.lay_out(mine)
    edit(mine / "01_one.ipynb", "nothing", "else")
    shop(n01_one="first, better")
    report = desk.lay_out(mine)
    assert (report.made, report.renewed, report.behind) == ([], ["01_one.ipynb"], {})
    assert sources(mine / "01_one.ipynb")[1] == "print('first, better')"
    assert desk.lay_out(mine) == desk.Report(kept=3)


def test_a_new_edition_comes_beside_a_copy_that_was_edited(shop, mine):
    desk.lay_out(mine)
    edit(mine / "01_one.ipynb", "first", "mine")
    kept = (mine / "01_one.ipynb").read_bytes()
    shop(n01_one="first, better")
    report = desk.lay_out(mine)
    why = "you have edited it, and it is of an earlier edition"
    assert report.made == ["01_one_2.ipynb"]
    assert report.behind == {"01_one.ipynb": (why, "01_one_2.ipynb")}
    assert (mine / "01_one.ipynb").read_bytes() == kept
    assert sources(mine / "01_one_2.ipynb")[1] == "print('first, better')"

    again = desk.lay_out(mine)  # nothing is made, and it is still said
    assert again.made == [] and again.behind == report.behind and again.kept == 3

    shop(n01_one="best")  # the second one was not edited
    assert desk.lay_out(mine).renewed == ["01_one_2.ipynb"]
    edit(mine / "01_one_2.ipynb", "best", "mine again")
    shop(n01_one="best of all")
    assert desk.lay_out(mine).made == ["01_one_3.ipynb"]
    assert (mine / "01_one.ipynb").read_bytes() == kept
    assert sorted(desk.lay_out(mine).behind) == ["01_one.ipynb", "01_one_2.ipynb"]


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_text("half a notebook {"),
    lambda path: path.write_text("[" * 100_000),
    lambda path: path.write_text("[]"),
    lambda path: path.write_bytes(b"\xff\xfe"),
    lambda path: path.write_text('{"cells": [], "metadata": {}}'),
    lambda path: path.write_text('{"cells": [1], "metadata": {"diffutils": {"edition": "a"}}}'),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: (path.unlink(), path.symlink_to("nowhere")),
])  # fmt: skip
def test_what_is_no_copy_made_here_is_left_alone(shop, mine, spoil):
    desk.lay_out(mine)
    path = mine / "01_one.ipynb"
    spoil(path)
    before = path.read_bytes() if path.is_file() else os.path.lexists(path)
    report = desk.lay_out(mine)
    assert report.made == ["01_one_2.ipynb"]
    assert report.behind == {"01_one.ipynb": ("not made here", "01_one_2.ipynb")}
    assert (path.read_bytes() if path.is_file() else os.path.lexists(path)) == before


def test_a_copy_that_was_deleted_is_made_again(shop, mine):
    desk.lay_out(mine)
    (mine / "01_one.ipynb").unlink()
    assert desk.lay_out(mine).made == ["01_one.ipynb"]


def test_a_disk_that_fills_up_leaves_what_was_there(shop, mine, monkeypatch):
    desk.lay_out(mine)
    before = tree(mine)
    shop(n01_one="first, better")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        desk.lay_out(mine)
    assert tree(mine) == before


def test_every_link_of_the_real_copies_leads_somewhere(tmp_path):
    desk.lay_out(tmp_path)
    copies = [path for path in tmp_path.rglob("*.ipynb")]
    assert len(copies) == len(desk.edition()) >= 10
    pictures = 0
    for path in copies:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        for target in filter(None, (a or b for a, b in LINK.findall(text))):
            if not target.startswith("https://"):
                assert (path.parent / target).resolve().is_relative_to(tmp_path), target
                assert (path.parent / target).exists(), (path.name, target)
                pictures += target.endswith(".png")
    assert pictures >= 5


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def home(shop, mine, monkeypatch):
    mine.parent.mkdir()
    monkeypatch.chdir(mine.parent)
    return mine.parent


def test_the_command_makes_the_copies_and_says_what_it_did(home, mine, shop, capsys):
    door.main(["--no-open"])
    assert capsys.readouterr().out == (
        "my_lessons/: 3 notebooks made, without outputs: they are yours.\n"
    )
    edit(mine / "01_one.ipynb", "first", "mine")
    shop(n01_one="better", n02_two="better")
    door.main(["--no-open"])
    assert capsys.readouterr().out == (
        "my_lessons/: 1 notebook made, without outputs: they are yours.\n"
        "my_lessons/: 1 notebook you had not edited brought up to date: 02_two.ipynb.\n"
        "01_one.ipynb: left as it is (you have edited it, and it is of an earlier edition); "
        "the new one is 01_one_2.ipynb.\n"
    )
    door.main(["--no-open"])
    assert capsys.readouterr().out.startswith("my_lessons/: all 3 notebooks are there, and left")


def test_from_within_my_lessons_it_makes_no_second_folder(home, mine, monkeypatch):
    door.main(["--no-open"])
    monkeypatch.chdir(mine)
    door.main(["--no-open"])
    assert not (mine / "my_lessons").exists()


def ends(capsys, *arguments):
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as end:
        door.main(list(arguments))
    line = capsys.readouterr().err
    assert end.value.code == 2 and line.count("\n") == 1 and "Traceback" not in line
    return line


def test_a_folder_that_cannot_be_made_is_told_in_a_line(home, mine, capsys):
    mine.write_text("a file")
    assert "my_lessons/ cannot be made here: File exists" in ends(capsys, "--no-open")
    mine.unlink()
    home.rmdir()
    assert "my_lessons/ cannot be made here: No such file" in ends(capsys, "--no-open")


def test_an_installation_without_lessons_is_told_in_a_line(home, capsys):
    shutil.rmtree(desk.PACKAGE / "notebooks")
    assert "holds no notebooks; install it again" in ends(capsys, "--no-open")


def test_without_jupyterlab_the_copies_are_made_and_a_line_says_so(home, mine, capsys, monkeypatch):
    monkeypatch.setattr(door.importlib.util, "find_spec", lambda name: None)
    assert "jupyterlab is not installed: pip install jupyterlab" in ends(capsys)
    assert (mine / "01_one.ipynb").exists()


def test_jupyterlab_is_started_in_the_copies_on_the_first_lesson(home, mine, monkeypatch):
    from jupyterlab.labapp import LabApp

    started = []
    monkeypatch.setattr(LabApp, "launch_instance", started.append)
    monkeypatch.setattr(sys, "argv", [])
    door.main([])
    door.main(["--port", "9123", "--no-browser", "--", "--ServerApp.ip=0.0.0.0"])
    first = [f"--ServerApp.root_dir={mine}", "--LabApp.default_url=/lab/tree/01_one.ipynb"]
    more = ["--ServerApp.port=9123", "--no-browser", "--ServerApp.ip=0.0.0.0"]
    assert started == [first, first + more]


# --- the wheel -------------------------------------------------------------------------------


def test_pyproject_lists_every_package_of_the_code():
    listed = re.search(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    code = {".".join(path.parent.relative_to(ROOT).parts)
            for path in (ROOT / "diffutils").rglob("*.py")}  # fmt: skip
    data = {"diffutils.notebooks", "diffutils.diagrams"}
    assert set(re.findall(r'"(.+?)"', listed[1])) == code | data


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel and an sdist of this checkout, built in a copy of it without a network."""
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source")
    for name in ("diffutils", "notebooks", "diagrams"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "notebooks" / "predictions.json").write_text("{}")  # not for others
    (source / "notebooks" / ".01_intuition_dev.ipynb").write_text("{}")
    place = tmp_path_factory.mktemp("built")
    for kind in ("wheel", "sdist"):
        build = f"from setuptools import build_meta as b; b.build_{kind}({str(place)!r})"
        done = subprocess.run([sys.executable, "-c", build], cwd=source,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    return next(place.glob("*.whl")), next(place.glob("*.tar.gz"))


def test_the_wheel_and_the_sdist_hold_the_lessons_and_nothing_of_a_students(wheel):
    with zipfile.ZipFile(wheel[0]) as packed, tarfile.open(wheel[1]) as other:
        shipped = packed.namelist()
        sources = [name.partition("/")[2] for name in other.getnames()]
    for name in desk.edition():
        assert f"diffutils/notebooks/{name}" in shipped and f"notebooks/{name}" in sources
    for name in os.listdir(ROOT / "diagrams"):
        assert f"diffutils/diagrams/{name}" in shipped and f"diagrams/{name}" in sources
    assert not [name for name in shipped + sources if re.search(r"predictions\.json|_dev", name)]


def test_from_a_wheel_without_a_checkout_the_command_makes_the_same_copies(wheel, tmp_path):
    site, home = tmp_path / "site", tmp_path / "home"
    with zipfile.ZipFile(wheel[0]) as packed:
        packed.extractall(site)
    home.mkdir()
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "diffutils", "--no-open"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    desk.lay_out(tmp_path / "ours")
    assert tree(home / "my_lessons") == tree(tmp_path / "ours")
    where = "import diffutils; print(diffutils.__file__)"
    said = subprocess.run([sys.executable, "-c", where], cwd=home, env=environment,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert said.startswith(str(site)), "it was this checkout that ran"


def test_from_a_wheel_a_lesson_becomes_the_same_slides_and_handout(wheel, tmp_path):
    with zipfile.ZipFile(wheel[0]) as packed:
        packed.extractall(tmp_path / "site")
    home, ours = tmp_path / "home", tmp_path / "ours"
    for folder, python_path in ((home, tmp_path / "site"), (ours, ROOT)):
        folder.mkdir()
        for options in (["--minutes", "20"], ["--handout"]):
            done = subprocess.run(
                [sys.executable, "-m", "diffutils.present", "05", *options], cwd=folder,
                env=os.environ | {"PYTHONPATH": str(python_path)}, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0 and not done.stderr, done.stderr
    assert tree(home) == tree(ours) and len(tree(home)) == 2


def test_the_copies_hold_no_path_of_this_machine(tmp_path):
    desk.lay_out(tmp_path)
    for name, data in tree(tmp_path).items():
        if name.endswith(".ipynb"):
            assert str(ROOT) not in data.decode() and json.loads(data)["metadata"]["diffutils"]
