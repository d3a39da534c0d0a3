"""The payment provider, as the checkout's effects see it: one call, repeated until its outcome is definite."""

import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from foldstack import OutcomePending, Settings

from .money import Money

_LONGEST_CALL = 20.0
_LONGEST_TROUBLE = 3.0  # of one attempt with a provider that answers nothing definite: the queue tries again soon
_PAUSE = 0.1
_NOT_YET = (408, 409, 425, 429)

Answer = tuple[int, dict[str, Any]]


class Charged(NamedTuple):
    """The provider's definite answer; `reason` is empty where it succeeded."""

    succeeded: bool
    charge_id: str
    reason: str


class PaymentProvider:
    """Talks to `url` with the secret `key`. Made once a sandbox."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key

    @classmethod
    def from_settings(cls, settings: Settings) -> "PaymentProvider":
        return cls(settings.environment["PAYMENT_PROVIDER_URL"], settings.secret("paymentProviderKey"))

    def charge(self, reference: str, amount: Money, token: str, *, seconds: float) -> Charged:
        """Charges once per `reference`, whoever repeats it. Raises OutcomePending where `seconds` were too short
        for a yes or a no: silence, a fault of the provider or of our key are neither."""
        body = {"reference": reference, "amount": str(amount.amount), "currency": amount.currency, "token": token}
        status, answer = self._definite("/charges", body, reference, (201, 402, 410), seconds)
        if status == 201:
            return Charged(True, str(answer["id"]), "")
        reason = "declined" if status == 402 else "cancelled before it was charged"
        return Charged(False, str(answer.get("id", "")), str(answer.get("reason", reason)))

    def cancel(self, reference: str, *, seconds: float) -> bool:
        """Gives back what was charged under a reference: True where that was anything. From then on the provider
        refuses every charge of it, those that are under way too. Raises OutcomePending as `charge` does."""
        where = f"/charges/{reference}/cancellation"
        _, answer = self._definite(where, {}, f"cancel-{reference}", (200,), seconds)
        return answer["status"] == "refunded"

    def _definite(self, path: str, body: dict[str, str], key: str, definite: tuple[int, ...], seconds: float) -> Answer:
        """The same call again until it is answered with one of the statuses `definite`."""
        now = time.monotonic()
        until, trouble = now + seconds, now + _LONGEST_TROUBLE
        pause = _PAUSE
        problem = "no time left"
        while (left := until - time.monotonic()) > 0:
            try:
                status, answer = self._post(path, body, key, min(left, _LONGEST_CALL))
            except (OSError, ValueError) as error:  # urllib's and socket's errors are OSErrors; bad JSON a ValueError
                problem = repr(error)
            else:
                if status in definite:
                    return status, answer
                problem = f"it answered {status}"
                if status < 500 and status not in _NOT_YET:
                    break
            if time.monotonic() + pause > trouble:
                break
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
            pause *= 2
        raise OutcomePending(f"{path} {key}: {problem}")

    def _post(self, path: str, body: dict[str, str], key: str, timeout: float) -> Answer:
        request = urllib.request.Request(
            self._url + path,
            data=json.dumps(body).encode(),
            method="POST",
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {self._key}",
                "idempotency-key": key,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error) if error.code == 402 else {}
