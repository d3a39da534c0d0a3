"""The steps of `projection rebuild`, as a person sees them."""

import threading

from foldstack.aws import composition
from foldstack.aws.compare import Comparison, compare
from foldstack.aws.rebuild import Progress, Rebuild
from foldstack.kernel.errors import OperationRefused
from rich.console import Console

from ..display import show_table
from .connection import Connection
from .progress import Bar


class Steps:
    """Of one projection. Raises FoldstackError."""

    def __init__(self, connection: Connection, name: str, console: Console, segments: int) -> None:
        self._connection = connection
        self._console = console
        self._name = name
        self._projection, self._pipeline = connection.projection(name)
        self._segments = segments

    def build(self, stop: threading.Event, *, switch: bool) -> None:
        self._check_code()
        with Bar(self._console) as bar:
            rebuild = self._rebuild(bar)
            control = rebuild.build(stop)
            self._check_code()
            if switch:
                control = rebuild.switch()
        if switch:
            self._say_switched(control.live)
            return
        self._console.print(
            f"{self._name}: generation {control.other} is built beside {control.live}, which is read still. "
            f"`projection rebuild {self._name} --compare` compares them, --switch has the new one read"
        )

    def compare(self) -> None:
        with Bar(self._console) as bar:
            views = composition.view_operations(
                self._pipeline.environment, self._connection.service, self._connection.client
            )
            found = compare(self._projection, views, lambda rows: bar.show("comparing", rows))
        self._show(found)

    def rollback(self) -> None:
        with Bar(self._console) as bar:
            control = self._rebuild(bar).rollback()
        self._console.print(
            f"{self._name}: generation {control.live} is read again. {control.other} is fed still: --switch has it "
            "read, --cancel removes it"
        )

    def finish(self) -> None:
        with Bar(self._console) as bar:
            removed = self._rebuild(bar).finish()
        self._console.print(f"{self._name}: one generation is fed; {removed} items of others are removed")

    def cancel(self) -> None:
        with Bar(self._console) as bar:
            removed = self._rebuild(bar).cancel()
        self._console.print(f"{self._name}: given up; {removed} items are removed")

    def _rebuild(self, bar: Bar) -> Rebuild:
        def tell(progress: Progress) -> None:
            bar.show(progress.stage, progress.scanned, progress.estimate)

        return composition.rebuild(
            self._pipeline.environment,
            self._connection.service,
            self._projection,
            self._connection.client,
            segments=self._segments,
            tell=tell,
        )

    def _check_code(self) -> None:
        """What is scanned is folded here, what is new is folded there: by the same code, or the rows are a mixture."""
        deployed = self._connection.order(self._pipeline, {"describe": True})["code"].get(self._name)
        if deployed != self._projection.fingerprint:
            raise OperationRefused(
                f"the code of {self._name} here is not the one that is deployed: deploy first, "
                "or check out what is deployed"
            )

    def _say_switched(self, live: int) -> None:
        self._console.print(
            f"{self._name}: generation {live} is read. The old one is fed still: --rollback goes back to it, "
            "--finish ends and removes it"
        )

    def _show(self, found: Comparison) -> None:
        counts = [
            ("equal", found.same),
            ("different", found.different),
            (f"only in {found.live}, which is read", found.only_live),
            (f"only in {found.other}", found.only_other),
            ("at different versions now", found.behind),
        ]
        title = f"{self._name}: generation {found.other} against {found.live}"
        show_table(self._console, title, ("rows", "how many"), [(what, str(count)) for what, count in counts])
        if found.examples:
            rows = [(each.stream.key, ", ".join(each.fields)) for each in found.examples]
            show_table(self._console, "the first that differ", ("stream", "in"), rows)
