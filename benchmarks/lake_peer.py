"""The algorithm of the architecture that this lake is compared with: one pandas frame, one Parquet file and one PUT a
record, its columns forced to the types of a schema (32-bit floats and integers), Snappy.

Written out here, and told apart from ours in nothing that it does not do itself: the same records, the same place to
put files, and no network on either side.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from foldstack.kernel.envelope import Envelope

_TYPES = {"Int": "int32", "Float": "float32", "Boolean": "bool", "String": "string"}
_SCHEMA = {
    "purchase_id": "String",
    "product_id": "String",
    "reservation_id": "String",
    "quantity": "Int",
    "amount": "Float",
    "currency": "String",
    "token": "String",
    "deadline": "String",
    "createdAt": "String",
}


def write(put: Callable[[str, bytes], None], envelopes: Iterable[Envelope]) -> None:
    """Each record under a name made of its id, in the partition of its day."""
    for envelope in envelopes:
        for event in envelope.stored or ():
            item = _item(event.data, envelope.time)
            frame = pd.DataFrame([item])
            for name, type_ in _SCHEMA.items():
                frame[name] = _forced(frame[name], type_)
            buffer = io.BytesIO()
            frame.to_parquet(buffer, engine="pyarrow", compression="snappy", index=False)
            day = item["createdAt"][:10]
            put(f"tables/purchases/date={day}/{item['purchase_id']}.parquet", buffer.getvalue())


def _item(data: dict[str, Any], time: str) -> dict[str, Any]:
    flat = {name: value for name, value in data.items() if name != "amount"}
    return {**flat, "amount": data["amount"]["amount"], "currency": data["amount"]["currency"], "createdAt": time}


def _forced(column: Any, type_: str) -> Any:
    if type_ in ("Int", "Float"):
        numbers: Any = pd.to_numeric(column, errors="coerce")
        column = numbers.fillna(0)
    return column.astype(_TYPES[type_])
