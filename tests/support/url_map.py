"""The URL map, and each rule as an address of the scene."""


def routes(app):
    """Every rule with its view, but for static files."""
    return [(rule, app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def url(rule, scene) -> str:
    """The rule's URL in the scene; a placeholder that nobody knows is an error to mend here or in the scene."""
    values = {"slug": scene.slug, "organization_id": scene.organization_id, **scene.values}
    if rule.endpoint.startswith("setup."):
        values |= {"organization_id": scene.values["draft_id"], "import_id": scene.values["draft_import_id"]}
    if "token" in rule.arguments:
        kind = "invitation" if rule.endpoint.startswith("invites.") else rule.endpoint.removeprefix("signin.").removesuffix("_post")
        values["token"] = scene.values[f"{kind}_token"]
    missing = rule.arguments - values.keys()
    assert not missing, f"say in tests/pages/conftest.py what {missing} of {rule} stands for"
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", values[name])
    return path
