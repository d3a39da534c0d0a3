"""The commands that operate a service, against the shop on the laptop cloud."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from foldstack.aws import composition
from foldstack.aws.environment import Environment
from foldstack.kernel import codec
from foldstack.kernel.commit import Commit
from foldstack.kernel.keys import StreamId, Tenant
from typer.testing import CliRunner

from local.commands import app
from shop import service
from shop.product import ReservationReleased
from shop.views import products as PRODUCTS

from .losing import lose

Run = Callable[..., str]


@pytest.fixture
def views(cloud):
    """The rows, as operators have them."""
    (pipeline,) = cloud.outputs["operated"]["pipelines"]
    return composition.view_operations(Environment(pipeline["variables"]), service, cloud.client)


def stream_of(client, product: str) -> StreamId:
    return StreamId.of(Tenant(client.tenant), "product", product)


def row(client, product: str) -> dict:
    return client.get(f"/products/{product}").json


def poison(cloud, tenant: str, product: str) -> None:
    """A first commit that no version of the shop ever wrote: a hold is given back before there is a product."""
    environment = Environment(cloud.outputs["operated"]["service"]["variables"])
    until = datetime(2026, 1, 1, tzinfo=UTC)
    event = ReservationReleased(reservation_id="nobody's", quantity=1, expires_at=until, claimed=False)
    bad = Commit(
        stream=StreamId.of(Tenant(tenant), "product", product),
        first=1,
        next=2,
        body=codec.encode([event], None),
        types=(event.type_name,),
        prev={},
        command_id=f"bad-{product}",
        request_hash="",
        time="2026-01-01T00:00:00.000Z",
    )
    assert composition.commit_store(environment, cloud.client).append(bad) is None


def test_a_stream_is_shown_as_it_is_and_as_it_was(run, client, cloud):
    product = client.product(stock=5)
    client.reservation(product, 2)
    stream = f"{client.tenant}#product#{product}"
    shown = run("events", "show", stream)
    assert f"{stream} at version 2" in shown
    assert "ProductReserved" in shown
    now = json.loads(run("events", "show", f"product#{product}", "--tenant", client.tenant, "--json"))
    then = json.loads(run("events", "show", stream, "--at-version", "1", "--json"))
    assert (now["version"], now["whole"], len(now["state"]["holds"])) == (2, True, 1)
    assert (then["version"], then["whole"], then["state"]["holds"]) == (1, False, {})
    assert [event["type"] for event in then["events"]] == ["ProductCreated"]
    between = now["events"][0]["time"]
    assert json.loads(run("events", "show", stream, "--as-of", between, "--json"))["version"] in (1, 2)
    assert json.loads(run("events", "show", stream, "--as-of", "3d", "--json"))["events"] == []
    assert "is at version 2; it has no 9" in run("events", "show", stream, "--at-version", "9", status=1)
    assert "there is no product#nothing" in run("events", "show", f"{client.tenant}#product#nothing", status=1)
    assert "tenant#category#id" in run("events", "show", f"product#{product}", status=1)
    assert "3d ago" in run("events", "show", stream, "--as-of", "yesterday", status=1)


def test_the_last_commits_are_printed(run, client):
    products = [client.product() for _ in range(3)]
    client.reservation(products[0])
    lines = run("events", "tail", "-n", "4").splitlines()
    assert [re.search(r"#product#(\S+)@", line)[1] for line in lines] == [*products, products[0]]
    only = run("events", "tail", "-n", "1", "--type", "ProductCreated").splitlines()
    assert len(only) == 1
    assert f"#{products[2]}@1  ProductCreated" in only[0]


def test_a_lost_row_comes_back_by_republishing_to_its_view(run, client, cloud, views):
    product, other = client.product(), client.product()
    cloud.wait_idle(30)
    lose(views, PRODUCTS, stream_of(client, product))
    assert client.get(f"/products/{product}").status == 404
    stream = f"{client.tenant}#product#{product}"
    assert "published 1 commits for effects" in run("events", "republish", "--to", "effects", "--stream", stream)
    cloud.wait_idle(30)
    assert client.get(f"/products/{product}").status == 404, "it was meant for another consumer"
    assert "published 2 commits" in run("events", "republish", "--to", "shop-views", "--tenant", client.tenant)
    cloud.wait_idle(30)
    assert row(client, product)["productId"] == product
    assert row(client, other)["productId"] == other
    wrong = run("events", "republish", "--to", "nobody", status=1)
    assert "names one consumer of effects, shop-views" in wrong


def test_effects_refuse_what_is_republished_to_others_and_repeat_nothing(run, client, cloud, charges):
    purchase = client.buy(client.reservation(client.product())).json["purchaseId"]
    cloud.wait_idle(30)
    log = next(iter(sorted(cloud.logs.glob("*shop-effects*"))))
    before = log.read_text().count("a replay for another consumer is refused")
    for consumer in ("shop-views", "effects"):
        run("events", "republish", "--to", consumer, "--tenant", client.tenant, "--since", "1h")
        cloud.wait_idle(40)
    assert log.read_text().count("a replay for another consumer is refused") > before
    assert len(charges(purchase)) == 1


def test_a_stopped_republishing_goes_on(run, client, cloud, monkeypatch):
    for _ in range(12):
        client.product()
    from foldstack.aws.republish import Republish

    publish = Republish._publish
    calls = []

    def once(self, items):
        calls.append(len(items))
        if len(calls) == 2:
            signal_ctrl_c()
        return publish(self, items)

    monkeypatch.setattr("foldstack.aws.republish.MOST_ENTRIES", 4)
    monkeypatch.setattr(Republish, "_publish", once)
    same = ["events", "republish", "--to", "shop-views", "--tenant", client.tenant]
    assert "nothing like this was stopped here" in run(*same, "--resume", status=1)
    assert "stopped after 8 commits" in run(*same, status=1)
    assert "published 12 commits" in run(*same, "--resume")
    assert calls == [4, 4, 4]
    assert "nothing like this was stopped here" in run(*same, "--resume", status=1)


def signal_ctrl_c() -> None:
    import signal

    signal.raise_signal(signal.SIGINT)


def test_a_parked_stream_is_listed_redriven_and_skipped(run, client, cloud, views):
    poison(cloud, client.tenant, "ghost")
    client.product(productId="ghost", stock=5)
    good = client.product()
    cloud.wait_idle(30)
    stream = f"{client.tenant}#product#ghost"
    shown = run("projection", "parked", "products")
    assert stream in shown
    assert "AttributeError" in shown
    assert client.get("/products/ghost").status == 404, "what came later waits"
    assert row(client, good)["productId"] == good
    assert re.search(r"products +│ shop-views +│ product +│ 1 +│ 1 +│ - +│ [1-9]", run("projection", "list"))
    assert "parked still" in run("projection", "redrive", "products", stream, status=1)
    assert "parked still" in run("projection", "redrive", "products", "--all", status=1)
    assert "name one stream" in run("projection", "redrive", "products", status=1)
    skipped = run("projection", "skip", "products", stream, "--why", "never was", "--who", "jo")
    assert f"{stream}: written" in skipped
    assert row(client, "ghost")["available"] == 5
    assert stream not in run("projection", "parked", "products")
    assert "is not parked" in run("projection", "skip", "products", stream, "--why", "again", status=1)
    (kept,) = views.read(PRODUCTS, stream_of(client, "ghost")).skipped
    assert (kept.who, kept.why, kept.first) == ("jo", "never was", 1)
    assert "there are checkout, products, purchases" in run("projection", "parked", "nothing", status=1)
    # A rebuild meets it again: nobody may skip it unasked.
    assert f"{stream} at 1" in run("projection", "rebuild", "products", status=1)
    assert "products@2" in run("projection", "parked", "products")
    run("projection", "skip", "products", stream, "--why", "never was")
    assert "is built" in run("projection", "rebuild", "products")
    assert "items are removed" in run("projection", "rebuild", "products", "--cancel")
    for version in ("1", "2"):  # or it would park in every other rebuild of this cloud
        cloud.client("dynamodb").delete_item(
            TableName=cloud.outputs["eventTable"], Key={"p": {"S": stream}, "s": {"N": version}}
        )


def test_a_sweep_heals_what_was_lost(run, client, cloud, views):
    product = client.product()
    cloud.wait_idle(30)
    lose(views, PRODUCTS, stream_of(client, product))
    assert "healed" in run("projection", "sweep", "products")
    assert row(client, product)["productId"] == product


def test_a_view_is_rebuilt_while_it_is_used(run, client, cloud, views, monkeypatch):
    real = composition.rebuild
    monkeypatch.setattr(composition, "rebuild", lambda *args, **more: real(*args, **more, readers_gone=12.0))
    products = [client.product(stock=50) for _ in range(4)]
    cloud.wait_idle(30)
    end, faults, reads = threading.Event(), [], []

    def use() -> None:
        try:
            while not end.is_set():
                for product in products:
                    held = client.post("/reservations", {"productId": product, "quantity": 1})
                    assert held.status in (201, 409)
                    assert client.get(f"/products/{product}").json["productId"] == product
                    listed = client.get("/products", **held.token).json if held.status == 201 else None
                    assert listed is None or {i["productId"] for i in listed["items"]} == set(products)
                    reads.append(product)
        except BaseException as fault:
            faults.append(fault)
            raise

    user = threading.Thread(target=use)
    user.start()
    try:
        assert "is built beside" in run("projection", "rebuild", "products")
        run("projection", "rebuild", "products", "--compare")
        assert re.search(r"products.*│ [2-9] built", run("projection", "list"))
        assert "is read. The old one" in run("projection", "rebuild", "products", "--switch")
        assert re.search(r"generation \d+ is read again", run("projection", "rebuild", "products", "--rollback"))
        assert "is read. The old one" in run("projection", "rebuild", "products", "--switch")
        assert "--finish" in run("projection", "rebuild", "products", status=1)
        assert "one generation is fed" in run("projection", "rebuild", "products", "--finish")
    finally:
        end.set()
        user.join()
    assert faults == []
    assert len(reads) > 8
    cloud.wait_idle(60)
    for product in products:
        answer = client.send("GET", f"/products/{product}")
        assert answer.json["available"] == 50 - sum(
            1
            for event in json.loads(run("events", "show", f"{client.tenant}#product#{product}", "--json"))["events"]
            if event["type"] == "ProductReserved"
        )
    live = views.control(PRODUCTS).live
    assert live > 1
    for generation in range(1, live + 1):
        there = bool(views.leads(PRODUCTS.in_generation(generation)).rows)
        assert there is (generation == live), "of those that nobody reads nothing is left"


def test_what_is_behind_is_not_switched_to(run, client, cloud, monkeypatch):
    """Whatever the road: a stream has no depth, and what the relay has not yet published is in no queue."""
    real = composition.rebuild
    monkeypatch.setattr(composition, "rebuild", lambda *args, **more: real(*args, **more, patience=1.0))
    product = client.product(stock=5)
    assert "is built beside" in run("projection", "rebuild", "products")
    for reader in ("shop-views-projector-source", "shop-relay-source"):
        (source,) = [each for each in cloud.sources if each.name == reader]
        source.stop()
        try:
            client.reservation(product)
            refused = run("projection", "rebuild", "products", "--switch", status=1)
            assert f"{client.tenant}#product#{product} at " in refused
            assert "`projection sweep products`" in refused
        finally:
            source.start()
        cloud.wait_idle(60)
    assert "is read. The old one" in run("projection", "rebuild", "products", "--switch")
    run("projection", "rebuild", "products", "--rollback")
    run("projection", "rebuild", "products", "--cancel")


def test_outputs_of_a_file_and_ordinary_credentials(run, cloud, client, tmp_path, monkeypatch):
    product = client.product()
    access = json.loads((cloud.home / "access.json").read_text())
    monkeypatch.setenv("AWS_ENDPOINT_URL", access["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", access["aws_secret_access_key"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", access["region_name"])
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(cloud.shown_outputs))
    shown = run("events", "show", f"{client.tenant}#product#{product}", "--outputs", str(file))
    assert "ProductCreated" in shown
    file.write_text('{"apiUrl": "x"}')
    assert "export it in __main__.py" in run("projection", "list", "--outputs", str(file), status=1)


def test_without_a_cloud_it_says_how_to_name_one(tmp_path):
    done = CliRunner().invoke(app, ["projection", "list", "--program", str(tmp_path)])
    assert done.exit_code == 1
    assert "`foldstack local up` starts one" in done.output
    assert "--outputs" in done.output
