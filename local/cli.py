"""The `foldstack` command. Nothing here needs more than the standard library, until all that it needs is there."""

import importlib.util
import sys

_NEEDED = (
    "awslambdaric",
    "boto3",
    "cryptography",
    "h11",
    "jwt",
    "ministack",
    "pulumi",
    "pulumi_aws",
    "rich",
    "typer",
    "yaml",
)


def main() -> None:
    """Run the command line, or say what to install."""
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        sys.exit(
            "error: foldstack's command needs its `local` extra; "
            f"missing here: {', '.join(absent)}\n  pip install 'foldstack[local]'"
        )
    from .commands import app

    app()


if __name__ == "__main__":
    main()
