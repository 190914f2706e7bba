"""The project as a whole: what imports what, what the README promises, how the code reads."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "expect": 0, "interrupts": 0, "memory": 0, "schedule": 0, "pixels": 0, "sprites": 0,
    "noising": 1, "unet": 1, "ideal": 1, "grammar": 1,
    "sampling": 2, "training": 2,
    "measure": 3, "figures": 3, "player": 3, "diagrams": 3, "reference": 3, "train": 3,
    "widgets": 4, "checks": 4, "order": 4, "lesson": 4,
}  # fmt: skip
MODULES = sorted((ROOT / "diffutils").rglob("*.py"))


def part_of(path):
    """The top-level part of the package that a file belongs to."""
    return path.relative_to(ROOT / "diffutils").with_suffix("").parts[0]


def imported_parts(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("diffutils"):
            names = (
                [node.module] if "." in node.module else [f"diffutils.{a.name}" for a in node.names]
            )
            yield from (name.split(".")[1] for name in names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "diffutils")))
def test_imports_go_down_only(path):
    if part_of(path) != "__init__":
        for part in imported_parts(path):
            lower = FLOORS.get(part)
            assert lower is None or lower <= FLOORS[part_of(path)], f"{path.name} imports {part}"


def test_import_diffutils_loads_no_plotting_and_no_widgets_from_any_folder(tmp_path):
    code = "import sys, diffutils; print({'matplotlib', 'ipywidgets', 'PIL'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_code_and_the_notebooks_pass_ruff():
    ruff = shutil.which("ruff") or shutil.which("ruff", path=Path(sys.executable).parent)
    if ruff is None:
        pytest.skip("ruff is not installed")
    done = subprocess.run([ruff, "check", "--no-cache", ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_two_commands_of_the_readme_name_files_that_are_there():
    commands = re.findall(
        r"```sh\n(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )
    opening, testing = (c for c in commands if "install -r requirements.txt" in c)
    assert "notebooks/01_intuition.ipynb" in opening and "[test]" in testing
    assert (ROOT / "requirements.txt").exists() and ".venv/bin/pytest" in testing


def test_requirements_pin_what_the_project_needs():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    needs = re.findall(r'^    "([a-z]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    for name in needs[: needs.index("jupyterlab") + 1]:
        assert re.search(rf"^{name}==", pins, re.M), name
    assert "torch==2.13.0" in pins
    for line in pins.splitlines():
        assert re.match(r"#|-e \.$|[a-z]+==\d", line), f"{line} has no version"


def test_importing_diffutils_lets_waiting_threads_sleep_unless_told_otherwise():
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    code = f"import os, diffutils; print(*[os.environ.get(name) for name in {names}])"
    for setting, expected in (
        ({}, "PASSIVE 1000"),
        ({"GOMP_SPINCOUNT": "5"}, "PASSIVE 5"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
    ):
        environment = {k: v for k, v in os.environ.items() if k not in names} | setting
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


def test_nothing_lies_at_the_top_but_what_belongs_there():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    assert {name.split("/")[0] for name in done.stdout.split("\0") if name} == {
        ".binder", ".ci", ".gitattributes", ".github", ".gitignore", "LICENSE", "README.md",
        "conftest.py", "diagrams", "diffutils", "notebooks", "pyproject.toml",
        "requirements.txt", "tests",
    }  # fmt: skip


def test_every_mutation_can_be_planted():
    """Each names a piece of the code as it is now; otherwise tests/mutation/run.py stops there."""
    sys.path.insert(0, str(ROOT / "tests" / "mutation"))
    try:
        from mutations import KNOWN_FAULTS, SLIPS
    finally:
        sys.path.pop(0)
    for mutation in (*KNOWN_FAULTS, *SLIPS):
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, mutation.name
