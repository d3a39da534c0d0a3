"""Small programs deployed to the session's emulator, without function host or event sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi_aws as aws

from local.deployer import Deployer
from local.emulator import Emulator
from local.private_files import private_directory
from local.program import Deployment, deploy
from local.resources import Site
from local.state import State

GATEWAY = "http://127.0.0.1:4321"
ID = [{"name": "id", "type": "S"}]


class Laptop:
    """Deploys programs one after the other, as `local up` does; `steps` are those of the last deployment."""

    def __init__(self, emulator: Emulator, home: Path, project: str) -> None:
        self.home = private_directory(home)
        self.emulator = emulator
        self.project = project
        self.steps: list[tuple[str, str]] = []
        self.site = Site(
            client=emulator.client,
            home=self.home,
            project=project,
            stack="test",
            region=emulator.region,
            account=emulator.account,
            function_url=lambda name: f"http://127.0.0.1:1/fn/{name}",
            gateway_url=lambda api: GATEWAY,
        )

    def up(
        self, program: Callable[[], Any], *, replace_data: bool = False, tags: dict[str, str] | None = None
    ) -> Deployment:
        self.steps = []
        state = State.load(self.home, self.emulator.url)
        deployer = Deployer(
            self.site,
            state,
            default_tags=tags,
            replace_data=replace_data,
            progress=lambda verb, resource: self.steps.append((verb, resource)),
        )
        try:
            deployed = deploy(program, stack="test", project=self.project, provider=deployer)
            deployer.finish(deployed.resources)
        finally:
            state.save()
        return deployed

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def verbs(self) -> dict[str, str]:
        """What became of each resource, by name."""
        return {resource.split("'")[1]: verb for verb, resource in self.steps}


def table(name: str = "things", *, range_key: str | None = None, **inputs: Any) -> aws.dynamodb.Table:
    attributes = inputs.pop("attributes", ID + ([{"name": range_key, "type": "N"}] if range_key else []))
    return aws.dynamodb.Table(
        name, hash_key="id", range_key=range_key, attributes=attributes, billing_mode="PAY_PER_REQUEST", **inputs
    )
