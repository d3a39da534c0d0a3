"""The policy pack, started from its folder and asked over gRPC, as the engine does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi import FileArchive
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from local.graph import Registered, reveal
from policies import RULES
from tests.graph.support import ROOT, shop
from tests.policies.test_rules import TABLE, one


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    folder = ROOT / "policies"
    with subprocess.Popen(
        [sys.executable, folder, "127.0.0.1:1", folder],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.terminate()


def sent(each: Registered) -> analyzer_pb2.AnalyzerResource:
    request = analyzer_pb2.AnalyzerResource(
        type=each.type,
        name=each.name,
        urn=each.urn,
        options=analyzer_pb2.AnalyzerResourceOptions(protect=each.options.protect),
        propertyDependencies={
            key: analyzer_pb2.AnalyzerPropertyDependencies(urns=urns)
            for key, urns in each.property_dependencies.items()
        },
    )
    request.properties.update(plain(reveal(each.inputs)))
    return request


def plain(value):
    if isinstance(value, FileArchive):
        return str(Path(value.path).name)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def analyzed(pack: analyzer_pb2_grpc.AnalyzerStub, resources: list[Registered]) -> dict[tuple[str, str], str]:
    answer = pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[sent(each) for each in resources]))
    assert all(each.enforcementLevel == analyzer_pb2.MANDATORY for each in answer.diagnostics)
    return {(each.policyName, each.urn): each.message for each in answer.diagnostics}


def test_it_has_every_rule(pack):
    info = pack.GetAnalyzerInfo(empty_pb2.Empty())
    assert {each.name: each.description for each in info.policies} == {rule.name: rule.says for rule in RULES}


def test_it_finds_what_the_plain_functions_find(pack):
    resources = list(shop("dev").resources)
    assert analyzed(pack, resources) == {}
    broken = one(resources, TABLE)
    kept = broken.inputs["pointInTimeRecovery"]
    broken.inputs["pointInTimeRecovery"] = {"enabled": False}
    try:
        ((rule, urn),) = analyzed(pack, resources)
    finally:
        broken.inputs["pointInTimeRecovery"] = kept
    assert (rule, urn) == ("recoverable", broken.urn)


def test_a_stacks_configuration_says_that_its_data_may_go(pack):
    local = list(shop("local").resources)
    assert {rule for rule, _ in analyzed(pack, local)} == {"protected"}
    pack.Configure(
        analyzer_pb2.ConfigureAnalyzerRequest(
            policyConfig={"protected": analyzer_pb2.PolicyConfig(properties={"removal": "destroy"})}
        )
    )
    assert analyzed(pack, local) == {}
