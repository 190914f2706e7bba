"""The command lines: one line for what cannot be used, nothing of the user's lost or misread."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffutils import train
from diffutils.commands import as_typed, run_command
from diffutils.sprites import __main__ as sprites_command
from diffutils.sprites import forge_sprites, load_sprites
from diffutils.sprites.forge import CLASSES
from diffutils.unet import ContextUnet
from diffutils.votes import PaletteUnet
from diffutils.weights import load_pretrained, load_weights, save_weights, weights_metadata

ROOT = Path(__file__).parents[1]
FEW = ("--steps", 1, "--batch-size", 2, "--score", 0, "--device", "cpu")


def pictures(folder, classes=("food", "hero"), height=8, count=2):
    """A folder of a folder for each class, `count` pictures in each."""
    noise = np.random.default_rng(0).integers(0, 256, (9, count, height, height, 3), np.uint8)
    for name, images in zip(classes, noise, strict=False):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k, image in enumerate(images):
            Image.fromarray(image).save(folder / name / f"{k}.png")
    return folder


def picture_sheet(path, size=(16, 32), height=8):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture
def said(monkeypatch, capsys):
    """said(module, *arguments): (exit code, stdout, stderr) of a command, run in this process."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back afterwards

    def call(module, *arguments):
        code = 0
        try:
            run_command(lambda: module.main([str(a) for a in arguments]), module.PROGRAM)
        except SystemExit as end:
            code = end.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def refused(answer, *words):
    """The command ended with 2 and one line on stderr that has these words."""
    code, _, err = answer
    line = err.splitlines()[-1]
    assert code == 2 and "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    assert all(word in line for word in words), line


# --- one line ---


@pytest.mark.parametrize(("arguments", "words"), [
    (["--seconds", 0], ("--seconds", "'0'", "above 0")),
    (["--seconds", "nan"], ("--seconds", "'nan'", "above 0")),
    (["--seconds", "inf"], ("--seconds", "'inf'", "above 0")),
    (["--steps", 0], ("--steps", "'0'", "1 or more")),
    (["--steps", "many"], ("--steps", "'many'", "whole number")),
    (["--batch-size", -3], ("--batch-size",)),
    (["--learning-rate", 0], ("--learning-rate", "above 0")),
    (["--seed", -1], ("--seed", "0..")),
    (["--conviction", "nan"], ("--conviction", "'nan'")),
    (["--score", -1], ("--score",)),
    (["--device", "quantum"], ("--device is quantum", "this machine has cpu")),
    (["--device", "meta"], ("--device is meta", "this machine has cpu")),
    (["--network", "large"], ("--network", "plain")),
    (["--sprites", "nowhere"], ("nowhere is not there",)),
    (["--sprites", "nowhere.npy"], ("nowhere.npy is not there",)),
    (["--sprites", ""], ("source is an empty text",)),
    (["--cell", 32], ("--cell is 32", "no --sprites")),
    (["--labels", "a.npy"], ("--labels is a.npy", "no --sprites")),
    (["--weights", "nowhere"], ("nowhere", "no such file")),
    (["--judge", "nowhere"], ("nowhere", "no such file")),
    (["--frobnicate"], ("--frobnicate",)),
    (["--height", 20, "--sprites", "."], ("--height is 20", "multiples of 8")),
])  # fmt: skip
def test_what_the_training_command_cannot_use_is_one_line(
    said, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("diffutils.sprites.forge.MOST_PER_CLASS", 4)
    refused(said(train, *arguments), *words)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an mps device")
def test_a_device_that_is_not_there_is_named_with_those_that_are(said):
    refused(said(train, "--device", "mps"), "--device is mps; this machine has cpu")


def test_pictures_of_another_size_are_told_with_the_option_that_takes_them(said, tmp_path):
    folder = pictures(tmp_path / "art", height=24)
    refused(said(train, "--sprites", folder, "--output", tmp_path / "o", *FEW),
            "24 x 24 (4)", "--height 24")
    images, labels = tmp_path / "a_sprites.npy", tmp_path / "a_labels.npy"
    np.save(images, np.full((3, 24, 24, 3), 200, np.uint8))
    np.save(labels, np.eye(3))
    refused(said(train, "--sprites", images, "--output", tmp_path / "o", *FEW),
            "24 x 24", "--height 24")
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (16, 16), (9, 99, 200)).save(folder / "a.jpg")
    refused(said(train, "--sprites", folder, "--output", tmp_path / "o", *FEW),
            "not PNG, GIF or WebP", "expected pictures saved as PNG")


