"""Python's garbage collector, out of the way of work that makes a great many objects which all live until it is done."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Leaves garbage where it is; objects without cycles are freed as ever. It is the whole process's: keep it to a second or two."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
