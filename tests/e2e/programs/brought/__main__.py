"""The shop on what a team has already: tables, a bus, a user pool, a key, a network; and a transform over it all."""

import pulumi
import pulumi_aws as aws

from components import EventSourcedService, HttpApi, Operations, ProjectionPipeline, TenantAuth

config = pulumi.Config()


def owned(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Every table says who pays for it."""
    if args.type_ != "aws:dynamodb/table:Table":
        return None
    return pulumi.ResourceTransformResult(
        {**args.props, "tags": {**args.props.get("tags", {}), "owner": "us"}}, args.opts
    )  # pyright: ignore


def table(name: str, sort: str = "S", stream: str | None = None) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        name,
        billing_mode="PAY_PER_REQUEST",
        hash_key="p",
        range_key="s",
        attributes=[{"name": "p", "type": "S"}, {"name": "s", "type": sort}],
        stream_enabled=bool(stream),
        stream_view_type=stream,
    )


pulumi.runtime.register_resource_transform(owned)
key = aws.kms.Key("ours", enable_key_rotation=True)
commits, products, members = table("commits", "N", "NEW_IMAGE"), table("products"), table("members")
bus = aws.cloudwatch.EventBus("bus")
users = aws.cognito.UserPool("users", user_pool_tier="ESSENTIALS", username_attributes=["email"])

operations = Operations(
    removal="destroy", key_arn=key.arn, network={"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
)
shop = EventSourcedService(
    "shop",
    {
        "domain": {"path": config.require("root"), "entry": "shop:service"},
        "environment": {"PAYMENT_PROVIDER_URL": config.require("paymentProviderUrl"), "RESERVATION_MINUTES": "15"},
        "secrets": ["paymentProviderKey"],
        "secret_values": {"paymentProviderKey": "opens-nothing"},
        "effect_delay_seconds": 2,
        "target": "host",
        "table": {"name": commits.name, "arn": commits.arn, "stream_arn": commits.stream_arn},
        "bus": {"name": bus.name, "arn": bus.arn},
        "functions": {"commands": {"memory_mb": 2048, "timeout_seconds": 50, "environment": {"ITS_OWN": "x"}}},
        "operations": operations,
    },
)
views = ProjectionPipeline(
    "shop-views",
    {
        "source": shop.events,
        "views": ["products", "purchases"],
        "tables": {"products": {"name": products.name, "arn": products.arn}},
        "operations": operations,
    },
)
auth = TenantAuth(
    "shop-auth",
    {
        "domain": shop.events["domain"],
        "callback_urls": ["http://localhost:3000/"],
        "user_pool": {"id": users.id, "arn": users.arn, "endpoint": users.endpoint},
        "table": {"name": members.name, "arn": members.arn},
        "operations": operations,
    },
)
api = HttpApi(
    "shop-api",
    {
        "commands": shop.commands,
        "queries": [views.queries],
        "authorizer": auth.authorizer,
        "operations": operations,
    },
)
pulumi.export("apiUrl", api.url)
pulumi.export("claimsFunction", auth.claims_function)
pulumi.export("tables", {"commits": commits.name, "products": products.name, "members": members.name})
pulumi.export("viewTables", views.view_tables)
pulumi.export("eventBus", shop.event_bus)
pulumi.export("operated", {"service": shop.operated, "pipelines": [views.operated], "auth": auth.operated})
