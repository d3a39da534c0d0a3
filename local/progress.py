"""What a deployment tells of itself while it runs."""

from typing import Protocol


class Progress(Protocol):
    """May be called from several threads at once."""

    def stage(self, what: str) -> None:
        """A new part of the work begins."""
        ...

    def total(self, resources: int) -> None:
        """How many resources there will be."""
        ...

    def step(self, verb: str, resource: str) -> None:
        """One resource: "create", "update", "replace", "delete" or "same"."""
        ...


class _Silent:
    def stage(self, what: str) -> None:
        pass

    def total(self, resources: int) -> None:
        pass

    def step(self, verb: str, resource: str) -> None:
        pass


silent: Progress = _Silent()
