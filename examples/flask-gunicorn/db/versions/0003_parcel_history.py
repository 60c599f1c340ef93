"""Where a parcel has been, begun with what the stored reports say."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("""
        CREATE TABLE parcel_history (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            parcel text NOT NULL REFERENCES parcels (number),
            status text NOT NULL
        )
    """)
    op.execute("INSERT INTO parcel_history (parcel, status) SELECT parcel, status FROM deliveries ORDER BY received_at")
    op.execute("CREATE INDEX parcel_history_parcel ON parcel_history (parcel)")


def downgrade():
    # The reports stay where they are: from them the history is made again.
    op.execute("DROP TABLE parcel_history")
