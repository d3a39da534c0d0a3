"""A hash of the source that a reducer depends on: its module, and what that imports from the same package."""

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path

from . import codec


def fingerprint(module: str) -> str:
    """16 hex digits over the sources reachable from `module` inside its top-level package, and the codec's."""
    seen: dict[str, bytes] = {}
    _visit(module, module.partition(".")[0], seen)
    digest = hashlib.sha256(Path(codec.__file__).read_bytes())
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name] + b"\0")
    return digest.hexdigest()[:16]


def _visit(name: str, package: str, seen: dict[str, bytes]) -> None:
    if name in seen or name.partition(".")[0] != package:
        return
    path = _source(name)
    if path is None:
        return
    seen[name] = path.read_bytes()
    is_package = path.name == "__init__.py"
    for node in ast.walk(ast.parse(seen[name])):
        if isinstance(node, ast.Import):
            for alias in node.names:  # `import a.b.c` binds a, and so reaches what a and a.b define
                parts = alias.name.split(".")
                for end in range(1, len(parts) + 1):
                    _visit(".".join(parts[:end]), package, seen)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = name.split(".")[: -(node.level - is_package) or None]
                base = ".".join([*up, base] if base else up)
            for alias in node.names:
                module = f"{base}.{alias.name}"
                _visit(module if module.startswith(package) and _source(module) else base, package, seen)


def _source(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
