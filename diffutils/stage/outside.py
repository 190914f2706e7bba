"""Who a process calls beyond this machine, as audit hooks tell it.

Needs the standard library alone, so that a kernel can run it as a file before it imports anything:
`reached = runpy.run_path(outside.__file__)["watch"]()`.
"""

import ipaddress
import platform
import sys

EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")  # (socket, address)
INTERNET = ("AF_INET", "AF_INET6")
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")  # (host, ...)


def is_here(host):
    """Whether the host, a name or an address, or nothing, is this machine."""
    if not host:
        return True
    if host in ("localhost", platform.node()):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def host_called(event, arguments):
    """The other machine that an audited event would reach or look up, a str, or None."""
    if event in EVENTS and getattr(arguments[0].family, "name", INTERNET[0]) in INTERNET:
        host = (arguments[1] or (None,))[0]
    elif event in LOOKUPS:
        host = arguments[0]
    else:
        return None
    host = host.decode() if isinstance(host, bytes) else str(host or "")
    return None if is_here(host) else host


def watch():
    """A list to which each other machine is added, once, that this process calls from now on."""
    reached = []

    def hook(event, arguments):
        host = host_called(event, arguments)
        if host is not None and host not in reached:
            reached.append(host)

    sys.addaudithook(hook)
    return reached