def test_a_command_started_by_a_shell_ends_in_one_line_too(tmp_path):
    for words in (["diffutils.train", "--seconds", "0"], ["diffutils.sprites", "--count", "0"]):
        done = subprocess.run([sys.executable, "-W", "error", "-m", *words], text=True, cwd=ROOT,
                              capture_output=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


def test_folders_that_are_missing_are_made(said, tmp_path):
    places = [tmp_path / "deep" / name / "er" for name in ("output", "checkpoint", "samples")]
    code, out, err = said(
        train, "--sprites", pictures(tmp_path / "art"), "--height", 8, *FEW, "--output",
        places[0] / "own", "--checkpoint", places[1] / "run", "--samples", places[2])
    assert code == 0, err
    assert (places[0] / "own").exists() and (places[1] / "run").exists()
    assert list(places[2].glob("step_*.png"))
    code, _, err = said(sprites_command, "--count", 3, "--out", tmp_path / "not" / "yet" / "a.png")
    assert code == 0 and (tmp_path / "not" / "yet" / "a.png").exists(), err


@pytest.mark.parametrize("option", ["--output", "--checkpoint", "--samples"])
def test_a_place_below_a_file_is_one_line_before_anything_is_read(said, tmp_path, option):
    (tmp_path / "file").write_text("mine")
    refused(said(train, option, tmp_path / "file" / "new", "--sprites", pictures(tmp_path / "art"),
                 "--height", 8, *FEW), f"{option} is ")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("arguments", "words"), [
    (["--count", 0], ("--count",)), (["--columns", 0], ("--columns",)),
    (["--scale", 0], ("--scale",)), (["--seed", -1], ("--seed",)),
    (["--class", "wizard"], ("--class", "hero")), (["--count", "10000000"], ("--count", "n is")),
    (["--out", "sheet.jpeg"], ("--out is sheet.jpeg", ".png")),
    (["--out", "."], ("--out is .", ".png")),
    (["--count", 20000, "--scale", 8, "--out", "a.png"], ("pixels; expected at most 16777216",)),
])  # fmt: skip
def test_what_the_sheet_command_cannot_use_is_one_line(
    said, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    given = arguments if "--out" in arguments else [*arguments, "--out", "a.png"]
    if "10000000" in arguments:
        given, words = [*given, "--scale", 1], ("pixels; expected at most",)
    refused(said(sprites_command, *given), *words)
    assert not list(tmp_path.iterdir())


# --- output over input ---


def ways_to_say(path, tmp_path):
    """A path, as such, relative to here, in a roundabout way, and by two kinds of link."""
    soft, hard = tmp_path / "soft", tmp_path / "hard"
    soft.symlink_to(path)
    os.link(path, hard)
    os.chdir(tmp_path)
    return [path, Path(os.path.relpath(path)), path.parent / ".." / path.parent.name / path.name,
            soft, hard]


@pytest.mark.parametrize("option", ["--output", "--checkpoint"])
@pytest.mark.parametrize("kind", ["sheet", "images", "labels", "given labels", "picture", "weights",
                                  "judge"])
def test_what_is_read_is_never_written_over_by_whatever_name(
    said, tmp_path, monkeypatch, option, kind
):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "in"
    place.mkdir()
    np.save(place / "a_sprites.npy", np.full((2, 8, 8, 3), 99, np.uint8))
    np.save(place / "a_labels.npy", np.eye(2))
    np.save(place / "other.npy", np.eye(2))
    weights = place / "w.safetensors"
    save_weights(weights, PaletteUnet(channels=8, hidden=8))
    sheet = picture_sheet(place / "sheet.png")
    folder = pictures(tmp_path / "art")
    images = place / "a_sprites.npy"
    given, victim = {
        "sheet": (["--sprites", sheet], sheet),
        "images": (["--sprites", images], images),
        "labels": (["--sprites", images], place / "a_labels.npy"),
        "given labels": (["--sprites", images, "--labels", place / "other.npy"],
                         place / "other.npy"),
        "picture": (["--sprites", folder], folder / "hero" / "0.png"),
        "weights": (["--sprites", sheet, "--weights", weights], weights),
        "judge": (["--judge", weights], weights),
    }[kind]
    before = victim.read_bytes()
    height = ["--height", 8] if "--sprites" in given else []
    for path in ways_to_say(victim, tmp_path):
        answer = said(train, *given, *height, *FEW, option, path)
        refused(answer, f"{option} is {path}, ", "expected another place")
        assert victim.read_bytes() == before


def test_samples_do_not_become_sprites_of_the_next_run(said, tmp_path):
    folder = pictures(tmp_path / "art")
    for place, why in ((folder, "which is read for --sprites"), (folder / "hero", "among the"),
                       (folder / "new", "among the pictures of --sprites")):
        refused(said(train, "--sprites", folder, "--height", 8, *FEW, "--output", tmp_path / "o",
                     "--samples", place), "--samples is ", why)
    sheet = picture_sheet(tmp_path / "step_0000001.png")
    refused(said(train, "--sprites", sheet, "--height", 8, *FEW, "--output", tmp_path / "o",
                 "--samples", tmp_path), "--samples is ")
    assert not (folder / "new").exists()


def test_two_outputs_are_not_one_place(said, tmp_path):
    for pair in (("--output", "--checkpoint"), ("--output", "--samples"),
                 ("--checkpoint", "--samples")):
        given = [word for name in pair for word in (name, tmp_path / "one")]
        refused(said(train, "--output", tmp_path / "o", *given), "expected two places")


def test_weights_are_not_written_over_a_file_of_another_kind(said, tmp_path):
    for name, data in (("notes.txt", b"my only copy"), ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(99))):
        (tmp_path / name).write_bytes(data)
        refused(said(train, "--steps", 1, "--output", tmp_path / name), "holds no weights")
        assert (tmp_path / name).read_bytes() == data
    (tmp_path / "a.png").write_text("a letter")
    refused(said(sprites_command, "--out", tmp_path / "a.png"), "no PNG picture")
    save_weights(tmp_path / "old", PaletteUnet(channels=8, hidden=8))
    assert train.parse(["--output", str(tmp_path / "old")])


