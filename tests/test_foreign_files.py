"""Files from strangers: refused with a reason or read rightly, under 1 GB, nothing executed.

What test_load.py and test_training.py have is not said again here.
"""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from diffutils.schedule import linear_schedule
from diffutils.sprites.load import MAX_ARRAY_BYTES, MAX_FOLDER_DEPTH, load_sprites
from diffutils.training import fit
from diffutils.votes import PaletteUnet
from diffutils.weights import load_weights, save_weights, weights_metadata

SCHEDULE = linear_schedule(6)
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def network():
    torch.manual_seed(0)
    return PaletteUnet(channels=8, hidden=8, schedule=SCHEDULE)


def weights(path):
    save_weights(path, network())
    return path


def checkpoint(path):
    for _ in run_with(path):
        pass
    return path


def run_with(path):
    x0 = torch.zeros(4, 3, 8, 8)
    return fit(network(), x0, schedule=SCHEDULE, steps=1, batch_size=2, checkpoint=path)


def rewrite(path, tensors=None, **metadata):
    """The file with some of its tensors and metadata replaced."""
    with safe_open(path, "pt") as file:
        kept = file.metadata()
    save_file(load_file(path) | (tensors or {}), path, kept | metadata)
    return path


def claim(path, header, size=0):
    """A safetensors file of this header, its tensors a hole that takes no room on the disk."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + size)
    return path


# --- weights and checkpoints ---


def config(**changed):
    return json.dumps(network().config | {"conviction": 1.0} | changed)


@pytest.mark.parametrize(("changed", "said"), [
    ({"config": "[" * 100_000}, "config describes no network"),
    ({"config": config(extra=1)}, "config describes no network"),
    ({"config": config(channels=12)}, "channels is 12; expected a multiple of 8"),
    ({"config": config(hidden=10**6)}, "hidden is 1000000"),
    ({"config": config(hidden="abc")}, "hidden is"),
    ({"config": config(beta=["0.1"])}, "beta is .*; expected real numbers"),
    ({"config": config(conviction=float("nan"))}, "conviction is nan"),
    ({"config": config(channels=512, hidden=2048)}, "tensor '.*' has shape"),
])  # fmt: skip
def test_a_config_that_is_no_network_of_ours_is_refused(tmp_path, changed, said):
    path = rewrite(weights(tmp_path / "a.safetensors"), **changed)
    with pytest.raises(ValueError, match=f"load_weights: .*{said}"):
        load_weights(path)


def test_weights_of_another_kind_of_number_are_refused(tmp_path):
    path = weights(tmp_path / "a.safetensors")
    rewrite(path, {"enter.bias": torch.zeros(8, dtype=torch.int64)})
    with pytest.raises(ValueError, match="'enter.bias' holds torch.int64; expected torch.float32"):
        load_weights(path)


def test_metadata_that_cannot_be_read_is_refused(tmp_path):
    path = weights(tmp_path / "a.safetensors")
    for scores in ("{", "[" * 100_000):
        rewrite(path, scores=scores)
        with pytest.raises(ValueError, match="weights_metadata: .* no config and scores"):
            weights_metadata(path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def array_bytes(values):
    held = io.BytesIO()
    np.save(held, np.array(values), allow_pickle=True)
    return held.getvalue()


@pytest.mark.parametrize("write", [
    lambda trap, path: path.write_bytes(pickle.dumps(trap)),
    lambda trap, path: torch.save({"state": trap}, path),
    lambda trap, path: path.write_bytes(array_bytes([trap])),
], ids=["pickle", "torch", "numpy"])  # fmt: skip
def test_a_pickle_with_a_payload_is_refused_and_not_sprung(tmp_path, write):
    path = tmp_path / "a.safetensors"
    write(Trap(tmp_path / "sprung"), path)
    for read in (load_weights, weights_metadata, run_with):
        with pytest.raises(ValueError, match="is no safetensors file"):
            read(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("tensors", "changed", "said"), [
    ({"state.extra": torch.zeros(1)}, {}, "unknown tensor 'state.extra'"),
    ({"generator": torch.zeros(3, dtype=torch.uint8)}, {}, "'generator' has shape"),
    ({"generator": torch.full((5056,), 255, dtype=torch.uint8)}, {}, "no step, seconds and random"),
    ({"state.nn_model.enter.bias": torch.full((8,), torch.nan)}, {}, "not finite"),
    ({}, {"step": "many"}, "no step, seconds and random"),
    ({}, {"run": "{}"}, "belongs to a run with {}"),
    ({}, {"format": "diffutils-weights-1"}, "has the format 'diffutils-weights-1'"),
])  # fmt: skip
def test_a_checkpoint_that_is_not_of_the_run_is_refused(tmp_path, tensors, changed, said):
    path = rewrite(checkpoint(tmp_path / "run"), tensors, **changed)
    with pytest.raises(ValueError, match=f"fit: .*{said}"):
        run_with(path)


def test_a_checkpoint_that_is_no_path_is_refused():
    for wrong in (3, b"run", True, ["run"]):
        with pytest.raises(TypeError, match="fit: checkpoint is a .*; expected a path"):
            run_with(wrong)


def test_a_checkpoint_that_is_cut_short_is_refused(tmp_path):
    path = checkpoint(tmp_path / "run")
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(ValueError, match="fit: .* is cut short"):
        run_with(path)


# --- pictures and folders ---


def drop_reason(folder, name, data):
    """Why a picture is not taken: what the report says when it lies beside a good one."""
    Image.fromarray(IMAGE).save(folder / "good.png")
    (folder / name).write_bytes(data)
    found = load_sprites(folder)
    assert len(found.images) == 1 and (found.images[0] == IMAGE).all()
    return dict(found.report.dropped)


def encoded(picture, kind, **options):
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def test_cmyk_and_deep_and_empty_pictures_are_dropped_with_the_reason(tmp_path):
    inside = {"not PNG, GIF or WebP inside": 1}
    assert drop_reason(tmp_path, "a.png", encoded(Image.new("CMYK", (16, 16)), "JPEG")) == inside
    assert drop_reason(tmp_path, "a.png", encoded(Image.new("CMYK", (16, 16)), "TIFF")) == inside
    deep = encoded(Image.new("I;16", (16, 16)), "PNG")
    assert drop_reason(tmp_path, "a.png", deep) == {"a picture of more than 8 bits a channel": 1}
    png, gif = encoded(Image.fromarray(IMAGE), "PNG"), encoded(Image.fromarray(IMAGE), "GIF")
    nothing = {"a picture of no pixels or more than 16777216": 1}
    assert drop_reason(tmp_path, "a.png", png[:16] + bytes(8) + png[24:]) == nothing
    (tmp_path / "a.png").unlink()
    assert drop_reason(tmp_path, "a.gif", gif[:6] + bytes(4) + gif[10:]) == nothing


def test_a_palette_with_a_transparent_colour_becomes_white_there(tmp_path):
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(0, (0, 0, 8, 16))
    picture.save(tmp_path / "a.png", transparency=0)
    image = load_sprites(tmp_path).images[0]
    assert (image[:, :8] == 255).all() and (image[:, 8:] == [200, 100, 50]).all()


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_of_a_moving_picture_the_first_frame_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), (k, 0, 0)) for k in (10, 250)]
    exact = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **exact)
    assert (load_sprites(tmp_path).images == [10, 0, 0]).all()


@pytest.mark.parametrize("shape", ["(-2, 16, 16, 3)", "(2, -16, -16, 3)", "(2.0, 16, 16, 3)"])
def test_an_array_of_negative_or_broken_sizes_is_refused(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(2 * 768)
    (tmp_path / "a_sprites.npy").write_bytes(data)
    np.save(tmp_path / "a_labels.npy", np.ones((2, 1)))
    with pytest.raises(ValueError, match="load_sprites: a_sprites.npy is a .npy file of something"):
        load_sprites(tmp_path / "a_sprites.npy")


@pytest.mark.skipif(os.name == "nt", reason="links and deep folders are another matter on Windows")
def test_links_that_loop_and_folders_without_end_are_left(tmp_path):
    folder = tmp_path / "mine"
    Image.fromarray(IMAGE).save((folder.mkdir(), folder / "a.png")[1])
    (folder / "loop").symlink_to(folder)
    (folder / "up.png").symlink_to(tmp_path)
    assert load_sprites(folder).report.dropped == {
        "a link out of the folder": 1, "not PNG, GIF or WebP": 1,
    }  # fmt: skip
    here, deep = os.getcwd(), 1100  # more than Python's calls may be nested
    os.chdir(folder)
    try:
        for _ in range(deep):
            os.mkdir("d")
            os.chdir("d")
        with pytest.raises(ValueError, match=f"{MAX_FOLDER_DEPTH + 1} folders in one another; "):
            load_sprites(folder)
        for _ in range(deep):
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)


def test_more_classes_sprites_and_labels_than_memory_has_room_for_are_refused(tmp_path):
    for k in range(257):
        (tmp_path / f"{k}").mkdir()
        (tmp_path / f"{k}" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="holds 257 class folders; expected at most 256"):
        load_sprites(tmp_path)
    pair = tmp_path / "a_sprites.npy", tmp_path / "a_labels.npy"
    np.save(pair[0], np.zeros((2**18 + 1, 1, 1, 3), np.uint8))
    np.save(pair[1], np.zeros((2**18 + 1, 1), np.uint8))
    with pytest.raises(ValueError, match="holds 262145 sprites; expected at most 262144"):
        load_sprites(pair, height=1)
    np.save(pair[0], IMAGE[None])
    np.save(pair[1], np.zeros((1, 257)))
    with pytest.raises(ValueError, match="holds 257 columns of labels; expected at most 256"):
        load_sprites(pair)
    Image.fromarray(np.zeros((600, 600, 3), np.uint8)).save(tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="holds 360000 cells of 1 x 1; expected at most 262144"):
        load_sprites(tmp_path / "sheet.png", height=1)


# --- memory ---

READ_ALL = """
import json, sys
from diffutils.sprites import load_sprites
from diffutils.weights import load_weights
def most():  # not ru_maxrss, which begins with the parent's
    lines = open("/proc/self/status").readlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
