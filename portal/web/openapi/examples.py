"""Examples for the document: values that belong together, made from the schemas, so that no route can be without one.

A test holds each of them against its schema, and each body against the model that reads it.
"""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

SCHEMAS = "#/components/schemas/"


_ENTITIES = (
    "organization", "user", "member", "invitation", "plan", "booking", "payment", "invoice", "invoiceLine", "creditNote", "refund",
    "allocation", "purchase", "import", "apiToken", "consultant", "learner", "ledger", "payout", "provider", "order", "earning",
)  # fmt: skip
IDS = {name: f"01939c5e-8f00-7a31-9d52-{number:012x}" for number, name in enumerate(_ENTITIES, start=0xA1)}
VALUES: Json = {
    # people
    "name": "Asha Rao",
    "email": "asha@acme.example",
    "password": "correct horse battery",
    "headline": "Career coach",
    "token": "portal_3q2-7wEXAMPLEonly9vK0xJmT5bR8cYfL1dHsQ4uZ6eN",
    "hint": "Z6eN",
    "createdBy": "Asha Rao",
    "role": "ORG_LEARNER",
    "platformRole": "USER",
    "scopes": ["read", "invitations"],
    "csrfToken": "ImE0ZjM5Yjci.aSl3VQ.q5Yc0example",
    "via": "MEMBER",
    "action": "MEMBER_ROLE_CHANGED",
    "subject": "Dev Menon",
    "actor": "Asha Rao",
    "ip": "203.0.113.7",
    "before": {"role": "ORG_LEARNER"},
    "after": {"role": "ORG_MANAGER"},
    # organizations
    "slug": "acme-learning",
    "billingEmail": "finance@acme.example",
    "billingContacts": ["controller@acme.example"],
    "description": "Career coaching for Asha Rao by Dr. Meera Nair",
    "industry": "Education",
    "website": "https://acme.example",
    "country": "IN",
    "stateCode": "29",
    "state": "Karnataka",
    "line1": "12 Residency Road",
    "line2": "Second floor",
    "city": "Bengaluru",
    "postalCode": "560025",
    "gstin": "29AAACA1234A1ZX",
    "pan": "AAACA1234A",
    "poNumber": "PO-2026-118",
    "timeZone": "Asia/Kolkata",
    "paymentTermsDays": 30,
    "creditLimit": 50_000_000,
    "seatsTotal": 25,
    "seatsUsed": 4,
    "primaryColor": "#1f5fd6",
    "secondaryColor": "#0f6b3c",
    "logoUrl": "/media/organizations/01939c5e-8f00-7a31-9d52-0000000000a1/logo-4f2a9c.png",
    "bannerUrl": "/media/organizations/01939c5e-8f00-7a31-9d52-0000000000a1/banner-81c0de.png",
    "statusReason": None,
    "address": {
        "line1": "12 Residency Road",
        "line2": None,
        "city": "Bengaluru",
        "postalCode": "560025",
        "state": "Karnataka",
        "country": "IN",
    },
    "platformCommissionRate": 0.1,
    "orgRetainRate": 0.05,
    "consultantPayoutRate": 0.85,
    "customConsultantPayoutRate": None,
    "applicationNote": None,
    # what is sold
    "title": "Career coaching",
    "price": 100_000,
    "durationMinutes": 50,
    "planType": "CONSULTATION",
    "startsAt": "2026-12-01T09:00:00Z",
    "sessionDate": "2026-11-12",
    "sacCode": "999293",
    "quantity": 1,
    # money, in paise; the sums of one invoice
    "unitPrice": 100_000,
    "taxableAmount": 100_000,
    "cgst": 9_000,
    "sgst": 9_000,
    "igst": 0,
    "taxAmount": 18_000,
    "amount": 118_000,
    "originalAmount": 118_000,
    "outstanding": 118_000,
    "paidAmount": 0,
    "creditedAmount": 0,
    "appliedCredit": 0,
    "settledAmount": 118_000,
    "refundedAmount": 0,
    "currency": "INR",
    "invoiceNumber": "PF/26-27/0000001",
    "originalInvoiceNumber": "PF/26-27/0000001",
    "creditNoteNumber": "PFCN/26-27/00001",
    "number": "PF/26-27/0000001",
    "placeOfSupply": "29 Karnataka",
    "billingCycleStart": "2026-11-01T00:00:00Z",
    "billingCycleEnd": "2026-12-01T00:00:00Z",
    "issueDate": "2026-12-01",
    "dueDate": "2026-12-31",
    "reason": "The session didn’t take place",
    "reference": "NEFT-000000012345",
    "pdfUrl": "/api/organizations/01939c5e-8f00-7a31-9d52-0000000000a1/billing/invoices/01939c5e-8f00-7a31-9d52-0000000000a8/pdf",
    "payUrl": "https://pay.example.com/c/cs_live_a1b2c3",
    "delta": -100_000,
    "balance": 900_000,
    "balanceAfter": 900_000,
    "month": "2026-11",
    "type": "INVOICE",
    # files of people
    "line": 2,
    "encoding": "utf-8",
    "delimiter": ";",
    "headerLine": 1,
    "samples": ["asha@acme.example", "dev@acme.example"],
    "mapping": {"email": 0, "name": [1], "role": 2},
    "counts": {"NEW": 1, "ALREADY_MEMBER": 1},
    "message": "This person is invited when you confirm.",
    "nextCursor": None,
    "next": None,
    "flag": "ENABLE_PROVIDER_ORGS",
}
PREFERRED = ("ACTIVE", "SENT", "SUCCEEDED", "CONFIRMED", "ISSUED", "INVOICED_MONTHLY", "BUYER", "ORG_LEARNER", "ORG_INVOICED", "REFUND")
BY_FORMAT: Json = {"date-time": "2026-11-28T09:30:00Z", "date": "2026-11-28", "uri": "https://acme.example", "email": "asha@acme.example"}
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
    "null": (type(None),),
}  # fmt: skip


