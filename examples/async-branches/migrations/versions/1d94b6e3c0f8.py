"""Pushes to one repository are looked up, the newest first. Made beside a37e08c4f512, by other people."""

from alembic import op

revision = "1d94b6e3c0f8"
down_revision = "5f1c2a90d7be"
branch_labels = ("lookup",)
depends_on = None


def upgrade():
    op.create_index("deliveries_of_repository", "deliveries", ["repository", "received_at"])


def downgrade():
    op.drop_index("deliveries_of_repository")
