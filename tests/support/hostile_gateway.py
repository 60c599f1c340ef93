"""A gateway that misbehaves as its first argument says, and otherwise serves as the small one beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

how, port = sys.argv[1], int(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if how == "drips":
            for byte in b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b" " * 100:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(1)
            return
        data = json.dumps({"status": "ok", "version": os.environ["RELEASE"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        if how == "endless":
            self.end_headers()
            while True:
                self.wfile.write(b" " * 100_000)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def flood() -> None:
    while True:  # about 100 MB a second
        os.write(1, b"%s flood\n" % (b"x" * 9_990) * 100)
        time.sleep(0.01)


def daemonise() -> None:
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.pause()
    os._exit(0)


if how == "exits":
    sys.exit(0)
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how == "daemons":
    daemonise()
if how == "background" and os.fork():
    time.sleep(0.2)
    sys.exit(0)
if how == "background":
    os.setsid()
if how == "floods":
    threading.Thread(target=flood, daemon=True).start()
ThreadingHTTPServer.request_queue_size = socket.SOMAXCONN
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
