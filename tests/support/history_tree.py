"""Assembles a release of the reference gateway with another history: `python history_tree.py RELEASE TREE PLAN`.

The plans: `same` (no migration between the releases), `heads` (the newer release has a second head), `merged` (it has
a second branch, merged).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GATEWAY = Path(__file__).resolve().parents[2] / "fixtures" / "gateway"
HEAD, OLD = "0012_delivery_volume_by_status", "0006_delivery_volume"
SCRIPT = """
from alembic import op
revision = {revision!r}
down_revision = {down!r}
branch_labels = depends_on = None
def upgrade(): {up}
def downgrade(): {undo}
"""


def assemble(release: str, tree: Path, plan: str) -> None:
    subprocess.run([sys.executable, GATEWAY / "assemble.py", release, tree], check=True)
    versions = tree / "migrations" / "versions"
    if plan == "same":
        for path in versions.glob("*.py"):
            if path.name[:4] > "0006":
                path.unlink()
        expect(tree, OLD)
    elif release == "0.5.0":
        create, drop = (f'op.execute("{sql}")' for sql in ("CREATE TABLE x1 (id integer PRIMARY KEY)", "DROP TABLE x1"))
        (versions / "x1.py").write_text(SCRIPT.format(revision="x1", down=OLD, up=create, undo=drop))
        if plan == "merged":
            (versions / "m.py").write_text(SCRIPT.format(revision="m", down=(HEAD, "x1"), up="pass", undo="pass"))
            expect(tree, "m")
        else:
            expect(tree, f"{HEAD},x1")


def expect(tree: Path, revision: str) -> None:
    """Let the release expect another revision than the one that it was assembled with."""
    label = tree / "gateway" / "_release.py"
    text = label.read_text()
    label.write_text(text.replace(text.split('EXPECTED_REVISION = "')[1].split('"')[0], revision))


if __name__ == "__main__":
    assemble(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
