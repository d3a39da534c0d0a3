"""IAM roles and their inline policies. Trust policies are checked by `edges`, not by the emulator."""

from ..state import Record
from .handler import Handler, Outputs, Request, Site, absent_is_fine, picked
from .policies import document


class Role(Handler):
    understood = frozenset(
        {"assumeRolePolicy", "description", "maxSessionDuration", "name", "path", "permissionsBoundary", "tags"}
    )
    without_effect = frozenset({"forceDetachPolicies"})
    replaced_by = frozenset({"name", "path"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name = request.physical_name()
        optional = {
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        role = request.site.client("iam").create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document(request.inputs["assumeRolePolicy"]),
            **picked(request.inputs, optional),
        )["Role"]
        return name, {
            "name": name,
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
        }

    def update(self, request: Request, record: Record) -> Outputs:
        iam, inputs = request.site.client("iam"), request.inputs
        iam.update_assume_role_policy(RoleName=record.id, PolicyDocument=document(inputs["assumeRolePolicy"]))
        iam.update_role(
            RoleName=record.id,
            Description=inputs.get("description", ""),
            MaxSessionDuration=inputs.get("maxSessionDuration", 3600),
        )
        if boundary := inputs.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=record.id, PermissionsBoundary=boundary)
        elif record.inputs.get("permissionsBoundary"):
            iam.delete_role_permissions_boundary(RoleName=record.id)
        return record.outputs

    def delete(self, site: Site, record: Record) -> None:
        iam = site.client("iam")
        with absent_is_fine():
            for policy in iam.list_role_policies(RoleName=record.id)["PolicyNames"]:
                iam.delete_role_policy(RoleName=record.id, PolicyName=policy)
            iam.delete_role(RoleName=record.id)


class RolePolicy(Handler):
    understood = frozenset({"name", "policy", "role"})
    replaced_by = frozenset({"name", "role"})

    def create(self, request: Request) -> tuple[str, Outputs]:
        name, role = request.physical_name(), request.inputs["role"]
        request.site.client("iam").put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=document(request.inputs["policy"])
        )
        return f"{role}:{name}", {"name": name}

    def delete(self, site: Site, record: Record) -> None:
        role, name = record.id.split(":")
        with absent_is_fine():
            site.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


HANDLERS = {"aws:iam/role:Role": Role(), "aws:iam/rolePolicy:RolePolicy": RolePolicy()}
