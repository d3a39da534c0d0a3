"""The first thing a sandbox runs: sets the import path as Lambda does, then hands over to AWS's runtime client.

Run as a script by an isolated interpreter without site-packages; the standard library alone is at hand here.
Arguments: handler, folder of what Lambda supplies, task folder, layer folders.
"""

import os
import sys
import threading

_begun = threading.local()


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
    bootstrap.Unbuffered.write = _write_whole_lines
    bootstrap.Unbuffered.flush = _flush
    serve(["awslambdaric", handler])


def _write_whole_lines(output, text):
    """All sandboxes of a function share its log file, and `print` writes a line's end by itself: without this, lines
    of two sandboxes run together."""
    lines, end, rest = (_begun.__dict__.pop(output.stream.name, "") + text).rpartition("\n")
    _begun.__dict__[output.stream.name] = rest
    if end:
        output.stream.write(lines + end)
        output.stream.flush()


def _flush(output):
    output.stream.write(_begun.__dict__.pop(output.stream.name, ""))
    output.stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
