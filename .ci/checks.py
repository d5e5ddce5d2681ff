"""The house's own small rules, as a table: `python .ci/checks.py [ROOT]` prints the findings; exit 1 when there is one.

A check takes the root of a tree and returns findings of the form ``path:line: sentence``.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

Check = Callable[[Path], list[str]]

LONGEST_FILE = 400
NOT_FEATURES = {"web", "gateways", "local", "demo"}
FEATURE_FILES = {"__init__", "rules", "models", "schemas", "queries", "service", "tasks", "views", "api"}
ALSO = {"orgs": {"access"}}
VAGUE_NAMES = re.compile(r"^(utils?|helpers?|managers?|common|misc|part_?\d+)$")

WALL_CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "func.now",
    "func.current_timestamp",
    "func.clock_timestamp",
}
SQL_CLOCK = re.compile(r"\b(now\(\)|current_timestamp|current_date|clock_timestamp\(\))", re.IGNORECASE)

IN_TEMPLATES = {
    re.compile(r"\|\s*safe\b"): "|safe lets people's words become markup: pass Markup from Python where it is made.",
    re.compile(r"\{%-?\s*autoescape\s+false"): "Autoescape stays on.",
}
IN_MARKUP = {
    re.compile(r"\sstyle\s*="): "No style attribute: the Content-Security-Policy refuses it. Use a class.",
    re.compile(r"<style\b"): "No style element: the Content-Security-Policy refuses it. Use a stylesheet file.",
    re.compile(r"<script\b(?![^>]*\bsrc\s*=)"): "No inline script: the Content-Security-Policy refuses it. Use a file.",
    re.compile(r"\son[a-z]+="): "No on…= handler: the Content-Security-Policy refuses it. Listen from a script file.",
    re.compile(r"\bhx-on\b"): "No hx-on: it runs text as code. Listen from a script file.",
    re.compile(r"\b(js|javascript):"): "No js: values: they run text as code.",
    re.compile(r"""\bhx-trigger\s*=\s*("[^"]*\[|'[^']*\[)"""): "No trigger filter: it runs text as code.",
}
HX_REQUEST = re.compile(r"(?<![\w-])hx-(get|post|put|patch|delete)\s*=")
WITHOUT_SCRIPT = re.compile(r"(?<![\w-])(href|action|formaction)\s*=")
BY_ITSELF = re.compile(r"""(?<![\w-])hx-trigger\s*=\s*["'][^"']*\b(every|load)\b""")
TAG = re.compile(r"<[a-zA-Z][^<>]*>")

NOWHERE = {
    re.compile(r"(?<![A-Za-z])/(work|farm|root|home)/\w"): "A path of one machine: write it relative to the project.",
    re.compile(r"--(extra-)?index-url"): "A package index: each machine has its own in its settings.",
    re.compile(r"https?://[a-z0-9.-]*(pypi|registry|mirror|nexus|artifactory)[a-z0-9.-]*/"): "The address of a package index.",
    re.compile(r"BEGIN [A-Z ]*PRIVATE KEY|sk_[l]ive_"): "A secret: make it when it is needed, or read it from the environment.",
}

SILENCED = re.compile(r"#\s*(type:\s*ignore|(ruff:\s*)?noqa)")
REASONED = re.compile(r"#\s*(type:\s*ignore\[[\w, -]+\]\s+#\s*\S.*\s\S|(ruff:\s*)?noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* - \S.*)")
ASSERTING = ("assert", "check", "expect", "fail", "must", "raises", "verify", "warns")


def commits_elsewhere(root: Path) -> list[str]:
    """Only portal/db.py ends transactions."""
    return [
        _finding(root, path, node.lineno, f"Only portal/db.py may call {node.func.attr}(): use unit_of_work() or outside().")
        for path in _python(root, "portal")
        if path != root / "portal/db.py"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"commit", "rollback", "begin_nested"}
    ]


def inexact_money(root: Path) -> list[str]:
    """Money is whole paise: no float, no true division, no round() where sums are made."""
    found = []
    for path in _python(root, "portal"):
        place = path.relative_to(root / "portal").with_suffix("").parts
        if place == ("money",) or (place[0] in {"billing", "providers"} and place[1:2] == ("rules",)):
            found += [
                _finding(root, path, line, f"{what} isn't exact: portal.money rounds half up in whole paise.")
                for line, what in _inexact(_tree(path))
            ]
    return found


def wall_clock(root: Path) -> list[str]:
    """Only portal/clock.py looks at the wall clock (and portal/local, which runs before there is one)."""
    found = []
    for path in (*_python(root, "portal"), *_python(root, "migrations")):
        if path == root / "portal/clock.py" or root / "portal/local" in path.parents:
            continue
        tree = _tree(path)
        names = _imported(tree)
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (clock := _clock_called(node, names)):
                found.append(_finding(root, path, node.lineno, f"{clock}() is the wall clock: ask portal.clock."))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                found += [
                    _finding(root, path, node.lineno, f"{match.group()} is SQL's clock: pass an instant of portal.clock.")
                    for match in SQL_CLOCK.finditer(node.value)
                ]
    return found


def unsafe_templates(root: Path) -> list[str]:
    """Templates hold nothing that the Content-Security-Policy refuses, and nothing unescaped."""
    found = []
    for path in _templates(root):
        text = _without(path.read_text(), r"\{#.*?#\}")
        for rules, part in ((IN_TEMPLATES, text), (IN_MARKUP, _markup(text))):
            for pattern, sentence in rules.items():
                found += [_finding(root, path, _line(part, match.start() + 1), sentence) for match in pattern.finditer(part)]
    return found


