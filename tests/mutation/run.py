"""Plants mutations one by one in a copy of the project and tells which test notices each.

    python tests/mutation/run.py              # all of them, half an hour or more on one core
    python tests/mutation/run.py grammar 13   # those whose name or file holds one of these words

Each mutated module is tested by its own test files (TESTS in mutations.py) up to the first failure;
a run that lasts longer than LIMIT counts as noticed. In the end every test that noticed something
has to pass on the copy as it was. Exits 1 where less than 95 % are noticed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutations import KNOWN_FAULTS, NOT_PLANTED, SLIPS, TESTS

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".git", ".venv", "__pycache__", "runs", "build", "dist")
LIMIT = 600  # seconds
WANTED = 0.95


def copy_project(folder):
    """The project; tests that look for real sprites beside it find them there too."""
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    real_data = ROOT.parent / "shared"
    if real_data.exists():
        (folder / "shared").symlink_to(real_data)
    return copy


def planted(copy, mutation):
    """The text of the file with the mutation in it; an error where `old` is not there once."""
    text = (copy / mutation.file).read_text(encoding="utf-8")
    found = text.count(mutation.old)
    if found != 1:
        raise SystemExit(
            f"{mutation.name}: found {found} times in {mutation.file}; expected once:\n"
            f"{mutation.old}"
        )
    return text.replace(mutation.old, mutation.new)


def pytest(copy, tests):
    """pytest on the copy: its process, or None where it took longer than LIMIT."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=--import-mode=importlib", f"--basetemp={copy.parent / 'files'}"]
    environment = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
                   "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip
    try:
        return subprocess.run(command + tests, cwd=copy, env=os.environ | environment, text=True,
                              capture_output=True, timeout=LIMIT)  # fmt: skip
    except subprocess.TimeoutExpired:
        return None


def test_files(mutation):
    """Where a mutation should be noticed, the likeliest file first."""
    names = TESTS[mutation.file].split()
    names = ["known_faults", *names] if mutation in KNOWN_FAULTS else names
    return [f"tests/test_{name}.py" for name in names]


def first_failure(copy, mutation):
    """The id of the first test that fails with the mutation planted; None where all pass."""
    path = copy / mutation.file
    before = path.read_text(encoding="utf-8")
    path.write_text(planted(copy, mutation), encoding="utf-8")
    try:
        done = pytest(copy, test_files(mutation))
    finally:
        path.write_text(before, encoding="utf-8")
    if done is None:
        return "(no answer in time)"
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (tests/\S+::\S.*?)(?: - .*)?$", done.stdout, re.M)
    if failed is None:
        raise SystemExit(f"{mutation.name}: no test ran\n{done.stdout[-3000:]}{done.stderr}")
    return failed[1]


def check_clean(copy, tests):
    """Every test that noticed a mutation passes without one."""
    done = pytest(copy, tests)
    if done is None or done.returncode:
        raise SystemExit(f"fails without a mutation too:\n{done and done.stdout[-3000:]}")


def chosen(words):
    """The mutations whose name or file holds one of the words; all without words."""
    everything = KNOWN_FAULTS + SLIPS
    texts = [f"{m.file} {m.name} " for m in everything]
    return [m for m, text in zip(everything, texts, strict=True)
            if not words or any(f" {word} " in text or word in m.file for word in words)]


def main(words):
    mutations, noticed = chosen(words), {}
    print("| mutation | file | noticed by | s |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_project(Path(folder))
        for mutation in mutations:
            planted(copy, mutation)
        for mutation in mutations:
            start = time.perf_counter()
            test = first_failure(copy, mutation)
            seconds = time.perf_counter() - start
            if test:
                noticed[mutation] = test
            shown = f"`{test.removeprefix('tests/')}`" if test else "**nothing**"
            file = mutation.file.removeprefix("diffutils/")
            print(f"| {mutation.name} | `{file}` | {shown} | {seconds:.0f} |", flush=True)
        check_clean(copy, sorted(set(t for t in noticed.values() if "::" in t)))
    for number, reason in NOT_PLANTED.items():
        print(f"| {number} not planted: {reason} | | | |")
    share = len(noticed) / len(mutations)
    print(f"\n{len(noticed)} of {len(mutations)} noticed: {share:.1%}")
    return share < WANTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
