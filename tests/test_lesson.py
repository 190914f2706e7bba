"""Setting up a lesson: seeds, threads, one line."""

import random

import numpy as np
import psutil
import pytest
import torch

from diffutils.stage import lesson

CORES = psutil.cpu_count(logical=False) or psutil.cpu_count()


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def laptop(monkeypatch):
    """A machine where nobody has said how many threads to use."""
    for name in ("OMP_NUM_THREADS", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_setup_makes_every_generator_repeat_itself(capsys):
    def draw():
        lesson.setup(seed=7)
        return random.random(), np.random.rand(), float(torch.rand(()))

    assert draw() == draw()
    lesson.setup(seed=8)
    assert float(torch.rand(())) != draw()[2]


def test_setup_says_what_it_chose_in_one_line(capsys, laptop):
    device = lesson.setup(seed=3, threads=1)
    line = f"[setup] seed 3, device {device.type}, 1 CPU thread(s): as asked for\n"
    assert capsys.readouterr().out == line
    assert torch.get_num_threads() == 1


def test_cuda_goes_before_apples_gpu_and_that_before_the_cpu(monkeypatch):
    found = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in found)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in found)
    for name in ("cpu", "mps", "cuda"):
        found.append(name)
        assert lesson.choose_device().type == name


def test_an_idle_laptop_uses_all_cores_and_a_busy_one_a_single_core(laptop):
    assert lesson.choose_threads(busy=0.03)[0] == CORES
    assert lesson.choose_threads(busy=0.6) == (1, "the machine is 60% busy with other work")


def test_omp_num_threads_is_respected(laptop):
    laptop.setenv("OMP_NUM_THREADS", "3")
    assert lesson.choose_threads() == (3, "OMP_NUM_THREADS says so")


def test_a_hub_is_shared(laptop):
    laptop.setenv("JUPYTERHUB_USER", "ada")
    assert lesson.choose_threads(busy=0) == (1, "a hub is shared")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": "bob"}, TypeError, "seed is 'bob'"),
        ({"seed": 2**32}, ValueError, "seed is 4294967296; expected"),
        ({"threads": 0}, ValueError, "threads is 0"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match="setup: " + message):
        lesson.setup(**arguments)