class Examples:
    """Makes an example of any schema of the document.

    Args:
        components: The document's named schemas.
    """

    def __init__(self, components: Json) -> None:
        self._components = components

    def answer(self, schema: Json, *, about: str = "") -> Any:  # noqa: ANN401 - JSON
        """What a route answers: every field is there."""
        return self._made(schema, name="", about=about, whole=True)

    def body(self, schema: Json) -> Any:  # noqa: ANN401 - JSON
        """What a client has to send: fields that may be left out are left out, unless all may."""
        return self._made(schema, name="", about="", whole=False)

    def value(self, schema: Json, name: str) -> Any:  # noqa: ANN401 - JSON
        """A parameter of a path or a URL."""
        return self._made(schema, name=name, about="", whole=True)

    def _made(self, schema: Json, *, name: str, about: str, whole: bool) -> Any:  # noqa: ANN401 - JSON
        if "$ref" in schema:
            component = schema["$ref"].removeprefix(SCHEMAS)
            return self._made(self._components[component], name=name, about=_entity(component), whole=whole)
        for known in self._known(name, about):
            if self._fits(known, schema):
                return known
        if "anyOf" in schema:
            choice = next(one for one in schema["anyOf"] if one != {"type": "null"})
            return self._made(choice, name=name, about=about, whole=whole)
        if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
            return next((value for value in PREFERRED if value in choices), choices[0])
        return self._by_type(schema, name=name, about=about, whole=whole)

    def _known(self, name: str, about: str) -> list[Any]:
        found = _id(name, about)
        return [*([found] if found else ()), *([VALUES[name]] if name in VALUES else ())]

    def _by_type(self, schema: Json, *, name: str, about: str, whole: bool) -> Any:  # noqa: ANN401 - JSON
        kind = schema.get("type", "object")
        if kind == "object":
            required = set(schema.get("required", ()))
            fields = schema.get("properties", {})
            names = [field for field in fields if whole or not required or field in required]
            return {field: self._made(fields[field], name=field, about=about, whole=whole) for field in names}
        if kind == "array":
            return [self._made(schema.get("items", {"type": "string"}), name=name.removesuffix("s"), about=about, whole=whole)]
        if kind == "string":
            text = BY_FORMAT.get(schema.get("format", "")) or "Text"
            return text.ljust(schema.get("minLength", 0), "x")
        if kind in {"integer", "number"}:
            return max(schema.get("minimum", 0), min(1, schema.get("maximum", 1)))
        return kind == "boolean" or None

    def _fits(self, value: Any, schema: Json) -> bool:  # noqa: ANN401 - JSON
        """Whether a value is of the kind that a schema takes; the tests hold every example against the whole schema."""
        if "$ref" in schema:
            return self._fits(value, self._components[schema["$ref"].removeprefix(SCHEMAS)])
        if "anyOf" in schema:
            return any(self._fits(value, one) for one in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return value in schema.get("enum", [schema.get("const")])
        kinds = KINDS.get(schema.get("type", ""), ())
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return False
        if isinstance(value, list):
            return all(self._fits(item, schema.get("items", {})) for item in value)
        fits_in = not isinstance(value, str) or schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return fits_in and not (isinstance(value, dict) and "properties" in schema)


def _id(name: str, about: str) -> str | None:
    """The id of the thing that a field is about: of the one that holds it, or of the one that it names."""
    return IDS.get(about) if name == "id" else IDS.get(_alias(name.removesuffix("Id"))) if name.endswith("Id") else None


def _alias(name: str) -> str:
    return {"note": "creditNote", "batch": "import", "hostOrganization": "organization", "originalInvoice": "invoice", "token": "apiToken",
            "billableToOrgInvoice": "invoice", "document": "invoice"}.get(name, name)  # fmt: skip


def _entity(component: str) -> str:
    """``InvoiceLineOut`` → ``invoiceLine``."""
    name = component.removesuffix("Out").removesuffix("In")
    return _alias(name[:1].lower() + name[1:])
