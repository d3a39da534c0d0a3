"""A stack to operate: its outputs, the domain beside its program, and clients of where it runs."""

import json
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.session import Session
from botocore.config import Config
from foldstack.aws import composition, domain
from foldstack.aws.environment import Environment
from foldstack.kernel.errors import OperationRefused
from foldstack.kernel.projection import Projection
from foldstack.kernel.service import Service

from ..emulator import client_config
from ..private_files import HOME
from .members import Auth, Members

if TYPE_CHECKING:
    from ..tokens import Tokens

EFFECTS = "effects"
"""The consumer's name of a service's effects and automations."""
_TIMEOUT = 90  # an order to a function lasts as long as the function


class Pipeline:
    """One ProjectionPipeline, by its output `operated`."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.consumer: str = content["consumer"]
        self.projector: str = content["projector"]
        self.queue_url: str = content["queue_url"]
        self.environment = Environment(content["variables"])


class Connection:
    """`outputs` is a file as `pulumi stack output --json` prints it; without one it is the laptop cloud's of this
    program, or of another `home`. AWS is reached as everywhere: credentials, region and endpoint from the environment
    or a profile.

    Raises OperationRefused where there is no such file, or it says too little.
    """

    def __init__(self, program: Path, outputs: Path | None, home: Path | None = None) -> None:
        self._program = program.resolve()
        home = home or self._program / HOME
        self._access = None if outputs else _read(home / "access.json", _NO_CLOUD)
        content = _read(outputs or home / "outputs.json", f"{outputs} does not exist" if outputs else _NO_CLOUD)
        self._auth = (content.get("operated") or {}).get("auth")
        self._lake = (content.get("operated") or {}).get("lake")
        try:
            operated = content["operated"]
            self.environment = Environment(operated["service"]["variables"])
            self._effects: str = operated["service"].get("effects", "")
            self.pipelines = [Pipeline(each) for each in operated["pipelines"]]
            self._cascades: list[str] = [each["consumer"] for each in operated.get("cascades", ())]
        except (KeyError, TypeError):
            raise OperationRefused(
                "the outputs have no `operated`: export it in __main__.py as "
                '{"service": SERVICE.operated, "pipelines": [PIPELINE.operated, ...]}, then deploy'
            ) from None

    @cached_property
    def service(self) -> Service:
        if str(self._program) not in sys.path:
            sys.path.insert(0, str(self._program))
        return domain.load(self.environment.domain)

    @property
    def user_pool(self) -> str:
        """The id of the pool of its users, empty where it has none."""
        return self._auth["user_pool_id"] if self._auth else ""

    @property
    def auth(self) -> Auth:
        """Raises OperationRefused where the stack has none."""
        if self._auth is None:
            raise OperationRefused(
                'the output `operated` has no `auth`: export it in __main__.py as "auth": AUTH.operated, then deploy'
            )
        return Auth(**self._auth)

    @property
    def lake(self) -> dict[str, Any]:
        """As OperatedLake of components.handles. Raises OperationRefused where the stack has none."""
        if self._lake is None:
            raise OperationRefused(
                'the output `operated` has no `lake`: make an AnalyticsLake, export it in __main__.py as "lake": '
                "LAKE.operated, then deploy; the shop has one where its configuration says `lake: true`"
            )
        return self._lake

    @property
    def consumers(self) -> list[str]:
        """Those that events are republished to, by their names."""
        lakes = [Environment(self._lake["variables"]).consumer] if self._lake else []
        return [EFFECTS, *(each.consumer for each in self.pipelines), *self._cascades, *lakes]

    @property
    def roles(self) -> tuple[str, ...]:
        """Those that the domain declares."""
        declared = self.service.api.roles
        return declared.names if declared else ()

    @cached_property
    def members(self) -> Members:
        return Members(self.client, self.auth, self.roles)

    @cached_property
    def tokens(self) -> "Tokens":
        """Of the laptop: on AWS nobody gets a token without the user's password."""
        from ..tokens import Tokens

        if self._access is None:
            raise OperationRefused("only the laptop cloud makes up users and their tokens")
        return Tokens(self.client, self._access["endpoint_url"], self.auth, self.roles)

    @cached_property
    def commits(self) -> Any:
        return composition.commit_store(self.environment, self.client)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        if service not in self._clients:
            self._clients[service] = self._made(service)
        return self._clients[service]

    def as_role(self, role_arn: str, service: str, session: str) -> Any:
        """A boto3 client with another role's rights; `session` is how the role's log names who it was."""
        assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
        access = {
            **(self._access or {}),
            "aws_access_key_id": assumed["AccessKeyId"],
            "aws_secret_access_key": assumed["SecretAccessKey"],
            "aws_session_token": assumed["SessionToken"],
        }
        return self._session.client(service, config=client_config() if self._access else None, **access)

    def projection(self, name: str) -> tuple[Projection, Pipeline]:
        """A projection by its name, and the pipeline that has its view."""
        for pipeline in self.pipelines:
            for each in composition.projections(pipeline.environment, self.service):
                if each.name == name:
                    return each, pipeline
        there = sorted(each for pipeline in self.pipelines for each in pipeline.environment.view_names)
        raise OperationRefused(f"no pipeline of this stack has a view {name}; there are {', '.join(there) or 'none'}")

    def order(self, pipeline: Pipeline, order: dict[str, Any]) -> Any:
        """What the projector function answers to an order: it does it with the code that is deployed."""
        return self._invoke(pipeline.projector, order)

    def order_saga(self, order: dict[str, Any]) -> Any:
        """What the effects function answers to an order to a saga. Raises OperationRefused where it refuses it."""
        if not self._effects:
            raise OperationRefused("the outputs do not name the effects function: deploy the stack anew")
        answer = self._invoke(self._effects, {"saga": order})
        if "refused" in answer:
            raise OperationRefused(answer["refused"])
        return answer

    def resync(self, view: str, after: Any = None) -> Any:
        """What the lake's writer answers when it is to write rows of a view again."""
        return self._invoke(self.lake["writer"], {"resync": view, **({} if after is None else {"after": after})})

    def compact(self, part: dict[str, str]) -> Any:
        """What the lake's compactor answers, as its entry point says."""
        return self._invoke(self.lake["compactor"], {"compact": part})

    def waiting(self, pipeline: Pipeline) -> int | None:
        """Messages in the queue before a projector; None where it reads a stream, and no queue measures that."""
        if not pipeline.queue_url:
            return None
        answer = self.client("sqs").get_queue_attributes(QueueUrl=pipeline.queue_url, AttributeNames=list(_WAITING))
        return sum(int(answer["Attributes"].get(name, 0)) for name in _WAITING)

    def _invoke(self, function: str, order: dict[str, Any]) -> Any:
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(order).encode())
        content = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise OperationRefused(f"{function}: {(content or {}).get('errorMessage', 'it failed')}")
        return content

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _session(self) -> Session:
        return Session()

    def _made(self, service: str) -> Any:
        if self._access is not None:
            config = client_config().merge(Config(read_timeout=_TIMEOUT))
            return self._session.client(service, config=config, **self._access)
        retries: Any = {"mode": "standard", "total_max_attempts": 1 if service == "lambda" else 6}
        return self._session.client(
            service, config=Config(read_timeout=_TIMEOUT, retries=retries, max_pool_connections=32)
        )


_WAITING = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_NO_CLOUD = (
    "no laptop cloud runs here: `foldstack local up` starts one. For a stack on AWS: "
    "`pulumi stack output --json > outputs.json`, and --outputs outputs.json"
)


def _read(file: Path, absent: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        raise OperationRefused(absent) from None
    except ValueError as error:
        raise OperationRefused(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise OperationRefused(f"{file} must be an object, as `pulumi stack output --json` prints it")
    return content
