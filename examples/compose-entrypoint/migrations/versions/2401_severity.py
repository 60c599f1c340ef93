"""The severity moves out of the title into a column of its own, and back.

The constraints see to it that there is one way back: without them, a title that begins with a bracket of its own
would come back from a rollback as a severity.
"""

from alembic import op

revision = "2401"
down_revision = "2301"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE incidents ADD COLUMN severity text")
    op.execute(r"""
        UPDATE incidents
        SET severity = substring(title FROM '^\[([a-z]+)\] '), title = substr(title, position('] ' IN title) + 2)
        WHERE title ~ '^\[[a-z]+\] '
    """)
    op.execute("ALTER TABLE incidents ADD CONSTRAINT severity_is_a_word CHECK (severity ~ '^[a-z]+$')")
    op.execute(r"""
        ALTER TABLE incidents ADD CONSTRAINT severity_is_not_in_title
        CHECK (severity IS NOT NULL OR title !~ '^\[[a-z]+\] ')
    """)


def downgrade():
    op.execute("ALTER TABLE incidents DROP CONSTRAINT severity_is_not_in_title")
    op.execute("ALTER TABLE incidents DROP CONSTRAINT severity_is_a_word")
    op.execute("UPDATE incidents SET title = '[' || severity || '] ' || title WHERE severity IS NOT NULL")
    op.execute("ALTER TABLE incidents DROP COLUMN severity")
