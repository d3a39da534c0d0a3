"""Which of AWS's errors say that a request was not done, and which leave it open."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from ..kernel.errors import StoreThrottled, StoreTimeout

# Refused before anything was done. A conflict with a transaction under way is: the transaction keeps its own outcome.
NOT_DONE = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionConflict",
        "ProvisionedThroughputExceeded",
        "KMSThrottlingException",
        "Throttling",
        "Throttled",
        "KMSThrottling",
    }
)
# The same transaction is still being carried out: it may yet be done.
IN_DOUBT = frozenset({"TransactionInProgressException"})


def ask(operation: Callable[..., Any], **parameters: Any) -> Any:
    """One request. Raises StoreThrottled where it was certainly not done, StoreTimeout where it may have been:
    no answer, or an error of the server's own. Every other error is the caller's."""
    try:
        return operation(**parameters)
    except (HTTPClientError, NoConnection) as error:
        raise StoreTimeout(f"no answer: {error}") from error
    except ClientError as error:
        code = error_code(error)
        if code in NOT_DONE:
            raise StoreThrottled(f"refused: {error}") from error
        if code in IN_DOUBT or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise StoreTimeout(f"failed on the server: {error}") from error
        raise


def error_code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
