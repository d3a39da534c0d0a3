"""A projector that takes the streams of a batch together: one read for each projection, and as few writes as its
store can do."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

from ..kernel.envelope import Envelope
from ..kernel.errors import Unavailable
from ..kernel.keys import StreamId
from ..kernel.projection import Projection, difference
from .projector import Move, Outcome, Projector
from .view_fold import Fold, Poison
from .view_rows import LeadRow
from .view_store import BatchViewStore, RowWrite

_log = logging.getLogger(__name__)


class BatchProjector(Projector):
    """Over a BatchViewStore. What does not go straight forward goes stream by stream: data that a projection can't
    digest, a row that another projector moved, a long way to the tip."""

    def project_together(self, groups: Mapping[str, Sequence[Envelope]]) -> dict[str, dict[str, Outcome]]:
        try:
            return self._together(groups)
        except Exception:  # noqa: BLE001 - some of it may be done; each stream's own turn tells, and fails alone
            _log.warning("a batch could not be taken together: its streams go one by one", exc_info=True)
            return {}

    def _together(self, groups: Mapping[str, Sequence[Envelope]]) -> dict[str, dict[str, Outcome]]:
        outcomes: dict[str, dict[str, Outcome]] = {key: {} for key in groups}
        moves: dict[Projection, list[tuple[str, StreamId, Move]]] = {}
        for key, envelopes in groups.items():
            stream = envelopes[0].stream
            for generation, move in self.concerned(stream, envelopes):
                moves.setdefault(generation, []).append((key, stream, move))
        for generation, concerned in moves.items():
            for key, outcome in self._advanced(generation, concerned).items():
                if outcome is None:
                    outcomes.pop(key, None)
                elif key in outcomes:
                    outcomes[key][generation.label] = outcome
        return outcomes

    def _advanced(
        self, generation: Projection, concerned: list[tuple[str, StreamId, Move]]
    ) -> dict[str, Outcome | None]:
        """One read and one write for some streams; None for those that have to go by themselves."""
        store = cast(BatchViewStore, self.views)
        leads = store.read_many(generation, [stream for _, stream, _ in concerned])
        outcomes: dict[str, Outcome | None] = {}
        writes: list[RowWrite] = []
        for key, stream, move in concerned:
            before = leads.get(stream)
            fold = Fold(generation, stream, before, self.epoch, store.check)
            outcomes[key] = "unchanged"
            if not self._goes_straight(before, fold, move):
                outcomes[key] = None
            elif fold.moved:
                after = fold.result()
                changes = difference(before.sums if before is not None else {}, after.sums)
                writes.append(RowWrite(stream, before, after, changes))
        for write, done in zip(writes, store.write_many(generation, writes), strict=True):
            outcomes[write.stream.key] = "written" if done else None
        return outcomes

    def _goes_straight(self, before: LeadRow | None, fold: Fold, move: Move) -> bool:
        if before is not None and (before.parked is not None or before.epoch > self.epoch):
            return False
        try:
            move(fold)
        except (Poison, Unavailable):
            return False
        return not fold.more
