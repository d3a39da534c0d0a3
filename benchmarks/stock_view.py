"""A view of `stock`: one row a stream, as little as can be told from its events."""

from foldstack import EventMeta, Projection, Service, State

from .stock import StockCreated, StockHeld, stock


class StockRow(State):
    name: str
    held: int = 0


stocks = Projection("stocks", of=stock, row=StockRow)


@stocks.on(StockCreated)
def created(row: StockRow | None, event: StockCreated, meta: EventMeta) -> StockRow:
    return StockRow(name=event.name)


@stocks.on(StockHeld)
def held(row: StockRow, event: StockHeld, meta: EventMeta) -> StockRow:
    return row.model_copy(update={"held": row.held + event.quantity})


service = Service("stock", aggregates=[stock], projections=[stocks])
