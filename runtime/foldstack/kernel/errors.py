"""Every error Foldstack raises, in one small tree.

    FoldstackError
    ├── DefinitionError     the domain is declared wrongly; raised when its module loads
    ├── ConfigurationError  a function's environment is wrong; names the variable
    ├── InvalidValue        a value from outside breaks a rule; names the field
    ├── Unavailable         nothing is wrong with the request; try again (503, Retry-After)
    │   ├── Contention      other writers won until the time was over; no effect
    │   ├── OutcomeUnknown  the store never said whether the commit was stored
    │   ├── StoreTimeout    one request to the store got no answer: it may have been done
    │   ├── StoreThrottled  the store refused one request: it was not done
    │   ├── ViewBehind      the view can't answer for this token now
    │   └── BrokenChain     a stream's commits do not join; never folded
    ├── AccessRefused       the caller is not who may do this (401, 403)
    ├── TooManyRequests     the tenant is at its limit; nothing was done (429, Retry-After)
    ├── KeyReuse            an idempotency key came back with another request (422)
    ├── PreconditionFailed  If-Match names another version (412)
    ├── ReactionLoop        reactions set each other off without an end; nothing more was executed
    ├── RemovalRefused      a domain refused to remove what refers to something deleted, or its report
    ├── OperationRefused    an operator asks for what is not possible as things are
    ├── SubjectErased       new personal data about somebody who was erased
    └── UndecodableEvent    a stored event that this code can't read: poison for a consumer

A refusal by the domain is none of these: it is a `Rejection`, a value (see `decision.py`).
"""

from dataclasses import dataclass

from pydantic import ValidationError

_LONGEST = 500


class FoldstackError(Exception):
    """The root."""


class DefinitionError(FoldstackError):
    """The domain's own declarations contradict each other."""


@dataclass
class ConfigurationError(FoldstackError):
    """`variable` is the environment variable, `reason` what is wrong with it."""

    variable: str
    reason: str

    def __str__(self) -> str:
        return f"{self.variable} {self.reason}"


@dataclass
class InvalidValue(FoldstackError):
    """`field` is where the value was, `reason` what is allowed."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class Unavailable(FoldstackError):
    """`retry_after` is in seconds."""

    retry_after: int = 1


class Contention(Unavailable):
    """Every attempt lost to another writer until the time was over."""


class OutcomeUnknown(Unavailable):
    """The commit may or may not be stored; the same request with the same key finds out."""


class StoreTimeout(Unavailable):
    """No answer to one request: it may have been done."""


class StoreThrottled(Unavailable):
    """One request was refused before it did anything."""


class ViewBehind(Unavailable):
    """A view has not yet, or can't, reach the state that a consistency token promises."""


class BrokenChain(Unavailable):
    """Consistent reads kept showing commits that do not join."""


@dataclass
class AccessRefused(FoldstackError):
    """The caller may not do this. `status` is 401 where another token would help, else 403; `code` names the reason,
    and neither says anything of what was asked for."""

    status: int
    code: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class TooManyRequests(FoldstackError):
    """A tenant is at its limit. `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class KeyReuse(FoldstackError):
    """An idempotency key was used before, for another request on the same stream."""


@dataclass
class PreconditionFailed(FoldstackError):
    """`expected` is what If-Match said, `actual` the stream's version."""

    expected: int
    actual: int

    def __str__(self) -> str:
        return f"the stream is at version {self.actual}, not {self.expected}: read it again and retry"


class UndecodableEvent(FoldstackError):
    """A stored event of an unknown type or of a schema newer than this code."""


class ReactionLoop(FoldstackError):
    """Reactions set each other off without an end. Tried again, they would only come here again."""


class RemovalRefused(FoldstackError):
    """A deletion is not reported as done: a command of its cascade was rejected. What was removed stays so."""


class SubjectErased(FoldstackError):
    """Personal data can't be kept under a subject that was erased."""


class OperationRefused(FoldstackError):
    """What a person who operates the service asks for is not possible now; the message says what is."""


def described(error: Exception, personal: bool = False) -> str:
    """An error in a line, without the data that it is about: this is kept, sent and logged. In a service with
    personal fields what is kept is its kind alone: nobody knows whom its text names."""
    if personal:
        return f"{type(error).__name__}: what it said is in the log"
    if isinstance(error, ValidationError):
        parts = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in parts)
    else:
        said = str(error)
    return f"{type(error).__name__}: {said}"[:_LONGEST]
