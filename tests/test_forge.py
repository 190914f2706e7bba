"""The forge: what it promises of its art, its splits, its counts and its bytes."""

import hashlib
import time

import numpy as np
import pytest
from PIL import Image

from diffutils.sprites import __main__ as sprites_command
from diffutils.sprites import bob, count_sprites, forge, forge_sprites, render

TOLERANCE = 36


@pytest.fixture(scope="module")
def drawn():
    """5,000 training sprites."""
    return forge_sprites(5000, 7)


def write_art(folder, text):
    path = folder / "hero.txt"
    path.write_text(text)
    return path


# --- the art -------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "line", "message"), [
    ("part hero body a 0 0\n..o\n.oo.\n", 3, "got 4 letters, expected 3"),
    ("# a comment\npart hero body a 0 0\n..k\n", 3, "got the letter 'k'"),
    ("part hero body a 15 0\n...\n...\n", 1, "2x3 at row 15, column 0 leaves"),
    ("part hero body a 0 14\n...\n", 1, "1x3 at row 0, column 14 leaves"),
    ("part hero body a 0 -1\n...\n", 1, "expected 'part <class> <slot> <name>"),
    ("part hero body a 0\n...\n", 1, "expected 'part <class> <slot> <name>"),
    ("part hero body a 0 0\n\n", 1, "part 'a' has no picture"),
    ("part food body a 0 0\n...\n", 1, "expected 'part hero"),
    ("\n...\n", 2, "expected 'part hero"),
    ("part hero body a 0 0\no\n\npart hero body a 0 0\no\n", 4, "was drawn before"),
    ("part hero body b 0 0\n\u00f6\n", 2, "expected plain ASCII"),
])
def test_a_wrong_picture_is_refused_with_its_file_and_line(tmp_path, text, line, message):
    path = tmp_path / "hero.txt"
    path.write_bytes(text.encode("utf-8"))
    with pytest.raises(ValueError, match=rf"hero\.txt:{line}: .*{message}"):
        forge.read_art(path, "hero")


def test_an_order_of_slots_that_forgets_one_is_refused(tmp_path):
    path = write_art(tmp_path, "slots hero body\npart hero body a 0 0\no\n\n"
                               "part hero head b 0 0\no\n")
    with pytest.raises(ValueError, match=r"hero\.txt: .*\['body', 'head'\] once"):
        forge.read_art(path, "hero")


def test_a_class_of_one_slot_is_refused(tmp_path):
    path = write_art(tmp_path, "part hero body a 0 0\no\n")
    with pytest.raises(ValueError, match=r"hero\.txt: class 'hero' has 1 slots, expected 2\.\.8"):
        forge.build_table("hero", forge.read_art(path, "hero"), path)


def test_slots_are_painted_in_the_order_of_the_slots_line(tmp_path):
    pictures = "part hero head a 0 0\no\n\npart hero body b 0 0\ni\n"
    for order, letter in (("body head", "o"), ("head body", "i")):
        path = write_art(tmp_path, f"slots hero {order}\n\n{pictures}")
        table = forge.build_table("hero", forge.read_art(path, "hero"), path)
        assert forge.LETTERS[table.labels()[0, 0]] == letter


def test_adding_a_hat_is_adding_a_block(tmp_path):
    art = (forge.ART / "hero.txt").read_text()
    path = write_art(tmp_path, art + "\npart hero head fez 0 5\n.oooo.\noRRrxo\noRRrxo\n")
    before = forge.class_table("hero")
    after = forge.build_table("hero", forge.read_art(path, "hero"), path)
    assert after.part_names[2] == (*before.part_names[2], "fez")
    assert len(after) > len(before)


@pytest.mark.parametrize(("line", "message"), [
    ("palette skin fair #fff #000000 #808080", "got the colour '#fff'"),
    ("palette skin fair #gggggg #000000 #808080", "got the colour '#gggggg'"),
    ("palette fur fair #ffffff #000000 #808080", "expected 'palette <role>"),
    ("palette skin fair #ffffff #000000", "expected 'palette <role>"),
])
def test_a_wrong_palette_is_refused_with_its_file_and_line(tmp_path, line, message):
    path = tmp_path / "palettes.txt"
    path.write_text(f"# a comment\n{line}\n")
    with pytest.raises(ValueError, match=rf"palettes\.txt:2: .*{message}"):
        forge.read_palettes(path)


