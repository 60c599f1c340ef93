"""Both branches in one again."""

revision = "c82f5d1b3a60"
down_revision = ("a37e08c4f512", "1d94b6e3c0f8")
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
