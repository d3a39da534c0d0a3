"""The keys of personal data as one sandbox has them: found once, used for a minute, and gone.

A key belongs to one subject of one tenant, and is known by a reference, a hash of both. Whoever is erased has a
tombstone instead: no key comes back there, and what is encrypted under it reads as `Erased` from then on.
"""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from .errors import DefinitionError, SubjectErased, Unavailable, UndecodableEvent
from .idempotency import command_id
from .keys import Tenant, check_id
from .personal import CLEAR, ERASED, MARK, Kind, mapped, tokens

LIFE = 60.0
"""Seconds that a key, or a state read with it, is used without a look at whether its subject was erased."""

NO_SUBJECT = ""
"""Stands for the whole tenant: its key makes hashes of requests that are about nobody in particular."""

_MOST = 4096


class Keys(Protocol):
    """Where keys are kept. Raises StoreTimeout and StoreThrottled."""

    def find(self, tenant: Tenant, refs: Collection[str]) -> Mapping[str, bytes | None]:
        """The keys that there are, in one read; None for those whose subject was erased."""
        ...

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        """A new key, or the one that another made meanwhile; None where the subject was erased."""
        ...


class Cipher(Protocol):
    """Authenticated encryption under keys of 32 bytes; `about` is authenticated, not encrypted."""

    def seal(self, key: bytes, plain: bytes, about: bytes) -> bytes: ...

    def open(self, key: bytes, sealed: bytes, about: bytes) -> bytes:
        """Raises ValueError for what was not sealed so."""
        ...


class KeyMissing(Unavailable):
    """Data is encrypted under a key that is not in the key table, and nobody erased its subject."""


def reference(tenant: Tenant, subject: str) -> str:
    """Of a subject's key: says nothing about who it is."""
    return command_id("subject", tenant, subject)


class Held(NamedTuple):
    """Keys by reference, None for erased subjects. `until` is on the keyring's clock."""

    keys: Mapping[str, bytes | None]
    until: float