def test_a_role_without_a_palette_is_refused(tmp_path):
    path = tmp_path / "palettes.txt"
    path.write_text("palette skin fair #ffffff #000000 #808080\n")
    with pytest.raises(ValueError, match="no palette for the role 'hair'"):
        forge.read_palettes(path)


def grey_levels_between(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max(-1)


@pytest.mark.parametrize("role", forge.ROLES)
def test_palettes_of_a_role_differ_by_80_grey_levels_in_every_tone(role):
    _, tones = forge.palettes()[role]
    for k in range(len(tones)):
        assert (grey_levels_between(tones[k], tones[k + 1:]) >= 80).all()


@pytest.mark.parametrize("role", forge.ROLES)
def test_tones_of_a_palette_differ_by_40_grey_levels(role):
    _, tones = forge.palettes()[role]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert (grey_levels_between(tones[:, a], tones[:, b]) >= 40).all()


@pytest.mark.parametrize("role", forge.ROLES)
def test_light_tones_are_clearly_off_the_white_background(role):
    _, tones = forge.palettes()[role]
    assert (tones[:, 0].min(-1) <= 200).all()


@pytest.mark.parametrize(("name", "slot", "least"), [
    ("hero", "garment", 6), ("hero", "head", 10), ("hero", "held", 8),
    ("side-facing", "garment", 6), ("side-facing", "head", 10), ("side-facing", "held", 8),
    ("non-hero", "body", 16), ("food", "body", 16), ("spell", "body", 20),
])
def test_there_are_as_many_parts_as_promised(name, slot, least):
    table = forge.class_table(name)
    assert len(table.part_names[table.slots.index(slot)]) >= least


def closest_letters():
    """The least distance between any colours of two letters, over all palettes: (34, 34)."""
    colours = [[colour] for colour in forge.PLAIN_COLOURS]
    colours += [list(forge.palettes()[role][1][:, tone])
                for role in forge.ROLES for tone in range(3)]
    return np.array([[min(grey_levels_between(np.array(x), np.array(y)) for x in a for y in b)
                      for b in colours] for a in colours]) * (1 - np.eye(len(colours)))


@pytest.mark.parametrize("name", forge.CLASSES)
def test_any_two_shapes_of_a_class_are_further_apart_than_twice_the_tolerance(name):
    far = (closest_letters() > 2 * TOLERANCE).astype(np.float32)
    letters = np.eye(len(far), dtype=np.float32)
    labels = forge.class_table(name).labels()
    shapes = labels[np.random.default_rng(0).permutation(len(labels))[:1500]]
    one_hot = letters[shapes].reshape(len(shapes), -1)
    far_pixels = one_hot @ (letters[shapes] @ far).reshape(len(shapes), -1).T
    assert np.isfinite(far_pixels).all()
    assert (far_pixels + np.eye(len(shapes)) > 0).all()


# --- the grammar ---------------------------------------------------------------------


def test_there_are_a_million_sprites_or_more():
    counts = count_sprites()
    assert counts["total"] == sum(counts[name] for name in forge.CLASSES) >= 1_000_000


def test_the_count_is_the_number_of_different_images(tmp_path):
    path = write_art(tmp_path, "part hero body a 0 0\nS\n\npart hero body b 0 0\nH\n\n"
                               "part hero hat none 0 0\n.\n\npart hero hat cap 0 0\no\n")
    table = forge.build_table("hero", forge.read_art(path, "hero"), path)
    skins, hairs = forge.palette_counts()[:2]
    assert table.sprites.tolist() == [skins, 1, hairs]


@pytest.mark.parametrize("name", forge.CLASSES)
def test_no_two_shapes_look_the_same(name):
    table = forge.class_table(name)
    assert len(np.unique(table.labels(), axis=0)) == len(table)


@pytest.mark.parametrize("name", forge.CLASSES)
def test_every_part_shows_in_some_training_sprite(name):
    table = forge.class_table(name)
    for k, names in enumerate(table.part_names):
        assert set(table.parts[~table.held_out, k]) == set(range(len(names)))


@pytest.mark.parametrize("name", forge.CLASSES)
def test_held_out_pairs_of_parts_never_occur_in_train(name):
    table = forge.class_table(name)
    a, b = np.argsort([len(names) for names in table.part_names], kind="stable")[-2:]
    pairs = table.parts[:, [a, b]]
    held_out = set(map(tuple, pairs[table.held_out].tolist()))
    assert held_out and not held_out & set(map(tuple, pairs[~table.held_out].tolist()))


# --- drawing -------------------------------------------------------------------------


def test_images_contexts_and_factors_have_the_promised_shapes(drawn):
    images, contexts, factors = drawn
    assert images.shape == (5000, 16, 16, 3) and images.dtype == np.uint8
    assert contexts.shape == (5000, 5) and contexts.dtype == np.float32
    assert np.isfinite(contexts).all() and (contexts.sum(1) == 1).all()
    assert factors.shape == (5000,) and factors.dtype == forge.FACTORS
    assert (contexts.argmax(1) == factors["class"]).all()


def test_render_gives_the_images_back_from_their_factors(drawn):
    images, _, factors = drawn
    assert (render(factors) == images).all()


def test_a_drawing_holds_no_sprite_twice(drawn):
    images, _, factors = drawn
    assert len(np.unique(factors)) == len(np.unique(images.reshape(5000, -1), axis=0)) == 5000


def test_a_whole_class_can_be_drawn_to_the_last_sprite():
    available = int(forge.class_table("spell").sprites.sum())
    images, _, _ = forge_sprites(available, 0, split="all", classes=["spell"])
    assert len(np.unique(images.reshape(available, -1), axis=0)) == available


def test_more_sprites_than_a_class_has_are_refused():
    available = int(forge.class_table("spell").sprites.sum())
    with pytest.raises(ValueError, match=f"different sprites of class 'spell'.* {available}"):
        forge_sprites(available + 1, 0, split="all", classes=["spell"])


@pytest.mark.parametrize("n", [1, 99, 1000])
def test_class_counts_differ_by_one_at_most(n):
    counts = np.bincount(forge_sprites(n, 0)[2]["class"], minlength=5)
    assert counts.max() - counts.min() <= 1 and counts.sum() == n


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (forge_sprites(200, seed)[0] for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_larger_draw_begins_with_the_smaller():
    assert (forge_sprites(300, 5)[0] == forge_sprites(900, 5)[0][:300]).all()


def test_one_legal_sprite_in_five_has_a_pair_of_parts_that_was_held_out():
    for name in ("hero", "non-hero", "food", "spell", "side-facing"):
        table = forge.class_table(name)
        assert 0.18 < table.sprites[table.held_out].sum() / table.sprites.sum() < 0.22


def test_train_and_held_out_share_no_sprite():
    train, held_out = (forge_sprites(4000, 1, split=split)[2] for split in ("train", "held_out"))
    assert not np.intersect1d(train, held_out).size


def test_classes_are_drawn_in_the_order_asked_for():
    _, _, factors = forge_sprites(4, 0, classes=["spell", "hero"])
    assert factors["class"].tolist() == [3, 0, 3, 0]


def test_nothing_asked_for_is_nothing_drawn():
    images, contexts, factors = forge_sprites(0, 0)
    assert images.shape == (0, 16, 16, 3) and contexts.shape == (0, 5) and len(factors) == 0


def test_hidden_roles_and_absent_slots_are_minus_one(drawn):
    _, _, factors = drawn
    for k, name in enumerate(forge.CLASSES):
        table, rows = forge.class_table(name), factors[factors["class"] == k]
        for j, field in enumerate(forge.SLOT_FIELDS):
            assert ((rows[field] >= 0) == (j < len(table.slots))).all()
        for j, role in enumerate(forge.ROLES):
            assert (rows[role] < forge.palette_counts()[j]).all()
    helmets = factors[(factors["class"] == 0)
                      & (factors["slot_2"] == forge.class_table("hero").part_names[2].index("helm"))
                      & (factors["slot_1"] == 0)]
    assert len(helmets) and (helmets["hair"] == -1).all()


@pytest.mark.parametrize(("arguments", "message"), [
    ({"n": -1}, "n is -1; expected an integer >= 0 and <= "),
    ({"n": 10**13}, "n is 10000000000000; expected"),
    ({"n": 2.5}, "n is 2.5"),
    ({"n": True}, "n is True"),
    ({"seed": -3}, "seed is -3"),
    ({"seed": None}, "seed is None"),
    ({"split": "test"}, "split is 'test'; expected one of"),
    ({"split": ["train"]}, r"split is \['train'\]; expected one of"),
    ({"classes": 3}, "classes is a int; expected a list"),
    ({"classes": [3]}, r"classes is \[3\]; expected different names"),
    ({"classes": ["wizard"]}, "classes is .*wizard"),
    ({"classes": []}, r"classes is \[\]"),
    ({"classes": ["food", "food"]}, ".*; expected different names"),
])
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match="forge_sprites: " + message):
        forge_sprites(**{"n": 4, "seed": 0, **arguments})


def test_render_refuses_what_is_no_sprite(drawn):
    with pytest.raises(ValueError, match="structured array"):
        render(np.zeros((3, 5)))
    for field, value, message in (("class", 5, "class outside 0..4"),
                                  ("slot_0", 99, "expected a legal shape"),
                                  ("slot_0", -1, "expected a legal shape"),
                                  ("skin", 77, "skin = 77"),
                                  ("leaf", 0, "leaf = 0, expected -1")):
        factors = drawn[2][:1].copy()
        factors[field] = value
        with pytest.raises(ValueError, match=message):
            render(factors)


def test_an_unknown_class_table_is_refused():
    with pytest.raises(ValueError, match="got the class 'wizard'"):
        forge.class_table("wizard")


@pytest.fixture
def command(monkeypatch, capsys):
    """`python -m diffutils.sprites` with these arguments; what it printed."""
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["diffutils.sprites", *map(str, arguments)])
        sprites_command.main()
        return capsys.readouterr().out
    return run


