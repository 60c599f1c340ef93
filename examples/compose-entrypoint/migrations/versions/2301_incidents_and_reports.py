"""Incidents, and the reports that opened them. A severity stands before the title: "[critical] disk full"."""

from alembic import op

revision = "2301"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("""
        CREATE TABLE incidents (
            id bigserial PRIMARY KEY,
            source text NOT NULL,
            key text NOT NULL,
            title text NOT NULL,
            opened_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (source, key)
        )
    """)
    op.execute("""
        CREATE TABLE reports (
            report_id text PRIMARY KEY,
            incident bigint NOT NULL REFERENCES incidents,
            body jsonb NOT NULL,
            received_at timestamptz NOT NULL DEFAULT now()
        )
    """)


# rollback-drills: lossy: before the first revision there is nothing that could hold an incident
def downgrade():
    op.execute("DROP TABLE reports")
    op.execute("DROP TABLE incidents")
