"""The lessons print the same on other machines: with other threads, instructions, folders, locales;
and they run as scripts, as students' copies, and in kernels that work in another folder.

Each test runs one notebook again under nbval and takes 10 s to 3 minutes, all of them an hour:

    DIFFUTILS_SLOW_TESTS=1 pytest tests/test_elsewhere.py                     all
    DIFFUTILS_SLOW_TESTS=1 pytest tests/test_elsewhere.py -k "threads and 01"  one
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from build_notebooks import LANGUAGE
from nbclient import NotebookClient
from nbconvert.exporters import ScriptExporter

from diffutils.stage.desk import lay_out

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
DEEPER = sorted(f"deeper/{path.name}" for path in (ROOT / "notebooks" / "deeper").glob("*.ipynb"))
MACHINES = {
    "two threads": {"OMP_NUM_THREADS": "2"},
    "plain instructions": {"ATEN_CPU_CAPABILITY": "default"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "German": {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"},
    "not UTF-8": {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"},
}
every_lesson = pytest.mark.parametrize("lesson", LESSONS)
pytestmark = pytest.mark.skipif(
    "DIFFUTILS_SLOW_TESTS" not in os.environ,
    reason="runs every lesson in ten surroundings; set DIFFUTILS_SLOW_TESTS=1",
)


def rerun(lesson, *, root=ROOT, folder=ROOT, settings=None):
    """nbval's comparison of a lesson of the project at `root`, started in `folder`."""
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-cell-timeout=3000"]
    command.append(str(root / "notebooks" / lesson))
    one_thread = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    environment = os.environ | one_thread | (settings or {})
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def has_locale(name):
    code = f"import locale; locale.setlocale(locale.LC_ALL, {name!r})"
    return not subprocess.run([sys.executable, "-c", code], capture_output=True).returncode


@pytest.mark.parametrize("lesson", LESSONS + DEEPER)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_lesson_prints_the_same_on_another_machine(machine, lesson):
    settings = MACHINES[machine]
    if not has_locale(settings.get("LC_ALL", "C")):
        pytest.skip(f"no locale {settings['LC_ALL']}; `localedef -i de_DE -f UTF-8 de_DE.UTF-8`")
    rerun(lesson, settings=settings)


@every_lesson
def test_a_lesson_prints_the_same_from_another_folder(lesson, tmp_path):
    rerun(lesson, folder=tmp_path)


@every_lesson
def test_a_lesson_prints_the_same_in_a_folder_with_spaces_and_foreign_letters(lesson, tmp_path):
    root = tmp_path / "Ümläute, spaces & 画像 'n' more"
    for part in ("diffutils", "notebooks"):
        shutil.copytree(ROOT / part, root / part)
    for part in ("pyproject.toml", "conftest.py", "tests/nbval_sanitize.cfg"):
        (root / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, root / part)
    rerun(lesson, root=root, folder=root / "notebooks")


@every_lesson
def test_a_lesson_runs_as_a_script(lesson, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / lesson, as_version=4)
    notebook.metadata.language_info = LANGUAGE
    text, resources = ScriptExporter().from_notebook_node(notebook)
    script = tmp_path / f"lesson{resources['output_extension']}"
    script.write_text(text, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert script.suffix == ".py" and done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("[setup] seed 0")


def execute(path, folder, monkeypatch):
    """Runs a notebook in a kernel that works in `folder`; an error in a cell is raised."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    return "\n".join(output.get("text", "") for cell in notebook.cells
                     for output in cell.get("outputs", []))  # fmt: skip


@every_lesson
def test_a_lesson_runs_in_a_kernel_that_works_elsewhere(lesson, tmp_path, monkeypatch):
    told = execute(ROOT / "notebooks" / lesson, tmp_path, monkeypatch)
    assert f"works in {tmp_path}" in told and "[order]" not in told


@every_lesson
def test_a_students_copy_of_a_lesson_runs(lesson, tmp_path, monkeypatch):
    lay_out(tmp_path)
    told = execute(tmp_path / lesson, tmp_path, monkeypatch)
    assert "works in" not in told and "[order]" not in told
