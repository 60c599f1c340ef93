"""When a parcel arrived: for those that have, the moment of the last report."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE parcels ADD COLUMN delivered_at timestamptz")
    op.execute("UPDATE parcels SET delivered_at = updated_at WHERE status = 'delivered'")


def downgrade():
    op.execute("ALTER TABLE parcels DROP COLUMN delivered_at")
