"""Nothing here opens a connection to the outside: lessons, solutions and tests run under a guard.

The guard is in `offline.py`. nbval runs the lessons in kernels that have it; these tests show that
it is there, and that it would tell.
"""

import socket
import sys

import pytest
from kernels import Kernel
from offline import OutsideConnection

from diffutils.stage import outside

OUTSIDE = "192.0.2.1"  # an address that belongs to nobody (RFC 5737)


def send_a_packet():
    with socket.socket(type=socket.SOCK_DGRAM) as packets:
        packets.sendto(b"hello", (OUTSIDE, 53))


@pytest.mark.parametrize("attempt", [
    lambda: socket.create_connection((OUTSIDE, 80), timeout=1),
    lambda: socket.create_connection(("2001:db8::1", 80), timeout=1),
    lambda: socket.getaddrinfo("example.org", 443),
    lambda: socket.gethostbyname("example.org"),
    send_a_packet,
])  # fmt: skip
def test_an_outside_connection_is_refused_in_every_test(attempt):
    with pytest.raises(OutsideConnection, match="socket"):
        attempt()


def test_connections_within_the_machine_are_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            pass


def test_an_outside_connection_is_refused_in_every_kernel_even_if_its_error_is_swallowed():
    shrug = "try:\n    {}\nexcept Exception:\n    print('no network, never mind')"
    with Kernel() as kernel:
        for attempt in (f"socket.create_connection(('{OUTSIDE}', 80), timeout=1)",
                        "urllib.request.urlopen('https://example.org', timeout=1)"):  # fmt: skip
            done = kernel.run("import socket, urllib.request\n" + shrug.format(attempt))
            assert "OutsideConnection" in done.error and "never mind" not in done.text


def test_who_is_called_is_told_once_each_and_this_machine_never(monkeypatch):
    hooks = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)
    reached = outside.watch()
    with socket.socket() as internet, socket.socket(socket.AF_UNIX) as local:
        for event, arguments in [
            ("socket.connect", (internet, (OUTSIDE, 80))),
            ("socket.sendto", (internet, (OUTSIDE, 53))),  # the same machine
            ("socket.getaddrinfo", (b"example.org", 443)),
            ("socket.connect", (internet, ("127.0.0.1", 80))),
            ("socket.connect", (internet, ("::1%lo", 80))),
            ("socket.sendmsg", (internet, None)),
            ("socket.gethostbyname", ("localhost",)),
            ("socket.connect", (local, "/tmp/outside")),
            ("open", ("outside", "r", 0)),
        ]:
            hooks[0](event, arguments)
    assert reached == [OUTSIDE, "example.org"]
