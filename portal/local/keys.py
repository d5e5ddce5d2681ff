"""The secrets of a development machine, made once and kept in ``PORTAL_HOME/keys.env``."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from portal.local.errors import CannotStart

NAMES = ("SECRET_KEY", "DATA_ENCRYPTION_KEYS")
_KEY_BYTES = 32


def made_or_kept(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The secrets that the environment doesn't give: from ``keys.env``, which is made (0600) when there is none.

    ``DATA_ENCRYPTION_KEYS`` has the form ``id:hex`` with 32 random bytes (AES-256).

    Raises:
        CannotStart: In production, where secrets are given and never made; or the file lacks one of them.
    """
    missing = [name for name in NAMES if not given.get(name)]
    if not missing:
        return {}
    if given.get("PORTAL_ENV") == "production":
        raise CannotStart(f"PORTAL_ENV is production, and keys are never made there: set {' and '.join(missing)}.")
    path = home / "keys.env"
    if not path.exists():
        _make(path)
    kept = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    for name in missing:
        if not kept.get(name):
            raise CannotStart(f"{path} holds no {name}: put it back from a copy; a new one can't read the old data.")
    return {name: kept[name] for name in missing}


def _make(path: Path) -> None:
    values = (secrets.token_hex(_KEY_BYTES), f"k1:{secrets.token_hex(_KEY_BYTES)}")
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix="keys.")  # 0600 from its first moment
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in zip(NAMES, values, strict=True))
    try:
        os.link(draft, path)  # never over keys that another start made in the meantime
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