before = most()
for path in json.loads(sys.argv[1]):
    read = load_weights if path.endswith(".safetensors") else load_sprites
    try:
        print(len(read(path).images), "sprites")
    except (ValueError, FileNotFoundError) as error:
        print(str(error).replace(path, "it")[:200])
print(before)
print(most())
"""


def greedy_files(folder):
    """{path: what is said of it}: files that ask for over 1 GB, and the largest that do not."""
    small = {"a": {"dtype": "U8", "shape": [2**32], "data_offsets": [0, 2**32]}}
    short, long = folder / "short.safetensors", folder / "long.safetensors"
    short.write_bytes(struct.pack("<Q", 10**9) + b"{" * 100)
    long.write_bytes(struct.pack("<Q", 10**9) + b"{" * 100)
    os.truncate(long, 2 * 10**9)
    hundred = 10**11
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({hundred // 768}, 16, 16, 3), }}\n"
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    (folder / "claims_sprites.npy").write_bytes(header)
    np.save(folder / "claims_labels.npy", np.ones((1, 1)))
    (folder / "has_sprites.npy").write_bytes(header)
    os.truncate(folder / "has_sprites.npy", len(header) + 3 * 2**30)
    np.save(folder / "has_labels.npy", np.ones((1, 1)))
    count = (MAX_ARRAY_BYTES - 200) // 768
    noise = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)
    np.save(folder / "full_sprites.npy", noise)
    np.save(folder / "full_labels.npy", np.ones((count, 90), np.uint8))
    sheet = np.full((4096, 4096, 4), 200, np.uint8)
    sheet[..., 0] = np.resize(noise, (4096, 4096)) & 1
    Image.fromarray(sheet).save(folder / "sheet.png", compress_level=1)
    crowd = folder / "crowd"
    crowd.mkdir()
    for k in range(10_000):
        os.close(os.open(crowd / f"{k}.png", os.O_CREAT))
    return {
        short: "is no safetensors file, or is cut short",
        long: "has 2000000000 bytes, 1000000000 of them a header",
        claim(folder / "wide.safetensors", small, 2**32): "bytes, 78 of them a header",
        folder / "claims_sprites.npy": "is a .npy file whose header claims",
        folder / "has_sprites.npy": "is larger than 134217728 bytes",
        folder / "full_sprites.npy": f"{count} sprites",
        folder / "sheet.png": "65536 sprites",
        crowd: "read 10000, unique 0, dropped 10000 (10000 a damaged picture)",
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_no_file_makes_its_reader_take_1_gb(tmp_path):
    files = greedy_files(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, json.dumps([str(path) for path in files])],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *said, before, most = done.stdout.splitlines()
    for (path, expected), line in zip(files.items(), said, strict=True):
        assert expected in line, path
    imported = 250  # megabytes, by torch for the CPU; torch for CUDA takes 600
    assert int(most) - int(before) < 1000 - imported, (before, most)
