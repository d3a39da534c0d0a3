"""KMS keys."""

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, picked
from .policies import document


class Key(Handler):
    understood = frozenset({"description", "keyUsage", "policy", "tags"})
    without_effect = frozenset(
        {"deletionWindowInDays", "enableKeyRotation", "isEnabled", "multiRegion", "rotationPeriodInDays"}
    )
    replaced_by = frozenset({"keyUsage"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        inputs = request.inputs
        policy = {"Policy": document(inputs["policy"])} if "policy" in inputs else {}
        key = request.site.client("kms").create_key(
            **policy, **picked(inputs, {"description": "Description", "keyUsage": "KeyUsage"})
        )["KeyMetadata"]
        return key["KeyId"], {"keyId": key["KeyId"], "arn": key["Arn"]}

    def update(self, request: Request, record: Record) -> Outputs:
        kms, inputs = request.site.client("kms"), request.inputs
        kms.update_key_description(KeyId=record.id, Description=inputs.get("description", ""))
        if "policy" in inputs:
            kms.put_key_policy(KeyId=record.id, PolicyName="default", Policy=document(inputs["policy"]))
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        with absent_is_fine():
            site.client("kms").schedule_key_deletion(KeyId=record.id, PendingWindowInDays=7)


HANDLERS = {"aws:kms/key:Key": Key()}
