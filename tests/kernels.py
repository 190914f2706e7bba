"""A kernel in which a test runs the cells of a lesson, one by one, as a person would."""

import queue
import re
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # colours


@dataclass
class Done:
    """What a cell has shown: its printed text, its error or "", and whether it was stopped."""

    text: str = ""
    error: str = ""
    stopped: bool = False


class Kernel:
    """In the lessons' folder, or another: `with Kernel() as kernel`. A cell may take 5 minutes."""

    def __init__(self, folder=NOTEBOOKS):
        self.folder = folder

    def __enter__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(self.folder))
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, source, stop_after=None):
        """Runs a cell; presses the stop button once where it takes more than `stop_after` s."""
        request, start, done = self.client.execute(source), time.monotonic(), Done()
        while time.monotonic() < start + 300:
            if stop_after and time.monotonic() > start + stop_after and not done.stopped:
                done.stopped = True
                self.manager.interrupt_kernel()
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            content, kind = message["content"], message["msg_type"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                done.text += content["text"]
            elif kind == "error":
                done.error = ESCAPES.sub("", "\n".join(content["traceback"])) or content["ename"]
            elif kind == "status" and content["execution_state"] == "idle":
                return done
        raise TimeoutError(f"the kernel is still busy with\n{source}")


def code_of(path):
    """The sources of the code cells of a notebook."""
    return [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
