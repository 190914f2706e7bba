"""Memory that torch frees stays within a cell and goes back to the system after it."""

import platform
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from IPython.core.events import EventManager, available_events

from diffutils import memory
from diffutils.stage import lesson

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")

STEPS = """
import resource
import torch
from diffutils.weights import load_pretrained
nn_model, _ = load_pretrained()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for n in (16, 32, 64):
    for k in range(30):
        if k == 20:
            before = faults()
        with torch.no_grad():
            nn_model(torch.randn(n, 3, 16, 16), torch.tensor(0.5))
    print(faults() - before)
"""


@glibc
def test_a_step_gets_the_memory_of_the_one_before_it():
    """Left alone, glibc hands out new memory: some 500 pages a step, for some sizes of a batch."""
    done = subprocess.run([sys.executable, "-c", STEPS], check=True, capture_output=True, text=True)
    assert max(map(int, done.stdout.split())) < 3000


@glibc
def test_what_is_free_goes_back():
    process = psutil.Process()
    blocks = [bytearray(2**14) for _ in range(4000)]  # 64 MB; what is below the last one stays
    keep = blocks[-1]
    blocks.clear()
    before = process.memory_info().rss
    memory.give_back()
    assert keep and before - process.memory_info().rss > 32e6


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace())
    memory.give_back()


def test_setup_gives_memory_back_after_each_cell(monkeypatch, capsys):
    shell = SimpleNamespace(events=EventManager(None, available_events))
    monkeypatch.setattr(lesson, "get_ipython", lambda: shell)
    monkeypatch.setattr(lesson, "watch", lambda shell: None)
    lesson.setup(threads=1)
    lesson.setup(threads=1)
    assert shell.events.callbacks["post_run_cell"].count(memory.give_back) == 1
