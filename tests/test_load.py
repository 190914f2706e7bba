"""Real sprites: right answers from good sources, clear errors from the rest."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from diffutils.sprites import forge_sprites
from diffutils.sprites.load import (
    COURSE_CLASSES,
    MAX_PICTURE_BYTES,
    LoadReport,
    load_sprites,
    printable,
)

DATA = Path(__file__).parents[2] / "shared" / "data"
REAL = DATA / "dungeon_sprites_16x16.npy"
CLEAR = (ValueError, TypeError, FileNotFoundError)


def random_images(count, height=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, height, 3), np.uint8)


def save_pair(folder, images, labels):
    np.save(folder / "my_sprites_16x16.npy", images)
    np.save(folder / "my_labels_16x16.npy", labels)
    return folder / "my_sprites_16x16.npy", folder / "my_labels_16x16.npy"


def save_picture(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def picture_bytes(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


# --- the pair of arrays ---


@pytest.mark.skipif(not REAL.exists(), reason=f"real sprites are not at {DATA}")
def test_the_real_pair_comes_back_whole():
    sprites = load_sprites(REAL)
    labels = np.load(DATA / "dungeon_labels_16x16.npy", allow_pickle=False)
    np.testing.assert_array_equal(sprites.images, np.load(REAL, allow_pickle=False))
    np.testing.assert_array_equal(sprites.contexts, labels)
    assert sprites.contexts.dtype == np.float32
    assert str(sprites.report) == "read 1620, unique 1620, dropped none"
    assert sprites.class_names == COURSE_CLASSES


def test_a_pair_of_paths_and_the_images_path_alone_give_the_same(tmp_path):
    labels = np.eye(5)[[0, 1, 2, 3]]
    pair = save_pair(tmp_path, random_images(4), labels)
    np.save(tmp_path / "other_labels_16x16.npy", labels)
    for source in (pair, list(map(str, pair)), pair[0], str(pair[0])):
        sprites = load_sprites(source)
        np.testing.assert_array_equal(sprites.images, random_images(4))
        np.testing.assert_array_equal(sprites.contexts, labels)


def test_the_labels_of_the_course_are_found_under_their_own_name(tmp_path):
    np.save(tmp_path / "sprites_1788_16x16.npy", random_images(2))
    np.save(tmp_path / "sprite_labels_nc_1788_16x16.npy", np.eye(5)[:2])
    assert load_sprites(tmp_path / "sprites_1788_16x16.npy").contexts.shape == (2, 5)


def test_fractional_labels_stay_fractional(tmp_path):
    labels = np.array([[0.25, 0.5], [1, 0], [0, 0]])
    sprites = load_sprites(save_pair(tmp_path, random_images(3), labels))
    np.testing.assert_array_equal(sprites.contexts, labels.astype(np.float32))
    assert sprites.class_names == ("class 0", "class 1")


def test_duplicates_are_dropped_and_counted(tmp_path):
    images = random_images(2)[[0, 1, 0, 0]]
    sprites = load_sprites(save_pair(tmp_path, images, np.eye(2)[[0, 1, 0, 1]]))
    np.testing.assert_array_equal(sprites.images, images[:2])
    assert sprites.report == LoadReport(
        read=4, unique=2, dropped={"duplicate": 1, "duplicate under another label": 1}
    )
    assert str(sprites.report) == (
        "read 4, unique 2, dropped 2 (1 duplicate, 1 duplicate under another label)"
    )


def test_enlarged_arrays_come_back_exactly_and_others_are_averaged(tmp_path):
    images = random_images(3)
    enlarged = images.repeat(3, axis=1).repeat(3, axis=2)
    pair = save_pair(tmp_path, enlarged, np.eye(2)[[0, 1, 0]])
    np.testing.assert_array_equal(load_sprites(pair).images, images)
    mixed = np.tile(np.array([[0, 1], [255, 255]], np.uint8)[:, :, None], (1, 16, 16, 3))
    sprites = load_sprites(save_pair(tmp_path, mixed, np.ones((1, 1))))
    assert (sprites.images == 128).all()  # (0 + 1 + 255 + 255) / 4 = 127.75


def test_column_major_and_big_endian_arrays_are_read_like_others(tmp_path):
    images, labels = random_images(3), np.eye(3)
    pair = save_pair(tmp_path, np.asfortranarray(images), labels.astype(">f4"))
    sprites = load_sprites(pair)
    np.testing.assert_array_equal(sprites.images, images)
    np.testing.assert_array_equal(sprites.contexts, labels)


def test_wrong_arrays_are_named_with_what_was_expected(tmp_path):
    good, labels = random_images(2), np.eye(2)
    wrong = [
        (good.astype(np.float32), labels, r"holds float32 \(2, 16, 16, 3\); expected uint8"),
        (good[..., 0], labels, r"holds uint8 \(2, 16, 16\); expected"),
        (good[:, :, :12], labels, "sprites of 16 x 12; expected 16 x 16"),
        (good, labels[:1], r"labels of shape \(1, 2\); expected \(2, k\)"),
        (good, labels[0], r"labels of shape \(2,\)"),
        (good, labels * 2, r"a label outside \[0, 1\]"),
        (good, labels * np.nan, r"a label outside \[0, 1\]"),
        (good, labels[:, :0], "an empty array"),
        (good[:0], labels[:0], "an empty array"),
        (good, np.array([["a", "b"], ["c", "d"]]), "something other than plain numbers"),
    ]
    for images, rows, message in wrong:
        with pytest.raises(ValueError, match=message):
            load_sprites(save_pair(tmp_path, images, rows))


def test_a_pickle_in_a_npy_file_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    objects = np.empty(1, object)
    objects[0] = Trap()
    np.save(tmp_path / "a_sprites.npy", objects, allow_pickle=True)
    np.save(tmp_path / "a_labels.npy", np.ones((1, 1)))
    with pytest.raises(ValueError, match="something other than plain numbers"):
        load_sprites(tmp_path / "a_sprites.npy")
    assert not (tmp_path / "sprung").exists()


def header_bytes(shape, descr="|u1"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("shape", [(10**9, 16, 16, 3), (0, 10**9, 10**9, 10**9), (2, 16, 16, 3)])
def test_a_header_that_claims_what_the_file_has_not_is_refused_unallocated(tmp_path, shape):
    path = tmp_path / "a_sprites.npy"
    path.write_bytes(header_bytes(shape) + bytes(768))
    np.save(tmp_path / "a_labels.npy", np.ones((1, 1)))
    with pytest.raises(ValueError, match="header claims|empty array"):
        load_sprites(path)


@pytest.mark.parametrize("shape", ["(2  1)", "(2, 1,)", "(02, 1)", "(2)", "(2, 1)\x0b"])
def test_a_header_that_numpy_does_not_write_is_refused(tmp_path, shape):
    save_pair(tmp_path, random_images(2), np.ones((2, 1)))
    path = tmp_path / "my_labels_16x16.npy"
    header = header_bytes(shape).replace(b"\x0b, }", b", }\x0b")
    path.write_bytes(header + bytes(2))
    with pytest.raises(ValueError, match="broken header|other than plain numbers"):
        load_sprites(tmp_path / "my_sprites_16x16.npy")


def test_a_pair_without_its_labels_says_which_file_it_looked_for(tmp_path):
    images, labels = save_pair(tmp_path, random_images(1), np.ones((1, 1)))
    labels.rename(tmp_path / "labels_of_something_else.npy")
    with pytest.raises(FileNotFoundError, match="expected labels_my_16x16.npy"):
        load_sprites(images)
    for name in ("my_labels_16x16.npy", "my_label_16x16.npy"):
        np.save(tmp_path / name, np.ones((1, 1)))
    with pytest.raises(ValueError, match="2 files could hold the labels"):
        load_sprites(images)


# --- the folder ---


def test_subfolders_are_the_classes_in_order_of_their_names(tmp_path):
    images = random_images(5)
    save_picture(tmp_path / "b" / "1.png", images[0])
    save_picture(tmp_path / "a" / "2.PNG", images[1])
    save_picture(tmp_path / "a" / "1.webp", images[2], lossless=True)
    save_picture(tmp_path / "a" / "deeper" / "3.png", images[3])
    save_picture(tmp_path / "loose.png", images[4])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    save_picture(tmp_path / ".ipynb_checkpoints" / "1.png", images[4])
    sprites = load_sprites(tmp_path)
    assert sprites.class_names == ("a", "b")
    np.testing.assert_array_equal(sprites.images, images[[2, 1, 3, 0]])
    np.testing.assert_array_equal(sprites.contexts, np.eye(2)[[0, 0, 0, 1]])
    assert sprites.report.dropped == {"beside the class folders": 1, "not PNG, GIF or WebP": 1}
    assert sprites.report.read == 6


def test_a_folder_without_subfolders_is_one_class(tmp_path):
    save_picture(tmp_path / "mine" / "1.png", random_images(1)[0])
    sprites = load_sprites(tmp_path / "mine")
    assert sprites.class_names == ("mine",)
    np.testing.assert_array_equal(sprites.contexts, [[1]])


def test_transparent_pixels_become_white_by_their_alpha(tmp_path):
    image = np.zeros((16, 16, 4), np.uint8)
    image[:8] = 200, 100, 0, 0
    image[8:] = 200, 100, 0, 51  # a fifth: 255 * 4/5 + 200/5 = 244
    image[15] = 7, 7, 7, 100  # 255 * 155/255 + 7 * 100/255 = 157.7
    save_picture(tmp_path / "1.png", image)
    sprites = load_sprites(tmp_path)
    assert (sprites.images[0, :8] == 255).all()
    assert (sprites.images[0, 8:15] == [244, 224, 204]).all()
    assert (sprites.images[0, 15] == 158).all()


def test_palette_grey_and_animated_pictures_are_read(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    save_picture(tmp_path / "1_grey.png", grey)
    frames = [Image.fromarray(np.full((16, 16), level, np.uint8)) for level in (10, 250)]
    frames[0].save(tmp_path / "2_moving.gif", save_all=True, append_images=frames[1:])
    sprites = load_sprites(tmp_path)
    assert (sprites.images[0] == grey[:, :, None]).all()
    assert (sprites.images[1] == 10).all()


def test_pictures_that_cannot_be_sprites_are_dropped_with_the_reason(tmp_path):
    save_picture(tmp_path / "good.png", random_images(1)[0])
    save_picture(tmp_path / "wide.png", random_images(1, 32)[0, :16])
    save_picture(tmp_path / "deep.png", np.zeros((16, 16), np.uint16))
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    (tmp_path / "lie.gif").write_bytes(b"#!/bin/sh\n" * 10)
    (tmp_path / "none.webp").write_bytes(b"")
    assert str(load_sprites(tmp_path).report) == (
        "read 6, unique 1, dropped 5 (2 a damaged picture, "
        "1 a picture of more than 8 bits a channel, 1 not PNG, GIF or WebP inside, "
        "1 not a whole multiple of 16 x 16); sizes that do not fit: 32 x 16 (1)"
    )


def test_a_folder_without_sprites_is_an_error_with_the_report(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="read 1, unique 0, dropped 1 .1 not PNG, GIF or WebP."):
        load_sprites(tmp_path)


def png_chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path):
    header = struct.pack(">IIBBBBB", 160_000, 160_000, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    bomb += png_chunk(b"IDAT", zlib.compress(bytes(10**6), 9)) + png_chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(ValueError, match="no pixels or more than 16777216"):
        load_sprites(tmp_path / "bomb.png")
    canvas = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00" * 2
    (tmp_path / "bomb.webp").write_bytes(b"RIFF" + struct.pack("<I", len(canvas)) + canvas)
    with pytest.raises(ValueError, match="no pixels or more than 16777216"):
        load_sprites(tmp_path / "bomb.webp")


def test_a_frame_cannot_enlarge_a_gif(tmp_path):
    small = picture_bytes(np.zeros((16, 16), np.uint8), "GIF")
    frame = small.index(b"," + bytes(4) + struct.pack("<HH", 16, 16))
    large = small[: frame + 5] + struct.pack("<HH", 9000, 9000) + small[frame + 9 :]
    (tmp_path / "a.gif").write_bytes(large)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.size == (9000, 9000)
    with pytest.raises(ValueError, match="larger inside than its header says"):
        load_sprites(tmp_path / "a.gif")


def test_a_second_header_cannot_enlarge_a_png(tmp_path):
    small = picture_bytes(random_images(1)[0], "PNG")
    second = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(small[:33] + second + small[33:])
    with pytest.raises(ValueError, match="larger inside than its header says|a damaged picture"):
        load_sprites(tmp_path / "a.png")


def test_a_file_over_the_limit_is_not_read_and_one_at_the_limit_is(tmp_path):
    for size, said in ((1, "larger than 33554432 bytes"), (0, "not PNG, GIF or WebP inside")):
        with open(tmp_path / "large.png", "wb") as file:
            file.truncate(MAX_PICTURE_BYTES + size)
        with pytest.raises(ValueError, match=said):
            load_sprites(tmp_path / "large.png")


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("diffutils.sprites.load.MAX_FOLDER_ENTRIES", 2)
    for k, image in enumerate(random_images(3)):
        save_picture(tmp_path / "a" / f"{k}.png", image)
        if k == 1:
            assert len(load_sprites(tmp_path).images) == 2
    with pytest.raises(ValueError, match="holds too many files; expected at most 2"):
        load_sprites(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_links_out_of_the_folder_and_pipes_are_not_opened(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "mine"
    images = random_images(3)
    save_picture(outside / "secret.png", images[0])
    save_picture(folder / "1.png", images[1])
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "all").symlink_to(outside)
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "inside.png").symlink_to("1.png")
    os.mkfifo(folder / "pipe.png")
    sprites = load_sprites(folder)
    np.testing.assert_array_equal(sprites.images, images[1:2])
    assert sprites.report.dropped == {
        "a link out of the folder": 2,
        "duplicate": 1,
        "not a regular file": 1,
        "not open to reading": 1,
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
def test_control_characters_in_names_are_escaped(tmp_path):
    save_picture(tmp_path / "red\x1b[31m\nname\u202e" / "1.png", random_images(1)[0])
    assert load_sprites(tmp_path).class_names == ("red\\x1b[31m\\nname\\u202e",)
    with pytest.raises(FileNotFoundError) as caught:
        load_sprites("no\x07where")
    assert "no\\x07where" in str(caught.value)


# --- the sheet ---


def test_a_sheet_is_cut_row_by_row_without_its_empty_cells(tmp_path):
    images = random_images(5)
    sheet = np.full((2 * 16, 3 * 16, 3), 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        sheet[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = image
    save_picture(tmp_path / "knights.png", sheet)
    sprites = load_sprites(tmp_path / "knights.png")
    np.testing.assert_array_equal(sprites.images, images)
    np.testing.assert_array_equal(sprites.contexts, np.ones((5, 1)))
    assert sprites.class_names == ("knights",)
    assert str(sprites.report) == (
        "read 6, unique 5, dropped 1 (1 of one colour); cut into 2 x 3 cells of 16 x 16"
    )


def test_a_sheet_off_the_grid_names_its_size(tmp_path):
    save_picture(tmp_path / "a.png", random_images(1, 24)[0])
    with pytest.raises(ValueError, match="24 high and 24 wide; expected whole multiples of 16"):
        load_sprites(tmp_path / "a.png")
    assert len(load_sprites(tmp_path / "a.png", height=8).images) == 9


def lay_out(images, columns, lead=0, spacing=0, trail=0, times=1, colour=255):
    """A sheet of sprites with what is given around and between them."""
    images = images.repeat(times, 1).repeat(times, 2)
    side, rows = images.shape[1], -(-len(images) // columns)
    sizes = [lead + n * side + (n - 1) * spacing + trail for n in (rows, columns)]
    sheet = np.full((*sizes, 3), colour, np.uint8)
    for k, image in enumerate(images):
        y, x = (lead + n * (side + spacing) for n in divmod(k, columns))
        sheet[y : y + side, x : x + side] = image
    return sheet


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("colour", [255, 0, 77])
@pytest.mark.parametrize(("lead", "spacing", "trail"), [
    (0, 1, 1), (1, 1, 0), (0, 1, 0), (1, 1, 1), (1, 2, 1), (4, 0, 4), (5, 3, 5), (0, 0, 0),
    (8, 8, 8), (2, 0, 7),
])  # fmt: skip
def test_the_grid_of_a_sheet_is_found(tmp_path, lead, spacing, trail, colour, times):
    images = random_images(16)
    save_picture(tmp_path / "a.png", lay_out(images, 4, lead, spacing, trail, times, colour))
    sprites = load_sprites(tmp_path / "a.png")
    np.testing.assert_array_equal(sprites.images, images)
    assert f"cut into 4 x 4 cells of {16 * times} x {16 * times}" in str(sprites.report)


def test_a_sheet_whose_size_is_a_multiple_by_chance_is_not_cut_through(tmp_path):
    images = forge_sprites(256, 0)[0]
    save_picture(tmp_path / "a.png", lay_out(images, 16, 0, 1, 1))  # 272 x 272
    np.testing.assert_array_equal(load_sprites(tmp_path / "a.png").images, images)


def test_a_sheet_of_larger_drawings_is_refused_with_what_would_fit(tmp_path):
    large = np.full((9, 32, 32, 3), 255, np.uint8)
    y, x = np.mgrid[:32, :32]
    for k in range(9):
        large[k][(y - 15.5) ** 2 + (x - 15.5) ** 2 < 180 + 3 * k] = 20 * k, 90, 30
    for spacing, expected in ((0, "3 x 3 cells of 32 x 32"), (1, "cells of 32 x 32, 1 apart")):
        save_picture(tmp_path / "a.png", lay_out(large, 3, 0, spacing))
        with pytest.raises(ValueError, match=f"{expected} would fit: say cell=32 .--cell 32."):
            load_sprites(tmp_path / "a.png")
        found = load_sprites(tmp_path / "a.png", cell=32)
        assert len(found.images) == 9 and "9 of 32 x 32 averaged" in str(found.report)


def test_cell_and_spacing_may_be_said(tmp_path):
    images = random_images(6)
    save_picture(tmp_path / "a.png", lay_out(images, 3, 0, 2))
    for options in ({"cell": 16}, {"spacing": 2}, {"cell": 16, "spacing": 2}):
        np.testing.assert_array_equal(load_sprites(tmp_path / "a.png", **options).images, images)
    for options, said in (({"cell": 24}, "cell is 24 .--cell.; expected a whole multiple of 16"),
                        ({"spacing": 5}, "no grid of cells of 16 pixels, 5 apart"),
                        ({"cell": 0}, "cell is 0"), ({"spacing": -1}, "spacing is -1")):
        with pytest.raises(ValueError, match=said):
            load_sprites(tmp_path / "a.png", **options)
    with pytest.raises(TypeError, match="cell is 16.0; expected a whole number"):
        load_sprites(tmp_path / "a.png", cell=16.0)
    with pytest.raises(ValueError, match="is no sheet"):
        load_sprites(tmp_path, cell=16)


# --- numbers that look right ---


def test_pictures_in_another_range_are_refused_with_the_remedy(tmp_path):
    good, labels = random_images(2), np.eye(2)
    clear = np.concatenate([good, np.ones((2, 16, 16, 1), np.uint8)], axis=3)
    wrong = [
        (good // 128, "values 0..1, all black; .*multiply by 255"),
        (good // 128 + 254, "values 254..255, all white"),
        (clear, r"alpha 0..1, .*images\[..., :3\]"),
        (good / np.float32(255), r"values are 0..1, so \(images \* 255.0\).round\(\).astype"),
        (good / np.float32(127.5) - 1, r"values are -1..1, so \(\(images \+ 1\) \* 127.5\)"),
        (good.astype(np.int64), r": images.astype\(np.uint8\)"),
        (good * 257.0, "to be brought to 0..255"),
        (good.transpose(0, 3, 1, 2), r"images.transpose\(0, 2, 3, 1\)"),
        (labels, "in the wrong order"),
    ]
    for images, said in wrong:
        with pytest.raises(ValueError, match=said):
            load_sprites(save_pair(tmp_path, np.ascontiguousarray(images), labels))
    save_picture(tmp_path / "dark" / "a.png", good[0] // 128)
    with pytest.raises(ValueError, match="dark holds values 0..1, all black"):
        load_sprites(tmp_path / "dark")


def test_labels_that_are_class_numbers_are_told(tmp_path):
    images = random_images(4)
    for labels, said in (([0, 1, 2, 3], r"np.eye\(k\)\[labels\]"),
                         ([[0], [1], [2], [3]], r"np.eye\(k\)\[labels\[:, 0\]"),
                         (np.eye(4)[:2], "expected .4, k.: labels.T")):
        with pytest.raises(ValueError, match=said):
            load_sprites(save_pair(tmp_path, images, np.array(labels)))
    with pytest.warns(UserWarning, match="one column of 0 and 1: 0 means no class"):
        load_sprites(save_pair(tmp_path, images, np.array([[0], [1], [1], [0]])))
    with pytest.warns(UserWarning, match="4 equal rows: one class only"):
        load_sprites(save_pair(tmp_path, images, np.eye(2)[[1, 1, 1, 1]]))
    pair = save_pair(tmp_path, images, np.array([[0, 0], [0, 0], [0, 1], [1, 0]]))
    assert "2 of no class" in str(load_sprites(pair).report)


def test_folders_in_folders_are_classes_or_are_told(tmp_path):
    images = random_images(4)
    save_picture(tmp_path / "game" / "hero" / "1.png", images[0])
    save_picture(tmp_path / "game" / "food" / "ripe" / "1.png", images[1])
    found = load_sprites(tmp_path)
    assert found.class_names == ("food", "hero")
    assert "the classes are the folders of game" in str(found.report)
    assert "no classes of their own: ripe" in str(found.report)
    save_picture(tmp_path / "other" / "hero" / "1.png", images[2])
    found = load_sprites(tmp_path)
    assert found.class_names == ("game", "other") and "hero, ripe" in str(found.report)
    save_picture(tmp_path / "one" / "deep" / "er" / "1.png", images[3])
    assert load_sprites(tmp_path / "one").class_names == ("er",)


# --- the arguments ---


@pytest.mark.parametrize(
    ("source", "height", "error", "message"),
    [
        (7, 16, TypeError, "source is int; expected a path"),
        (b"a.npy", 16, TypeError, "source is bytes"),
        (("a.npy",), 16, ValueError, "source has 1 paths"),
        ("http://example.org/a.npy", 16, FileNotFoundError, "is not there"),
        ("x" * 5000, 16, FileNotFoundError, "is not there"),
        ("a\0b", 16, ValueError, "is no path"),
        (__file__, 16, ValueError, "expected a .npy pair, a folder, or a sheet"),
        (__file__, 0, ValueError, "height is 0; expected 1..256"),
        (__file__, 16.0, TypeError, "height is 16.0; expected a whole number"),
    ],
)
def test_a_wrong_argument_is_named(source, height, error, message):
    with pytest.raises(error, match=message):
        load_sprites(source, height=height)


# --- 2,000 malformed inputs: a right answer or a clear error, no other ending ---


def cases(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def answer_or_clear_error(source, height=16):
    """The sprites, their shapes checked; None where the error is one of those promised."""
    try:
        sprites = load_sprites(source, height=height)
    except CLEAR as error:
        assert str(error).isprintable()
        assert "load_sprites" in str(error)
        return None
    count = len(sprites.images)
    assert sprites.images.dtype == np.uint8 and sprites.contexts.dtype == np.float32
    assert sprites.images.shape == (count, height, height, 3)
    assert sprites.contexts.shape == (count, len(sprites.class_names))
    assert ((sprites.contexts >= 0) & (sprites.contexts <= 1)).all()
    assert sprites.report.unique == count
    assert sprites.report.read == count + sum(sprites.report.dropped.values())
    assert len(np.unique(sprites.images.reshape(count, -1), axis=0)) == count
    assert all(name.isprintable() for name in sprites.class_names)
    return sprites


edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat"]),
        st.integers(0, 900),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damage(data, changes):
    """`data` with bytes changed, cut off, put in or said twice."""
    data = bytearray(data)
    for kind, place, value in changes:
        place %= len(data) + 1
        if kind == "flip" and place < len(data):
            data[place] ^= value
        elif kind == "cut":
            del data[place : place + value]
        elif kind == "insert":
            data[place:place] = bytes([value])
        elif kind == "repeat":
            data[place:place] = data[place : place + value]
    return bytes(data)


@cases(600)
@given(
    shape=st.lists(
        st.one_of(st.sampled_from([1, 2, 3, 4, 16, 32]), st.integers(-1, 10**12)), max_size=5
    ),
    descr=st.sampled_from(["|u1"] * 3 + "<f8 >i2 |O |b1 <U3 <M8[s] |u9".split() + [""]),
    body=st.integers(0, 4000),
    ending=st.sampled_from([" }\n", "}", "", "'" * 40, "(" * 2000, ", 'a': __import__('os')}"]),
)
def test_any_array_header_is_understood_or_refused(tmp_path_factory, shape, descr, body, ending):
    folder = tmp_path_factory.getbasetemp()
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)},{ending}"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(body)
    (folder / "h_sprites.npy").write_bytes(data)
    np.save(folder / "h_labels.npy", np.ones((1, 2)))
    assert answer_or_clear_error(folder / "h_sprites.npy") is None or shape[0] == 1


@cases(400)
@given(changes=edits, which=st.sampled_from(["images", "labels"]))
def test_a_damaged_pair_gives_what_numpy_reads_or_a_clear_error(tmp_path_factory, changes, which):
    folder = tmp_path_factory.getbasetemp()
    images, labels = save_pair(folder, random_images(1), np.ones((1, 2), np.float32))
    path = {"images": images, "labels": labels}[which]
    path.write_bytes(damage(path.read_bytes(), changes))
    sprites = answer_or_clear_error((images, labels))
    if sprites is not None:
        np.testing.assert_array_equal(sprites.images, np.load(images, allow_pickle=False))
        np.testing.assert_array_equal(sprites.contexts, np.load(labels, allow_pickle=False))


SAMPLES = {
    ".png": picture_bytes(random_images(1)[0] // 128 * 255, "PNG"),
    ".gif": picture_bytes(random_images(1)[0] // 128 * 255, "GIF"),
    ".webp": picture_bytes(random_images(1)[0] // 128 * 255, "WEBP", lossless=True),
    ".WebP": picture_bytes(random_images(1)[0] // 128 * 255, "WEBP", quality=30),
}


@cases(700)
@given(edits, st.sampled_from(sorted(SAMPLES)), st.sampled_from(sorted(SAMPLES)))
def test_a_damaged_picture_is_read_or_dropped(tmp_path_factory, changes, suffix, kind):
    folder = tmp_path_factory.getbasetemp() / "pictures"
    save_picture(folder / "good.png", random_images(1, seed=1)[0])
    path = folder / f"damaged{suffix}"
    path.write_bytes(damage(SAMPLES[kind], changes))
    sprites = answer_or_clear_error(folder)
    assert (sprites.images == random_images(1, seed=1)[0]).all((1, 2, 3)).any()
    answer_or_clear_error(path)
    path.unlink()


@cases(300)
@given(
    source=st.one_of(
        st.none(),
        st.integers(),
        st.binary(max_size=5),
        st.text(max_size=8),
        st.lists(st.text(max_size=4), max_size=3),
        st.tuples(st.just(__file__), st.text(max_size=4)),
    ),
    height=st.one_of(st.integers(-3, 300), st.none(), st.floats(), st.text(max_size=2)),
)
def test_any_argument_is_answered_or_refused_clearly(tmp_path_factory, source, height):
    folder = tmp_path_factory.getbasetemp() / "nowhere"
    folder.mkdir(exist_ok=True)
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert answer_or_clear_error(source, height) is None
    finally:
        os.chdir(before)


def test_every_character_of_a_shown_name_is_printable():
    for code in (*range(0x300), 0x202E, 0xDC80, 0xFEFF, 0x1F600, 0xE000):
        assert printable(f"a{chr(code)}b").isprintable()
    assert printable("a\\nb") != printable("a\nb")
