"""`python -m http3_client.example_site`: serve the example site until Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from ._pages import listing
from ._server import ADDRESS, ExampleServer

PORT = 8765


def main(arguments: list[str] | None = None) -> int:
    """Serve; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m http3_client.example_site",
        description="A small web site on this machine, for examples.",
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0: any that is free")
    port = parser.parse_args(arguments).port
    try:
        server = ExampleServer(port)
    except (OSError, OverflowError) as exc:
        sys.stderr.write(f"{ADDRESS}:{port} can't be served: {exc}. Choose another port: --port 0\n")
        return 1
    with server:
        try:
            sys.stdout.write(f"Serving {server.url} until Ctrl-C. Its pages:\n\n{listing()}\n")
            sys.stdout.flush()
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
