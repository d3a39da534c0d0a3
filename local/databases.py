"""The databases of a laptop cloud: one PostgreSQL for each cluster that its program registers."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

from .postgres import Postgres
from .private_files import write_private


class Databases:
    """Servers in `home`, told to the emulator through `directory`, the file its Data API reads. Safe for threads."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.home = home
        self._directory = directory
        self._servers: dict[str, Postgres] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def servers(self) -> list[Postgres]:
        return list(self._servers.values())

    @property
    def arns(self) -> list[str]:
        """Of the clusters."""
        return list(self._servers)

    def open(self, arn: str, *, master: str, password: str, database: str, http: bool) -> Postgres:
        """The server of a cluster: started, or as it runs."""
        with self._lock:
            server = self._servers.get(arn)
            if server is None:
                folder = self.home / arn.rsplit(":", 1)[-1]
                server = Postgres(folder, master=master, password=password, database=database).start()
                self._servers[arn] = server
            self._entries[arn] = {"socket": str(server.socket), "master": master, "http": http}
            self._tell()
            return server

    def server(self, arn: str) -> Postgres:
        return self._servers[arn]

    def resuming(self, arn: str, resuming: bool) -> None:
        """Let the Data API answer as it does while Aurora wakes a paused instance, or no longer."""
        with self._lock:
            self._entries[arn]["resuming"] = resuming
            self._tell()

    def close(self, arn: str) -> None:
        """Stop a cluster's server, and remove its data."""
        with self._lock:
            self._entries.pop(arn, None)
            self._tell()
            if server := self._servers.pop(arn, None):
                server.remove()

    def stop(self, keep_data: bool) -> None:
        """Stop all servers; their data stay for the next cloud, or are removed."""
        with self._lock:
            for server in self._servers.values():
                server.stop() if keep_data else server.remove()
            self._servers.clear()
            self._entries.clear()
            self._directory.unlink(missing_ok=True)
            if not keep_data:
                shutil.rmtree(self.home, ignore_errors=True)

    def _tell(self) -> None:
        write_private(self._directory, json.dumps(self._entries))
