"""A class of N students at a JupyterHub on this machine: how long, how much memory, what breaks.

    python tests/load/classroom.py 1 5 10 20

Each student has a server and a kernel behind the hub's proxy, runs lesson 05 cell by cell, all at
the same time, then lesson 04 for a minute. It prints a table, and a line for each thing that went
wrong, and exits 1 if there is one. Everything is on the loopback.

Run it with the Python that has the project installed, on an idle machine, on Linux or macOS. It
needs npm, and the network the first time: JupyterHub and its proxy go to build/classroom. It stops
by itself, a class after 45 minutes at the latest, and leaves no process behind, which is checked.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
import urllib.request

from hub import Hub, wait_until
from student import Student
from tornado.httpclient import AsyncHTTPClient

MINUTES = 45  # at most, for one class
GIGABYTE = 1e9
HEAD = ("students", "ready s", "median s", "last s", "last / (N x alone)", "GB each",
        "GB each in 04", "cells", "failed", "lost", "dead")  # fmt: skip


class Memory:
    """The most that the students' processes held together, sampled every two seconds."""

    def __init__(self, hub):
        self.hub, self.most, self.parts = hub, 0, (0, 0)

    async def watch(self):
        while True:
            parts = self.hub.memory()
            if sum(parts) > self.most:
                self.most, self.parts = sum(parts), parts
            await asyncio.sleep(2)

    @contextlib.asynccontextmanager
    async def watching(self):
        task = asyncio.ensure_future(self.watch())
        yield self
        task.cancel()


async def all_of(students, work):
    """Does work(student) for all at once; one whose kernel dies or server fails is noted."""

    async def one(student):
        try:
            await work(student)
        except Exception as error:
            student.notes.dead = True
            student.notes.failed.append(f"{student.name}: {type(error).__name__}: {error}")

    await asyncio.gather(*(one(student) for student in students if not student.notes.dead))


async def hold_class(hub, count, arguments):
    """The notes of `count` students, seconds until all were ready, and memory in each lesson."""
    students = [Student(hub, f"student{k:02d}") for k in range(1, count + 1)]
    start = time.monotonic()
    await all_of(students, Student.arrive)
    await all_of(students, Student.open_kernel)
    ready = time.monotonic() - start
    async with Memory(hub).watching() as first:
        await all_of(students, lambda student: student.run_lesson(arguments.lesson))
    await all_of(students, Student.close_kernel)
    await all_of(students, Student.open_kernel)
    async with Memory(hub).watching() as second:
        await all_of(students, lambda student: student.try_lesson("04", arguments.seconds))
    await all_of(students, Student.leave)
    return [student.notes for student in students], ready, first, second


def run_class(count, arguments):
    """Starts a hub, holds a class, stops the hub; what hold_class returns, and what was left."""
    hub = Hub()
    try:
        wait_until(lambda: answers(hub), hub)
        found = asyncio.run(asyncio.wait_for(hold_class(hub, count, arguments), 60 * MINUTES))
    except BaseException:
        print(hub.tail())
        raise
    finally:
        left = hub.stop()
    return *found, left


def answers(hub):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"{hub.url}/hub/api/", timeout=5).status == 200
    return False


def row(count, alone, notes, ready, *memories):
    """The table's row for a class of `count`."""
    seconds = sorted(student.seconds for student in notes)
    each = [f"{memory.most / GIGABYTE / count:.2f}" for memory in memories]
    wrong = [sum(len(student.failed) for student in notes), sum(len(s.lost) for s in notes)]
    return [count, f"{ready:.0f}", f"{statistics.median(seconds):.0f}", f"{seconds[-1]:.0f}",
            f"{seconds[-1] / (count * alone):.2f}" if alone else "", *each,
            sum(student.cells for student in notes), *wrong,
            sum(student.dead for student in notes)]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("counts", nargs="+", type=int, help="students in each class, such as 1 20")
    parser.add_argument("--lesson", default="05", help="what is run to the end; 02 for a trial")
    parser.add_argument("--seconds", type=float, default=60, help="how long lesson 04 is tried")
    arguments = parser.parse_args()
    AsyncHTTPClient.configure(None, max_clients=1000)
    alone, wrong = None, []
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|", flush=True)
    for count in arguments.counts:
        notes, ready, first, second, left = run_class(count, arguments)
        alone = notes[0].seconds if count == 1 else alone
        print("| " + " | ".join(map(str, row(count, alone, notes, ready, first, second))) + " |")
        for memory, lesson in ((first, arguments.lesson), (second, "04")):
            parts = " and ".join(f"{part / GIGABYTE / count:.2f}" for part in memory.parts)
            print(f"lesson {lesson}: servers and kernels {parts} GB a student")
        print(f"left behind: {', '.join(left) or 'nothing'}", flush=True)
        wrong += [*left, *(line for student in notes for line in student.failed + student.lost)]
    print("\n".join(wrong) or "nothing went wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
