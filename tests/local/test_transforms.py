"""Transforms change what is registered, on the laptop and in a preview, as they do under Pulumi's engine.

Not proven here: the engine itself. Order and what a transform is given are as its source has them.
"""

from collections.abc import Callable
from typing import Any, cast

import pulumi
import pulumi_aws as aws
import pytest
from pulumi import ResourceOptions, ResourceTransformArgs, ResourceTransformResult
from pulumi.output import Unknown

from local.graph import Registered, Secret
from local.missing_output import MissingOutputError
from local.monitor import ProgramError
from local.program import deploy

QUEUE = "aws:sqs/queue:Queue"


def tagging(tag: str) -> Callable[[ResourceTransformArgs], ResourceTransformResult | None]:
    """Appends to the tag `who` of queues."""

    def transform(args: ResourceTransformArgs) -> ResourceTransformResult | None:
        if args.type_ != QUEUE:
            return None
        before = cast(dict[str, Any], args.props).get("tags", {}).get("who", "")
        return ResourceTransformResult({**args.props, "tags": {"who": before + tag}}, args.opts)

    return transform


class Shelf(pulumi.ComponentResource):
    def __init__(self, name: str, opts: ResourceOptions | None = None, **options: Any) -> None:
        super().__init__("test:index:Shelf", name, {"kind": "oak"}, opts)
        self.queue = aws.sqs.Queue(f"{name}-queue", opts=ResourceOptions(parent=self, **options))
        self.register_outputs({})


def test_they_run_for_the_resource_then_its_parents_then_the_stack() -> None:
    def program() -> None:
        pulumi.runtime.register_resource_transform(tagging("4"))
        outer = pulumi.ComponentResource("test:index:Room", "room", None, ResourceOptions(transforms=[tagging("3")]))
        shelf = Shelf(
            "shelf", ResourceOptions(parent=outer, transforms=[tagging("2")]), transforms=[tagging("0"), tagging("1")]
        )
        aws.sqs.Queue("elsewhere")
        pulumi.export("tags", shelf.queue.tags)

    graph = deploy(program)
    assert graph.one(QUEUE, "shelf-queue").inputs == {"tags": {"who": "01234"}}
    assert graph.one(QUEUE, "elsewhere").inputs == {"tags": {"who": "4"}}
    assert graph.exports == {"tags": {"who": "01234"}}, "the program reads what became of its inputs"


def test_a_stack_transform_holds_for_what_comes_after_it_and_is_gone_with_the_run() -> None:
    def program() -> None:
        aws.sqs.Queue("before")
        pulumi.runtime.register_resource_transform(tagging("late"))
        aws.sqs.Queue("after")

    graph = deploy(program)
    assert graph.one(QUEUE, "before").inputs == {}
    assert graph.one(QUEUE, "after").inputs == {"tags": {"who": "late"}}
    assert deploy(lambda: aws.sqs.Queue("another") and None).one(QUEUE).inputs == {}


def test_one_may_be_awaited() -> None:
    async def transform(args: ResourceTransformArgs) -> ResourceTransformResult:
        return ResourceTransformResult({**args.props, "delaySeconds": 7}, args.opts)

    graph = deploy(lambda: aws.sqs.Queue("queue", opts=ResourceOptions(transforms=[transform])) and None)
    assert graph.one(QUEUE).inputs == {"delaySeconds": 7}


def test_options_are_changed_too() -> None:
    def guarding(args: ResourceTransformArgs) -> ResourceTransformResult:
        more = ResourceOptions(protect=True, retain_on_delete=True, ignore_changes=["tags"], aliases=["former"])
        return ResourceTransformResult(args.props, ResourceOptions.merge(args.opts, more))

    def program() -> None:
        first = aws.sqs.Queue("first")
        given = ResourceOptions(depends_on=[first], delete_before_replace=True, transforms=[guarding])
        aws.sqs.Queue("second", tags={"of": first.name}, opts=given)

    graph = deploy(program)
    first, second = graph.one(QUEUE, "first"), graph.one(QUEUE, "second")
    assert not first.options.protect
    assert (second.options.protect, second.options.retain_on_delete) == (True, True)
    assert second.options.delete_before_replace, "what was there stays"
    assert second.options.ignore_changes == ("tags",)
    assert second.options.aliases == ("former",)
    assert second.dependencies == [first.urn] == second.property_dependencies["tags"]


def test_an_option_that_is_taken_away_is_gone() -> None:
    def unguarding(args: ResourceTransformArgs) -> ResourceTransformResult:
        return ResourceTransformResult(args.props, ResourceOptions())

    given = ResourceOptions(protect=True, retain_on_delete=True, transforms=[unguarding])
    queue = deploy(lambda: aws.sqs.Queue("queue", opts=given) and None).one(QUEUE)
    assert not queue.options.protect
    assert not queue.options.retain_on_delete


