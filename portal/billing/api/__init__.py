"""JSON of money."""

from portal.billing.api.admin import admin_bp
from portal.billing.api.documents import bp
from portal.billing.api.funding import credits_bp, payments_bp, webhooks_bp

__all__ = ["admin_bp", "bp", "credits_bp", "payments_bp", "webhooks_bp"]
