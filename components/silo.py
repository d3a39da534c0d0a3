"""A component made for one tenant's silo, held against what its source says."""

import pulumi

from .handles import Handle


def checked(domain: Handle, silo: str) -> pulumi.Output[str]:
    """The tenant whose silo this is; an error where the source says another."""
    return pulumi.Output.from_input(domain["silo"]).apply(lambda said: _agreeing(said, silo))


def key(domain: Handle, silo: str) -> pulumi.Output[str] | None:
    """The key that the silo's data is encrypted under; None without one."""
    return pulumi.Output.all(checked(domain, silo), domain["key_arn"]).apply(lambda both: both[1]) if silo else None


def _agreeing(said: str, silo: str) -> str:
    if said != silo:
        its = f"the silo of {said}" if said else "no silo"
        mend = f"give `silo`: {said!r}" if said else "leave `silo` out, or give the service the same"
        raise ValueError(f"source: it is {its}, and this was made for {silo or 'none'!r}: {mend}")
    return said
