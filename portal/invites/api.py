"""JSON of invitations."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from portal import config
from portal.invites import queries
from portal.invites.models import InvitationImport
from portal.invites.rules import Verdict, counts
from portal.invites.rules.states import ImportStatus
from portal.invites.schemas import (
    ColumnOut,
    FileOut,
    ImportIn,
    ImportOut,
    ImportRowOut,
    InvitationIn,
    InvitationOut,
    InvitationsListQuery,
    JoinedOut,
    TokenIn,
)
from portal.invites.service import changes, imports, invitations, mails, verdicts
from portal.orgs.access import Access, org
from portal.orgs.rules import Role, default_role, invitable_roles
from portal.orgs.rules.tokens import TokenScope
from portal.web.bearer import scoped
from portal.web.forms import form_data, json_body, query, uploaded_file
from portal.web.gates import client_address, require_user, signed_in
from portal.web.idempotency import idempotent
from portal.web.openapi import describes, listed, wrapped
from portal.web.page import CSV, download
from portal.web.security import invitation_limit

bp = Blueprint("invites_api", __name__, url_prefix="/api/organizations")


@bp.get("/<organization_id>/invitations")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.READ, TokenScope.INVITATIONS)
@describes(query=InvitationsListQuery, answers={200: listed(InvitationOut)})
def list_invitations(access: Access) -> ResponseReturnValue:
    """Invitations, all or in one status, newest first."""
    wanted = query(InvitationsListQuery)
    found = queries.newest_invitations(access.organization.id, status=wanted.status, limit=wanted.limit + 1, cursor=wanted.cursor)
    shown = found[: wanted.limit]
    items = [InvitationOut.of(row).to_json() for row in shown]
    return jsonify(items=items, nextCursor=shown[-1].id if len(found) > len(shown) else None)


@bp.post("/<organization_id>/invitations")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.INVITATIONS)
@invitation_limit
@idempotent
@describes(
    body=InvitationIn,
    answers={200: wrapped("invitation", InvitationOut), 201: wrapped("invitation", InvitationOut)},
    refuses={409: ("ALREADY_MEMBER",), 501: ("NOT_ENABLED",)},
)
def invite(access: Access) -> ResponseReturnValue:
    """Invites one person, or renews their open invitation."""
    data = json_body(InvitationIn)
    row, is_new = invitations.invite_one(data, organization=access.organization, inviter=access.user, actor=access.actor)
    shown = InvitationOut.of(row, token=mails.token_of(row)).to_json()
    return jsonify(invitation=shown), 201 if is_new else 200


@bp.delete("/<organization_id>/invitations/<invitation_id>")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.INVITATIONS)
@describes(answers={200: wrapped("invitation", InvitationOut)})
def revoke(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Takes an invitation back."""
    row = changes.revoke(invitation_id, organization=access.organization, actor=access.actor)
    return jsonify(invitation=InvitationOut.of(row).to_json())


@bp.post("/<organization_id>/invitations/<invitation_id>/resend")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.INVITATIONS)
@invitation_limit
@describes(answers={200: wrapped("invitation", InvitationOut)})
def resend(access: Access, invitation_id: str) -> ResponseReturnValue:
    """Mails an invitation again with a new link."""
    row = changes.resend(invitation_id, organization=access.organization, actor=access.actor)
    return jsonify(invitation=InvitationOut.of(row, token=mails.token_of(row)).to_json())


@bp.post("/invitations/accept")
@signed_in
@describes(
    body=TokenIn,
    answers={200: wrapped("membership", JoinedOut)},
    refuses={
        403: ("EMAIL_MISMATCH",),
        404: ("INVITATION_NOT_FOUND",),
        409: ("INVITATION_ALREADY_ACCEPTED", "SEAT_LIMIT"),
        410: ("INVITATION_EXPIRED", "INVITATION_REVOKED"),
    },
)
def accept() -> ResponseReturnValue:
    """Joins the organization of an invitation."""
    membership = invitations.accept(json_body(TokenIn).token, user=require_user(), ip=client_address())
    return jsonify(membership=JoinedOut.model_validate(membership).to_json())


