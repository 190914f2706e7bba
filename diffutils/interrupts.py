"""The stop button and SIGTERM: kept away from what cannot be cut, and heard where work can be kept.

Python hears signals in its main thread only; in any other these functions do nothing.
"""

import contextlib
import signal
import threading


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the system, or who watches over several processes, wants this one to end."""


def in_main_thread():
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def interrupts_held():
    """Ctrl+C, or the stop button, and SIGTERM wait until the block is done; then they come.

    gives   the list of those that came so far
    """
    came = []
    kinds = [signal.SIGINT, signal.SIGTERM] if in_main_thread() else []
    before = {kind: handler for kind in kinds if (handler := signal.getsignal(kind)) is not None}
    for kind in before:
        signal.signal(kind, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    for number in came[:1]:
        signal.raise_signal(number)


@contextlib.contextmanager
def before_termination(keep):
    """SIGTERM, where nobody listens to it, first calls keep(); then it ends the process as ever.

    keep   a function; None leaves all as it is
    """
    unheard = in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if keep is None or not unheard:
        yield
        return

    def hear(number, _):
        signal.signal(number, signal.SIG_DFL)
        keep()
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        if in_main_thread() and signal.getsignal(signal.SIGTERM) is hear:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def termination_raised():
    """SIGTERM raises `Terminated`, as Ctrl+C raises KeyboardInterrupt."""
    if not in_main_thread():
        yield
        return

    def stop(*_):
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
