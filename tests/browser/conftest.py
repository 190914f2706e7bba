"""A JupyterLab of its own and a headless Chromium, for what only a browser can tell.

Both start once and end with these tests, since an event loop runs while playwright is there.
Without Chromium or playwright these tests are skipped. Set DIFFUTILS_SCREENSHOTS to a folder to
keep the pictures that they take.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from diffutils.stage.desk import lay_out

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
SMALL = [
    "import torch\n\nfrom diffutils.stage.figures import show_sprites\n"
    "from diffutils.stage.player import play\nfrom diffutils.stage.widgets import scrub",
    "frames = torch.linspace(-1, 1, 12).reshape(12, 1, 1, 1, 1).expand(12, 4, 3, 16, 16).clone()\n"
    "frames[:, :, :, 4:12, 4:12] *= -1",
    "show_sprites(frames[3], title='Four squares')",
    "play({'one': frames, 'other': frames.flip(0)}, [f'level {k}' for k in range(12)],\n"
    "     title='Squares that fade')",
    "def look(level=5, colour='red', seed=0):\n"
    "    picture = frames[level].clone()\n"
    "    picture[:, {'red': 0, 'blue': 2}[colour]] = 1 - seed / 5\n"
    "    return show_sprites(picture, text=f'level {level}, {colour}, seed {seed}')",
    "scrub(look, level=(0, 11), colour=['red', 'blue'], seed=(0.0, 9.0))",
    "import time\n\ncalls = []\n\n\ndef slow(step=0):\n    time.sleep(0.2)\n"
    "    calls.append(step)\n"
    "    return show_sprites(frames[step % 12], text=f'step {step}, drawing {len(calls)}')",
    "scrub(slow, step=(0, 400))",
    "from tqdm.auto import tqdm\n\nfor k in tqdm(range(3), leave=False):\n    pass",
]


def find_chromium():
    """The browser's program, or None."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


@pytest.fixture(scope="module")
def chrome():
    """A headless browser."""
    path = find_chromium()
    if path is None:
        pytest.skip("no chromium here; `apt-get install chromium` or set CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def watched(chrome, tmp_path):
    """open_page(**options) gives a page; an error in its console fails the test."""
    contexts, errors = [], []

    def open_page(width=1280, height=720, **options):
        context = chrome.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        return page

    yield open_page
    for context in contexts:
        context.close()
    # a CDN that is out of reach offline is what these tests are about
    assert [e for e in errors if "Failed to load resource" not in e] == []


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Copies of the lessons and the diagrams, a small executed notebook, a student's copies."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("notebooks", "diagrams"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*"))
    cells = [nbformat.v4.new_code_cell(source) for source in SMALL]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with environment():
        NotebookClient(notebook, timeout=120, store_widget_state=False).execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    nbformat.write(notebook, folder / "notebooks" / "small.ipynb")
    lay_out(folder / "my_lessons")
    return folder


@contextlib.contextmanager
def environment():
    """One thread, and a package that can be imported, for kernels started here."""
    kept = dict(os.environ)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    os.environ.update(PYTHONPATH=path, OMP_NUM_THREADS="1")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture(scope="module")
def lab(workshop, tmp_path_factory):
    """address(notebook, folder): where a JupyterLab of our own shows that notebook."""
    own = tmp_path_factory.mktemp("jupyter")
    (own / "settings").mkdir()
    (own / "settings" / "overrides.json").write_text(json.dumps(OVERRIDES))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    variables = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
                 "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}  # fmt: skip
    with environment(), (own / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
             "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
             f"--ServerApp.root_dir={workshop}", "--IdentityProvider.token=sprites",
             f"--LabServerApp.app_settings_dir={own / 'settings'}",
             f"--LabApp.app_settings_dir={own / 'settings'}",
             f"--LabApp.workspaces_dir={own / 'workspaces'}",
             f"--LabApp.user_settings_dir={own / 'user'}", "--LabApp.expose_app_in_browser=True"],
            env=os.environ | {key: str(own / name) for key, name in variables.items()},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for_server(server, port, own / "log")
            yield lambda name, folder="notebooks": (
                f"http://127.0.0.1:{port}/doc/tree/{folder}/{name}?token=sprites&reset"
            )
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(20)


def wait_for_server(server, port, log):
    """Until it answers, at most a minute."""
    for _ in range(240):
        if server.poll() is not None:
            pytest.fail(f"JupyterLab stopped at once:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=sprites") as answer:
                return answer.read()
        time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer within a minute:\n{log.read_text()[-3000:]}")


@pytest.fixture
def photograph(tmp_path, request):
    """photograph(page, name) keeps a picture of the page as it is."""
    kept = os.environ.get("DIFFUTILS_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path
    folder.mkdir(parents=True, exist_ok=True)

    def take(page, name):
        page.screenshot(path=folder / f"{re.sub(r'[^0-9A-Za-z_]+', '-', name)}.png")

    return take
