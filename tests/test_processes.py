"""Training by several processes, which really are several: torch's own launcher starts them."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import process_run
import pytest
import torch
from accelerate.commands.launch import launch_command_parser as accelerate_launcher
from safetensors.torch import load_file
from torch.distributed.run import get_args_parser as torch_launcher

from diffutils.train import make_accelerator, parse

ROOT = Path(__file__).parents[1]
LAUNCH = [sys.executable, "-m", "torch.distributed.run"]
pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or sys.platform != "linux", reason="launches processes"
)

slow = pytest.mark.skipif(
    "DIFFUTILS_SLOW_TESTS" not in os.environ,
    reason="kills and waits for minutes on a busy machine; set DIFFUTILS_SLOW_TESTS=1",
)


def start(options, folder, what, **environment):
    """The launcher, started; it is one machine of those that take part."""
    command = [*LAUNCH, *options, process_run.__file__, str(folder), what]
    place = os.pathsep.join([str(ROOT), *sys.path])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": place} | environment
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)  # fmt: skip


def finish(launcher):
    """What it said, at its end."""
    try:
        said, _ = launcher.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        launcher.kill()
        raise
    assert launcher.returncode == 0, said
    return said


def seen_by(folder, what, processes):
    """What each process saw; that there were so many is asserted."""
    seen = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{what}.*.json"))]
    assert [one["process"] for one in seen] == list(range(processes))
    assert all(one["processes"] == processes for one in seen)
    return seen


def alone(**changed):
    """The same run in this process: its losses and its network."""
    run = process_run.tiny_run(**changed)
    return [record.loss for record in run], run.model


# Before a norm over one channel a bias has no gradient but float noise (1e-8), and AdamW moves by
# the sign of that: these three end 2e-3 apart however the work is shared.
NOISE = ("up1.conv1.bias", "up1.conv2.bias", "up1.same.bias")


def assert_alike(tensors, nn_model):
    for name, tensor in nn_model.state_dict().items():
        if name not in NOISE:
            torch.testing.assert_close(tensors[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("processes", [2, 3])
def test_so_many_processes_learn_what_one_does_whatever_their_shares(tmp_path, processes):
    options = ["--standalone", "--nproc_per_node", str(processes)]
    finish(start(options, tmp_path, "compare"))
    first, *others = seen_by(tmp_path, "compare", processes)
    for batch_size in process_run.BATCHES:
        losses, nn_model = alone(batch_size=batch_size)
        np.testing.assert_allclose(first[str(batch_size)], losses, rtol=1e-4)
        assert all(one[str(batch_size)] == first[str(batch_size)] for one in others)
        assert_alike(load_file(tmp_path / f"{processes}.{batch_size}.safetensors"), nn_model)
    expected = f"fit: batch_size is 1 for {processes} processes; expected at least one sprite"
    assert all(one["refused"].startswith(expected) for one in (first, *others))


@slow
def test_a_process_that_is_killed_is_brought_back_and_the_end_is_the_same(tmp_path):
    options = ["--standalone", "--nproc_per_node", "2", "--max-restarts", "1"]
    finish(start(options, tmp_path, "die"))
    seen = seen_by(tmp_path, "die", 2)
    assert all(2 <= one["begun"] <= 3 and one["ended"] == process_run.STEPS for one in seen)
    _, nn_model = alone()
    state = load_file(tmp_path / "run")
    averaged = {name.removeprefix("state.averaged.module."): t for name, t in state.items()}
    assert_alike(averaged, nn_model)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@slow
def test_two_machines_without_a_shared_disk_go_on_where_one_of_them_was(tmp_path):
    """The second has the checkpoint, of half of the run; the first, who leads, has none."""
    for machine in "ab":
        (tmp_path / machine).mkdir()
    half = iter(process_run.tiny_run(checkpoint=tmp_path / "b" / "run"))
    for _ in range(3):
        next(half)
    half.close()
    shutil.copy(tmp_path / "b" / "run", tmp_path / "kept")
    port = str(free_port())
    launchers = [
        start(["--nnodes", "2", "--node_rank", rank, "--nproc_per_node", "1", "--master_addr",
               "127.0.0.1", "--master_port", port], tmp_path, "machines", MACHINE=machine)
        for rank, machine in (("0", "a"), ("1", "b"))
    ]  # fmt: skip
    for launcher in launchers:
        finish(launcher)
    losses, nn_model = alone()
    for one in seen_by(tmp_path, "machines", 2):
        assert one["begun"] == 3
        np.testing.assert_allclose(one["losses"], losses[3:], rtol=1e-4)
    state = load_file(tmp_path / "a" / "run")  # the leader writes
    averaged = {name.removeprefix("state.averaged.module."): t for name, t in state.items()}
    assert_alike(averaged, nn_model)
    assert (tmp_path / "b" / "run").read_bytes() == (tmp_path / "kept").read_bytes()


def test_the_command_knows_who_launched_it(monkeypatch):
    for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
        monkeypatch.delenv(name)
    assert make_accelerator("cpu") is None


@pytest.mark.parametrize("launcher", [torch_launcher, accelerate_launcher])
def test_every_option_of_the_command_gets_through_a_launcher(launcher, capsys):
    """A launcher takes the beginning of one of its own for that option, wherever it stands."""
    with pytest.raises(SystemExit):
        parse(["--help"])
    options = re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(options) > 20
    for option in options:
        given = launcher().parse_args(["-m", "diffutils.train", option, "3"])
        assert given.training_script_args == [option, "3"]
