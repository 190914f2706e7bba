"""The package reads no pickle, runs no text, starts no program and calls nobody, by its syntax."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "diffutils").rglob("*.py"))
FORBIDDEN = {
    "pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml",
    "subprocess", "multiprocessing", "pty", "ctypes", "runpy", "code", "codeop", "builtins",
    "socket", "ssl", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib",
    "telnetlib", "poplib", "imaplib", "xmlrpc", "webbrowser", "huggingface_hub",
    "a bare eval", "a bare exec", "a bare compile", "a bare __import__", "a bare __builtins__",
    "a bare breakpoint", "importlib.import_module",
    "os.system", "os.popen", "os.fork", "os.forkpty", "os.startfile", "os.posix_spawn",
    *(f"os.{kind}{ending}" for kind in ("exec", "spawn")
      for ending in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "asyncio.open_connection",
    "torch.load", "torch.hub", "torch.jit.load", "torch.package", "pandas.read_pickle",
    "numpy.load", "numpy.lib.format.read_array", "numpy.fromfile", "safetensors.torch.load",
}  # fmt: skip


GRANTED = {"memory.py": {"ctypes"}}  # calls malloc_trim, which Python has no name for


def dotted(node, names):
    """The full name that an expression of names and dots stands for, or ""."""
    if isinstance(node, ast.Name):
        return names.get(node.id, f"a bare {node.id}")
    if isinstance(node, ast.Attribute) and (start := dotted(node.value, names)):
        return f"{start}.{node.attr}"
    return ""


def imports(tree):
    """{name in the module: what it stands for} of all imports."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0])  # fmt: skip
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def suspects(source, granted=frozenset()):
    """What a module names that it must not: ["line 3: os.system", ...]."""
    tree = ast.parse(source)
    names = imports(tree)
    safe = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)
            and dotted(node.func, names) == "numpy.load"
            and any(k.arg == "allow_pickle" and getattr(k.value, "value", None) is False
                    for k in node.keywords)}  # fmt: skip
    used = [(node.lineno, dotted(node, names)) for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in safe]  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = [f"{node.module}.{a.name}" if isinstance(node, ast.ImportFrom) else a.name
                      for a in node.names]  # fmt: skip
            used += [(node.lineno, name) for name in module]
        if isinstance(node, ast.Call) and dotted(node.func, names) == "a bare getattr":
            held = dotted(node.args[0], names)
            if held in ("os", "torch", "numpy"):
                used.append((node.lineno, "a bare eval"))  # a name that is made as it runs
    forbidden = FORBIDDEN - granted
    return sorted({f"line {line}: {name}" for line, name in used
                   if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "diffutils")))
def test_a_module_runs_nothing_that_it_reads_and_calls_nobody(path):
    granted = GRANTED.get(path.name, frozenset())
    assert suspects(path.read_text(encoding="utf-8"), granted) == []


@pytest.mark.parametrize("line", [
    "import pickle", "import pickle as p", "from pickle import loads", "import marshal, json",
    "import shelve", "import dill", "eval('1')", "run = exec", "compile('1', '', 'eval')",
    "__import__('os')", "import os; os.system('ls')", "from os import popen as p; p('ls')",
    "import os as o; o.execvp('ls', [])", "getattr(__import__('os'), 'system')",
    "import os; getattr(os, 'sys' + 'tem')('ls')", "import subprocess", "import socket",
    "import http.client", "from urllib.request import urlopen", "import urllib", "import requests",
    "import ftplib", "import torch; torch.load('a')", "import torch as t; t.hub.load('a', 'b')",
    "from torch import load", "import numpy as np; np.load('a')",
    "import numpy as np; np.load('a', allow_pickle=True)",
    "import numpy as np; np.load('a', None, flag)", "from numpy import load; load('a')",
    "import yaml; yaml.load('a')", "import importlib; importlib.import_module('pickle')",
    "def f():\n    import multiprocessing", "import asyncio; asyncio.create_subprocess_shell('ls')",
])  # fmt: skip
def test_each_way_to_do_so_is_found(line):
    assert suspects(line)


@pytest.mark.parametrize("line", [
    "import re; re.compile('a')", "import json; json.loads('1')", "nn_model.eval()",
    "import numpy as np; np.load('a', allow_pickle=False)", "from importlib import resources",
    "import os; os.replace('a', 'b')", "import torch; torch.compile", "self.code.load()",
])  # fmt: skip
def test_what_only_looks_like_it_is_let_be(line):
    assert suspects(line) == []
