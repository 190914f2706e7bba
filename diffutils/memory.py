"""How long glibc, the C library of Linux, keeps memory that torch has freed.

Left alone it gives each block of more than 128 kB back to the system at once, and the next tensor
gets it again page by page: up to a third of the time of a step of sampling, a seventh of one of
training. But it keeps blocks as large as the largest it has seen freed, up to 32 MB. So it is shown
a large one, and between cells, when nobody computes, told to give back what it kept.
"""

import contextlib
import ctypes


def keep_freed():
    """From now on blocks of less than 31 MB that are freed stay with this process."""
    bytearray(31 * 2**20)


def give_back(*_):
    """Gives what is free back to the system; nothing where the C library is another one."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
