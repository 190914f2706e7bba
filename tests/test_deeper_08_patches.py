"""Deeper 08, patches and sloppy judges: their checks, their tables, what they write by hand.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import bank_tests, written
from cells import functions_of

from diffutils import IdealDenoiser, load_pretrained
from diffutils.stage import checks, patches
from diffutils.stage.checks import choices, patched, selected

EXERCISES = {patched.window_guess: patched.WINDOW, selected.best_of: selected.BEST}
SIGNATURES = {patched.window_guess: "x_t, x0, row, column, reach, alpha_bar",
              selected.best_of: "scores, values, n"}  # fmt: skip

WINDOW = """
    rows, columns = slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1)
    x, s = x_t[:, rows, columns], x0[:, :, rows, columns]
    d = ((x - alpha_bar ** 0.5 * s) ** 2).sum((1, 2, 3))
    m = x0[:, :, row, column]
"""


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


RIGHT = {
    patched.window_guess: [
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    w = torch.exp(-(d - d.min()) / 2 / (1 - alpha_bar))\n    return (w[:, None] * m).sum(0) / w.sum()",
        """
    near = [(r, c) for r in range(x_t.shape[1]) for c in range(x_t.shape[2]) if abs(r - row) <= reach and abs(c - column) <= reach]
    d = sum(((x_t[:, r, c] - alpha_bar ** 0.5 * x0[:, :, r, c]) ** 2).sum(1) for r, c in near)
    return torch.einsum("n,nc->c", torch.softmax(-d / (2 - 2 * alpha_bar), 0), x0[:, :, row, column])
""",
        """
    r, c = torch.arange(x_t.shape[1])[:, None], torch.arange(x_t.shape[2])
    inside = ((r - row).abs() <= reach) & ((c - column).abs() <= reach)
    d = (((x_t - math.sqrt(alpha_bar) * x0) ** 2) * inside).flatten(1).sum(1)
    return (-0.5 * d / (1 - alpha_bar)).softmax(0) @ x0[:, :, row, column]
""",
        WINDOW + "    return torch.from_numpy(np.average(m.numpy(), axis=0, weights=np.exp(-(d - d.min()).numpy() / (2 * (1 - alpha_bar)))))",
    ],
    selected.best_of: [
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** n - (torch.arange(len(scores)) / len(scores)) ** n) @ values[scores.argsort()].float()",
        """
    m, total = len(scores), 0
    for k, j in enumerate(scores.argsort().tolist(), 1):
        total += values[j] * ((k / m) ** n - ((k - 1) / m) ** n)
    return total
""",
        "sum(v * ((scores <= s).double().mean() ** n - (scores < s).double().mean() ** n) for s, v in zip(scores, values))",
        "float(np.dot(np.diff(np.linspace(0, 1, len(scores) + 1) ** n), values.numpy()[np.argsort(scores.numpy())]))",
        """
    rank = scores.argsort().argsort() + 1
    return ((rank / len(scores)) ** n - ((rank - 1) / len(scores)) ** n) @ values.float()
""",
    ],
}  # fmt: skip
WRONG = {
    patched.window_guess: [
        WINDOW.replace("reach + 1", "reach + 2") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("row - reach", "row - reach + 1") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0)", "row") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0)", "abs(row - reach)") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW.replace("max(row - reach, 0), row + reach + 1", "0, row + 1") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * alpha_bar ** 0.5)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar) ** 2)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar ** 2))).softmax(0) @ m",
        WINDOW + "    return (-d).exp() @ m / 2",
        WINDOW + "    return (1 / d) @ m / (1 / d).sum()",
        WINDOW + "    return (1 - d / d.sum()) @ m / len(x0)",
        WINDOW + "    return (1 - d / d.sum()) @ m / (len(x0) - 1)",
        WINDOW + "    return d @ m / d.sum()",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0)",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0)[:, None] * m",
        WINDOW + "    return m[d.argmax()]",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ s.sum((2, 3))",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ s[:, :, 0, 0]",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ x0.mean((2, 3))",
        WINDOW + "    return s.mean((0, 2, 3))",
        WINDOW + "    return (((s * x).sum((1, 2, 3))) / (1 - alpha_bar)).softmax(0) @ m",
        WINDOW + "    return (-d / (2 * (1 - alpha_bar))).sigmoid() @ m",
        WINDOW.replace("alpha_bar ** 0.5", "(1 - alpha_bar) ** 0.5") + "    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    d = ((x.mean((1, 2)) - alpha_bar ** 0.5 * s.mean((2, 3))) ** 2).sum(1)\n    return (-d / (2 * (1 - alpha_bar))).softmax(0) @ m",
        WINDOW + "    return m[(-d / (2 * (1 - alpha_bar))).softmax(0) > 0.1].mean(0)",
    ],
    selected.best_of: [
        "values[scores > scores.mean()].mean()", "values.median()", "values.sum()", "n * values.mean()", "values.mean() / n",
        "scores.max()", "scores.mean()", "values[scores.argmin()]", "values.sort().values[-n:].mean()", "(scores * values).sum() / scores.sum()",
        "scores.softmax(0) @ values", "values[scores.argsort()][-n:].sum()", "values[scores.argsort()[n - 1 if n <= len(scores) else -1]]",
        "values.mean() ** n", "(values ** n).mean()", "values[scores.argsort()].cumsum(0)[-1] / n",
        "((torch.arange(len(scores)) / len(scores)) ** n) @ values[scores.argsort()].float()",
        "((1 - torch.arange(len(scores)) / len(scores)) ** n).float() @ values[scores.argsort()].float()",
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** n - (torch.arange(len(scores)) / len(scores)) ** n).float() @ values[scores.argsort(descending=True)].float()",
        "(((torch.arange(len(scores)) + 1) / len(scores)) ** (n - 1)).float() @ values[scores.argsort()].float() / len(scores)",
        "values[torch.randint(len(scores), (n,))].max()", "max(values[:n])",
        "values.mean() + (values[scores.argmax()] - values.mean()) * (1 - 1 / n)",
        "(1 - 1 / n) * values[scores.argmax()] + values.mean() / n",
        "np.mean([values[i:i + n][scores[i:i + n].argmax()] for i in range(len(scores) - n + 1)]) if n <= len(scores) else values[scores.argmax()]",
    ],
}  # fmt: skip

globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))
