"""What a deployment refuses, told by the name of the resource."""

from collections.abc import Callable

import pulumi_aws as aws
import pytest

from local.deployer import DeployError
from local.monitor import ProgramError

from .deploying import Laptop

pytestmark = pytest.mark.emulator
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "an unknown type": (
        lambda: aws.dax.ParameterGroup("river"),
        r"resource type aws:dax/parameterGroup:ParameterGroup \('river'\) is not known",
    ),
    "an unknown input": (
        lambda: aws.sqs.Queue("queue", name_prefix="q"),
        "'queue': input namePrefix is not supported on the laptop",
    ),
    "another region": (
        lambda: aws.sqs.Queue("queue", region="eu-west-1"),
        "'queue': region is 'eu-west-1', and the laptop has 'us-east-1' only",
    ),
    "a provider elsewhere": (
        lambda: aws.Provider("p", region="eu-west-1"),
        "'p': region is 'eu-west-1'",
    ),
    "a provider's role": (
        lambda: aws.Provider("p", region="us-east-1", assume_roles=[{"role_arn": "arn:aws:iam::1:role/r"}]),
        "'p': argument assumeRoles has no meaning on the laptop",
    ),
    "another account": (
        lambda: aws.Provider("p", region="us-east-1", allowed_account_ids=["123456789012"]),
        "'p': allowedAccountIds is .*, and the laptop's account is 000000000000",
    ),
    "a WebSocket API": (
        lambda: aws.apigatewayv2.Api("api", protocol_type="WEBSOCKET"),
        "'api': protocolType is 'WEBSOCKET', and the laptop's gateway serves 'HTTP' only",
    ),
    "what the service refuses": (
        lambda: aws.cloudwatch.EventBus("bus", name="default"),
        "'bus': .*ResourceAlreadyExistsException",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(laptop: Laptop, make: Callable[[], object], message: str) -> None:
    with pytest.raises((DeployError, ProgramError), match=message):
        laptop.up(lambda: make() and None)
