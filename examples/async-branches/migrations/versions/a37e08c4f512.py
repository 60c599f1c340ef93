"""Who pushes, and how often. Made beside 1d94b6e3c0f8, by other people."""

import sqlalchemy as sa
from alembic import op

revision = "a37e08c4f512"
down_revision = "5f1c2a90d7be"
branch_labels = ("people",)
depends_on = None


def upgrade():
    op.create_table(
        "authors",
        sa.Column("email", sa.Text, primary_key=True),
        sa.Column("pushes", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.execute(
        "INSERT INTO authors SELECT payload ->> 'author', count(*) FROM deliveries WHERE payload ? 'author' GROUP BY 1"
    )


# rollback-drills: lossy: who pushed stands in the payload of each delivery, from which it is counted again
def downgrade():
    op.drop_table("authors")
