"""Whatever one argument is: an error that names function and argument, or a right answer.

A row of CALLS is a valid call and what is right about its answer. Hypothesis spoils one argument
at a time, in the ways that SPOIL has for its kind; the strange numbers come from a fixed seed.
Files are in test_load.py and test_foreign_files.py.
"""

import datetime
import importlib
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from diffutils import measure, training, weights
from diffutils.descent import guess_noise
from diffutils.grammar import GrammarDenoiser
from diffutils.ideal import IdealDenoiser
from diffutils.noising import perturb_input, predict_x0
from diffutils.pixels import to_float, to_uint8
from diffutils.sampling import (
    denoise_add_noise,
    denoise_ddim,
    sample_ddim,
    sample_ddpm,
)
from diffutils.schedule import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    rescale_zero_terminal_snr,
)
from diffutils.solvers import sample_dpm, sample_heun
from diffutils.sprites import forge_sprites, judge, render
from diffutils.sprites.relatives import relatives
from diffutils.stage import reference
from diffutils.stage.figures import (
    bits_by_level,
    plot_bars,
    plot_dots,
    plot_histogram,
    plot_lines,
    plot_schedules,
    show_maps,
    show_rows,
    show_sprites,
)
from diffutils.stage.look import Figure
from diffutils.stage.player import Player, play
from diffutils.votes import PaletteUnet

reading = importlib.import_module("diffutils.sprites.judge")  # the module, not the function
CLEAR = (ValueError, TypeError, FileNotFoundError)
HUGE = 2**44

SCHEDULE = linear_schedule(6)
X = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
SMALL = X[:, :, :8, :8].contiguous()
BYTES, CONTEXTS, FACTORS = forge_sprites(4, seed=0)
VERDICT = judge(BYTES)
LEVELS = torch.tensor([1, 6, 3])
IDEAL = IdealDenoiser(X, schedule=SCHEDULE)
GRAMMAR = GrammarDenoiser(schedule=SCHEDULE)
UNET = PaletteUnet(channels=8, hidden=8, schedule=SCHEDULE)


