"""Refuses every connection to the outside: in this process, and in each kernel that it starts.

`conftest.py` calls both functions, so all tests, all lessons and all solutions run under them.
"""

import os
import runpy
import sys
from pathlib import Path

OUTSIDE = Path(__file__).parents[1] / "diffutils" / "stage" / "outside.py"
host_called = runpy.run_path(str(OUTSIDE))["host_called"]  # a kernel has not imported the package


class OutsideConnection(BaseException):
    """No Exception, so that code that shrugs at a missing network cannot swallow it."""


def guard(event, arguments):
    """An audit hook: OutsideConnection for whatever would leave this machine."""
    host = host_called(event, arguments)
    if host is not None:
        raise OutsideConnection(f"{event} to {host!r}")


def guard_process():
    """From now on, for good."""
    sys.addaudithook(guard)


def guard_kernels(folder):
    """Every IPython kernel that is started with this process's environment guards itself."""
    startup = Path(folder) / "profile_default" / "startup"
    startup.mkdir(parents=True)
    code = f"import runpy\nrunpy.run_path({__file__!r})['guard_process']()\n"
    (startup / "offline.py").write_text(code, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(folder)
