"""`python -m tests.package.measure`: build what would be uploaded, and print its sizes and hashes."""

import hashlib

from components import bundle
from tests.package.support import ROOT


def main() -> None:
    for name in ("arm64-python3.13", "x86_64-python3.13"):
        target = bundle.target(name)
        layer = bundle.layer(target)
        function = bundle.function(bundle.runtime_sources() | bundle.domain(ROOT, "shop"), target, [layer])
        for kind, path in (("layer", layer), ("function", function)):
            content = path.read_bytes()
            print(f"{name} {kind:<8} {len(content):>10,} bytes  sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
