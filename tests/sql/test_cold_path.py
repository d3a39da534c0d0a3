"""What a cold start imports: SQLAlchemy only where views are in PostgreSQL, psycopg never in Lambda."""

import subprocess
import sys

import pytest

from tests.package.support import ROOT

WITHOUT_SQL = (
    "foldstack.aws.composition foldstack.aws.batch_projector foldstack.aws.sweep foldstack.aws.views foldstack.openapi"
)
WITH_SQL = (
    "foldstack.aws.sql.views foldstack.aws.batch_projector foldstack.aws.sql.data_api foldstack.aws.sql.migration"
)


@pytest.mark.parametrize(("modules", "left_out"), [(WITHOUT_SQL, {"sqlalchemy", "psycopg"}), (WITH_SQL, {"psycopg"})])
def test_a_function_imports_its_own_parts_alone(modules, left_out):
    program = "import importlib, sys; [importlib.import_module(m) for m in sys.argv[1:]]; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *modules.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert left_out & set(done.stdout.split()) == set()


def test_the_layer_has_sqlalchemy_and_no_driver():
    pins = (ROOT / "components" / "lambda_requirements.txt").read_text()
    assert "\nsqlalchemy==" in pins
    assert "psycopg" not in pins
    assert "greenlet" not in pins
