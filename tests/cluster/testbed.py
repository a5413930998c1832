#!/usr/bin/env python3
"""A real Kubernetes on this one machine: `python3 tests/cluster/testbed.py --help`."""

import sys

from onenode.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
