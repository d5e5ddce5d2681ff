"""RazorpayX's and Stripe's transfers as their references show them, served on loopback with books of their own."""

import json
from urllib.parse import parse_qsl


def refusal(description: str, *, field: str | None = None) -> dict:
    """Razorpay's answer to what it doesn't do."""
    return {
        "error": {
            "code": "BAD_REQUEST_ERROR",
            "description": description,
            "source": "business",
            "step": None,
            "reason": "input_validation_failed",
            "metadata": {},
            "field": field,
        }
    }


class RazorpayXBooks:
    """Payouts as api.razorpay.com answers them: one an idempotency key, and another body with an old key is refused.

    Attributes:
        payouts: By id.
        becomes: The status of new payouts.
        loses: It does what it is asked and never answers.
    """

    def __init__(self, *, becomes: str = "processed", loses: bool = False) -> None:
        self.payouts: dict[str, dict] = {}
        self.by_key: dict[str, tuple[bytes, dict]] = {}
        self.becomes, self.loses = becomes, loses

    def answer(self, asked):
        """A request's status and body."""
        assert asked.headers["authorization"].startswith("Basic ")
        assert asked.path == "/v1/payouts"
        if asked.method == "GET":
            assert asked.query["account_number"] == "7878780080316316"
            items = [row for row in self.payouts.values() if row["reference_id"] == asked.query["reference_id"]]
            return 200, {"entity": "collection", "count": len(items), "items": items}
        made = self._create(asked)
        return None if self.loses else made

    def decide(self, name: str, status: str, *, why: str | None = None) -> None:
        """A payout under way comes to its end."""
        self.payouts[name] |= {"status": status, "utr": "HDFCN52026112812345" if status == "processed" else None}
        if why:
            self.payouts[name]["status_details"] = {"description": why, "source": "beneficiary_bank", "reason": "account_closed"}

    def _create(self, asked):
        key = asked.headers.get("x-payout-idempotency", "")
        if not 4 <= len(key) <= 36:
            return 400, refusal("The idempotency key must be between 4 and 36 characters.", field="X-Payout-Idempotency")
        if key in self.by_key:
            body, payout = self.by_key[key]
            return (200, payout) if body == asked.body else (400, refusal("Different request body sent for the same Idempotency Header"))
        said = json.loads(asked.body)
        if len(said["reference_id"]) > 40 or len(said["narration"]) > 30:
            return 400, refusal("The reference id may not be greater than 40 characters.", field="reference_id")
        if said["fund_account"]["bank_account"]["ifsc"] == "AAAA0000000":
            return 400, refusal("Invalid IFSC Code in Bank Account", field="ifsc")
        name = f"pout_{len(self.payouts):014d}"
        self.payouts[name] = {
            "id": name,
            "entity": "payout",
            "fund_account_id": "fa_00000000000001",
            "amount": said["amount"],
            "currency": said["currency"],
            "notes": said["notes"],
            "fees": 590,
            "tax": 90,
            "status": self.becomes,
            "utr": "HDFCN52026112812345" if self.becomes == "processed" else None,
            "mode": said["mode"],
            "purpose": said["purpose"],
            "reference_id": said["reference_id"],
            "narration": said["narration"],
            "batch_id": None,
            "status_details": {"description": None, "source": None, "reason": None},
            "created_at": 1_764_300_000,
        }
        self.by_key[key] = (asked.body, self.payouts[name])
        return 200, self.payouts[name]


class StripeBooks:
    """Transfers as api.stripe.com answers them."""

    def __init__(self) -> None:
        self.transfers: list[dict] = []
        self.by_key: dict[str, tuple[bytes, dict]] = {}

    def answer(self, asked):
        """A request's status and body."""
        assert asked.headers["authorization"] == "Bearer sk_test_tests"
        assert asked.path == "/v1/transfers"
        if asked.method == "GET":
            found = [row for row in self.transfers if row["transfer_group"] == asked.query["transfer_group"]]
            return 200, {"object": "list", "data": found, "has_more": False, "url": "/v1/transfers"}
        key, form = asked.headers["idempotency-key"], dict(parse_qsl(asked.body.decode()))
        if key in self.by_key:
            body, transfer = self.by_key[key]
            if body != asked.body:
                sentence = "Keys for idempotent requests can only be used with the same parameters they were first used with."
                return 400, {"error": {"type": "idempotency_error", "message": sentence}}
            return 200, transfer
        if form["destination"] == "acct_gone":
            return 400, {
                "error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such destination: 'acct_gone'"}
            }
        transfer = {
            "id": f"tr_{len(self.transfers)}",
            "object": "transfer",
            "amount": int(form["amount"]),
            "amount_reversed": 0,
            "created": 1_764_300_000,
            "currency": form["currency"],
            "destination": form["destination"],
            "livemode": False,
            "metadata": {"key": form["metadata[key]"]},
            "reversed": False,
            "source_type": "card",
            "transfer_group": form["transfer_group"],
        }
        self.transfers.append(transfer)
        self.by_key[key] = (asked.body, transfer)
        return 200, transfer