class Toy(torch.nn.Module):
    """A network that is quick, and mild on what it is asked."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x, t, c=None):
        return self.scale * x * (1 if c is None else c.mean())


# What a right answer is ---------------------------------------------------------------------------


def finite(answer):
    """Every number in an answer, however deep."""
    if isinstance(answer, torch.Tensor):
        return not answer.is_meta and bool(torch.isfinite(answer.detach()).all())
    if isinstance(answer, np.ndarray):
        return answer.dtype.kind not in "fc" or bool(np.isfinite(answer).all())
    if isinstance(answer, float | int):
        return math.isfinite(answer)
    if is_dataclass(answer):
        answer = vars(answer)
    if isinstance(answer, dict):
        answer = list(answer.values())
    return not isinstance(answer, tuple | list) or all(map(finite, answer))


def like(name):
    return lambda answer, given: (answer.shape, answer.dtype) == (
        given[name].shape, given[name].dtype)


def shape(of):
    return lambda answer, given: tuple(answer.shape) == of(given)


def is_schedule(answer, given):
    falls = (answer.alpha_bar.diff() < 0) | (answer.alpha_bar[1:] == 0)
    return bool(falls.all()) and answer.alpha_bar[0] == 1 and finite(answer.alpha_bar)


def sampled(answer, given):
    samples, run = answer
    side = int(given.get("height", 16))
    return (samples.shape == (int(given["n_sample"]), 3, side, side)
            and samples.dtype == torch.float32 and run.levels[-1] == 0
            and run.x.shape == run.eps.shape == run.x0.shape)


def is_figure(answer, given):
    return isinstance(answer, Figure) and max(answer.size) < 40_000 and bool(answer.text)


def is_share(answer, given):
    return isinstance(answer, reading.Share) and 0 <= answer.count <= answer.total


def of_kind(*kinds):
    return lambda answer, given: isinstance(answer, kinds)


# How arguments are spoiled ------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="latin-1"), max_size=5)  # what the font has
JUNK = st.one_of(
    st.sampled_from([
        None, True, 0, -1, 3, 2.5, 0.0, math.nan, math.inf, -math.inf, 1j, 10**400, -2**70, 10**13,
        "", "text", "<b>", "cpu", b"bytes", (), [], [1, "a"], [[1], [1, 2]], {}, {"a": 1},
        object(), lambda *_: None, np.zeros(2), np.float32(1.5), np.int64(2), np.array(None),
        torch.zeros(2, 2),
        torch.zeros(3), torch.tensor(1), torch.tensor(math.nan), torch.zeros(0),
        torch.zeros(3, device="meta"), SCHEDULE, X, BYTES, slice(3), range(3),
    ]),
    st.integers(-20, 700), st.floats(), TEXTS, st.lists(st.integers(), max_size=3),
)  # fmt: skip

DTYPES = [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.int64,
          torch.int16, torch.uint8, torch.bool, torch.complex64]
NUMPY_DTYPES = ["f2", "f4", "f8", "i8", "u1", "u2", "?", "c8", "O", "U3", "M8[s]", "V2"]
SHAPES = st.lists(st.integers(0, 4) | st.sampled_from([3, 8, 16]), max_size=5)
ODD = st.sampled_from([math.nan, math.inf, -math.inf])


def with_number(value, number, place):
    """A copy with one number in it replaced."""
    changed = value.clone() if isinstance(value, torch.Tensor) else value.copy()
    if changed.reshape(-1).shape[0]:
        changed.reshape(-1)[place % changed.reshape(-1).shape[0]] = number
    return changed


def spoiled_tensors(value):
    of_float = value.is_floating_point()
    return st.one_of(
        st.sampled_from(DTYPES).map(value.to),
        SHAPES.map(lambda s: torch.zeros(s, dtype=value.dtype)),
        SHAPES.map(lambda s: torch.zeros(s, dtype=value.dtype, device="meta")),
        st.builds(with_number, st.just(value), ODD if of_float else st.integers(-2**63, 2**63 - 1),
                  st.integers(0, 10**4)),
        st.integers(0, 5).map(lambda n: torch.cat([value, value])[:n] if value.ndim else value),
        st.sampled_from([
            value.to("meta"), value.to_sparse(), value.numpy(), value.tolist(), value[None],
            value.mT if value.ndim > 1 else value, value.clone().requires_grad_() if of_float
            else value, value.flatten(), torch.zeros((), dtype=value.dtype).expand(HUGE),
            *([value[:1].expand(HUGE // 2**k, *value.shape[1:]) for k in (0, 4, 8)]
              if value.ndim else []),
            value.new_empty((HUGE, *value.shape[1:]), device="meta"),
        ]),
    )  # fmt: skip


NETWORKS = st.sampled_from([
    lambda x, t, c=None: x[:1], lambda x, t, c=None: x.double(), lambda x, t, c=None: x.numpy(),
    lambda x, t, c=None: x * math.nan, lambda x, t, c=None: x.to("meta"), lambda *_: None,
    lambda x, t, c=None: (x, t), lambda x, t, c=None: torch.ones_like(x),
])  # fmt: skip


def spoiled_arrays(value):
    if value.dtype.names:
        fields = st.tuples(st.sampled_from(value.dtype.names), st.integers(-2**15, 2**15 - 1))
        return st.one_of(fields.map(lambda pair: with_field(value, *pair)),
                         st.sampled_from([value[:0], value[:1], value[None], value[:2].tolist()]))
    floats = value.dtype.kind == "f"
    return st.one_of(
        st.sampled_from(NUMPY_DTYPES).map(lambda d: np.zeros(value.shape, d)),
        SHAPES.map(lambda s: np.zeros(s, value.dtype)),
        st.integers(0, 4).map(lambda n: value[:n]),
        st.builds(with_number, st.just(value), ODD if floats else st.integers(0, 1),
                  st.integers(0, 10**4)),
        st.sampled_from([value.tolist(), value[None], value[..., ::-1], np.asfortranarray(value),
                         torch.from_numpy(value), np.broadcast_to(value[:1], (HUGE // 2**14,
                         *value.shape[1:]))]),
    )  # fmt: skip


def with_field(value, name, number):
    changed = value.copy()
    changed[name][0] = number
    return changed


def spoiled(value):
    """Strange values in place of a right one: of its own kind, and of others."""
    if isinstance(value, torch.Tensor):
        return st.one_of(JUNK, spoiled_tensors(value), spoiled_tensors(value))
    if isinstance(value, np.ndarray):
        return st.one_of(JUNK, spoiled_arrays(value), spoiled_arrays(value))
    if isinstance(value, torch.nn.Module):
        return st.one_of(JUNK, NETWORKS)
    if isinstance(value, dict):
        changed = [spoiled(part).map(lambda new, key=key: value | {key: new})
                   for key, part in value.items()]
        return st.one_of(JUNK, st.dictionaries(TEXTS, JUNK, max_size=2), *changed)
    if isinstance(value, list | tuple):
        changed = [spoiled(part).map(lambda new, k=k: type(value)([*value[:k], new, *value[k+1:]]))
                   for k, part in enumerate(value)]
        return st.one_of(JUNK, st.sampled_from([value[:1], value * 2]), *changed)
    return JUNK


def saved(**given):
    """What a file written by save_weights says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        weights.save_weights(path, **given)
        weights.load_weights(path)
        return weights.weights_metadata(path)


