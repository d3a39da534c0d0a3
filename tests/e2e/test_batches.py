"""A projector takes a batch of many streams together, with the rights that its own role has."""

import json
from datetime import datetime
from typing import Any

from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.envelope import Envelope
from foldstack.kernel.keys import StreamId, Tenant

from local.cloud import LaptopCloud
from shop.money import Money
from shop.product import ProductCreated, ProductReserved

from .conftest import Client

MOMENT = "2026-01-01T00:00:00.000Z"


def record(tenant: str, id: str, first: int, event: Any, before: dict[str, int]) -> dict[str, Any]:
    stream = StreamId(Tenant(tenant), "product", id)
    commit = Commit(
        stream=stream,
        first=first,
        next=first + 1,
        body=codec.encode([event], None),
        types=(event.type_name,),
        prev=before,
        command_id=f"{id}-{first}",
        request_hash="",
        time=MOMENT,
    )
    return {"messageId": f"{id}-{first}", "body": json.dumps(Envelope.of(commit).to_dict("shop"))}


def written(cloud: LaptopCloud) -> str:
    return "".join(log.read_text() for log in cloud.logs.glob("*projector*.log"))


def test_a_batch_of_many_streams_is_taken_together(cloud: LaptopCloud, client: Client) -> None:
    assert client.tenant
    until = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
    created, reserved = [], []
    for id in (f"pen-{n}" for n in range(30)):
        made = ProductCreated(product_id=id, name="Pen", price=Money(amount="1.90", currency="EUR"), stock=9)
        created.append(record(client.tenant, id, 1, made, {}))
        held = ProductReserved(reservation_id="r", quantity=2, price=made.price, expires_at=until)
        reserved.append(record(client.tenant, id, 2, held, {"ProductCreated": 2}))
    logged = written(cloud)
    for records in (created, reserved, created):
        answer = cloud.invoke("shop-views-projector", {"Records": records})
        assert json.loads(answer.payload) == {"batchItemFailures": []}, answer
    items = client.get("/products?limit=100").json["items"]
    assert [item["available"] for item in items] == [7] * 30
    assert "one by one" not in written(cloud).removeprefix(logged)
