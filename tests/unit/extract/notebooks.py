"""Notebooks, as Jupyter writes them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from typing import Any

PYTHON = {"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}}
PICTURE = base64.b64encode(random.Random(7).randbytes(30_000)).decode()

Cell = dict[str, Any]


def code(source: object, *outputs: object, **more: object) -> Cell:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), **more}


def markdown(source: object) -> Cell:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def result(text: object, **data: object) -> dict[str, Any]:
    """An output with a text, and perhaps other forms of it, by their media type."""
    forms = {key.replace("_", "/"): value for key, value in data.items()}
    return {"output_type": "execute_result", "data": {"text/plain": text, **forms}}


def notebook(*cells: object, metadata: object = PYTHON) -> bytes:
    return whole({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def whole(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()


def lines(text: str) -> Sequence[str]:
    return text.splitlines(keepends=True)
