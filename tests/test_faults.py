"""What comes from outside: training that is killed, disks that fill up, folders that are locked.

Interrupted kernels and cells out of order are in test_order.py, the cut network in test_offline.py.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import warnings

import killed_run
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diffutils import train
from diffutils.votes import PaletteUnet
from diffutils.weights import load_weights, save_weights

ROOM = 2_500_000  # bytes of the small disk; a checkpoint of the tiny run has 740,000


def finish(run):
    """The run, at its end."""
    for _ in run:
        pass
    return run


def same_files(one, other):
    """The same tensors, bit by bit."""
    one, other = load_file(one), load_file(other)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


# --- killed ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have loaded torch")
def test_thirty_runs_killed_anywhere_end_bit_equal(tmp_path):
    finish(killed_run.tiny_run(tmp_path / "whole"))
    (tmp_path / "kills").mkdir()
    command = [sys.executable, killed_run.__file__, tmp_path / "kills", "30", "0"]
    place = os.pathsep.join(sys.path)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True,
                          env=os.environ | {"PYTHONPATH": place})  # fmt: skip
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) == 30
    assert sum(kill["inside"] for kill in kills) >= 15  # a checkpoint was half written
    for k, kill in enumerate(kills):
        checkpoint = tmp_path / "kills" / str(k) / "run"
        resumed = killed_run.tiny_run(checkpoint)
        assert resumed.step in (kill["step"], kill["step"] + 1)  # nothing finished is lost
        finish(resumed)
        assert same_files(checkpoint, tmp_path / "whole")
        assert os.listdir(checkpoint.parent) == ["run"]  # and nothing half written is left


def test_leftovers_of_the_living_and_of_other_files_stay(tmp_path):
    alive, other = tmp_path / f"run.{os.getppid()}.partial", tmp_path / "walk.999999999.partial"
    for path in (alive, other, tmp_path / "run.999999999.partial"):
        path.touch()
    killed_run.tiny_run(tmp_path / "run")
    assert set(tmp_path.iterdir()) == {alive, other, tmp_path / "run"}


# --- no room, no right -----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with room for ROOM bytes; skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs Linux and root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk):
    """Writes until nothing more goes in; returns the file."""
    with (disk / "films").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return disk / "films"


def free(disk):
    (disk / "films").unlink()


def lock(disk):
    subprocess.run(["mount", "-o", f"remount,ro,size={ROOM}", disk], check=True)


def unlock(disk):
    subprocess.run(["mount", "-o", f"remount,rw,size={ROOM}", disk], check=True)


FAULTS = {"full": (fill, free, "No space left"), "read-only": (lock, unlock, "Read-only")}
every_fault = pytest.mark.parametrize("fault", FAULTS)


@every_fault
def test_training_goes_on_without_its_checkpoint_and_keeps_the_last_one(
    small_disk, fault, tmp_path, monkeypatch
):
    monkeypatch.setattr("diffutils.training.CHECKPOINT_EVERY", 2)
    harm, repair, reason = FAULTS[fault]
    whole, path = finish(killed_run.tiny_run(tmp_path / "whole")), small_disk / "run"
    run, complaints = killed_run.tiny_run(path), {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for record in run:
            if record.step == 5:
                before = path.read_bytes()
                harm(small_disk)
            if record.step == 9:
                assert path.read_bytes() == before  # as it was
                assert {p.name for p in small_disk.iterdir()} <= {"run", "films"}
                repair(small_disk)
            complaints[record.step] = [str(warning.message) for warning in caught]
    assert not complaints[5] and len(complaints[9]) == 2 and len(complaints[12]) == 2
    for step, told in zip((6, 8), complaints[9], strict=True):
        assert told.startswith(f"fit: no checkpoint of step {step}: {path} cannot be written: ")
        assert reason in told
    assert same_files(path, tmp_path / "whole")  # written again as soon as that was possible
    assert torch.equal(run.model.enter.weight, whole.model.enter.weight)


@every_fault
def test_a_checkpoint_that_cannot_be_written_is_said_before_any_work(small_disk, fault):
    FAULTS[fault][0](small_disk)
    with pytest.raises(OSError, match=f"disk/run cannot be written: .*{FAULTS[fault][2]}"):
        killed_run.tiny_run(small_disk / "run")


@pytest.mark.parametrize("place", ["nowhere/run", "a file/run", ""])
def test_a_place_that_is_no_place_is_said_before_any_work(tmp_path, place):
    (tmp_path / "a file").touch()
    with pytest.raises(OSError, match=f"{tmp_path.name}.* cannot be written: "):
        save_weights(tmp_path / place, PaletteUnet(channels=8, hidden=8))
    assert os.listdir(tmp_path) == ["a file"]


@every_fault
def test_weights_that_cannot_be_written_leave_the_old_ones(small_disk, fault):
    harm, _, reason = FAULTS[fault]
    path, nn_model = small_disk / "w.safetensors", PaletteUnet(channels=8, hidden=8)
    save_weights(path, nn_model, command="the first")
    before = path.read_bytes()
    harm(small_disk)
    with pytest.raises(OSError, match=f"w.safetensors cannot be written: .*{reason}"):
        save_weights(path, nn_model, command="the second")
    assert path.read_bytes() == before and load_weights(path)
    assert not list(small_disk.glob("*.partial"))


@every_fault
def test_a_run_of_the_command_line_outlives_its_disk(
    small_disk, fault, tmp_path, monkeypatch, capsys
):
    harm, _, reason = FAULTS[fault]
    pictures, output = tmp_path / "pictures", small_disk / "w.safetensors"
    pictures.mkdir()
    for k in range(4):
        Image.new("RGB", (8, 8), (60 * k, 0, 0)).save(pictures / f"{k}.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    start = train.train

    def train_on_a_bad_disk(*arguments, **keywords):
        harm(small_disk)
        start(*arguments, **keywords)

    monkeypatch.setattr(train, "train", train_on_a_bad_disk)
    train.main(["--sprites", str(pictures), "--height", "8", "--steps", "2", "--batch-size", "2",
                "--score", "0", "--device", "cpu", "--output", str(output),
                "--samples", str(small_disk / "sheets")])  # fmt: skip
    told = capsys.readouterr()
    (written,) = (tmp_path / "elsewhere").rglob("*.safetensors")
    assert load_weights(written) and f"written: {written}" in told.out
    assert f"{output} cannot be written: " in told.err and reason in told.err
    assert "no sheet of step 2: " in told.err


@pytest.mark.parametrize("place, reason", [
    ("a file/w.safetensors", "Not a directory|File exists"), ("", "it is a folder"),
])
def test_an_output_that_cannot_be_written_is_said_before_training(tmp_path, capsys, place, reason):
    (tmp_path / "a file").touch()
    with pytest.raises(SystemExit):
        train.parse(["--output", str(tmp_path / place)])
    assert re.search(f"--output is .*{tmp_path.name}.*: ({reason})", capsys.readouterr().err)
