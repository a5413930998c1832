"""`python -m chroma_sync.controller`: the operator's process."""

import sys

from chroma_sync.controller.main import main

sys.exit(main(sys.argv[1:]))
