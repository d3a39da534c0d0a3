"""`foldstack tenant`, `foldstack user` and `foldstack machine`: who belongs where and may do what, on the laptop and
on AWS."""

from pathlib import Path
from typing import Annotated

import typer
from foldstack.aws.tenants import ACTIVE, LOOK_SECONDS, SUSPENDED
from foldstack.kernel.errors import InvalidValue

from .connection import Connection
from .terminal import Outputs, Program, console, told

tenant = typer.Typer(help="Tenants: add, suspend, resume, limit, list.", no_args_is_help=True)
user = typer.Typer(help="Users of a tenant: invite, change, suspend, remove.", no_args_is_help=True)
machine = typer.Typer(help="Machines of a tenant: admit, suspend, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="1 to 63 of a-z, 0-9 and -, the first not a -.")]
PerMinute = Annotated[str, typer.Argument(help="Requests a minute, or `default`.", metavar="N|default")]
Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]
Machine = Annotated[str, typer.Argument(help="As TenantAuth names it.")]
InTenant = Annotated[str, typer.Option("--tenant", help="The tenant.")]
Role = Annotated[str, typer.Option("--role", help="One of the domain's roles.")]

DEFAULT = "default"
_FELT = f"Doors know within {LOOK_SECONDS} s."


@tenant.command()
def add(name: Name, program: Program = Path(), outputs: Outputs = None) -> None:
    """Add a tenant; users and machines can belong to it from now on."""
    with told():
        new = Connection(program, outputs).members.add_tenant(name)
    console().print(f"the tenant {name} is added" if new else f"the tenant {name} was there already")


@tenant.command("suspend")
def suspend_tenant(name: Name, program: Program = Path(), outputs: Outputs = None) -> None:
    """Refuse all its users and machines, tokens they have included. Its data stays."""
    with told():
        Connection(program, outputs).members.set_tenant(name, SUSPENDED)
    console().print(f"the tenant {name} is suspended. {_FELT}")


@tenant.command("resume")
def resume_tenant(name: Name, program: Program = Path(), outputs: Outputs = None) -> None:
    """Let a suspended tenant in again."""
    with told():
        Connection(program, outputs).members.set_tenant(name, ACTIVE)
    console().print(f"the tenant {name} is active. {_FELT}")


@tenant.command()
def limit(name: Name, per_minute: PerMinute, program: Program = Path(), outputs: Outputs = None) -> None:
    """Set how many requests a tenant may make a minute, or that it has no limit of its own."""
    with told():
        Connection(program, outputs).members.set_limit(name, None if per_minute == DEFAULT else _number(per_minute))
    each = "the limit that each door gives everybody" if per_minute == DEFAULT else f"{per_minute} requests a minute"
    console().print(f"the tenant {name} has {each}. {_FELT}")


@tenant.command("list")
def list_tenants(program: Program = Path(), outputs: Outputs = None) -> None:
    """All tenants, each with its status, and its limit where it has one of its own."""
    with told():
        found = sorted(Connection(program, outputs).members.tenants(), key=lambda each: each[0])
    for name, status, per_minute in found:
        print(name, status, *([] if per_minute is None else [f"{per_minute} requests a minute"]))


@user.command()
def invite(email: Email, tenant: InTenant, role: Role, program: Program = Path(), outputs: Outputs = None) -> None:
    """Make an account, invited by e-mail, and let it into a tenant; an account that is there joins as it is."""
    with told():
        Connection(program, outputs).members.invite(email, tenant, role)
    console().print(f"{email} is {role} of {tenant}")


@user.command("role")
def set_role(
    email: Email,
    role: Annotated[str, typer.Argument(help="One of the domain's roles.")],
    program: Program = Path(),
    outputs: Outputs = None,
) -> None:
    """Give a user another role; its next token has it, and those of the old one are refused."""
    with told():
        Connection(program, outputs).members.set_role(email, role)
    console().print(f"{email} is {role}. {_FELT}")


@user.command("suspend")
def suspend_user(email: Email, program: Program = Path(), outputs: Outputs = None) -> None:
    """Refuse a user, tokens it has included."""
    with told():
        Connection(program, outputs).members.set_user(email, SUSPENDED)
    console().print(f"{email} is suspended. {_FELT}")


@user.command("resume")
def resume_user(email: Email, program: Program = Path(), outputs: Outputs = None) -> None:
    """Let a suspended user in again."""
    with told():
        Connection(program, outputs).members.set_user(email, ACTIVE)
    console().print(f"{email} is active. {_FELT}")


@user.command("remove")
def remove_user(email: Email, program: Program = Path(), outputs: Outputs = None) -> None:
    """Delete a user's membership and account. What it did stays in the events."""
    with told():
        Connection(program, outputs).members.remove_user(email)
    console().print(f"{email} is removed. {_FELT}")


@machine.command()
def admit(name: Machine, tenant: InTenant, role: Role, program: Program = Path(), outputs: Outputs = None) -> None:
    """Let a machine into a tenant; one that was suspended, again."""
    with told():
        Connection(program, outputs).members.admit_machine(name, tenant, role)
    console().print(f"the machine {name} is {role} of {tenant}")


@machine.command("suspend")
def suspend_machine(name: Machine, program: Program = Path(), outputs: Outputs = None) -> None:
    """Refuse a machine, tokens it has included."""
    with told():
        Connection(program, outputs).members.set_machine(name, SUSPENDED)
    console().print(f"the machine {name} is suspended. {_FELT}")


@machine.command("remove")
def remove_machine(name: Machine, program: Program = Path(), outputs: Outputs = None) -> None:
    """Take a machine out of its tenant. Its client goes when the program no longer has it."""
    with told():
        Connection(program, outputs).members.remove_machine(name)
    console().print(f"the machine {name} belongs to no tenant. {_FELT}")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidValue("limit", f"a number of requests a minute, or {DEFAULT}; got {text[:40]!r}") from None
