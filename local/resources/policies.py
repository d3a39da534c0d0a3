"""Policy documents as the services take them."""

import json
from typing import Any


def document(policy: Any) -> str:
    """The JSON text of a policy that the program gives as text or as an object."""
    return policy if isinstance(policy, str) else json.dumps(policy)
