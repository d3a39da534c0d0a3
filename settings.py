"""The stack's configuration as arguments of components, read once for each run of the program."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import DomainSource, Operations


@dataclass(frozen=True)
class Settings:
    """`service`, `views`, `auth`, `lake` and `api` are what the stack's files decide of the components of those names;
    `lake` is None where there is to be none."""

    operations: Operations
    payment_provider_url: str
    read_model: str
    service: Any
    views: Any
    auth: Any
    lake: Any
    api: Any


def read(program: str) -> Settings:
    """Of the program in the file `program`."""
    config = pulumi.Config()
    payment_provider_url = config.require("paymentProviderUrl")
    key = config.get_secret("paymentProviderKey") if config.get("paymentProviderKey") else None
    minutes = {
        f"{each.upper()}_MINUTES": str(config.require_int(f"{each}Minutes")) for each in ("reservation", "purchase")
    }
    operations = Operations(
        removal=config.require("removal"),
        log_retention_days=config.require_int("logRetentionDays"),
        tenant_metrics=config.require_bool("tenantMetrics"),
        alarm_topic_arn=config.get("alarmTopicArn") or "",
    )
    code = {
        "domain": DomainSource(path=program, entry="shop:service"),
        "target": config.require("target"),
        "precompile": config.require_bool("precompile"),
        "operations": operations,
    }
    lake = _lake(config) if config.require_bool("lake") else None
    return Settings(
        operations=operations,
        payment_provider_url=payment_provider_url,
        read_model=config.require("readModel"),
        service={
            **code,
            "environment": {"PAYMENT_PROVIDER_URL": payment_provider_url, **minutes},
            "secret_values": {"paymentProviderKey": key} if key else {},
            "road": config.require("road"),
            "effect_attempts": config.require_int("effectAttempts"),
            "store_epoch": config.require_int("storeEpoch"),
            "effect_delay_seconds": config.require_int("effectDelaySeconds"),
            "monthly_budget": config.require_int("monthlyBudget"),
        },
        views={"streams": lake is not None and config.require("readModel") == "dynamodb", "operations": operations},
        auth={**config.require_object("auth"), "operations": operations},
        lake={**code, **lake} if lake else None,
        api={
            **config.require_object("api"),
            "split": config.require_bool("splitRouter"),
            "inline_seconds": config.require_int("inlineSeconds"),
            "operations": operations,
        },
    )


def _lake(config: pulumi.Config) -> dict[str, Any]:
    """A FIFO topic delivers to no archive."""
    return {
        "entities": ["products", "purchases"],
        "questions": "shop/lake",
        "window_seconds": config.require_int("lakeWindowSeconds"),
        "archive": {} if config.require("road") != "sns-fifo" else None,
    }
