"""A JupyterHub for a class on this machine: set up in a scratch folder, started, stopped, counted.

The scratch folder gets JupyterHub from PyPI, in a virtual environment that borrows everything else
from the Python that runs this, and the proxy from npm. Every address is on the loopback.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "build" / "classroom"
MARK = "DIFFUTILS_CLASS"  # an environment variable that every process of a class carries
CONFIG = """\
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{token}"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{{"name": "class", "api_token": "{token}"}}]
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "class", "services": ["class"], "scopes": scopes}}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{homes}/{{username}}"
c.Spawner.cmd = ["{python}", "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--KernelManager.transport=ipc"]  # see Hub
c.Spawner.environment = {{"PYTHONPATH": "{root}", "{mark}": "{token}"}}
c.Spawner.start_timeout = c.Spawner.http_timeout = 600  # all come at once, on few cores
"""


def set_up():
    """The scratch folder's Python with JupyterHub and its proxy; takes a minute the first time."""
    binaries = SCRATCH / "venv" / "bin"
    proxy = SCRATCH / "node_modules" / ".bin" / "configurable-http-proxy"
    if not (binaries / "jupyterhub").exists():
        venv.create(SCRATCH / "venv", with_pip=True, clear=True)
        site = subprocess.run(
            [binaries / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        subprocess.run([binaries / "pip", "install", "-q", "jupyterhub>=5"], check=True)
    if not proxy.exists():
        npm = shutil.which("npm") or sys.exit("npm is needed for JupyterHub's proxy")
        command = [npm, "install", "--silent", "--prefix", SCRATCH, "configurable-http-proxy"]
        subprocess.run(command, check=True)
    return binaries / "python", proxy


def free_ports(count):
    """Ports of the loopback that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Hub:
    """A running hub with its proxy: `url`, `token`; `stop()` says which processes outlived it.

    Kernels speak through sockets in the file system. Through ports, two that start at the same time
    now and then choose the same one, and a student has no kernel. Such a socket's path has at most
    107 characters, so the homes are in a folder with a short name.
    """

    def __init__(self):
        python, proxy = set_up()
        folder = SCRATCH / "hub"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.homes = tempfile.mkdtemp(prefix="hub", dir="/tmp")
        port, hub_port, proxy_port = free_ports(3)
        self.url, self.token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
        config = CONFIG.format(
            port=port, hub_port=hub_port, proxy_port=proxy_port, token=self.token,
            folder=folder, homes=self.homes, proxy=proxy, python=python, root=ROOT, mark=MARK,
        )  # fmt: skip
        (folder / "jupyterhub_config.py").write_text(config, encoding="utf-8")
        variables = {"HOME": str(folder), MARK: self.token}
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
        environment.pop("OMP_NUM_THREADS", None)  # the lessons see that a hub is shared
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = psutil.Popen(
                [python, "-m", "jupyterhub", "--config", folder / "jupyterhub_config.py"],
                cwd=folder, env=environment | variables, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def processes(self):
        """The hub, its proxy, the students' servers and kernels, as far as they are alive."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.token:
                    yield process

    def memory(self):
        """(servers, kernels): bytes that the students' processes hold, shared pages divided."""
        servers = kernels = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error, OSError):
                command = " ".join(process.cmdline())
                if "jupyterhub.singleuser" in command:
                    servers += proportional(process)
                elif "ipykernel" in command:
                    kernels += proportional(process)
        return servers, kernels

    def stop(self, seconds=60):
        """Asks the hub to stop; kills what is left after `seconds`, and returns what that was."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.terminate()
        end = time.monotonic() + seconds
        while (left := list(self.processes())) and time.monotonic() < end:
            self.process.poll()
            time.sleep(0.5)
        commands = []
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                commands.append(" ".join(process.cmdline())[:120])
                process.kill()
        shutil.rmtree(self.homes, ignore_errors=True)
        return commands

    def tail(self, lines=15):
        """The last lines of the hub's log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def proportional(process):
    """The process's memory with pages that n processes share counted as 1 / n, where known."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.memory_info().rss


def wait_until(answers, hub, seconds=120):
    """Until answers() is true; an error with the hub's last words if it stops or takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not hub.process.is_running() or hub.process.status() == psutil.STATUS_ZOMBIE:
            break
        if answers():
            return
        time.sleep(0.5)
    raise RuntimeError(f"the hub did not answer:\n{hub.tail()}")
