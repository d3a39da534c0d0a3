"""A stand-in that answers everything with its own name."""

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shelf(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"shelf")

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Shelf).serve_forever()
