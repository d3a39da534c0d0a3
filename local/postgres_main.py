"""PostgreSQL as a child that does not outlive its parent: `python -I postgres_main.py UID GID COMMAND...`.

Standard input is the parent's hold: when it closes, or on SIGTERM, the server ends its sessions and stops.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    uid, gid, *command = sys.argv[1:]
    # PostgreSQL refuses to run as root.
    other = {"user": int(uid), "group": int(gid), "extra_groups": []} if int(uid) != os.getuid() else {}
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **other)

    def stop(*_: object) -> None:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)  # a fast shutdown, as PostgreSQL calls it

    def stop_with_the_parent() -> None:
        while os.read(0, 1):
            pass
        stop()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