def test_the_command_counts_the_sprites_of_all_classes(command):
    told = command().splitlines()
    assert [line.split(":")[0] for line in told] == [*forge.CLASSES, "together"]
    assert told[-1] == f"together: {count_sprites()['total']:,}"


def test_the_command_writes_a_sheet_in_rows_with_white_between(command, tmp_path):
    path = tmp_path / "sheet.png"
    told = command("--class", "food", "--seed", 3, "--count", 5, "--columns", 3, "--scale", 2,
                   "--out", path)
    assert told.startswith("food: ") and told.endswith(f"wrote {path}\n")
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (2 * 18 * 2, 3 * 18 * 2, 3)
    small = sheet[::2, ::2].copy()
    assert (small.repeat(2, 0).repeat(2, 1) == sheet).all()
    images, _, _ = forge_sprites(5, 3, split="all", classes=["food"])
    for k, image in enumerate(images):
        y, x = 18 * (k // 3) + 1, 18 * (k % 3) + 1
        assert (small[y : y + 16, x : x + 16] == image).all()
        small[y : y + 16, x : x + 16] = 255
    assert (small == 255).all()


def test_fifty_thousand_sprites_take_less_than_three_seconds():
    forge_sprites(5, 0)
    start = time.perf_counter()
    forge_sprites(50_000, 0)
    assert time.perf_counter() - start < 3


def test_bob_is_one_fixed_hero_of_the_training_grammar():
    assert bob().shape == (16, 16, 3) and bob().dtype == np.uint8
    assert (bob() == bob()).all()
    table = forge.class_table("hero")
    parts = [names.index(forge.BOB[slot])
             for slot, names in zip(table.slots, table.part_names, strict=True)]
    shape = (table.parts == parts).all(1)
    assert shape.sum() == 1 and not table.held_out[shape].any()


def test_the_first_thousand_sprites_of_a_seed_are_these_bytes_on_every_platform():
    """Changing the art changes this; the shipped weights are then trained on other sprites."""
    images, _, _ = forge_sprites(1000, seed=0)
    found = hashlib.sha256(images.tobytes()).hexdigest()
    assert found == "dd5f7fb501ef68f9da79039a3c954f952ab2907ea7c61b420e29739f4f8f7c83"
