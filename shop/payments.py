"""The payment provider, as the checkout's effect sees it: one call, repeated until its outcome is definite."""

import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from foldstack import OutcomePending, Settings

from .money import Money

_LONGEST_CALL = 20.0
_PAUSE = 0.1


class Charged(NamedTuple):
    """The provider's definite answer; `reason` is empty where it succeeded."""

    succeeded: bool
    charge_id: str
    reason: str


class PaymentProvider:
    """Talks to `url` with the secret `key`. Made once a sandbox."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/") + "/charges"
        self._key = key

    @classmethod
    def from_settings(cls, settings: Settings) -> "PaymentProvider":
        return cls(settings.environment["PAYMENT_PROVIDER_URL"], settings.secret("paymentProviderKey"))

    def charge(self, reference: str, amount: Money, token: str, *, seconds: float) -> Charged:
        """Charges once per `reference`, whoever repeats it. Raises OutcomePending where `seconds` were too short
        for a yes or a no: silence, a fault of the provider or of our key are neither."""
        body = {"reference": reference, "amount": str(amount.amount), "currency": amount.currency, "token": token}
        until = time.monotonic() + seconds
        pause = _PAUSE
        problem = "no time left"
        while (left := until - time.monotonic()) > 0:
            try:
                status, answer = self._post(body, reference, min(left, _LONGEST_CALL))
            except (OSError, ValueError) as error:  # urllib's and socket's errors are OSErrors; bad JSON a ValueError
                problem = repr(error)
            else:
                if status == 201:
                    return Charged(True, str(answer["id"]), "")
                if status == 402:
                    return Charged(False, str(answer["id"]), str(answer.get("reason", "declined")))
                problem = f"it answered {status}"
                if status < 500 and status not in (408, 409, 425, 429):
                    break
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
            pause *= 2
        raise OutcomePending(f"charge {reference}: {problem}")

    def _post(self, body: dict[str, str], reference: str, timeout: float) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            self._url,
            data=json.dumps(body).encode(),
            method="POST",
            headers={
                "content-type": "application/json",
                "authorization": f"Bearer {self._key}",
                "idempotency-key": reference,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error) if error.code == 402 else {}
