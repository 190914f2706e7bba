"""Refuses every connection to the outside: in this process, and in each kernel that it starts.

`conftest.py` calls both functions, so all tests, all lessons and all solutions run under them.
"""

import ipaddress
import os
import socket
import sys
from pathlib import Path

EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")  # (socket, address)
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")  # (host, ...)


class OutsideConnection(BaseException):
    """No Exception, so that code that shrugs at a missing network cannot swallow it."""


def is_here(host):
    """The host is this machine."""
    if not host:
        return True
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host in ("localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def guard(event, arguments):
    """An audit hook: OutsideConnection for whatever would leave this machine."""
    if event in EVENTS and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = (arguments[1] or (None,))[0]
    elif event in LOOKUPS:
        host = arguments[0]
    else:
        return
    if not is_here(host):
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
