"""What SNS and SQS answer to a batch: the ids of the entries that failed, and whose fault it was."""

from collections.abc import Mapping, Sequence
from typing import Any

from .road import Failed

_REFUSED = frozenset(
    {"InvalidParameter", "InvalidParameterException", "InvalidParameterValue", "InvalidMessageContents"}
)


def failures(answer: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> list[Failed | None]:
    """For each entry None where it was taken. A denied permission is no fault of the entry: it is mended, and tried
    again."""
    by_id = {each["Id"]: each for each in answer.get("Failed", ())}
    return [_failed(by_id.get(entry["Id"])) for entry in entries]


def _failed(entry: Mapping[str, Any] | None) -> Failed | None:
    if entry is None:
        return None
    return Failed(f"{entry['Code']}: {entry.get('Message', '')}", entry["Code"] in _REFUSED)