def test_an_input_that_is_taken_away_is_gone() -> None:
    read: list[int] = []

    def program() -> None:
        options = ResourceOptions(transforms=[lambda args: ResourceTransformResult({}, args.opts)])
        queue = aws.sqs.Queue("queue", delay_seconds=9, opts=options)
        queue.delay_seconds.apply(lambda delay: read.append(delay or 0))

    assert deploy(program, preview=True).one(QUEUE).inputs == {}
    with pytest.raises(MissingOutputError, match="'delaySeconds'"):
        deploy(program)
    assert read == [], "it is up to the provider now"


@pytest.mark.parametrize("preview", [False, True])
def test_it_is_given_what_the_engine_gives_it(preview: bool) -> None:
    """Secrets and what is not known as outputs, wherever they are; to its own also what depends on others."""
    seen: dict[str, Any] = {}

    def looking(who: str) -> Callable[[ResourceTransformArgs], None]:
        return lambda args: seen.update({f"{who} {args.name}": args.props})

    def program() -> None:
        pulumi.runtime.register_resource_transform(looking("stack's"))
        first = aws.sqs.Queue("first")
        aws.sqs.Queue(
            "second",
            name=pulumi.Output.secret("hush"),
            delay_seconds=3,
            tags={"of": first.arn, "plain": "text", "secret": pulumi.Output.secret("hush")},
            opts=ResourceOptions(transforms=[looking("own")]),
        )
        aws.sqs.Queue("third", tags={"of": first.arn})

    graph = deploy(program, preview=preview)
    own = seen["own second"]
    assert own["delaySeconds"] == 3
    assert isinstance(own["name"], pulumi.Output)
    assert isinstance(own["tags"], pulumi.Output)
    tags = seen["stack's third"]["tags"]
    assert isinstance(tags["of"], pulumi.Output) if preview else tags["of"].startswith("arn:aws:sqs:")
    first, second, third = (graph.one(QUEUE, name) for name in ("first", "second", "third"))
    assert second.inputs["name"] == Secret("hush"), "nothing is changed by those that only look"
    assert second.inputs["delaySeconds"] == 3
    assert second.dependencies == third.dependencies == [first.urn]
    if preview:
        assert isinstance(third.inputs["tags"]["of"], Unknown)
    else:
        assert third.inputs["tags"] == {"of": first.outputs["arn"]}
        assert second.inputs["tags"] == Secret({"of": first.outputs["arn"], "plain": "text", "secret": "hush"})


def test_what_it_makes_of_outputs_is_used() -> None:
    def louder(args: ResourceTransformArgs) -> ResourceTransformResult:
        name = cast(dict[str, Any], args.props)["name"].apply(str.upper)
        return ResourceTransformResult({**args.props, "name": name}, args.opts)

    def program() -> None:
        aws.sqs.Queue("queue", name=pulumi.Output.secret("hush"), opts=ResourceOptions(transforms=[louder]))

    assert deploy(program).one(QUEUE).inputs == {"name": Secret("HUSH")}


def test_what_it_raises_comes_out_as_it_is_and_nothing_is_made() -> None:
    made: list[str] = []

    class Making:
        def create(self, resource: Registered) -> tuple[str, dict[str, Any]]:
            made.append(resource.name)
            return resource.name, {}

        def invoke(self, token: str, args: dict[str, Any], provider: str) -> dict[str, Any]:
            return {}

    def failing(args: ResourceTransformArgs) -> None:
        raise ZeroDivisionError("halfway")

    with pytest.raises(ZeroDivisionError, match="halfway"):
        deploy(lambda: Shelf("shelf", ResourceOptions(transforms=[failing])) and None, provider=Making())
    assert made == []


def test_what_it_adds_is_refused_where_the_program_may_not_have_it() -> None:
    def importing(args: ResourceTransformArgs) -> ResourceTransformResult:
        return ResourceTransformResult(args.props, ResourceOptions(import_="there"))

    with pytest.raises(ProgramError, match="'queue' uses import_"):
        deploy(lambda: aws.sqs.Queue("queue", opts=ResourceOptions(transforms=[importing])) and None)


def test_the_older_transformations_run_as_well() -> None:
    def older(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        return pulumi.ResourceTransformationResult({**args.props, "tags": {"who": "older"}}, args.opts)

    def program() -> None:
        pulumi.runtime.register_stack_transformation(
            lambda args: pulumi.ResourceTransformationResult({**args.props, "delay_seconds": 5}, args.opts)
        )
        aws.sqs.Queue("queue", opts=ResourceOptions(transformations=[older]))

    assert deploy(program).one(QUEUE).inputs == {"tags": {"who": "older"}, "delaySeconds": 5}
