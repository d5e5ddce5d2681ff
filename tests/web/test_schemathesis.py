"""The API against its own document: whatever is sent, no 5xx and no answer that the document doesn't name, in chains along its links too.

The same calls each time; ``SCHEMATHESIS_EXAMPLES=500`` tries more of them by hand.
"""

import os
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal import db
from tests.pages.conftest import scene  # noqa: F401 - the fixture
from tests.support import world

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))


def nothing_broke(_context, response, _case):
    """No 5xx but 501, which says that a setting switches something off; that one has to be documented as all others."""
    assert response.status_code < 500 or response.status_code == 501, response.text


CHECKS = [
    nothing_broke,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
ENDS_THE_CHAIN = ["signin_api.logout", "orgs_api.deactivate", "signin_api.login", "signin_api.signup"]
IN_BODIES = {"planId", "consultantId", "organizationId", "paymentId"}
SLOW = "/pdf"
MOSTLY = [True, True, True, False]
HOW = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


CHAINED = {**HOW, "derandomize": False}


class Caller:
    """The portal as one caller reaches it: their cookie and CSRF token, or their API token, stand on each request."""

    def __init__(self, app, headers: dict[str, str]) -> None:
        self.app, self.headers = app, headers

    def __call__(self, environ, start_response):  # noqa: ANN204 - an iterable of bytes, as WSGI has it
        for name in ("HTTP_COOKIE", "HTTP_X_CSRFTOKEN", "HTTP_AUTHORIZATION"):
            environ.pop(name, None)
        environ |= self.headers
        return self.app(environ, start_response)


def by_cookie(app, user) -> Caller:
    client = app.test_client()
    if user is not None:
        world.sign_in(client, user)
    token = world.csrf(client)["X-CSRFToken"]
    return Caller(app, {"HTTP_COOKIE": f"portal={client.get_cookie('portal').value}", "HTTP_X_CSRFTOKEN": token})


def by_token(app, scene) -> Caller:  # noqa: F811 - the fixture's value
    owner = world.sign_in(app.test_client(), scene.owner)
    body = {"name": "Fuzz", "scopes": ["read", "members", "invitations", "billing"]}
    made = owner.post(f"/api/organizations/{scene.organization_id}/tokens", json=body, headers=world.csrf(owner))
    return Caller(app, {"HTTP_AUTHORIZATION": f"Bearer {made.json['token']}"})


@pytest.fixture
def callers(app, scene):  # noqa: F811 - pytest's own way
    """Who calls, by name."""
    people = {"owner": scene.owner, "admin": scene.admin, "learner": scene.learner, "nobody": None}
    return {name: by_cookie(app, user) for name, user in people.items()} | {"token": by_token(app, scene)}


@pytest.fixture
def known(scene):  # noqa: F811 - pytest's own way
    """What really is there, by the names that paths and bodies have for it."""
    values = scene.values
    names = {"invoice", "note", "invitation", "import", "plan", "payment", "member", "user", "token"}
    found = {f"{name}Id": values[f"{name}_id"] for name in names}
    return found | {
        "organizationId": scene.organization_id,
        "consultantId": values["user_id"],
        "gateway": "sandbox",
        "slot": "logo",
    }


@pytest.fixture
def without_a_trace(monkeypatch):
    """Whatever a request writes is rolled back, so that each one meets the same scene."""
    monkeypatch.setattr(db, "finish_request", lambda _status: db.session.rollback())


def document_for(caller: Caller):
    return schemathesis.openapi.from_wsgi("/api/openapi.json", caller)


def make_real(case, known) -> None:
    """Puts ids of what is there in place of made-up ones."""
    for holder in (case.path_parameters, case.body if isinstance(case.body, dict) else None):
        for name in set(holder or ()) & known.keys():
            holder[name] = known[name]


def statuses_of(operation, known, *, examples: int) -> set[int]:
    """Calls one operation in many ways and returns the statuses that came; an undocumented answer is raised."""
    statuses: set[int] = set()

    @settings(max_examples=examples, **HOW)
    @given(case=operation.as_strategy(), is_real=st.sampled_from(MOSTLY))
    def ask(case, is_real):
        if is_real:
            make_real(case, known)
        response = case.call()
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    ask()
    return statuses


@pytest.mark.parametrize(("who", "examples"), [("owner", 12), ("admin", 6), ("token", 4), ("learner", 2), ("nobody", 2)])
def test_whatever_is_sent_the_answer_is_a_documented_one(app, callers, known, without_a_trace, who, examples):
    caller, wrong, tried = callers[who], [], 0
    for found in document_for(caller).get_all_operations():
        operation = found.ok()
        try:
            some = 2 if operation.path.endswith(SLOW) else examples
            tried += len(statuses_of(operation, known, examples=EXAMPLES or some))
        except Exception as failure:  # noqa: BLE001 - all operations are tried, and all that is wrong is told
            wrong.append(f"{operation.label}: {failure}")
    assert not wrong, "\n\n".join(wrong)
    assert tried > 60


def examples_of(document) -> dict[str, dict]:
    """The document's own example of each JSON body: two of three calls of a chain go through by them."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                found[f"{method.upper()} {path}"] = content["example"]
    return found


def named(number: int, example: dict) -> dict:
    """What has to be new in each call."""
    new = {"name": f"Fuzz {number}", "email": f"fuzz{number}@acme.test", "title": f"Plan {number}"}
    return {name: value for name, value in new.items() if name in example}


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_chains_of_calls_along_the_links_meet_documented_answers_alone(app, callers, known, who):
    chained = document_for(callers[who]).exclude(operation_id=ENDS_THE_CHAIN)
    examples = examples_of(chained.raw_schema)
    answers: list[tuple[str, int]] = []
    wrong: list[str] = []

    class Chains(chained.as_state_machine()):
        def before_call(self, case):
            example = examples.get(case.operation.label)
            if example is not None and len(answers) % 3:
                case.body = {**example, **named(len(answers), example)}
            for name in set(case.body if isinstance(case.body, dict) else ()) & IN_BODIES:
                case.body[name] = known[name]

        def validate_response(self, response, case, **_more):
            answers.append((case.operation.label, response.status_code))
            try:
                case.validate_response(response, checks=CHECKS)
            except FailureGroup as failure:  # kept, because Hypothesis would try the chain again on a database that has changed
                wrong.append(f"{case.operation.label}: {failure}")

    for number in range(EXAMPLES or 6):
        with suppress(FlakyStrategyDefinition):  # as above: the database remembers the chains before, which Hypothesis can't know
            run_state_machine_as_test(seed(number)(Chains), settings=settings(max_examples=4, stateful_step_count=10, **CHAINED))
    assert not wrong, "\n\n".join(wrong)
    reached = {label for label, status in answers if status < 300}
    assert len(answers) > 100
    assert len(reached) > 8, sorted(reached)
