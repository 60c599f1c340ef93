"""The owners of repositories, taken from the names that are there; and the branch of a push, computed from its ref."""

import sqlalchemy as sa
from alembic import op

revision = "90be47a16f2d"
down_revision = "c82f5d1b3a60"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "owners",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("trusted", sa.Boolean, nullable=False, server_default=sa.text("false")),
    )
    op.execute("INSERT INTO owners (name) SELECT DISTINCT split_part(full_name, '/', 1) FROM repositories")
    # Computed by the database, so that pushes which the older release stores have it as well.
    branch = sa.Computed("substring(ref from '^refs/heads/(.*)$')", persisted=True)
    op.add_column("deliveries", sa.Column("branch", sa.Text, branch))


# rollback-drills: lossy: whom the administrators trust is said again by them
def downgrade():
    # In the order in which a push takes them: the other way round, both wait for each other.
    op.drop_table("owners")
    op.drop_column("deliveries", "branch")
