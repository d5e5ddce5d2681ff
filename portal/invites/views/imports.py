"""The component "Upload CSV": one set of routes, registered wherever a file can be uploaded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from portal.accounts.models import User
from portal.errors import NotFound
from portal.invites import queries
from portal.invites.models import InvitationImport
from portal.invites.rules import DELIMITERS, ENCODINGS, Verdict
from portal.invites.rules.choices import Choices, Edit
from portal.invites.rules.states import ImportStatus, milestone
from portal.invites.schemas import DefaultRoleIn, MappingForm, MendIn, PreviewQuery, ReadingIn
from portal.invites.service import imports, verdicts
from portal.orgs.models import Organization
from portal.orgs.rules import Role, default_role
from portal.web.forms import Form, form_list, query, uploaded_file
from portal.web.page import CSV, download, page, redirect_to_path, toast, wants_fragment

PAGE_SIZE = 50
ROLES_ASKED = 50
ENCODING_NAMES = {"utf-8": "UTF-8", "utf-16": "UTF-16", "windows-1252": "Windows-1252", "xlsx": "Excel", "xls": "Excel 97"}
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


Gate: TypeAlias = Callable[[Any], Any]
"""A decorator that lets the right people through, or not too many of them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a file is looked at: an organization's invitations, or a draft's invite step.

    Attributes:
        around: What rows are judged against, as of now.
        confirm: Invites or stages what is new and returns how many.
        sends: Whether confirming sends mails; in a setup the launch does.
        done: What the toast says of that number.
        url: The address of one of the component's routes here.
        refused: The page that the upload stands on, with what is wrong beside the field.
        confirm_verb: ``Send`` or ``Add``.
    """

    organization: Organization
    user: User
    roles: list[Role]
    around: Callable[[], verdicts.Surroundings]
    confirm: Callable[[str], int]
    done: Callable[[int], str]
    url: Callable[..., str]
    refused: Callable[[Form[Any]], ResponseReturnValue]
    after_confirm: Callable[[str], str]
    back_url: str
    sends: bool
    template: str
    context: dict[str, Any]
    confirm_verb: str
    confirm_noun: tuple[str, str]


def register(bp: Blueprint, *, prefix: str, gate: Gate, limit: Gate, desk_of: Callable[[dict[str, Any]], Desk]) -> None:
    """Gives a blueprint the component's routes below ``prefix``; each view asks ``desk_of`` with what the gate found."""
    one = f"{prefix}/imports/<import_id>"

    def route(path: str, endpoint: str, view: Callable[..., ResponseReturnValue], *, method: str = "POST", limited: bool = False) -> None:
        def answer(**values: Any) -> ResponseReturnValue:  # noqa: ANN401 - the gate's and the URL's own
            own = {name: values.pop(name) for name in ("import_id", "line") if name in values}
            return view(desk_of(values), **own)

        answer.__name__, answer.__doc__ = endpoint, view.__doc__
        answer.__module__ = bp.import_name  # limits know views by their module and name, and each blueprint has these
        bp.add_url_rule(path, endpoint, gate(limit(answer) if limited else answer), methods=[method])

    route(f"{prefix}/upload", "upload", _upload, limited=True)
    route(one, "show_import", _show, method="GET")
    route(f"{one}/refused.csv", "refused_rows", _refused_rows, method="GET")
    route(f"{one}/reading", "read_otherwise", _read_otherwise)
    route(f"{one}/mapping", "map_columns", _map_columns)
    route(f"{one}/roles", "map_roles", _map_roles)
    route(f"{one}/rows/<line>", "mend_row", _mend)
    route(f"{one}/rows/<line>/drop", "drop_row", _drop)
    route(f"{one}/confirm", "confirm", _confirm)