class Keyring:
    """`clock` is a wall clock: it goes on while a sandbox is frozen. `make_cipher` is called by the first use."""

    def __init__(
        self,
        keys: Keys,
        make_cipher: Callable[[], Cipher],
        *,
        life: float = LIFE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._make_cipher = make_cipher
        self._life = life
        self.clock = clock
        self._cipher: Cipher | None = None
        self._own: dict[Tenant, bytes] = {}
        self._known: OrderedDict[tuple[Tenant, str], tuple[bytes | None, float]] = OrderedDict()

    def opener(self, tenant: Tenant, *documents: Any) -> "Opener":
        """Reads what is personal in stored documents, with at most one read of keys."""
        found = (token for document in documents for token in tokens(document))
        refs = {token.partition(".")[0] for token in found if not token.startswith(CLEAR)} - {""}
        return Opener(self.cipher, self._held(tenant, refs, make=False))

    def sealer(self, tenant: Tenant, new: Iterable[BaseModel], known: Iterable[BaseModel] = ()) -> "Sealer":
        """Writes what is personal in models; makes the keys of subjects that have none. What is `known` may be about
        subjects who are erased: it is then written as erased. Raises SubjectErased where what is `new` is."""
        fresh, old = _Subjects(), _Subjects()
        for models, found in ((new, fresh), (known, old)):
            for model in models:
                model.__pydantic_serializer__.to_python(model, mode="json", context=found)
        fresh.check()
        old.check()
        refs = {subject: reference(tenant, subject) for subject in fresh.found | old.found}
        held = self._held(tenant, set(refs.values()), make=True)
        if any(held.keys[refs[subject]] is None for subject in fresh.found):
            raise SubjectErased("the person that this is about was erased: nothing about them is kept any more")
        return Sealer(self.cipher, held, refs)

    def mac(self, tenant: Tenant, about: BaseModel, text: str, *, make: bool) -> str | None:
        """A hash of `text` that nobody can check a guess against, once the subjects of `about` are erased. None where
        one is, or has no key."""
        subjects = _Subjects()
        written = about.__pydantic_serializer__.to_python(about, mode="json", context=subjects)
        subjects.check()
        if "" in tokens(written):  # made of what was erased: it was another text when somebody could read it
            return None
        if subjects.found:
            refs = sorted(reference(tenant, subject) for subject in subjects.found)
            held = self._held(tenant, refs, make)
            keys = [held.keys.get(ref) for ref in refs]
        else:
            keys = [self._tenants_key(tenant, make)]
        digest = text.encode()
        for key in keys:
            if key is None:
                return None
            digest = hmac.digest(hmac.digest(key, b"request hash", "sha256"), digest, "sha256")
        return urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()

    def stale(self, until: float) -> bool:
        """Whether what was read with keys of `Held.until` is to be read again."""
        return self.clock() >= until

    @property
    def cipher(self) -> Cipher:
        if self._cipher is None:
            self._cipher = self._make_cipher()
        return self._cipher

    def _tenants_key(self, tenant: Tenant, make: bool) -> bytes | None:
        """Nobody erases it: it is kept for the sandbox's life."""
        if tenant not in self._own:
            ref = reference(tenant, NO_SUBJECT)
            key = self._held(tenant, [ref], make).keys.get(ref)
            if key is None or len(self._own) == _MOST:
                return key
            self._own[tenant] = key
        return self._own[tenant]

    def _held(self, tenant: Tenant, refs: Collection[str], make: bool) -> Held:
        now = self.clock()
        found: dict[str, tuple[bytes | None, float]] = {}
        for ref in refs:
            key, until = self._known.get((tenant, ref), (None, 0.0))
            if now < until <= now + self._life:
                found[ref] = key, until
        absent = [ref for ref in refs if ref not in found]
        if absent:
            looked_up = self._keys.find(tenant, absent)
            for ref in absent:
                if ref in looked_up:
                    found[ref] = self._keep(tenant, ref, looked_up[ref], now)
                elif make:
                    found[ref] = self._keep(tenant, ref, self._keys.make(tenant, ref), now)
        until = min((until for _, until in found.values()), default=float("inf"))
        return Held({ref: key for ref, (key, _) in found.items()}, until)

    def _keep(self, tenant: Tenant, ref: str, key: bytes | None, now: float) -> tuple[bytes | None, float]:
        """From the time before the request: what is kept is not younger."""
        self._known[tenant, ref] = kept = key, now + self._life
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return kept


class Opener:
    """A context of validation (`personal.Reading`)."""

    def __init__(self, cipher: Cipher, held: Held) -> None:
        self._cipher = cipher
        self._keys = held.keys
        self.until = held.until

    def read(self, token: str, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        value = self._opened(token)
        return kind.erased() if value is None else plain(value)

    def clear(self, value: Any, kind: Kind, plain: Callable[[Any], Any]) -> Any:
        return plain(value)

    def document(self, document: Any) -> Any:
        """Stored JSON in the clear, [erased] where nobody can read it."""

        def opened(token: str) -> Any:
            value = self._opened(token)
            return ERASED if value is None else value

        return mapped(document, opened)

    def _opened(self, token: str) -> Any:
        if token.startswith(CLEAR):
            return from_json(token.removeprefix(CLEAR))
        ref, _, sealed = token.partition(".")
        if not ref:
            return None
        if ref not in self._keys:
            raise KeyMissing("personal data can't be read: its key is not in the key table. Was that restored?")
        key = self._keys[ref]
        if key is None:
            return None
        try:
            return from_json(self._cipher.open(key, urlsafe_b64decode(sealed), ref.encode()))
        except ValueError:
            raise UndecodableEvent(f"personal data under the key {ref} is not what was encrypted") from None


class Sealer:
    """A context of serialisation (`personal.Writing`)."""

    def __init__(self, cipher: Cipher, held: Held, refs: Mapping[str, str]) -> None:
        self._cipher = cipher
        self._keys = held.keys
        self._refs = refs
        self.until = held.until
        self.opener = Opener(cipher, held)

    def write(self, plain: Any, subject: Any, where: str) -> Any:
        ref = self._refs[subject]
        key = self._keys[ref]
        if key is None:
            return {MARK: ""}
        sealed = self._cipher.seal(key, to_json(plain), ref.encode())
        return {MARK: f"{ref}.{urlsafe_b64encode(sealed).decode()}"}


class _Subjects:
    """Goes over models before they are written: whose keys are needed. Pydantic hides what is raised there."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._nameless: str | None = None

    def write(self, plain: Any, subject: Any, where: str) -> Any:
        if isinstance(subject, str) and subject:
            self.found.add(subject)
        else:
            self._nameless = where
        return None

    def check(self) -> None:
        if self._nameless:
            raise DefinitionError(f"{self._nameless} is personal, and the field that names its subject is empty")
        for subject in self.found:
            check_id(subject, "subject of personal data")


class MemoryKeys:
    """Keys for tests and scenarios; nothing survives the process."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self.kept: dict[tuple[Tenant, str], bytes | None] = {}
        self.reads = 0

    def find(self, tenant: Tenant, refs: Collection[str]) -> Mapping[str, bytes | None]:
        self.reads += 1
        return {ref: self.kept[tenant, ref] for ref in refs if (tenant, ref) in self.kept}

    def make(self, tenant: Tenant, ref: str) -> bytes | None:
        return self.kept.setdefault((tenant, ref), self._make())

    def erase(self, tenant: Tenant, subject: str) -> None:
        self.kept[tenant, reference(tenant, subject)] = None
