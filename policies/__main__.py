"""What Pulumi starts: the folder itself, with nothing of the repository on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from policies.pack import pack

pack()