def _upload(desk: Desk) -> ResponseReturnValue:
    """Reads a file and leads to its preview."""
    form = Form.posted(DefaultRoleIn)
    fallback = default_role(desk.organization.kind)
    batch = form.submit(
        lambda data: imports.stage(
            imports.Upload(*uploaded_file("file")), default_role=data.file_role or fallback, around=desk.around(), creator=desk.user
        )
    )
    if batch is None:
        if form.messages:
            form.errors = {"file": form.messages}
            form.messages = []
        return desk.refused(form)
    return redirect_to_path(desk.url("show_import", import_id=batch.id))


def _show(desk: Desk, import_id: str) -> ResponseReturnValue:
    """Every row with its verdict; once it is confirmed, how far the mails are."""
    return _page(desk, queries.require_import(desk.organization.id, import_id))


def _refused_rows(desk: Desk, import_id: str) -> ResponseReturnValue:
    """The rows that aren't invited, as a file to mend and upload again."""
    batch = queries.require_import(desk.organization.id, import_id)
    return download(imports.refused(batch), file_name=f"refused-{batch.id[-8:]}.csv", media_type=CSV)


def _read_otherwise(desk: Desk, import_id: str) -> ResponseReturnValue:
    """Overrules how the file is read, and what people without a role become."""

    def act(data: ReadingIn) -> InvitationImport:
        line = data.header_line
        return imports.decide(
            import_id,
            lambda choices: choices.read_otherwise(encoding=data.encoding, delimiter=data.spoken_delimiter, header_line=line),
            around=desk.around(),
            default_role=data.role,
        )

    return _decided(desk, import_id, Form.posted(ReadingIn), act)


def _map_columns(desk: Desk, import_id: str) -> ResponseReturnValue:
    """Takes the user's word for which column is which."""

    def act(data: MappingForm) -> InvitationImport:
        return imports.map_columns(import_id, email=data.email, name=data.name, role=data.role, around=desk.around())

    return _decided(desk, import_id, Form.posted(MappingForm), act)


def _map_roles(desk: Desk, import_id: str) -> ResponseReturnValue:
    """Takes the user's word for what unknown roles mean, each once."""
    batch = queries.require_import(desk.organization.id, import_id)
    known = {role.value: role for role in desk.roles}
    said = dict(zip(form_list("text"), form_list("meaning"), strict=False))
    roles = {text: known[role] for text, role in said.items() if role in known}
    imports.decide(
        batch.id,
        lambda choices: Choices.from_json({**choices.to_json(), "roles": {**{t: r.value for t, r in choices.roles.items()}, **roles}}),
        around=desk.around(),
    )
    return redirect_to_path(desk.url("show_import", import_id=import_id))


def _mend(desk: Desk, import_id: str, line: str) -> ResponseReturnValue:
    """Lets one row say something else."""
    batch = queries.require_import(desk.organization.id, import_id)
    number = _line(line)

    def act(data: MendIn) -> InvitationImport:
        edit = Edit(email=data.email or "", name=data.name or "", role=data.role.value if data.role else "")
        return imports.mend(batch.id, number, edit, around=desk.around())

    return _decided(desk, batch.id, Form.posted(MendIn), act)


def _drop(desk: Desk, import_id: str, line: str) -> ResponseReturnValue:
    """Leaves one row out, or takes it in again."""
    batch = queries.require_import(desk.organization.id, import_id)
    imports.drop(batch.id, _line(line), around=desk.around())
    return _again(desk, batch.id)


def _confirm(desk: Desk, import_id: str) -> ResponseReturnValue:
    """Invites, or stages, whatever is new."""
    number = desk.confirm(import_id)
    if number:
        toast(desk.done(number))
    return redirect_to_path(desk.after_confirm(import_id))


def _decided(desk: Desk, import_id: str, form: Form[Any], act: Callable[[Any], InvitationImport]) -> ResponseReturnValue:
    batch = queries.require_import(desk.organization.id, import_id)
    if form.submit(act) is None:
        return _page(desk, queries.require_import(desk.organization.id, batch.id), form=form, status=422)
    return _again(desk, import_id)


