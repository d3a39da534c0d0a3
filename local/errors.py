"""Errors as a person reads them: what is wrong and where in the program, without a stack trace."""

import os
import traceback
from pathlib import Path

_MESSAGE_IS_ENOUGH = (
    "ArchiveError",
    "CloudError",
    "ContractError",
    "ControlError",
    "DeployError",
    "EdgeError",
    "EmulatorError",
    "InvocationError",
    "LedgerError",
    "MissingOutputError",
    "PostgresError",
    "ProgramError",
    "StackFileError",
    "StandInError",
)


def explain(error: BaseException, program: Path) -> str:
    """One message. FOLDSTACK_TRACE=1 in the environment gives the stack trace after all."""
    if os.environ.get("FOLDSTACK_TRACE"):
        return "".join(traceback.format_exception(error)).rstrip()
    kind = type(error).__name__
    message = str(error) if kind in _MESSAGE_IS_ENOUGH else f"{kind}: {error}"
    where = _last_line_of(error, program)
    return f"{message} (at {where})" if where else message


def _last_line_of(error: BaseException, program: Path) -> str | None:
    """The innermost line of the program itself that the error came through."""
    own = Path(__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        ours = file.is_relative_to(program) and "site-packages" not in file.parts
        if ours and not file.is_relative_to(own):
            return f"{file.relative_to(program)}:{frame.lineno}"
    return None
