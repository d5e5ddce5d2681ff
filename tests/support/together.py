"""Two (or 32) at once: real threads, each with its own connection."""

from collections.abc import Callable
from threading import Barrier, Thread

from portal.errors import DomainError


def at_once(app, acts: list[Callable[[], object]]) -> tuple[list[object], list[DomainError]]:
    """Runs the acts at the same moment, each in its own app context; returns what they gave and which refusals they met.

    Anything but a refusal of the domain is raised again.
    """
    gate, answers, refusals, broken = Barrier(len(acts)), [], [], []

    def work(act: Callable[[], object]) -> None:
        with app.app_context():
            gate.wait()
            try:
                answers.append(act())
            except DomainError as refusal:
                refusals.append(refusal)
            except Exception as error:  # noqa: BLE001 - raised again by the test itself
                broken.append(error)

    threads = [Thread(target=work, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return answers, refusals
