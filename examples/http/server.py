"""A stand-in for a deployed spam filter: JSON in, JSON out, a token wanted, and not always in the mood.

    FILTER_TOKEN=secret python examples/http/server.py [PORT]

Standard library only. A body {"texts": ["...", ...]} is answered by {"results": [{"label": "spam"}, ...]}.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SPAM = "free cash winner prize urgent claim offer cheap pills click bonus credit loan"
_HAM = "meeting lunch report thanks tomorrow family project draft dinner train monday notes"
SPAM, HAM = frozenset(_SPAM.split()), frozenset(_HAM.split())
CALLS: Counter[str] = Counter()


def label(text: str) -> str:
    """Spam if more words speak for it than against."""
    words = text.split()
    return "spam" if sum(w in SPAM for w in words) > sum(w in HAM for w in words) else "ham"


class Filter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        CALLS["all"] += 1
        if self.headers["Authorization"] != f"Bearer {os.environ.get('FILTER_TOKEN', '')}":
            self.reply(401, {"error": "who are you?"})
        elif CALLS["all"] % 50 == 0:
            self.reply(503, {"error": "busy"})  # a client has to try again
        else:
            self.reply(200, {"results": [{"label": label(text)} for text in json.loads(body)["texts"]]})

    def reply(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
    server = ThreadingHTTPServer(("127.0.0.1", port), Filter)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}/v1/classify", flush=True)
    server.serve_forever()
