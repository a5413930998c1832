"""Reads the installation's settings from the file that the chart mounts."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from chroma_sync.reconcile.installation import Installation


class SettingsError(Exception):
    """The settings can't be used. `str(error)` names the file, the field and what is wrong."""


def load(path: Path) -> Installation:
    """Read YAML (or JSON). Raises `SettingsError`."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Installation.model_validate(data)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False)
        )
        message = f"{path}: {wrong}. Correct the chart's values and install again."
        raise SettingsError(message) from None
