"""What must never be in a log: tokens, passwords, secrets."""

import re
from collections.abc import Iterable
from pathlib import Path

from local.cloud import LaptopCloud

TOKEN = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(\.[\w-]*)?")
PASSWORD = re.compile(r"[\w-]{32}-aA1")  # as local/tokens.py makes them


def known_secrets(cloud: LaptopCloud) -> list[str]:
    """Of this cloud: the secrets of machines' clients, and the payment provider's key."""
    auth, cognito = cloud.outputs["operated"]["auth"], cloud.client("cognito-idp")
    clients = [
        cognito.describe_user_pool_client(UserPoolId=auth["user_pool_id"], ClientId=each)["UserPoolClient"]
        for each in auth["machines"].values()
    ]
    return ["laptop-key-that-opens-nothing", *(each["ClientSecret"] for each in clients)]


def found_in(files: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """File and line of everything that should not be there."""
    leaks = []
    for file in files:
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if TOKEN.search(line) or PASSWORD.search(line) or any(each in line for each in secrets):
                leaks.append(f"{file.name}:{number}: {line[:200]}")
    return leaks