# The calls ----------------------------------------------------------------------------------------


@dataclass(eq=False)
class Call:
    """A valid call, what is right about its answer, and how many spoiled ones to try."""

    function: Callable
    arguments: dict
    right: Callable
    cases: int = 200
    where: str = ""

    def __post_init__(self):
        self.where = self.where or self.function.__name__


def batch(name):
    return shape(lambda given: (len(given[name]),))


SAMPLER = {"n_sample": 2, "device": None, "nn_model": Toy(), "schedule": SCHEDULE, "height": 8,
           "context": torch.ones(2, 5), "guidance": 2.0, "generator": torch.Generator(),
           "progress": False}  # fmt: skip
LOOK = {"title": "A title", "text": None}
CURVE = {"a": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])}

CALLS = [
    Call(NoiseSchedule, {"beta": torch.tensor([0.1, 0.2, 0.3])}, is_schedule),
    Call(linear_schedule, {"timesteps": 5, "beta_start": 0.1, "beta_end": 0.2}, is_schedule),
    Call(cosine_schedule, {"timesteps": 5, "offset": 0.008, "beta_max": 0.9}, is_schedule),
    Call(rescale_zero_terminal_snr, {"schedule": SCHEDULE}, is_schedule, 60),
    Call(to_uint8, {"x": X}, shape(lambda a: (len(a["x"]), *a["x"].shape[2:], a["x"].shape[1]))),
    Call(to_float, {"images": BYTES}, lambda answer, a: answer.dtype == torch.float32
         and answer.shape[0] == len(a["images"])),
    Call(forge_sprites, {"n": 3, "seed": 1, "split": "train", "classes": ["hero", "food"]},
         lambda answer, a: len(answer[0]) == len(answer[1]) == len(answer[2]) == int(a["n"])),
    Call(render, {"factors": FACTORS}, lambda answer, a: answer.shape[1:] == (16, 16, 3)),
    Call(relatives, {"factors": FACTORS[:1]}, lambda answer, a: len(answer) > 0),
    Call(judge, {"images": BYTES}, lambda v, a: len(v.correct) == len(a["images"])),
    Call(judge, {"images": X.numpy()}, lambda v, a: len(v.correct) == len(a["images"])),
    Call(reading.flawless, {"verdict": VERDICT}, is_share, 60),
    Call(reading.held_out, {"verdict": VERDICT}, is_share, 60),
    Call(reading.novel, {"verdict": VERDICT, "training_factors": FACTORS}, is_share, 100),
    Call(reading.copied, {"verdict": VERDICT, "training_factors": FACTORS}, is_share, 100),
    Call(reading.seen, {"factors": FACTORS, "training_factors": FACTORS}, batch("factors"), 100),
    Call(reading.is_held_out, {"factors": FACTORS}, batch("factors"), 100),
    Call(reading.coverage, {"verdict": VERDICT, "training_factors": FACTORS}, of_kind(dict), 100),
    Call(reading.class_agreement, {"verdict": VERDICT, "contexts": CONTEXTS}, is_share, 100),
    Call(reading.share_of, {"hits": VERDICT.flawless}, is_share, 100),
    Call(perturb_input, {"x": X, "i": LEVELS, "noise": X, "schedule": SCHEDULE}, like("x"), 400),
    Call(perturb_input, {"x": X, "i": 2, "noise": X, "schedule": SCHEDULE}, like("x")),
    Call(predict_x0, {"x_t": X, "i": LEVELS, "noise": X, "schedule": SCHEDULE}, like("x_t"), 300),
    Call(PaletteUnet, {"n_context": 5, "channels": 8, "hidden": 8, "schedule": SCHEDULE,
                       "conviction": 1.0}, of_kind(PaletteUnet)),
    Call(UNET, {"x": SMALL, "t": torch.tensor([0.2, 0.5, 1]), "c": torch.ones(3, 5)}, like("x"),
         400, "PaletteUnet"),
    Call(IdealDenoiser, {"x0": X, "schedule": SCHEDULE}, of_kind(IdealDenoiser)),
    Call(IDEAL, {"x": X, "t": LEVELS / 6, "c": None}, like("x"), 300, "IdealDenoiser"),
    Call(IDEAL.guess_x0, {"x": X, "i": LEVELS}, like("x")),
    Call(IDEAL.shares, {"x": X, "i": LEVELS}, shape(lambda a: (len(a["x"]), 3))),
    Call(IDEAL.effective_number, {"x": X, "i": LEVELS}, batch("x")),
    Call(GrammarDenoiser, {"schedule": SCHEDULE, "split": "train"}, of_kind(GrammarDenoiser), 40),
    Call(GRAMMAR, {"x": X[:1], "t": 0.5, "c": None}, like("x"), 100, "GrammarDenoiser"),
    Call(GRAMMAR.guess_x0, {"x": X[:1], "i": 3}, like("x"), 100),
    Call(GRAMMAR.posterior, {"x": X[:1], "i": 3}, of_kind(dict), 60),
    Call(denoise_add_noise, {"x": X, "i": LEVELS, "pred_noise": X, "z": X, "schedule": SCHEDULE},
         like("x"), 400),
    Call(denoise_ddim, {"x": X, "i": 5, "i_prev": 2, "pred_noise": X, "schedule": SCHEDULE},
         like("x"), 400),
    Call(guess_noise, {"nn_model": Toy(), "x": X, "i": 3, "schedule": SCHEDULE,
                       "context": torch.ones(3, 5), "guidance": 2.0}, like("x"), 300),
    Call(sample_ddpm, SAMPLER | {"save_rate": 3, "inject_noise": True}, sampled, 400),
    Call(sample_ddim, SAMPLER | {"n": 3, "eta": 0.5}, sampled, 300),
    Call(sample_heun, SAMPLER | {"n": 3}, sampled, 100),
    Call(sample_dpm, SAMPLER | {"n": 3}, sampled, 100),
    Call(training.fit, {"nn_model": Toy(), "x0": X, "schedule": SCHEDULE, "contexts":
         torch.ones(3, 5), "steps": 1, "seconds": 9.0, "batch_size": 2, "seed": 0,
         "learning_rate": 1e-3, "accelerator": None, "bfloat16": False},
         lambda run, a: callable(a["x0"]) or math.isfinite(next(iter(run)).loss), 400),
    Call(saved, {"nn_model": UNET, "command": "", "data_checksum": "", "scores": {"a": 1},
         "dtype": torch.float32}, of_kind(dict), 100, "save_weights"),
    Call(weights.load_weights, {"path": weights.pretrained_path()}, of_kind(tuple), 60),
    Call(weights.weights_metadata, {"path": weights.pretrained_path()}, of_kind(dict), 60),
    Call(measure.loss_by_level, {"nn_model": Toy(), "x0": X, "levels": [1, 3],
         "schedule": SCHEDULE, "context": torch.ones(3, 5), "seed": 0},
         shape(lambda a: (len(a["levels"]),)), 300),
    Call(measure.bits_told, {"errors": [2.0, 1.0], "ratios": [0.1, 0.2]}, batch("errors")),
    Call(measure.distance_to_average, {"samples": X, "x0": X[:2]}, batch("samples"), 200),
    Call(measure.variety, {"samples": X}, batch("samples")),
    Call(measure.variety_and_error, {"samples": X}, of_kind(tuple)),
    Call(measure.sharpness, {"samples": X}, batch("samples")),
    Call(measure.frechet_distance, {"samples": X, "x0": X[:2]}, of_kind(float), 200),
    Call(measure.kernel_distance, {"samples": X, "x0": X[:2]}, of_kind(float), 200),
    Call(measure.mean_and_error, {"values": torch.rand(5)}, of_kind(tuple)),
    Call(reference.verdict, {"losses": np.linspace(1, 0.1, 200)}, of_kind(str)),
    Call(show_sprites, {"images": BYTES, "labels": list("abcd"), "columns": 2, "scale": 2} | LOOK,
         is_figure, 300),
    Call(show_rows, {"rows": [BYTES[:2], X[:2]], "row_labels": ["a", "b"], "column_labels":
         ["c", "d"], "captions": [["e", "f"], None], "scale": 2} | LOOK, is_figure, 300),
    Call(show_maps, {"maps": X[0].numpy(), "labels": list("abc"), "columns": 2, "limit": 2.0,
         "scale": 2} | LOOK, is_figure),
    Call(plot_lines, {"curves": CURVE, "x_label": "x", "y_label": "y", "colours": {"a": "#112233"},
         "bands": {"a": ([0.0, 1.0, 2.0], [4.0, 4.0, 4.0])},
         "bars": {"a": ([0.0, 1.0, 2.0], [4.0, 4.0, 4.0])}, "fits": {"a": [3.0, 2.0, 1.0]},
         "dashed": ["a"], "marks": {"m": 2.0},
         "x_log": False, "y_log": False, "y_limits": (0.0, 5.0)} | LOOK, is_figure, 60),
    Call(plot_schedules, {"schedules": {"a": SCHEDULE}, "marks": {"m": 2}} | LOOK, is_figure, 20),
    Call(bits_by_level, {"levels": [1, 5], "parts": {"a": [0.0, 1.0]}, "total": 3.0} | LOOK,
         is_figure, 60),
    Call(plot_histogram, {"values": {"a": X[0].numpy()}, "x_label": "x", "colours":
         {"a": "#112233"}, "limit": 4.0} | LOOK, is_figure, 40),
    Call(plot_bars, {"bars": {"a": (1.0, 0.2), "b": 2.0}, "x_label": "x", "colours":
         {"a": "#112233"}, "digits": 2} | LOOK, is_figure, 60),
    Call(plot_dots, {"dots": {"r": {"a": (1.0, 0.2), "b": (2.0, 0.1)}}, "x_label": "x", "limits":
         (0.0, 3.0), "colours": {"a": "#112233"}, "marks": {"m": 2.0}} | LOOK, is_figure, 40),
    Call(play, {"frames": X[:, None], "labels": list("abc"), "columns": 1, "scale": 2, "still": 1}
         | LOOK, of_kind(Player)),
]  # fmt: skip


