"""Parcels, and the reports that were delivered about them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("""
        CREATE TABLE parcels (
            number text PRIMARY KEY,
            carrier text NOT NULL,
            status text NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE deliveries (
            event_id text PRIMARY KEY,
            carrier text NOT NULL,
            parcel text NOT NULL REFERENCES parcels (number),
            status text NOT NULL,
            payload jsonb NOT NULL,
            received_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade():
    op.execute("DROP TABLE deliveries")
    op.execute("DROP TABLE parcels")
