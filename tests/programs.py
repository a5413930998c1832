"""Installs what reads pictures and old Office files, for the tests of documents, where that is
allowed: as root, on Debian. Elsewhere it says what is missing. A file of its own interpreter: the
virtual environment need not be there yet."""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "cluster"))

from onenode.errors import TestbedError
from onenode.paths import locked
from onenode.toolchain import install_packages, missing_packages

# Debian package: files that show it, or something like it, is there.
PACKAGES = {
    "tesseract-ocr": ("tesseract",),
    "libreoffice-writer-nogui": ("/usr/lib/libreoffice/program/libswlo.so|libreoffice",),
    "libreoffice-impress-nogui": ("/usr/lib/libreoffice/program/libsdlo.so",),
}


def main() -> None:
    missing = missing_packages(PACKAGES)
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"not installed, so some documents can't be read: {', '.join(missing)}")
        return
    try:
        with locked("prepare"):
            install_packages(PACKAGES)
    except TestbedError as error:
        print(error)


if __name__ == "__main__":
    main()
