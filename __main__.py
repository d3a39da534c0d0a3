"""The shop on AWS: commands are decided, events folded into views and kept in a lake, HTTP is in front of it all."""

import pulumi

import settings
from components import AnalyticsLake, EventSourcedService, HttpApi, ProjectionPipeline, SqlStore, TenantAuth

chosen = settings.read(__file__)
checkout = ["PurchaseBegan", "PurchaseCancelled", "PurchaseCancelling", "PurchaseDeclined", "PurchasePaid"]
answered = ["ProductReserved", "ReservationClaimed", *checkout, "purchase.SagaRetried"]
shop = EventSourcedService(
    "shop",
    chosen.service | {"secrets": ["paymentProviderKey"], "effect_types": answered},
)
store = SqlStore.chosen(chosen.read_model, "shop-sql", {"service": "shop", "operations": chosen.operations})
views = ProjectionPipeline(
    "shop-views",
    chosen.views | {"source": shop.events, "views": ["checkout", "products", "purchases"], "store": store},
)
auth = TenantAuth("shop-auth", chosen.auth | {"domain": shop.events["domain"]})
lake = chosen.lake and AnalyticsLake(
    "shop-lake",
    chosen.lake
    | {
        "source": shop.events,
        "queries": None if store else views.queries,  # rows in PostgreSQL have no stream to follow
        "authorizer": auth.authorizer,
    },
)
api = HttpApi(
    "shop-api",
    chosen.api
    | {
        "commands": shop.commands,
        "queries": [views.queries],
        "tasks": lake and lake.tasks,
        "authorizer": auth.authorizer,
    },
)
pulumi.export("apiUrl", api.url)
pulumi.export("eventTable", shop.event_table)
pulumi.export("eventBus", shop.event_bus)
pulumi.export("viewTables", views.view_tables)
pulumi.export("paymentProviderUrl", chosen.payment_provider_url)
operated = {"service": shop.operated, "pipelines": [views.operated], "auth": auth.operated}
if lake:
    pulumi.export("lakeBucket", lake.lake_bucket)
    pulumi.export("lakeDatabase", lake.lake_database)
    pulumi.export("lakeWorkgroup", lake.lake_workgroup)
    operated |= {"lake": lake.operated}
pulumi.export("operated", operated)
