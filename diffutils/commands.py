"""What every command line shares: one line for a wrong argument, exit code 2, odd names printed.

A command's `main` raises as the rest of diffutils does; `run_command` makes one line of that.
"""

import argparse
import math
import os
import shlex
import sys
import warnings
from pathlib import Path


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that refuses in one line; what may be said instead is in --help."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {one_line(message)}\n")


def one_line(text):
    """A message without its line breaks."""
    return " ".join(str(text).split())


def run_command(main, prog):
    """Calls main(); wrong arguments, files that cannot be used, a full disk end it in one line."""
    speak_plainly(prog)
    try:
        main()
    except BrokenPipeError:  # whoever read what is printed has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError) as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(f"{prog}: {one_line(error.code)}", file=sys.stderr)
            sys.exit(2)
        raise


def speak_plainly(prog):
    """Prints what an encoding has no letter for as its number, and a warning as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_: f"{prog}: {one_line(message)}\n"


def as_typed(prog, words):
    """A command as one would type it again."""
    return shlex.join([*prog.split(), *words])


# --- kinds of argument: argparse says "argument --steps: 0 is ..." --------------------------------


def count(lowest=1, highest=None):
    """The type of an option that takes a whole number in lowest..highest."""
    expected = f"a whole number of {lowest} or more" if highest is None else \
        f"a whole number in {lowest}..{highest}"

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < lowest or highest is not None and value > highest:
            raise argparse.ArgumentTypeError(f"is {text!r}; expected {expected}")
        return value

    return read


def number(above=-math.inf, highest=math.inf, lowest=-math.inf):
    """The type of an option that takes a finite number over `above`, in `lowest`..`highest`."""
    limits = [f"above {above:g}"] * (above > -math.inf) + [f"of at least {lowest:g}"] * (
        lowest > -math.inf) + [f"up to {highest:g}"] * (highest < math.inf)

    def read(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and above < value <= highest and value >= lowest):
            expected = " ".join(["expected a number", " and ".join(limits)]).strip()
            raise argparse.ArgumentTypeError(f"is {text!r}; {expected}")
        return value

    return read


# --- places ---------------------------------------------------------------------------------------


def is_same_place(one, other):
    """Whether two paths lead to one file or folder, by whatever name, there or not yet there."""
    try:
        if os.path.samefile(one, other):
            return True
    except (OSError, ValueError):
        pass
    return os.path.realpath(one) == os.path.realpath(other)


def is_inside(path, folder):
    """Whether a path leads into a folder, or to it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
