"""Reports of one parcel are looked up by its number."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE INDEX deliveries_parcel ON deliveries (parcel, received_at)")


def downgrade():
    op.execute("DROP INDEX deliveries_parcel")
