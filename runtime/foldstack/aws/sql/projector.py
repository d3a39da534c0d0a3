"""A projector that takes the streams of a batch together: one read and one write for each projection."""

from collections.abc import Mapping, Sequence
from typing import cast

from ...kernel.envelope import Envelope
from ...kernel.errors import Unavailable
from ...kernel.projection import Projection
from ..projector import Move, Outcome, Projector, difference
from ..view_fold import Fold, Poison
from ..view_rows import LeadRow
from .view_store import SqlViewStore, Write


class SqlProjector(Projector):
    """Over a SqlViewStore. What does not go straight forward goes stream by stream: data that a projection can't
    digest, a row that another projector moved, a long way to the tip."""

    def project_together(self, groups: Mapping[str, Sequence[Envelope]]) -> dict[str, dict[str, Outcome]]:
        try:
            return self._together(groups)
        except Exception:  # noqa: BLE001 - some of it may be done; each stream's own turn tells, and fails alone
            return {}

    def _together(self, groups: Mapping[str, Sequence[Envelope]]) -> dict[str, dict[str, Outcome]]:
        store = cast(SqlViewStore, self.views)
        moves: dict[str, list[tuple[str, Sequence[Envelope], Move]]] = {name: [] for name in self.projections}
        outcomes: dict[str, dict[str, Outcome]] = {key: {} for key in groups}
        for key, envelopes in groups.items():
            for projection, move in self.concerned(envelopes[0].stream, envelopes):
                moves[projection.name].append((key, envelopes, move))
        writes: list[Write] = []
        for name, concerned in moves.items():
            projection = self.projections[name]
            streams = [envelopes[0].stream for _, envelopes, _ in concerned]
            leads = store.read_many(projection, streams) if streams else []
            for (key, _, move), stream, before in zip(concerned, streams, leads, strict=True):
                fold = Fold(projection, stream, before, self.epoch, store.check)
                if key not in outcomes or not self._goes_straight(projection, before, fold, move):
                    outcomes.pop(key, None)
                elif not fold.moved:
                    outcomes[key][name] = "unchanged"
                else:
                    after = fold.result()
                    changes = difference(before.sums if before is not None else {}, after.sums)
                    writes.append(Write(projection, stream, before, after, changes))
        for write, done in zip(writes, store.write_many(writes), strict=True):
            key = write.stream.key
            if not done:
                outcomes.pop(key, None)
            elif key in outcomes:
                outcomes[key][write.projection.name] = "written"
        return outcomes

    def _goes_straight(self, projection: Projection, before: LeadRow | None, fold: Fold, move: Move) -> bool:
        if before is not None and (before.parked is not None or before.epoch > self.epoch):
            return False
        try:
            move(fold)
        except (Poison, Unavailable):
            return False
        return not fold.more
