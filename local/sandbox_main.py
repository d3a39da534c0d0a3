"""The first thing a sandbox runs: sets the import path as Lambda does, then hands over to AWS's runtime client.

Run as a script by an isolated interpreter without site-packages; the standard library alone is at hand here.
Arguments: handler, folder of what Lambda supplies, task folder, layer folders.
"""

import os
import sys


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
    serve(["awslambdaric", handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
