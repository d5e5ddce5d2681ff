"""Numbers are unique within their seller's series: a seller with a new GSTIN begins again at 1 (GST rule 46(b)).

Revision ID: 0013
"""

from alembic import op
import sqlalchemy as sa

# revision identifiers, used by Alembic.
revision = "0013"
down_revision = "0011"

TABLES = ("invoices", "credit_notes")


def upgrade() -> None:
    for table in TABLES:
        op.drop_constraint(op.f(f"uq_{table}_number"), table, type_="unique")
        op.create_index(f"uq_{table}_seller_number", table, [sa.text("(supplier ->> 'gstin')"), "number"], unique=True)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"uq_{table}_seller_number", table)
        op.create_unique_constraint(op.f(f"uq_{table}_number"), table, ["number"])