# --- odd names ---

ODD = [os.fsdecode(b"caf\xe9"), "r\u00f4le \u4e2d", "two\nlines", "a 'quoted' name"]
no_odd_names = pytest.mark.skipif(sys.platform in ("win32", "darwin"),
                                  reason="this system forbids names outside UTF-8")


@no_odd_names
@pytest.mark.parametrize(("name", "encoding"), [
    (ODD[0], "utf-8"), (ODD[0], "ascii"), (ODD[1], "ascii"), (ODD[2], "utf-8")])
def test_a_name_outside_an_encoding_costs_no_work(tmp_path, name, encoding):
    """In the source, the output, the checkpoint, the samples, a class and a picture."""
    home = tmp_path / name
    folder = pictures(home / "art", classes=(name, "b"))
    (folder / "b" / "0.png").rename(folder / "b" / f"{name}.png")
    output = home / f"{name}.safetensors"
    arguments = ["--sprites", folder, "--height", "8", *map(str, FEW), "--output", output,
                 "--checkpoint", home / f"{name}.run", "--samples", home / "sheets"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "diffutils.train", *arguments], cwd=ROOT,
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    told = weights_metadata(output)
    assert load_weights(output) and len(told["class_names"]) == 2
    assert all(word.isprintable() for word in told["class_names"])
    assert "--sprites" in told["command"]


@no_odd_names
def test_a_refusal_of_an_odd_name_can_be_printed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "diffutils.train", "--sprites", tmp_path / ODD[0], "--output",
         tmp_path / "o"], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "caf\\udce9 is not there" in done.stderr


@no_odd_names
@pytest.mark.parametrize("name", ODD)
def test_a_sheet_may_have_any_name(said, tmp_path, name):
    path = tmp_path / f"{name}.png"
    assert said(sprites_command, "--count", 3, "--out", path)[0] == 0
    assert len(load_sprites(path).images) == 3
    refused(said(train, "--sprites", path, "--output", path), "--output is")


@no_odd_names
def test_texts_of_any_kind_are_kept_with_the_weights(tmp_path):
    path, odd = tmp_path / "w.safetensors", os.fsdecode(b"\xff\x00caf\xe9")
    save_weights(path, PaletteUnet(channels=8, hidden=8, n_context=1), command=odd,
                 data_checksum=odd, class_names=[odd], scores={odd: odd})
    told = weights_metadata(path)
    assert told["command"] == "\\udcff\x00caf\\udce9" == told["class_names"][0]
    assert told["scores"] == {odd: odd} and load_weights(path)


def test_the_command_that_is_kept_can_be_typed_again():
    assert as_typed("python -m a", ["--x", "my art/a's"]) == \
        """python -m a --x 'my art/a'"'"'s'"""


# --- classes ---


def test_class_names_are_printed_and_kept_in_the_order_of_the_contexts(said, tmp_path):
    output = tmp_path / "own.safetensors"
    given = ["--sprites", pictures(tmp_path / "art", ("b", "a", "c")), "--height", 8, *FEW]
    code, out, err = said(train, *given, "--output", output)
    assert code == 0 and "classes: 0 a (2), 1 b (2), 2 c (2)" in err and "a, b, c" in out
    assert weights_metadata(output)["class_names"] == ["a", "b", "c"]
    (tmp_path / "art" / "c").rename(tmp_path / "art" / "A")
    code, _, err = said(train, *given, "--weights", output, "--output", tmp_path / "more")
    assert code == 0 and "knows the classes a, b, c; these sprites have A, a, b" in err
    assert weights_metadata(tmp_path / "more")["class_names"] == ["A", "a", "b"]


