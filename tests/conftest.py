"""What every test shares: one thread, no network, and a place for the real sprites."""

import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402
import torch  # noqa: E402
from offline import guard_kernels, guard_process  # noqa: E402

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

guard_process()

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure(config):
    config.ipython = tempfile.mkdtemp(prefix="diffutils-ipython-")
    guard_kernels(config.ipython)


def pytest_unconfigure(config):
    shutil.rmtree(config.ipython, ignore_errors=True)


@pytest.fixture
def real_data():
    """The folder of real sprites; tests that need it are skipped where it is not there."""
    if not (REAL_DATA / "dungeon_sprites_16x16.npy").exists():
        pytest.skip(f"no real sprites at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def generator():
    """A seeded generator, so that a failing test fails again."""
    return torch.Generator().manual_seed(0)
