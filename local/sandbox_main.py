"""The first thing a sandbox runs: sets the import path as Lambda does, then hands over to AWS's runtime client.

Run as a script by an isolated interpreter without site-packages; the standard library alone is at hand here.
Arguments: handler, folder of what Lambda supplies, task folder, layer folders.
"""

import os
import sys
import threading


class WholeLines:
    """All sandboxes of a function share its log file, and `print` writes a line's end by itself: without this, lines
    of two sandboxes run together. A line that is begun waits for its end, or for `flush`, each thread's for itself."""

    def __init__(self, stream):
        self._stream = stream
        self._begun = threading.local()

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        lines, end, rest = (self._take() + text).rpartition("\n")
        self._begun.text = rest
        if end:
            self._stream.write(lines + end)
            self._stream.flush()

    def writelines(self, texts):
        self.write("".join(texts))

    def flush(self):
        self._stream.write(self._take())
        self._stream.flush()

    def _take(self):
        begun, self._begun.text = getattr(self._begun, "text", ""), ""
        return begun


def main(handler: str, supplied: str, task: str, *layers: str) -> None:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    mounted = [os.path.join(layer, "python") for layer in layers]
    ahead = [
        task,
        *(os.path.join(folder, "lib", version, "site-packages") for folder in mounted),
        *mounted,
    ]
    sys.path[:] = [*ahead, *sys.path, supplied]

    from awslambdaric import bootstrap
    from awslambdaric.__main__ import main as serve

    # It parts the lines of a traceback with carriage returns, for Lambda's log service to join.
    bootstrap.ERROR_LOG_LINE_TERMINATE = "\n"
    bootstrap.__dict__["Unbuffered"] = WholeLines
    serve(["awslambdaric", handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
