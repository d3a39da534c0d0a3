"""The shop on AWS: commands are decided and stored, events are folded into views, HTTP is in front of both."""

import pulumi

from components import EventSourcedService, HttpApi, Operations, ProjectionPipeline, SqlStore, TenantAuth

config = pulumi.Config()
payment_provider_url = config.require("paymentProviderUrl")
payment_provider_key = config.get_secret("paymentProviderKey") if config.get("paymentProviderKey") else None
minutes = {f"{each.upper()}_MINUTES": str(config.require_int(f"{each}Minutes")) for each in ("reservation", "purchase")}
checkout = ["PurchaseBegan", "PurchaseCancelled", "PurchaseCancelling", "PurchaseDeclined", "PurchasePaid"]
operations = Operations(
    removal=config.require("removal"),
    log_retention_days=config.require_int("logRetentionDays"),
    tenant_metrics=config.require_bool("tenantMetrics"),
    alarm_topic_arn=config.get("alarmTopicArn") or "",
)
shop = EventSourcedService(
    "shop",
    {
        "domain": {"path": __file__, "entry": "shop:service"},
        "environment": {"PAYMENT_PROVIDER_URL": payment_provider_url, **minutes},
        "secrets": ["paymentProviderKey"],
        "secret_values": {"paymentProviderKey": payment_provider_key} if payment_provider_key else {},
        "road": config.require("road"),
        "effect_types": ["ProductReserved", "ReservationClaimed", *checkout, "purchase.SagaRetried"],
        "effect_attempts": config.require_int("effectAttempts"),
        "store_epoch": config.require_int("storeEpoch"),
        "effect_delay_seconds": config.require_int("effectDelaySeconds"),
        "target": config.require("target"),
        "precompile": config.require_bool("precompile"),
        "monthly_budget": config.require_int("monthlyBudget"),
        "operations": operations,
    },
)
store = SqlStore.chosen(config.require("readModel"), "shop-sql", {"service": "shop", "operations": operations})
views = ProjectionPipeline(
    "shop-views",
    {"source": shop.events, "views": ["checkout", "products", "purchases"], "store": store, "operations": operations},
)
auth = TenantAuth(
    "shop-auth", config.require_object("auth") | {"domain": shop.events["domain"], "operations": operations}
)
api = HttpApi(
    "shop-api",
    config.require_object("api")
    | {"commands": shop.commands, "queries": [views.queries], "authorizer": auth.authorizer, "operations": operations}
    | {"split": config.require_bool("splitRouter"), "inline_seconds": config.require_int("inlineSeconds")},
)
pulumi.export("apiUrl", api.url)
pulumi.export("eventTable", shop.event_table)
pulumi.export("eventBus", shop.event_bus)
pulumi.export("viewTables", views.view_tables)
pulumi.export("paymentProviderUrl", payment_provider_url)
pulumi.export("operated", {"service": shop.operated, "pipelines": [views.operated], "auth": auth.operated})
