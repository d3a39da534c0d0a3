"""The names that resources without one are given."""

import pytest

from local.autonaming import physical_name


@pytest.mark.parametrize(
    ("type_", "longest"), [("aws:s3/bucket:Bucket", 63), ("aws:iam/role:Role", 64), ("aws:sqs/queue:Queue", 80)]
)
def test_automatic_names_fit_the_service(type_: str, longest: int) -> None:
    def name(resource: str, **more: str) -> str:
        urn = f"urn:pulumi:local::shop::{type_}::{resource}"
        return physical_name(type_, urn, "shop", "local", resource, **more)

    assert name("bodies").startswith("shop-local-bodies-")
    assert len(name("b" * 100)) == longest
    assert name("b" * 100) != name("b" * 99)
    assert name("bodies") == name("bodies")
    assert name("b" * 100, suffix=".fifo").endswith(".fifo")