def spoils(call):
    """(name of an argument, what it is spoiled to)"""
    return st.one_of([spoiled(value).map(lambda new, name=name: (name, new))
                      for name, value in call.arguments.items()])


def check_one(call, name, value):
    arguments = call.arguments | {name: value}
    try:
        answer = call.function(**arguments)
    except CLEAR as error:
        assert re.search(rf"^{call.where}: .*\b{name}\b", str(error), re.DOTALL), error
    else:
        assert finite(answer) and call.right(answer, arguments)


NAMED = [pytest.param(call, id=f"{call.where}-{k}") for k, call in enumerate(CALLS)]


def test_the_budget_is_5000_cases():
    assert sum(call.cases for call in CALLS) >= 5000


@pytest.mark.parametrize("call", NAMED)
def test_the_call_that_is_spoiled_is_a_right_one(call):
    answer = call.function(**call.arguments)
    assert finite(answer) and call.right(answer, call.arguments)


@pytest.mark.parametrize("call", NAMED)
def test_a_spoiled_argument_is_named_or_answered_rightly(call):
    tried = []

    @settings(max_examples=call.cases, derandomize=True, database=None, phases=[Phase.generate],
              deadline=datetime.timedelta(seconds=60), suppress_health_check=list(HealthCheck))
    @given(spoils(call))
    def try_one(spoil):
        tried.append(spoil)
        check_one(call, *spoil)

    try_one()
    assert len(tried) >= call.cases
