"""Ctrl-C and SIGTERM on a laptop: the first asks the run to stop, the second ends the process."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chroma_sync.pipeline import children
from chroma_sync.pipeline.queues import StopSignal

INTERRUPTED: Final = 130  # exit code, as shells have it
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Who sends SIGTERM sends no second one, but SIGKILL after a while.
_TERMINATE_SECONDS: Final = 5.0
_SHOW_CURSOR: Final = "\x1b[?25h"  # the bars hide it


@contextmanager
def interruptible(stop: StopSignal) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop the run cleanly. A second one, or what still hangs 5 s after a
    SIGTERM, ends the process at once, with its children."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {number: signal.signal(number, _ignored) for number in _SIGNALS}
    # Python itself writes the number of a signal there, also while the main thread hangs.
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(ours, stop), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        watcher.join()
        ours.close()


def _ignored(_number: int, _frame: object) -> None:
    """The watcher acts on it."""


def _watch(signals: socket.socket, stop: StopSignal) -> None:
    first = signals.recv(1)
    if not first:
        return
    stop.stop()
    seconds = _TERMINATE_SECONDS if first[0] == signal.SIGTERM else None
    came = select.select([signals], [], [], seconds)[0]
    if came and not signals.recv(1):
        return
    _end()


def _end() -> None:
    children.kill_all()
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), _SHOW_CURSOR.encode())
    os._exit(INTERRUPTED)
