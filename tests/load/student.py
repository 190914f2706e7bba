"""One student at a hub: a server, a kernel, and the cells of a lesson, sent as a browser does.

Everything goes through the hub's proxy: REST for the server and the kernel, a websocket for cells.
"""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field

import nbformat
from hub import ROOT
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

PATIENCE = 600  # seconds that an answer may take on a crowded machine


@dataclass
class Notes:
    """What happened to one student."""

    seconds: float = float("nan")  # for the whole lesson, from the common start
    cells: int = 0
    failed: list = field(default_factory=list)  # cells that raised
    lost: list = field(default_factory=list)  # cells with fewer outputs than in the notebook
    dead: bool = False


def code_cells(lesson):
    """(source, number of results in the stored notebook) of the code cells of lesson "05"."""
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            yield cell.source, sum(is_result(output.output_type) for output in cell.outputs)


def is_result(kind):
    return kind in ("display_data", "execute_result")


class KernelDied(Exception):
    """The kernel or the way to it is gone."""


class Student:
    def __init__(self, hub, name):
        self.hub, self.name, self.notes = hub, name, Notes()

    async def ask(self, method, path, body=None):
        """One request to the hub or the student's server; the JSON of the answer."""
        request = HTTPRequest(
            self.hub.url + path,
            method=method,
            headers={"Authorization": f"token {self.hub.token}"},
            body=json.dumps(body) if body is not None else "" if method == "POST" else None,
            request_timeout=PATIENCE,
            connect_timeout=PATIENCE,
        )
        answer = await AsyncHTTPClient().fetch(request)
        return json.loads(answer.body or "null")

    async def arrive(self):
        """Signs up and waits for the server."""
        await self.ask("POST", f"/hub/api/users/{self.name}")
        await self.ask("POST", f"/hub/api/users/{self.name}/server")
        while not (await self.ask("GET", f"/hub/api/users/{self.name}"))["servers"][""]["ready"]:
            await asyncio.sleep(1)

    async def leave(self):
        """Stops the server, and with it the kernel."""
        await self.ask("DELETE", f"/hub/api/users/{self.name}/server")

    async def open_kernel(self):
        """Starts a kernel and connects to it; it has answered when this returns."""
        kernels = f"/user/{self.name}/api/kernels"
        self.kernel = f"{kernels}/{(await self.ask('POST', kernels, {}))['id']}"
        request = HTTPRequest(
            self.hub.url.replace("http", "ws", 1) + self.kernel + "/channels",
            headers={"Authorization": f"token {self.hub.token}"},
            connect_timeout=PATIENCE,
            request_timeout=PATIENCE,  # a browser would try again where tornado gives up after 20 s
        )
        self.socket = await websocket_connect(request, max_message_size=2**28)
        await self.run_cell("None")

    async def close_kernel(self):
        self.socket.close()
        await self.ask("DELETE", self.kernel)

    async def run_cell(self, source):
        """(error or None, number of results) of a cell."""
        sent = await self.send(
            "execute_request", code=source, silent=False, store_history=True, user_expressions={},
            allow_stdin=False, stop_on_error=True,
        )  # fmt: skip
        error, results, replied, idle = None, 0, False, False
        while not (replied and idle):
            message = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
            if message is None:
                raise KernelDied(f"{self.name}: the connection was closed")
            binary = isinstance(message, bytes)  # a widget's picture
            message = deserialize_binary_message(message) if binary else json.loads(message)
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] in ("restarting", "dead"):
                raise KernelDied(f"{self.name}: the kernel is {content['execution_state']}")
            if message["parent_header"].get("msg_id") != sent:
                continue
            replied |= kind == "execute_reply"
            idle |= kind == "status" and content["execution_state"] == "idle"
            results += is_result(kind)
            if kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            if kind == "stream" and "rate exceeded" in content["text"]:
                self.notes.lost.append(content["text"])
        return error, results

    async def send(self, kind, **content):
        """Sends a message to the kernel; returns its id."""
        name = uuid.uuid4().hex
        header = {"msg_id": name, "msg_type": kind, "session": self.name, "username": self.name,
                  "date": "", "version": "5.3"}  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await self.socket.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        return name

    async def run_lesson(self, lesson):
        """Runs all code cells; notes what fails and how long it took."""
        start = time.monotonic()
        for number, (source, expected) in enumerate(code_cells(lesson)):
            error, results = await self.run_cell(source)
            self.note(f"lesson {lesson}, code cell {number}", error, results, expected)
        self.notes.seconds = time.monotonic() - start

    async def try_lesson(self, lesson, seconds):
        """Runs its cells for so long, interrupts the one that is running, and asks the kernel."""
        end = time.monotonic() + seconds
        for number, (source, expected) in enumerate(code_cells(lesson)):
            running = asyncio.ensure_future(self.run_cell(source))
            done, _ = await asyncio.wait([running], timeout=max(0, end - time.monotonic()))
            if not done:
                await self.ask("POST", self.kernel + "/interrupt")
                await running
                break
            self.note(f"lesson {lesson}, code cell {number}", *running.result(), expected)
        error, results = await self.run_cell("6 * 7")
        self.note(f"after lesson {lesson}", error, results, 1)

    def note(self, where, error, results, expected):
        self.notes.cells += 1
        if error:
            self.notes.failed.append(f"{self.name}, {where}: {error}")
        elif results < expected:
            self.notes.lost.append(f"{self.name}, {where}: {results} of {expected} results came")
