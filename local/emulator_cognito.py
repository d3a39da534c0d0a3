"""Cognito's pre-token-generation trigger: one that raises refuses the token.

Runs inside the emulator's process; its environment asks ministack to let the error through.
"""

import re
from typing import Any


def apply() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import cognito

    apply_trigger, run, token = cognito._apply_pretoken_trigger, cognito._run_idp_handler, cognito._oauth2_token

    def apply_pretoken_trigger(*args: Any, **named: Any) -> dict:
        try:
            return apply_trigger(*args, **named)
        except Exception as error:  # whatever became of the trigger, it gave no claims
            raise _TriggerFailed(_raised_by(error)) from error

    def run_idp_handler(*args: Any) -> Any:
        try:
            return run(*args)
        except _TriggerFailed as failed:
            return error_response_json("UserLambdaValidationException", str(failed), 400)

    def oauth2_token(*args: Any) -> Any:
        try:
            return token(*args)
        except _TriggerFailed as failed:
            return cognito._oauth2_error("invalid_grant", str(failed))

    cognito._apply_pretoken_trigger = apply_pretoken_trigger
    cognito._run_idp_handler = run_idp_handler
    cognito._oauth2_token = oauth2_token


class _TriggerFailed(Exception):
    """The text is Cognito's."""


def _raised_by(error: Exception) -> str:
    """Of the innermost message: the function's own, which the emulator's proxy has wrapped."""
    found = re.match(r"""[\\"']+: [\\"']+(.*?)[\\"']+[,}]""", str(error).rpartition("errorMessage")[2])
    return f"PreTokenGeneration failed with error {found[1] if found else 'unknown'}."
