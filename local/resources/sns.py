"""SNS topics, their policies and their subscriptions."""

from typing import Any

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine
from .policies import document

_TOPIC = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "displayName": "DisplayName",
    "policy": "Policy",
}
_SUBSCRIPTION = {
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}
_SUBSCRIPTION_DEFAULTS = {"filterPolicy": "", "rawMessageDelivery": False, "redrivePolicy": ""}


class Topic(Handler):
    understood = frozenset({*_TOPIC, "fifoTopic", "name", "tags"})
    without_effect = frozenset({"fifoThroughputScope", "kmsMasterKeyId", "signatureVersion", "tracingConfig"})
    replaced_by = frozenset({"fifoTopic", "name"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        fifo = request.inputs.get("fifoTopic", False)
        name = request.physical_name(suffix=".fifo" if fifo else "")
        attributes = _attributes(_TOPIC, request.inputs) | ({"FifoTopic": "true"} if fifo else {})
        arn = request.site.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
        return arn, {"name": name, "arn": arn}

    def update(self, request: Request, record: Record) -> Outputs:
        for name, value in _attributes(_TOPIC, request.inputs).items():
            request.site.client("sns").set_topic_attributes(
                TopicArn=record.id, AttributeName=name, AttributeValue=value
            )
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("sns").delete_topic(TopicArn=record.id)


class TopicPolicy(Handler):
    understood = frozenset({"arn", "policy"})
    replaced_by = frozenset({"arn"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        arn = request.inputs["arn"]
        request.site.client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=document(request.inputs["policy"])
        )
        return arn, {}

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("sns").set_topic_attributes(TopicArn=record.id, AttributeName="Policy", AttributeValue="")


class TopicSubscription(Handler):
    """Subscribed when the graph has been checked, so that nothing is delivered by an edge AWS refuses."""

    understood = frozenset({*_SUBSCRIPTION, "endpoint", "protocol", "topic"})
    without_effect = frozenset({"confirmationTimeoutInMinutes", "endpointAutoConfirms"})
    replaced_by = frozenset({"endpoint", "protocol", "topic"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        return f"{request.inputs['topic']}:{request.resource.name}", {}

    def update(self, request: Request, record: Record) -> Outputs:
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        sns = site.client("sns")
        with absent_is_fine():
            if found := _found(sns, record.inputs):
                sns.unsubscribe(SubscriptionArn=found)

    def wire(self, request: Request, record: Record) -> None:
        sns, inputs = request.site.client("sns"), request.inputs
        arn = _found(sns, inputs)
        if arn is None:
            arn = sns.subscribe(
                TopicArn=inputs["topic"],
                Protocol=inputs["protocol"],
                Endpoint=inputs["endpoint"],
                Attributes=_attributes(_SUBSCRIPTION, inputs),
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
        for name, value in _attributes(_SUBSCRIPTION, {**_SUBSCRIPTION_DEFAULTS, **inputs}).items():
            sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)


def _found(sns: Any, inputs: dict[str, Any]) -> str | None:
    """The ARN of the subscription that has these ends."""
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=inputs["topic"]):
        for each in page["Subscriptions"]:
            if (each["Protocol"], each["Endpoint"]) == (inputs["protocol"], inputs["endpoint"]):
                return each["SubscriptionArn"]
    return None


def _attributes(names: dict[str, str], inputs: dict[str, Any]) -> dict[str, str]:
    return {api: _text(inputs[name]) for name, api in names.items() if inputs.get(name) is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else document(value)


HANDLERS = {
    "aws:sns/topic:Topic": Topic(),
    "aws:sns/topicPolicy:TopicPolicy": TopicPolicy(),
    "aws:sns/topicSubscription:TopicSubscription": TopicSubscription(),
}
