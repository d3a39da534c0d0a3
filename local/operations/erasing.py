"""`foldstack erase`: a person's key is deleted for good, with a report that shows it."""

import getpass
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..display import show_table
from .terminal import Outputs, Program, console, fail, told

if TYPE_CHECKING:
    from foldstack.aws.erasure import Left, Report
    from foldstack.kernel.keys import Tenant

    from .connection import Connection

_NOT_IN_A_SESSION = re.compile(r"[^\w+=,.@-]")


def erase(
    subject: Annotated[str, typer.Argument(help="The person's id, as Personal(subject=...) names it.")],
    tenant: Annotated[str, typer.Option("--tenant", help="Whose person it is.")],
    why: Annotated[str, typer.Option("--why", help="Kept in the key's place: write nothing personal into it.")],
    who: Annotated[str | None, typer.Option("--who", help="Kept beside it.", show_default="your user name")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Erase, and don't read the store to prove it.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Erase a person: their key is deleted, and all that is encrypted under it reads as erased. Done again, it changes
    nothing, and proves it once more."""
    with told():
        from foldstack.kernel.keys import Tenant

        from .connection import Connection

        connection = Connection(program, outputs)
        report = _erased(connection, Tenant(tenant), subject, who or getpass.getuser(), why, quick)
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(report)
    if report.left is not None and not report.proven:
        fail(f"{report.left.readable} values can still be read: the key was brought back, or is written anew")


def _erased(connection: "Connection", tenant: "Tenant", subject: str, who: str, why: str, quick: bool) -> "Report":
    from foldstack.aws.erasure import Erasure, Report
    from foldstack.aws.key_table import Eraser
    from foldstack.kernel.errors import InvalidValue, OperationRefused

    if not why.strip():
        raise InvalidValue("why", "say it: nobody can ask the data afterwards")
    role = connection.environment.variables.get("FOLDSTACK_ERASE_ROLE", "")
    if not connection.service.personal or not role:
        raise OperationRefused(
            f"{connection.service.name} keeps no keys of persons. Mark fields Annotated[str, Personal(subject=...)], "
            "say `personal: True` to its EventSourcedService, and deploy; what was stored before stays as it is"
        )
    session = _NOT_IN_A_SESSION.sub("-", f"erase-{who}")[:64]
    eraser = Eraser(connection.as_role(role, "dynamodb", session), connection.environment.key_table)
    erasure = Erasure(eraser, connection.service, tenant, subject)
    tombstone, again = erasure.erase(who, why)
    left = None if quick else _left(connection, erasure)
    return Report(tenant, subject, tombstone, again, left, connection.user_pool)


def _left(connection: "Connection", erasure: Any) -> "Left":
    from foldstack.aws import composition
    from foldstack.aws.commit_scan import CommitTableScan

    env, client = connection.environment, connection.client
    scan = CommitTableScan(client("dynamodb"), env.commit_table, composition.bodies(env, client))
    views = [
        (projection, composition.view_operations(pipeline.environment, connection.service, client))
        for pipeline in connection.pipelines
        for projection in composition.projections(pipeline.environment, connection.service)
    ]
    return erasure.left(scan, connection.commits, views)


def _show(report: "Report") -> None:
    done = "was erased before" if report.again else "is erased"
    out = console()
    out.print(f"{report.subject} of {report.tenant} {done}: {report.tombstone.at}, by {report.tombstone.who}")
    out.print(f"why: {report.tombstone.why}", markup=False)
    out.print(f"no function can have the key in hand after {report.functions_until}")
    out.print(f"final from {report.final_from}: until then the key table can be restored to before")
    for each in report.elsewhere:
        out.print(f"not erased by this: {each}", markup=False)
    left = report.left
    if left is None:
        out.print("not proven: without --quick the store is read, and what is left there counted")
        return
    rows = [
        ("streams", str(len(left.streams)), f"{left.folded} folded to their ends"),
        ("commits", str(left.commits), ""),
        ("snapshots", str(left.snapshots), ""),
        *((f"rows of {view}", str(count), "") for view, count in sorted(left.rows.items())),
        ("values", str(left.values), f"{left.values - left.readable} read as erased, {left.readable} can be read"),
    ]
    show_table(out, "ciphertext that is left", ("where", "how many", "of them"), rows)
