from __future__ import annotations


def print_whole_trees() -> None:
    pass
