"""`python -m fakes.tei --port 8080`: serve until the process ends."""

from __future__ import annotations

import argparse
import os

from fakes.tei.server import TeiServer
from fakes.tei.service import Options


def main() -> None:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="fakes.tei", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--model-id", default=defaults.model_id)
    parser.add_argument("--max-concurrent-requests", type=int, default=512)
    parser.add_argument("--max-client-batch-size", type=int, default=32)
    parser.add_argument("--auto-truncate", choices=["true", "false"], default="true")
    parser.add_argument("--api-key-env", metavar="NAME", help="variable that holds the key")
    parser.add_argument("--cache", default=defaults.cache, help="file for vectors made before")
    arguments = parser.parse_args()
    options = Options(
        model_id=arguments.model_id,
        max_concurrent_requests=arguments.max_concurrent_requests,
        max_client_batch_size=arguments.max_client_batch_size,
        auto_truncate=arguments.auto_truncate == "true",
        api_key=os.environ[arguments.api_key_env] if arguments.api_key_env else None,
        cache=arguments.cache,
    )
    with TeiServer((arguments.host, arguments.port), options) as server:
        server.serve_forever()


main()
