"""A demo of the notes."""


def run(call, settle) -> None:
    for tenant in ("north", "south"):
        answer = call(tenant, "POST", "/notes/one", {"text": f"for {tenant}"})
        assert answer.status == 201, answer
        assert call(tenant, "GET", "/notes/one").json["text"] == f"for {tenant}"
    assert call("north", "GET", "/notes/none").status == 404
