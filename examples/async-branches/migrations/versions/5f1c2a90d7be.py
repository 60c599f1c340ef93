"""Repositories, and what was pushed to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "5f1c2a90d7be"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "repositories",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("full_name", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("forge", sa.Text, nullable=False),
        sa.Column("repository", sa.BigInteger, sa.ForeignKey("repositories.id"), nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


# rollback-drills: lossy: before the first revision there is nothing that could hold a push
def downgrade():
    op.drop_table("deliveries")
    op.drop_table("repositories")