def _again(desk: Desk, import_id: str) -> ResponseReturnValue:
    if wants_fragment():
        return _page(desk, queries.require_import(desk.organization.id, import_id))
    kept = {name: value for name, value in query(PreviewQuery).model_dump(mode="json").items() if value}
    return redirect_to_path(desk.url("show_import", import_id=import_id, **kept))


def _page(desk: Desk, batch: InvitationImport, *, form: Form[Any] | None = None, status: int = 200) -> Response:
    filters = query(PreviewQuery)
    is_checked = batch.status is ImportStatus.CHECKED
    rows, has_more = queries.import_page(
        batch.id, verdict=filters.verdict, dropped=filters.dropped, after=filters.after, before=filters.before, limit=PAGE_SIZE
    )
    counts = queries.import_counts(batch.id)
    progress = queries.import_progress(batch.id) if desk.sends and not is_checked else None

    def self_url(**changes: Any) -> str:  # noqa: ANN401 - the filters' own values
        kept = {"verdict": filters.verdict, "dropped": "true" if filters.dropped else None, **changes}
        return desk.url("show_import", import_id=batch.id, **{name: value for name, value in kept.items() if value})

    def act_url(name: str, **values: Any) -> str:  # noqa: ANN401 - the URL's own values
        kept = {name: value for name, value in filters.model_dump(mode="json").items() if value}
        return desk.url(name, import_id=batch.id, **values, **kept)

    return page(
        desk.template,
        block="import_state",
        status=status,
        **desk.context,
        batch=batch,
        form=form or Form(ReadingIn, _read_as(batch)),
        filters=filters,
        counts=counts,
        dropped=queries.count_dropped(batch.id) if is_checked else 0,
        total=sum(counts.values()),
        new=counts.get(Verdict.NEW, 0),
        rows=rows,
        previous_url=self_url(before=rows[0].line) if rows and (filters.after or (filters.before and has_more)) else "",
        next_url=self_url(after=rows[-1].line) if rows and (has_more or filters.before) else "",
        self_url=self_url,
        act_url=act_url,
        back_url=desk.back_url,
        is_checked=is_checked,
        is_mapped=batch.mapping is not None,
        unknown=queries.unknown_role_texts(batch.id, limit=ROLES_ASKED) if is_checked and counts.get(Verdict.UNKNOWN_ROLE) else [],
        roles=[(role.value, role.label) for role in desk.roles],
        progress=progress,
        said=milestone(progress.sent + progress.failed, progress.total) if progress else "",
        deliveries=queries.deliveries(batch.id, [row.email for row in rows if row.verdict is Verdict.NEW]) if progress else {},
        facts=_facts(batch),
        encodings=[("", "As the file says"), *((value, ENCODING_NAMES[value]) for value in ENCODINGS)],
        delimiters=[("", "As the file says"), *((DELIMITER_NAMES[value], DELIMITER_NAMES[value].capitalize()) for value in DELIMITERS)],
        confirm_verb=desk.confirm_verb,
        confirm_noun=desk.confirm_noun,
    )


def _read_as(batch: InvitationImport) -> dict[str, Any]:
    chosen = Choices.from_json(batch.choices)
    delimiter = DELIMITER_NAMES[chosen.delimiter] if chosen.delimiter else None
    return {"encoding": chosen.encoding, "delimiter": delimiter, "header_line": chosen.header_line, "role": batch.default_role}


def _facts(batch: InvitationImport) -> str:
    """``Windows-1252 · semicolon · header on line 4``."""
    parts = [ENCODING_NAMES.get(batch.encoding, batch.encoding)]
    if batch.delimiter:
        parts.append(DELIMITER_NAMES.get(batch.delimiter, batch.delimiter))
    parts.append(f"header on line {batch.header_line}" if batch.header_line else "no header")
    return " · ".join(parts)


def _line(text: str) -> int:
    if not text.isdecimal() or len(text) > len("1000000000"):
        raise NotFound("There is no such row in this file.", code="ROW_NOT_FOUND")
    return int(text)
