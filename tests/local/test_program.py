"""The harness: what a run records, what it refuses, and that runs do not touch each other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.output import UNKNOWN, Unknown

from local.graph import Registered, Secret
from local.missing_output import MissingOutputError
from local.monitor import ProgramError
from local.program import deploy

TABLE = "aws:dynamodb/table:Table"


def table(name: str = "things", **options: Any) -> aws.dynamodb.Table:
    attributes = [{"name": "id", "type": "S"}]
    return aws.dynamodb.Table(name, hash_key="id", attributes=attributes, opts=pulumi.ResourceOptions(**options))


class Shelf(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("test:index:Shelf", name, {"kind": "oak"}, opts)
        self.table = table(f"{name}-books", parent=self)
        self.register_outputs({"tableName": self.table.name})


def test_records_the_whole_graph() -> None:
    def program() -> None:
        shelf = Shelf("shelf")
        aws.sqs.Queue("queue", tags={"table": shelf.table.name}, opts=pulumi.ResourceOptions(protect=True))
        pulumi.export("table", shelf.table.name)

    graph = deploy(program, stack="dev", project="library")
    shelf, books, queue = graph.one("test:index:Shelf"), graph.one(TABLE), graph.one("aws:sqs/queue:Queue")
    assert books.parent == shelf.urn
    assert graph.children(shelf) == [books]
    assert books.urn == f"urn:pulumi:dev::library::test:index:Shelf${TABLE}::shelf-books"
    assert queue.urn == "urn:pulumi:dev::library::aws:sqs/queue:Queue::queue"
    assert shelf.inputs == {"kind": "oak"}
    assert shelf.outputs == {"tableName": books.outputs["name"]} == {"tableName": graph.exports["table"]}
    assert queue.dependencies == [books.urn] == queue.property_dependencies["tags"]
    assert queue.options.protect
    assert not books.options.protect


def test_secrets_stay_marked() -> None:
    def program() -> None:
        aws.secretsmanager.SecretVersion("value", secret_id="s", secret_string=pulumi.Output.secret("hush"))
        pulumi.export("open", 1)
        pulumi.export("closed", pulumi.Output.secret("hush"))

    graph = deploy(program)
    assert graph.one("aws:secretsmanager/secretVersion:SecretVersion").inputs["secretString"] == Secret("hush")
    assert graph.exports == {"open": 1, "closed": Secret("hush")}
    assert "hush" not in repr(graph)


def test_a_preview_leaves_outputs_unknown() -> None:
    def program() -> None:
        aws.sqs.Queue("queue", name="fixed", tags={"table": table().name})

    known, unknown = deploy(program), deploy(program, preview=True)
    assert [r.urn for r in known.resources] == [r.urn for r in unknown.resources]
    queue = unknown.one("aws:sqs/queue:Queue")
    assert queue.inputs["name"] == "fixed"
    assert isinstance(queue.inputs["tags"]["table"], Unknown)
    assert known.one("aws:sqs/queue:Queue").inputs["tags"]["table"].startswith("project-test-things-")


def test_runs_leave_nothing_behind() -> None:
    def careless() -> None:
        pulumi.runtime.set_config("project:colour", "red")
        pulumi.runtime.register_stack_transformation(lambda args: None)
        table()
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        deploy(careless, config={"size": 3})
    seen: dict[str, Any] = {}

    def program() -> None:
        config = pulumi.Config()
        seen.update(colour=config.get("colour"), size=config.get_int("size"), stack=pulumi.get_stack())
        table()

    graph = deploy(program, stack="other", config={"size": 4})
    assert seen == {"colour": None, "size": 4, "stack": "other"}
    assert len(graph.resources) == 1


def test_a_directory_is_run_as_the_engine_runs_it(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "{name: library, runtime: python, config: {"
        "colour: {type: string, default: red}, key: {type: string, secret: true}}}"
    )
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {library:key: k}")
    (tmp_path / "beside_it.py").write_text("NAME = 'from beside'")
    (tmp_path / "__main__.py").write_text(
        "import os, pulumi, beside_it\n"
        "assert __name__ == '__main__'\n"
        "config = pulumi.Config()\n"
        "pulumi.export('all', [beside_it.NAME, config.require('colour'), os.path.basename(os.getcwd())])\n"
        "pulumi.export('key', config.require_secret('key'))\n"
    )
    graph = deploy(tmp_path, stack="dev", config={"colour": "blue"})
    assert graph.exports == {"all": ["from beside", "blue", tmp_path.name], "key": Secret("k")}
    assert Path.cwd() != tmp_path


class Nothing:
    """Creates everything and supplies no output."""

    def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
        return resource.name, {"tagsAll": None}

    def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
        return {}


USES: dict[str, Callable[[aws.dynamodb.Table], object]] = {
    "exported": lambda t: pulumi.export("arn", t.arn),
    "an input": lambda t: aws.iam.Role("role", assume_role_policy=t.arn),
    "in an input": lambda t: aws.sqs.Queue("queue", tags={"table": t.arn}),
    "formatted": lambda t: pulumi.export("text", pulumi.Output.format("{0}!", t.arn)),
    "as JSON": lambda t: pulumi.export("text", pulumi.Output.json_dumps({"arn": t.arn})),
    "computed with": lambda t: t.arn.apply(lambda arn: arn.split(":")[0]),
    "compared": lambda t: t.arn.apply(lambda arn: arn == "x"),
    "tested": lambda t: t.arn.apply(lambda arn: "yes" if arn else "no"),
    "one of several": lambda t: pulumi.Output.all(t.arn, t.hash_key).apply(lambda both: "".join(both)),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_output_that_nobody_supplied_raises_when_it_is_used(use: Callable[[aws.dynamodb.Table], object]) -> None:
    with pytest.raises((MissingOutputError, TypeError), match=f"output 'arn' of {TABLE} 'things'"):
        deploy(lambda: use(table()), provider=Nothing())


def test_an_output_that_nobody_supplied_may_lie_unused() -> None:
    def program() -> None:
        made = table()
        pulumi.export("tags", made.tags_all)
        pulumi.export("key", made.hash_key)

    assert deploy(program, provider=Nothing()).exports == {"key": "id"}


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a transform of functions": (
        lambda: pulumi.runtime.register_invoke_transform(lambda args: None),
        "a transform of provider functions",
    ),
    "an import": (lambda: table(import_="there"), "import_"),
    "a resource of elsewhere": (lambda: aws.dynamodb.Table.get("things", "there"), r"'things' reads a resource"),
    "a hook": (
        lambda: table(hooks=pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook("h", lambda args: None)])),
        "hook",
    ),
    "one name twice": (lambda: (table(), table()), "'things' is registered twice"),
    "an unknown function": (lambda: pulumi.runtime.invoke("aws:index/getZone:getZone", {}), "getZone"),
    "an unknown value": (lambda: aws.sqs.Queue("queue", name=UNKNOWN), "the value of input 'name' is unknown"),  # pyright: ignore
}


@pytest.mark.parametrize(("make", "named"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_run_is_refused_by_name(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ProgramError, match=named):
        deploy(lambda: make() and None)


def test_after_the_first_error_nothing_more_is_created() -> None:
    created: list[str] = []

    class Failing(Nothing):
        def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
            created.append(resource.name)
            if resource.name == "second":
                raise OSError("the disk is full")
            return resource.name, {"url": f"http://{resource.name}"}

    def program() -> None:
        first = aws.sqs.Queue("first")
        second = aws.sqs.Queue("second", tags={"after": first.url})
        aws.sqs.Queue("third", tags={"after": second.url})
        aws.sqs.Queue("fourth", opts=pulumi.ResourceOptions(depends_on=[second]))

    with pytest.raises(OSError, match="the disk is full"):
        deploy(program, provider=Failing())
    assert created == ["first", "second"]


def test_whatever_the_program_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        deploy(lambda: table().arn.apply(lambda arn: 1 / 0))
    with pytest.raises(json.JSONDecodeError):
        deploy(lambda: json.loads("{"))
