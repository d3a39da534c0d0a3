"""What the function host is told of a function, and what an invocation of it ends in."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["ok", "error", "timeout", "throttled", "too-large"]
Crash = Literal["before", "amid", "after"]

# AWS sets these itself and refuses a function that names one of them.
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


@dataclass(frozen=True)
class FunctionSpec:
    """One function. Folders are unpacked archives; `layer_dirs` are layer roots, each with its `python/`.

    `timeout` is in seconds, `memory` in MB. `reserved` is the reserved concurrency: None means none is
    reserved (calls wait for a sandbox), a number means that calls beyond it are throttled.
    """

    name: str
    arn: str
    handler: str
    task_dir: Path
    layer_dirs: list[Path]
    environment: dict[str, str]
    role_arn: str
    timeout: int = 3
    memory: int = 128
    reserved: int | None = None

    def __post_init__(self) -> None:
        taken = sorted(RESERVED_VARIABLES.intersection(self.environment))
        if taken:
            raise ValueError(
                f"function {self.name!r}: its environment sets {', '.join(taken)}, which AWS Lambda reserves and"
                " refuses; choose other names"
            )
        if not 1 <= self.timeout <= 900:
            raise ValueError(f"function {self.name!r}: timeout is {self.timeout} s; AWS allows 1 to 900")


@dataclass(frozen=True)
class Invocation:
    """How a call ended. `payload` is what AWS answers with (for an error: its JSON); `error` is that JSON read."""

    status: Status
    payload: bytes = b""
    error: dict[str, Any] | None = field(default=None)
    request_id: str = ""

    @property
    def ok(self) -> bool:
        return self.status == "ok"


class Invoke(Protocol):
    """Calls one function. `crash` kills its sandbox before, amid or after the work, to test the guarantees."""

    def __call__(self, payload: bytes, *, crash: Crash | None = None) -> Invocation: ...
