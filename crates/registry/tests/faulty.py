"""A proxy before an S3 server that fails: 500, 503, slow answers, connections that break before or after the work.

    faulty.py HOST:PORT SEED SHARE

SHARE of a hundred requests meet a fault. Prints its port, and at its end (SIGTERM) how many of each there were.
"""

import http.client
import http.server
import json
import random
import signal
import socketserver
import sys
import threading
import time

UPSTREAM, SEED, SHARE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance, lock = random.Random(SEED), threading.Lock()
met = {}


def fault():
    with lock:
        if chance.random() * 100 >= SHARE:
            return None
        kind = chance.choice(["500", "503", "slow", "broken before", "broken after"])
        met[kind] = met.get(kind, 0) + 1
        return kind


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        kind = fault()
        if kind in ("500", "503"):
            text = b"<Error><Code>InternalError</Code><Message>later</Message></Error>"
            self.send_response(int(kind))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else text)
            return
        if kind == "broken before":
            self.close_connection = True
            return
        if kind == "slow":
            time.sleep(2)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "host"}}
        headers["Host"] = UPSTREAM
        upstream = http.client.HTTPConnection(UPSTREAM, timeout=60)
        upstream.request(self.command, self.path, body=body, headers=headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if kind == "broken after":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}:
                self.send_header(name, value)
        known = answer.getheader("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", known or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def end(*_):
    print(json.dumps(met), flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
server = Server(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
server.serve_forever()
