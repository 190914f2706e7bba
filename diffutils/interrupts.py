"""Keeps the stop button away from the import of torch, which cannot be repeated once it was cut."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def interrupts_held():
    """Ctrl+C, or the stop button, waits until the block is done; then KeyboardInterrupt comes."""
    if threading.current_thread() is not threading.main_thread():
        yield  # interrupts come to the main thread only
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
