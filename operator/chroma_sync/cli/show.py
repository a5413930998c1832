"""Shows how a run goes: bars at a terminal, JSON lines in a pipe."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from chroma_sync.api.contract import Result
from chroma_sync.api.reasons import Reason
from chroma_sync.api.shown import json_line, visible
from chroma_sync.cli.outcome import as_step_error
from chroma_sync.pipeline.errors import Stopped

_TICK_SECONDS = 0.5
_LINE_SECONDS = 2.0


class Display:
    """Looks at a snapshot of the counts again and again until the block ends. In a pipe, the last
    line has the event `complete`, `failed` or `stopped`."""

    def __init__(self, title: str, snapshot: Callable[[], Result]) -> None:
        self._title = title
        self._snapshot = snapshot
        self._shown = Result()  # what was shown last
        self._done = threading.Event()
        self._bars = sys.stdout.isatty()
        loop = self._loop_bars if self._bars else self._loop_lines
        self._thread = threading.Thread(target=loop, daemon=True)

    def __enter__(self) -> Display:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        if error is not None and not self._bars:
            event, reason, message = _end_of(error)
            so_far = self._snapshot()
            self._line(event, so_far.model_copy(update={"reason": reason, "message": message}))

    def finish(self, summary: str) -> None:
        """End the bars and say what came of it."""
        self._end()
        if self._bars:
            print(summary)
        else:
            self._line("complete", self._snapshot())

    def _end(self) -> None:
        self._done.set()
        self._thread.join()

    def _loop_lines(self) -> None:
        self._line("began", Result())
        while not self._done.wait(_LINE_SECONDS):
            result = self._snapshot()
            if result != self._shown:
                self._line("goes on", result)
            self._shown = result

    def _line(self, event: str, result: Result) -> None:
        counts = result.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        line = {"run": self._title, "event": event, **counts}
        print(json_line(line), flush=True)

    def _loop_bars(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn())
        print(self._title)
        with Progress(*columns) as bars:
            documents = bars.add_task("documents", total=None)
            chunks = bars.add_task("chunks", total=None)
            while not self._done.wait(_TICK_SECONDS):
                self._draw(bars, documents, chunks)
            self._draw(bars, documents, chunks)

    def _draw(self, bars: Any, documents: Any, chunks: Any) -> None:
        result = self._snapshot()
        d, c = result.documents, result.chunks
        done = d.indexed + d.unchanged + d.skipped + d.failed + d.kept
        bars.update(documents, completed=done, total=d.discovered or None)
        bars.update(chunks, completed=c.written, total=c.produced or None)
        if result.message != self._shown.message:
            # As it is: what a host says is no markup of ours.
            said = visible(result.message) or "It is back."
            bars.console.print(said, markup=False, highlight=False)
        self._shown = result


def _end_of(error: BaseException) -> tuple[str, str, str]:
    """The last event of a run that an exception ends, its reason, and what stderr says of it."""
    if isinstance(error, Stopped | KeyboardInterrupt):
        return "stopped", "", ""
    known = as_step_error(error)
    if known is not None:
        return "failed", known.reason.value, str(known)
    message = f"The program broke off: {type(error).__name__}."
    return "failed", Reason.INTERNAL_ERROR.value, message
