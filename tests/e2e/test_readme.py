"""The requests of the README's first ten minutes, sent by the shell as they stand there."""

import json
import os
import subprocess

from tests.docs.blocks import read
from tests.docs.shell import lines


def test_a_newcomer_buys_two_pens(cloud, client):
    (block,) = [each for each in read("README.md") if "curl -s $API/purchase " in each.text]
    requests = [line for line in lines(block.text) if line.startswith("curl")]
    token = client.authorization()["authorization"].removeprefix("Bearer ")
    answers = []
    for request in requests:
        cloud.wait_idle(30)  # a person pauses between them, too
        pasted = request.replace("PASTE IT HERE", answers[-1].get("reservationId", "")) if answers else request
        environment = {**os.environ, "API": client.url, "TOKEN": token}
        done = subprocess.run(["bash", "-c", pasted], env=environment, capture_output=True, text=True, check=True)
        answers.append(json.loads(done.stdout))
    product, reservation, purchase, seen = answers
    assert product["stock"] == 10
    assert (reservation["quantity"], purchase["status"]) == (2, "paid")
    assert (seen["productId"], seen["stock"]) == ("pen", 8)
