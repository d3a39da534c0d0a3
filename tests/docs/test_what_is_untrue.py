"""What is untrue in a document is found: each rule once, on a block that breaks it."""

import pytest

from components import ArgumentError
from tests.docs.assumed import shops_program
from tests.docs.blocks import Block, BlockError, blocks, read
from tests.docs.languages import CHECKS
from tests.docs.python import deployed, run
from tests.docs.shell import Shell


def block(language, text):
    (made,) = blocks("a.md", f"```{language}\n{text}\n```\n")
    return made


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("foldstack events shoow acme#product#pen", "No such command 'shoow'"),
        ("foldstack events show acme#product#pen --asof 2h", "No such option: --asof"),
        ("foldstack saga retry acme#purchase#ID", "Missing parameter: reason"),
        ("foldstack user suspend", "Missing"),
        ("uv run foldstack preview --format html", "'html' is not one of"),
        ("TOKEN=$(foldstack local token --tenant acme --usr ann | tail -n 1)", "No such option: --usr"),
        ("make demo && make dmeo", "no goal dmeo"),
        ("make demo ROADS=sns", "no variable ROADS"),
        ("""API=$(python -c "json.load(open('outputs.json'))['apiURL']")""", "no output is called apiURL"),
        ("curl -s $API/product -H 'authorization: x'", "the API has no GET /product;"),
        ("""curl -s $API/reservations -d '{"productId": "pen"}'""", "'quantity' is a required property"),
        ("pulumi up -s development", "there is no stack development"),
        ("pulumi preview --policypack policies", "there is no option --policypack"),
        ("pulumi config set raod sns", "Pulumi.yaml declares no raod"),
        ("aws scheduler list-schedules --group GROUP", "there is no option --group"),
        ("aws scheduler list-groups", "scheduler has no list-groups"),
        ("terraform apply", "nobody knows the command 'terraform'"),
    ],
)
def test_a_wrong_command(line, told):
    with pytest.raises(BlockError) as caught:
        Shell().check(block("sh", f"make test\n{line}  # it says"))
    assert told in str(caught.value)
    assert str(caught.value).startswith("a.md:2: ") or "output" in told


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ('HttpApi("api", {"commands": shop.commands, "authoriser": auth.authorizer})', ArgumentError, "authoriser"),
        ('EventSourcedService("more", {"domain": domain, "raod": "sns"})', ArgumentError, "raod"),
        ('EventSourcedService("more", {"domain": domain, "road": "snss"})', ArgumentError, "snss"),
        ("shop.event", AttributeError, "event"),
        ("from foldstack import Aggregat", ImportError, "Aggregat"),
        ("def test_it():\n    assert False, 'of a.md'", AssertionError, "of a.md"),
    ],
)
def test_wrong_python(text, error, told):
    with pytest.raises(error, match=told):
        deployed([block("python", text)], shops_program)


def test_a_traceback_names_document_and_line():
    with pytest.raises(ZeroDivisionError) as caught:
        run([Block("a.md", 41, "python", "", "x = 1\nx / 0\n")], {})
    last = caught.traceback[-1]
    assert (str(last.path).endswith("a.md"), last.lineno + 1) == (True, 42)


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        ("yaml", "config:\n  shop:raod: sns", "declares no shop:raod"),
        ("yaml", "config:\n  shop:road: snss", "snss"),
        ("json", '{"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*"]}}', "no role for tenants"),
        ("json", "{,}", "Expecting property name"),
        ("sql", "-- All.\nSELECT 1 FROM events WHERE day > 1", "tenant = :tenant"),
        ("mermaid", "flowchart LR\n  a[here] --> b", "b has an arrow"),
        ("mermaid", "flowchart LR\n  subgraph TenantAuht\n  a[here]\n  end", "no component TenantAuht"),
        ("mermaid", "flowchart LR\n  a[relais function]", "no function of the shop is a relais"),
        ("text", "Pulumi.yaml\nshop/\n  produkt.py   nothing", "there is no produkt.py in shop/"),
        ("text", "hello", "say which language"),
        ("insights", "stats sum(read_unit) as x by tenant", "read_unit"),
    ],
)
def test_another_language(language, text, told):
    with pytest.raises(Exception, match=told):
        CHECKS[language](block(language, text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```\nfoldstack demo\n```\n", "says ''"),
        ("```python\nx = 1\n", "a fence is open"),
        ("- so:\n\n  ```sh\n  make test\n  ```\n", "indented"),
        ("```sh file=x\nmake\n```\n", 'title="PATH"'),
    ],
)
def test_a_block_that_nobody_would_see(text, told):
    with pytest.raises(BlockError, match=told):
        blocks("a.md", text)


def test_a_file_of_its_own():
    (made,) = blocks("a.md", 'Text.\n\n```python title="shop/a.py"\nx = 1\n```\n')
    assert (made.language, made.title, made.line, made.text) == ("python", "shop/a.py", 4, "x = 1\n")


def test_documents_are_found():
    assert len(read("README.md")) > 15