@bp.post("/<organization_id>/invitations/import")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.INVITATIONS)
@invitation_limit
@describes(
    body=ImportIn,
    upload="file",
    example={"dryRun": "true", "defaultRole": "ORG_LEARNER"},
    answers={200: ImportOut, 202: ImportOut},
    refuses={400: ("CSV_UNREADABLE",), 413: ("CSV_TOO_LARGE",)},
)
def import_file(access: Access) -> ResponseReturnValue:
    """Reads a file of people: with ``dryRun`` only judges it (200), otherwise invites who is new (202).

    A file whose columns can't be told answers 200 with ``mapping: null`` and samples of each column, and nothing is sent.
    """
    data = form_data(ImportIn)
    upload = imports.Upload(*uploaded_file("file"))
    organization = access.organization
    allowed = invitable_roles(organization.kind, inviter=access.role, provider_orgs=config.current().enable_provider_orgs)
    around = verdicts.surroundings(organization, allowed_roles=allowed)
    role = data.default_role or default_role(organization.kind)
    checked = verdicts.check(upload.content, data.choices, default_role=role, around=around)
    if data.dry_run or checked.mapping is None:
        return jsonify(_checked(checked).to_json())
    batch = imports.stage(upload, default_role=role, around=around, creator=access.user, choices=data.choices)
    imports.confirm(batch.id, around=around, inviter=access.user, actor=access.actor)
    return jsonify(_imported(batch).to_json()), 202


@bp.get("/<organization_id>/invitations/imports/<import_id>")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.READ, TokenScope.INVITATIONS)
@describes(answers={200: ImportOut})
def show_import(access: Access, import_id: str) -> ResponseReturnValue:
    """How far an import is: every row's verdict, and whether its mail went out."""
    return jsonify(_imported(queries.require_import(access.organization.id, import_id)).to_json())


@bp.get("/<organization_id>/invitations/imports/<import_id>/refused.csv")
@org(Role.ORG_ADMIN)
@scoped(TokenScope.READ, TokenScope.INVITATIONS)
@describes(csv=True, refuses={409: ("IMPORT_FORGOTTEN",)})
def refused_rows(access: Access, import_id: str) -> ResponseReturnValue:
    """The rows that aren't invited, as a file to mend and upload again."""
    batch = queries.require_import(access.organization.id, import_id)
    return download(imports.refused(batch), file_name=f"refused-{batch.id[-8:]}.csv", media_type=CSV)


def _checked(checked: verdicts.Checked) -> ImportOut:
    table, mapping = checked.table, checked.mapping
    judged = list(checked.judged)
    counted = {verdict: number for verdict, number in counts(judged).items() if number}
    return ImportOut(
        batch_id=None,
        status=ImportStatus.CHECKED,
        file=FileOut(encoding=table.encoding, delimiter=table.delimiter, header_line=table.header_line),
        columns=[ColumnOut(name=name, samples=list(values)) for name, values in zip(table.columns, table.samples(), strict=True)],
        mapping={"email": mapping.email, "name": list(mapping.name), "role": mapping.role} if mapping else None,
        counts=counted,
        rows=[
            ImportRowOut(line=row.line, email=row.email, name=row.name or None, role=row.role, verdict=row.verdict, message=row.message)
            for row in judged
        ],
    )


def _imported(batch: InvitationImport) -> ImportOut:
    progress = queries.import_progress(batch.id)
    status = ImportStatus.DONE if batch.status is ImportStatus.RUNNING and progress.is_done else batch.status
    delivered = queries.deliveries(batch.id)
    return ImportOut(
        batch_id=batch.id,
        status=status,
        file=FileOut(encoding=batch.encoding, delimiter=batch.delimiter, header_line=batch.header_line),
        columns=[ColumnOut(name=name, samples=values) for name, values in batch.sampled_columns],
        mapping=batch.mapping,
        counts=queries.import_counts(batch.id),
        rows=[
            ImportRowOut(
                line=row.line,
                email=row.email,
                name=row.name,
                role=row.role,
                verdict=row.verdict,
                message=row.explanation,
                delivery=delivered.get(row.email) if row.verdict is Verdict.NEW else None,
            )
            for row in queries.import_rows(batch.id)
        ],
    )