def test_the_forged_classes_are_kept_too(said, tmp_path, monkeypatch):
    monkeypatch.setattr("diffutils.sprites.forge.MOST_PER_CLASS", 4)
    code, _, err = said(train, *FEW, "--output", tmp_path / "first")
    assert code == 0, err
    assert weights_metadata(tmp_path / "first")["class_names"] == list(CLASSES)


def test_the_classes_of_a_folder_in_a_folder_are_found_and_said(said, tmp_path):
    pictures(tmp_path / "game" / "assets")
    code, _, err = said(train, "--sprites", tmp_path / "game", "--height", 8, *FEW, "--output",
                        tmp_path / "o")
    assert code == 0 and "classes: 0 food (2), 1 hero (2)" in err
    assert "the classes are the folders of assets" in err


def test_labels_may_be_named(said, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8))
    np.save(tmp_path / "y.npy", np.eye(2)[[0, 1, 1, 1]])
    code, _, err = said(train, "--sprites", tmp_path / "x.npy", "--labels", tmp_path / "y.npy",
                        "--height", 8, *FEW, "--output", tmp_path / "o")
    assert code == 0 and "classes: 0 class 0 (1), 1 class 1 (3)" in err


# --- what is written can be read ---


@pytest.mark.parametrize(("spoil", "said_"), [
    (lambda n: setattr(n, "conviction", float("nan")), "config describes no network.*conviction"),
    (lambda n: setattr(n, "conviction", float("inf")), "config describes no network.*conviction"),
    (lambda n: n.config.update(hidden=16), "shape"),
    (lambda n: n.config.update(extra=1), "config describes no network"),
    (lambda n: n.palette.fill_(float("nan")), "not finite"),
])  # fmt: skip
def test_a_network_that_could_not_be_read_is_not_written(tmp_path, spoil, said_):
    path, nn_model = tmp_path / "w.safetensors", PaletteUnet(channels=8, hidden=8)
    save_weights(path, nn_model, command="the first")
    before = path.read_bytes()
    spoil(nn_model)
    with pytest.raises(ValueError, match=f"(?s){said_}"):
        save_weights(path, nn_model)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["w.safetensors"]


@pytest.mark.parametrize("story", [
    {"command": "x" * 2**24}, {"scores": {"a": "x" * 2**24}}, {"scores": {"a": 10**5000}},
    {"class_names": ["a"]}, {"class_names": ["a"] * 6},
])  # fmt: skip
def test_a_story_that_could_not_be_read_is_not_written(tmp_path, story):
    with pytest.raises((ValueError, TypeError), match="save_weights|weights_metadata"):
        save_weights(tmp_path / "w", PaletteUnet(channels=8, hidden=8), **story)
    assert not list(tmp_path.iterdir())


def test_a_network_too_large_to_be_read_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="save_weights: .* would have .* bytes"):
        save_weights(tmp_path / "w", PaletteUnet(channels=256, hidden=2048))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [PaletteUnet, ContextUnet])
def test_a_network_in_other_numbers_is_written_so_that_it_can_be_read(tmp_path, kind, dtype):
    sizes = {"channels": 8, "hidden": 8}
    trained = kind(**sizes)
    if kind is PaletteUnet:
        trained.learn_palette(torch.tensor([[-1.0, 0, 1]]))
        trained.palette.clamp_(-1, 1)  # the colours that are not there lie beyond float16
    save_weights(tmp_path / "w", trained.to(dtype))
    nn_model, _ = load_weights(tmp_path / "w")
    assert next(nn_model.parameters()).dtype == torch.float32


def test_numbers_too_large_for_half_the_room_are_written_whole(tmp_path):
    nn_model = PaletteUnet(channels=8, hidden=8)
    with torch.no_grad():
        nn_model.enter.bias.fill_(1e6)
    options = train.parse(["--output", str(tmp_path / "w")])
    train.write(nn_model, {"class_names": ()}, {}, options)
    assert (load_weights(tmp_path / "w")[0].enter.bias == 1e6).all()


def test_class_names_of_files_without_them_are_none():
    assert load_pretrained() and isinstance(
        weights_metadata(ROOT / "diffutils" / "shipped" / "palette.safetensors")["class_names"],
        list)


# --- sheets of ours ---


@pytest.mark.parametrize("columns", [1, 2, 7, 8, 9, 10, 16, 64])
def test_our_own_sheets_are_read_back_exactly(said, tmp_path, columns):
    for scale, count, name in ((4, 64, None), (1, 17, "food"), (3, 5, "spell")):
        given = ["--class", name] if name else []
        code, _, err = said(sprites_command, *given, "--columns", columns, "--count", count,
                            "--scale", scale, "--out", tmp_path / "sheet.png")
        assert code == 0, err
        images, _, _ = forge_sprites(count, 0, split="all", classes=[name] if name else None)
        found = load_sprites(tmp_path / "sheet.png")
        np.testing.assert_array_equal(found.images, images)
