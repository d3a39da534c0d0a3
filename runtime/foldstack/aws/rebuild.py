"""A view built anew beside the one that is read: subscribed to the road first, and only then filled from the store."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from ..kernel.errors import OperationRefused, Unavailable
from ..kernel.generations import Control, Rebuilding
from ..kernel.keys import StreamId, Tenant
from ..kernel.projection import Projection
from .commit_scan import CommitScan
from .generations import READERS_GONE, SETTLED
from .lag import PATIENCE, Lag
from .projector import Projector
from .rebuild_fold import ScanFold
from .sweep import Heads
from .view_operations import OperatedViews

SEGMENTS = 4
_CHECKPOINT = 1.0
_TRIES = 8
_LONGEST_PAUSE = 20.0
_SHOWN = 20


class Progress(NamedTuple):
    """`stage` is subscribing, scanning, checking, comparing, removing or done. `scanned` of about `estimate` commits
    (0: unknown); `alone` counts streams that were healed one by one."""

    stage: str
    scanned: int = 0
    estimate: int = 0
    alone: int = 0


class NotReady(OperationRefused):
    """The new generation is not to be read yet; the message says why."""


class Rebuild:
    """Operates the generations of one projection. Several processes may try: one gets on, the others are told so.

    `projector` is of the code that is to fill the rows; `heads` are the commits that they must have reached before
    readers see them, `patience` seconds later at the latest. Every method raises OperationRefused where the state
    does not allow it, and Unavailable.
    """

    def __init__(
        self,
        projection: Projection,
        scan: CommitScan,
        views: OperatedViews,
        projector: Projector,
        heads: Heads,
        *,
        segments: int = SEGMENTS,
        settled: float = SETTLED,
        readers_gone: float = READERS_GONE,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.projection = projection
        self._scan = scan
        self._views = views
        self._projector = projector
        self._heads = heads
        self._segments = segments
        self._settled = settled
        self._readers_gone = readers_gone
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._tell = tell

    @property
    def control(self) -> Control:
        return self._views.control(self.projection)

    def build(self, stop: threading.Event | None = None) -> Control:
        """Begins, or goes on with what another process left, until everything is in. `stop` ends it after the page
        at hand: the next call goes on there. Raises NotReady where a stream is parked."""
        control = self._began()
        if control.stage == "built":
            return control
        self._tell(Progress("subscribing"))
        self._wait(control.changed + self._settled, stop)
        control = _Filling(self, control, stop or threading.Event()).run()
        self._check(control)
        return self._keep(control, control.built())

    def switch(self) -> Control:
        """One conditional put; readers follow within seconds. Raises NotReady where the other generation does not hold
        what was committed until now."""
        control = self.control
        if control.stage == "built":
            self._check(control)
            self._check_lag(control)
        return self._keep(control, control.switch(self._clock()))

    def rollback(self) -> Control:
        control = self.control
        return self._keep(control, control.rollback(self._clock()))

    def finish(self) -> int:
        """After a switch: the old generation is fed no more, and removed. How many items that were."""
        control = self.control
        if control.stage != "switched" and control.stage:
            raise OperationRefused(
                f"generation {control.other} is {control.stage}, and not read: --switch, or --cancel"
            )
        return self._end(control)

    def cancel(self) -> int:
        """Gives up a generation that is being built, or is built and not read."""
        control = self.control
        if control.stage == "switched":
            raise OperationRefused(f"generation {control.live} is being read: --rollback first, or --finish")
        return self._end(control)

    def _end(self, control: Control) -> int:
        """Stops feeding what is not read, waits until nobody knows it any more, and removes it. Where another died
        between the two, the second is done again."""
        unread = 0.0 if control.stage in ("building", "built") else control.changed + self._readers_gone
        if control.other is not None:
            control = self._keep(control, control.retire(self._clock()))
        self._wait(max(unread, control.changed + self._settled))
        removed, after = 0, None
        while True:
            count, after = self._views.remove(self.projection, control.fed, control.latest, after)
            removed += count
            self._tell(Progress("removing", removed))
            if after is None:
                return removed

    def _began(self) -> Control:
        control = self.control
        if control.stage == "built":
            return control
        mine = Rebuilding(uuid.uuid4().hex, self._projector.epoch, self.projection.fingerprint, ({},) * self._segments)
        if control.stage != "building":
            return self._keep(control, control.begin(mine._replace(estimate=self._scan.estimate()), self._clock()))
        before = control.rebuilding
        assert before is not None
        if (before.epoch, before.code) != (mine.epoch, mine.code):
            raise OperationRefused(
                f"generation {control.other} was begun by other code, or before a restore: `rebuild NAME --cancel`, "
                "then begin anew"
            )
        return self._keep(control, control.progress(before._replace(runner=mine.runner)))

    def _check(self, control: Control) -> None:
        """Raises NotReady where a person has to do something before the other generation can hold everything."""
        self._tell(Progress("checking"))
        assert control.other is not None
        parked = self.parked(self.projection.in_generation(control.other), _SHOWN)
        if parked:
            listed = ", ".join(f"{stream.key} at {first}" for stream, first in parked)
            raise NotReady(
                f"generation {control.other} has parked streams: {listed}. Mend the code and `projection redrive`, or "
                "`projection skip`; then run this again"
            )

    def _check_lag(self, control: Control) -> None:
        """The road says little of what is under way, a stream nothing: so the rows are compared with the store."""
        assert control.other is not None
        estimate = self._scan.estimate()
        late = Lag(
            self.projection.in_generation(control.other),
            self._heads,
            self._views,
            self._projector.epoch,
            patience=self._patience,
            clock=self._clock,
            sleep=self._sleep,
            tell=lambda commits: self._tell(Progress("comparing", commits, estimate)),
        ).late()
        if late:
            first = late[0]
            raise NotReady(
                f"generation {control.other} is behind the store: rows of {len(late)} streams or more, such as "
                f"{first.stream.key} at {first.cursor} of {first.due}, did not come on in {self._patience:.0f} s. Run "
                f"this again when the projector has caught up; what was never delivered `projection sweep "
                f"{self.projection.name}` heals"
            )

    def parked(self, generation: Projection, most: int) -> list[tuple[StreamId, int]]:
        """Streams that are parked, each with the version it is parked at."""
        found: list[tuple[StreamId, int]] = []
        after = None
        while len(found) < most:
            page = self._views.leads(generation, after, parked=True)
            for row in page.rows:
                assert row.lead.parked is not None
                stream = StreamId(Tenant(row.tenant), generation.of.category, row.id)
                found.append((stream, row.lead.parked.first))
            after = page.after
            if after is None:
                break
        return found[:most]

    def _keep(self, before: Control, after: Control) -> Control:
        kept = self._views.keep_control(self.projection, before, after)
        if not kept and self.control != after:  # it may be our own, repeated because its answer was lost
            raise OperationRefused(f"another process changed the generations of {self.projection.name} just now")
        return after

    def _wait(self, until: float, stop: threading.Event | None = None) -> None:
        while (left := until - self._clock()) > 0 and not (stop and stop.is_set()):
            self._sleep(min(left, 0.5))


class Stopped(OperationRefused):
    """A rebuild was told to stop; it goes on with the next `build`."""


class _Filling:
    """The scan of one `build`, with its checkpoints."""

    def __init__(self, rebuild: Rebuild, control: Control, stop: threading.Event) -> None:
        assert control.other is not None
        assert control.rebuilding is not None
        self._rebuild = rebuild
        self._control = control
        self._state = control.rebuilding
        self._stop = stop
        self._broken = threading.Event()
        self._fold = ScanFold(rebuild.projection.in_generation(control.other), rebuild._projector, rebuild._views)
        self._alone = 0
        self._kept = rebuild._clock()
        self._lock = threading.Lock()

    def run(self) -> Control:
        """Until every segment is done. Raises Stopped, or what a segment could not get over, with all kept so far."""
        left = [n for n, position in enumerate(self._state.positions) if position is not None]
        if len(left) == 1:
            running = [_in_this_thread(self._segment, left[0])]
        else:
            with ThreadPoolExecutor(self._rebuild._segments) as pool:
                running = [pool.submit(self._segment, n) for n in left]
        faults = [fault for each in running if (fault := each.exception()) is not None]
        for fault in faults:
            if not isinstance(fault, Exception):
                raise fault
        lost = next((fault for fault in faults if isinstance(fault, OperationRefused)), None)
        if lost is not None:
            raise lost
        self._checkpoint(always=True)
        if faults:
            raise faults[0]
        if self._stop.is_set():
            raise Stopped("stopped; `rebuild NAME` goes on from here, `rebuild NAME --cancel` gives it up")
        return self._control

    def _segment(self, number: int) -> None:
        try:
            while not self._stopping:
                position = self._state.positions[number]
                if position is None:
                    return
                after, seen, alone = self._page(position or None, number)
                with self._lock:
                    positions = list(self._state.positions)
                    positions[number] = after
                    self._state = self._state._replace(positions=tuple(positions), scanned=self._state.scanned + seen)
                    self._alone += alone
                self._checkpoint()
        except BaseException:
            self._broken.set()  # the others end too: whoever runs it is to know soon
            raise

    @property
    def _stopping(self) -> bool:
        return self._stop.is_set() or self._broken.is_set()

    def _page(self, after: object, number: int) -> tuple[object, int, int]:
        """One page, until it is in: throttling is to be expected when everything is read and written at once."""
        segments = len(self._state.positions)
        tries = 0
        while True:
            try:
                found = self._rebuild._scan.page(
                    self._rebuild.projection.of.category, self._fold.types, after, number, segments
                )
                return found.after, found.seen, self._fold.take(found.commits)
            except Unavailable:
                tries += 1
                if tries == _TRIES or self._stopping:
                    raise
                self._rebuild._sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.1 * 2**tries)))

    def _checkpoint(self, always: bool = False) -> None:
        with self._lock:
            state, now = self._state, self._rebuild._clock()
            self._rebuild._tell(Progress("scanning", state.scanned, state.estimate, self._alone))
            if not always and now - self._kept < _CHECKPOINT:
                return
            self._kept = now
            self._control = self._rebuild._keep(self._control, self._control.progress(state))


def _in_this_thread(work: Callable[[int], None], number: int) -> "Future[None]":
    done: Future[None] = Future()
    try:
        done.set_result(work(number))
    except BaseException as fault:  # noqa: BLE001 - raised by whoever asks for the result
        done.set_exception(fault)
    return done
