"""The lessons print the same on other machines: with other threads, instructions, folders, locales.

Each test runs one lesson again under nbval and takes 20 s to 3 minutes, all of them half an hour:

    DIFFUTILS_SLOW_TESTS=1 pytest tests/test_elsewhere.py                     all
    DIFFUTILS_SLOW_TESTS=1 pytest tests/test_elsewhere.py -k "threads and 01"  one
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LESSONS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
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
    reason="runs every lesson in seven surroundings; set DIFFUTILS_SLOW_TESTS=1",
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


@every_lesson
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
