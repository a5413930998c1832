"""Runs a module of chroma-sync as a program, with the fourth kind: its name, and its arguments."""

from __future__ import annotations

import runpy
import sys

from fourth_kind import union

if __name__ == "__main__":
    union.install()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