def htmx_only(root: Path) -> list[str]:
    """What htmx asks for can also be reached without JavaScript, unless it refreshes by itself."""
    sentence = "Works with JavaScript only: give the same element an href, action or formaction."
    found = []
    for path in _templates(root):
        markup = _markup(_without(path.read_text(), r"\{#.*?#\}"))
        found += [
            _finding(root, path, _line(markup, tag.start()), sentence)
            for tag in TAG.finditer(markup)
            if HX_REQUEST.search(tag.group()) and not WITHOUT_SCRIPT.search(tag.group()) and not BY_ITSELF.search(tag.group())
        ]
    return found


def long_files(root: Path) -> list[str]:
    """A file of portal/ has at most 400 lines."""
    return [
        _finding(root, path, LONGEST_FILE + 1, f"Longer than {LONGEST_FILE} lines: make it a package with a module per noun.")
        for path in _python(root, "portal")
        if len(path.read_text().splitlines()) > LONGEST_FILE
    ]


def strange_files(root: Path) -> list[str]:
    """A feature has the files that each feature has; no file is called after its being useful."""
    found = []
    for path in (*_python(root, "portal"), *_python(root, "tests")):
        parts = path.relative_to(root).with_suffix("").parts
        if VAGUE_NAMES.match(parts[-1]):
            found.append(_finding(root, path, 1, f"{parts[-1]} says nothing: name the file after what it is about."))
        elif parts[0] == "portal" and len(parts) > 2 and parts[1] not in NOT_FEATURES:  # noqa: PLR2004 - portal, feature, file
            allowed = FEATURE_FILES | ALSO.get(parts[1], set())
            if parts[2] not in allowed:
                found.append(_finding(root, path, 1, f"A feature has no {parts[2]}: it has {', '.join(sorted(allowed))}."))
    return found


def unreasoned_silence(root: Path) -> list[str]:
    """A finding is silenced by its code and with a reason."""
    found = []
    for path in _python(root, ""):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type == tokenize.COMMENT and SILENCED.search(token.string) and not REASONED.search(token.string):
                sentence = "Silenced without code and reason: write `noqa: CODE - why` or `type: ignore[code]  # why`."
                found.append(_finding(root, path, token.start[0], sentence))
    return found


def tests_that_assert_nothing(root: Path) -> list[str]:
    """Each test can fail."""
    return [
        _finding(root, path, node.lineno, f"{node.name} asserts nothing.")
        for path in _python(root, "tests")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not any(map(_asserts, ast.walk(node)))
    ]


def of_one_machine(root: Path) -> list[str]:
    """The tree names no machine's folders, no package index and no secret."""
    found = []
    for path in _files(root):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for pattern, sentence in NOWHERE.items():
            found += [_finding(root, path, _line(text, match.start()), sentence) for match in pattern.finditer(text)]
    return found


CHECKS: tuple[tuple[str, Check], ...] = (
    ("one place commits", commits_elsewhere),
    ("money is exact", inexact_money),
    ("one wall clock", wall_clock),
    ("templates are safe", unsafe_templates),
    ("pages work without JavaScript", htmx_only),
    ("files are short", long_files),
    ("features look alike", strange_files),
    ("silence has a reason", unreasoned_silence),
    ("tests assert", tests_that_assert_nothing),
    ("the tree is of no one machine", of_one_machine),
)


def main(root: Path) -> int:
    """Runs all checks over a tree, prints the findings by check, and returns the exit status."""
    status = 0
    for name, check in CHECKS:
        if findings := check(root):
            status = 1
            print(f"{name}:", *findings, sep="\n  ")
    return status


def _inexact(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"float", "round"}:
            yield node.lineno, f"{node.func.id}()"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "/"


def _clock_called(call: ast.Call, names: dict[str, str]) -> str | None:
    parts = ast.unparse(call.func).split(".")
    whole = ".".join([names.get(parts[0], parts[0]), *parts[1:]])
    short = ".".join(whole.split(".")[-2:])
    return short if short in WALL_CLOCKS else None


def _imported(tree: ast.AST) -> dict[str, str]:
    """Local name → dotted name, so that a clock under another name is a clock."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
    return names


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.lstrip("_").startswith(ASSERTING)


def _markup(text: str) -> str:
    """A template's HTML alone: Jinja's tags become spaces and its expressions letters, so that each place stays."""
    return _without(_without(text, r"\{%.*?%\}"), r"\{\{.*?\}\}", filler="x")


def _without(text: str, pattern: str, *, filler: str = " ") -> str:
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", filler, match.group()), text, flags=re.DOTALL)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _finding(root: Path, path: Path, line: int, sentence: str) -> str:
    return f"{path.relative_to(root)}:{line}: {sentence}"


@cache
def _tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text(), filename=str(path))


def _python(root: Path, folder: str) -> list[Path]:
    return [path for path in _files(root) if path.suffix == ".py" and root / folder in path.parents]


def _templates(root: Path) -> list[Path]:
    return [path for path in _files(root) if root / "templates" in path.parents]


@cache
def _files(root: Path) -> list[Path]:
    """The files that git keeps or would keep; in a plain folder, all of them."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False) if (root / ".git").exists() else None
    if listed is None or listed.returncode:
        return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(path for name in listed.stdout.split("\0") if name and (path := root / name).is_file())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
