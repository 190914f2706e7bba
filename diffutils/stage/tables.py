"""What a shipped table says of itself, and the command that measures one part by part."""

import argparse
import datetime
import json
import platform
from pathlib import Path

import torch

from diffutils.stage import desk


def made_by(module):
    """{"command", "date", "machine"} of a table that a module of the stage, "dial", is making."""
    processor = f"{platform.machine()} with {torch.backends.cpu.get_cpu_capability()}"
    torch_version = torch.__version__.split("+")[0]
    return {
        "command": f"python -m diffutils.stage.{module}",
        "date": datetime.date.today().isoformat(),
        "machine": f"{processor}, {torch.get_num_threads()} thread, torch {torch_version}",
    }


def rounded(value, digits=4):
    """A number, or lists of numbers in lists, to so many significant digits; integers stay."""
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return value if isinstance(value, int) else float(f"{value:.{digits}g}")


@torch.no_grad()
def measured(module, about, table, parts, arguments):
    """The command that measures {name: function} of a table, all or some, and writes its file."""
    made = made_by(module)
    parser = argparse.ArgumentParser(prog=made["command"], description=about)
    parser.add_argument("--output", default=table, metavar="FILE", type=Path)
    parser.add_argument("--part", nargs="+", choices=parts, default=list(parts),
                        help="measure these parts alone, and keep the others as the file has them")
    options = parser.parse_args(arguments)
    old = options.output.read_text(encoding="utf-8") if options.output.exists() else "{}"
    written = json.loads(old) | made
    for part in options.part:
        written[part] = parts[part](print)
        desk.write(options.output, (json.dumps(written) + "\n").encode())
    print(f"written: {options.output}")
