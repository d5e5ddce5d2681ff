"""Files in a folder and in a bucket: one suite for both, against moto's server; and what each may go wrong by."""

import gc
import os
import signal
import socket
import threading
import time
import weakref
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import boto3
import pytest

from portal import db
from portal.audit import service as audit
from portal.audit.rules import SYSTEM, Action
from portal.gateways import files
from tests.support.bucket import BUCKET, serving_s3

LOGO = "organizations/0199a000/logo.png"

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"  # rq forks while fsspec has a thread: that is what is tested
)


@pytest.fixture(scope="module")
def s3():
    """The address of a server that speaks S3."""
    with serving_s3() as address:
        yield address


@pytest.fixture
def connect(app, monkeypatch):
    """Chooses a store as the app does, for one test and with the app's context."""
    monkeypatch.setattr(files, "_files", [])

    def connect(url, **options):
        files.connect(url, **options)
        return files.store()

    with app.app_context():
        yield connect
        db.abandon()


@pytest.fixture
def bucket(connect, s3, request):
    """A part of the bucket for one test."""
    return connect(f"s3://{BUCKET}/below/{request.node.name.partition('[')[0]}/", endpoint_url=s3)


@pytest.fixture
def folder(connect, tmp_path):
    """A folder that the first write makes; its name has to be percent-encoded."""
    return connect((tmp_path / "files of 100%").as_uri())


@pytest.fixture(params=["folder", "bucket"])
def store(request):
    """Either of them."""
    return request.getfixturevalue(request.param)


def in_a_child(act):
    """Does something in a forked child; returns its exit code, or the signal that ended it below nought."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(30)  # a child that hangs is ended by this
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def parts_left(folder):
    return [path for path in folder._root.rglob("*") if path.suffix == ".part"]


def test_what_is_written_is_read_again_and_replaced_by_what_is_written_next(store):
    for content in (b"first, and longer", bytes(range(256)) * 5_000, b""):
        store.write(LOGO, content)
        assert store.read(LOGO) == content


def test_names_as_people_give_them_are_names_like_any_other(store):
    key = "organizations/Müller & Söhne/50% * [alt] #1 + ₹.png"
    store.write(key, b"kept")
    store.write("organizations/Müller & Söhne/50% x [alt] #1 + ₹.png", b"another")
    assert store.read(key) == b"kept"


def test_a_file_that_is_not_there_is_none_wherever_it_isnt(store):
    assert store.read(LOGO) is None
    store.write(LOGO, b"here")
    assert store.read("organizations/0199a000/banner.png") is None
    assert store.read("organizations/0199a000") is None
    assert store.read(f"{LOGO}/further") is None


def test_delete_all_takes_what_is_below_and_nothing_beside_it(store):
    gone = [LOGO, "organizations/0199a000/invoices/1.pdf", "organizations/0199a000/invoices/2/b [1]*.pdf"]
    kept = ["organizations/0199a000-other/logo.png", "organizations/0199a0001", "organizations/0199b000/logo.png"]
    for key in gone + kept:
        store.write(key, key.encode())
    for _time in range(2):
        store.delete_all("organizations/0199a000")
        assert [store.read(key) for key in gone] == [None] * 3
        assert [store.read(key) for key in kept] == [key.encode() for key in kept]
    store.delete_all("nothing/ever")
    store.delete_all("organizations/0199a0001")
    assert store.read("organizations/0199a0001") == b"organizations/0199a0001", "a file isn't under itself"
    store.write(LOGO, b"anew")
    assert store.read(LOGO) == b"anew"


NO_KEYS = ("", "/", "/etc/passwd", "a//b", "a/", ".", "..", "a/./b", "a/../b", "../a", "a\\b", "..\\a", "a\0b", "a?versionId=b")


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_no_key_is_refused_before_anything_is_touched(store, key):
    for act in (lambda: store.write(key, b"x"), lambda: store.read(key), lambda: store.delete_all(key)):
        with pytest.raises(ValueError, match="is no key of a file"):
            act()


def test_neither_store_is_changed_inside_a_transaction_that_has_written(store, tables):
    store.write(LOGO, b"before")
    audit.record(SYSTEM, Action.SETTINGS_CHANGED, audit.Subject("organization", None, "x"))
    for act in (lambda: store.write(LOGO, b"after"), lambda: store.delete_all("organizations")):
        with pytest.raises(RuntimeError, match="inside an open write"):
            act()
    assert store.read(LOGO) == b"before"


def test_writers_of_one_key_leave_one_of_their_contents_whole_and_readers_see_no_other(store, app):
    contents = [bytes([letter]) * 300_000 for letter in b"abcd"]
    store.write(LOGO, contents[0])
    together, seen, failed = threading.Barrier(len(contents) + 1), [], []

    def write(content):
        try:
            with app.app_context():
                together.wait()
                for _time in range(8):
                    store.write(LOGO, content)
        except Exception as error:  # noqa: BLE001 - it is raised again in the test's own thread
            failed.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    together.wait()
    while any(writer.is_alive() for writer in writers):
        seen.append(store.read(LOGO))
    for writer in writers:
        writer.join()
    assert failed == []
    assert set(seen) <= set(contents)
    assert store.read(LOGO) in contents


def test_a_forked_worker_goes_on_where_its_parent_has_used_the_store(store):
    store.write(LOGO, b"by the parent")

    def work():
        assert store.read(LOGO) == b"by the parent"
        store.write("child.txt", b"by the child")
        assert store.read("child.txt") == b"by the child"
        store.delete_all("organizations")

    for _time in range(2):
        store.write(LOGO, b"by the parent")
        assert in_a_child(work) == 0
        assert store.read("child.txt") == b"by the child"
        assert store.read(LOGO) is None, "no stale listing"


def test_several_forked_workers_may_work_at_once(store):
    store.write(LOGO, b"by the parent")

    def work_with_children_of_its_own():
        store.write("one", b"1")
        assert in_a_child(lambda: store.write("two", b"2")) == 0
        assert store.read("two") == b"2"

    assert in_a_child(work_with_children_of_its_own) == 0
    assert (store.read("one"), store.read("two"), store.read(LOGO)) == (b"1", b"2", b"by the parent")


def test_a_child_never_tears_down_what_its_parent_uses(bucket):
    bucket.write(LOGO, b"by the parent")
    parents = weakref.ref(bucket._system())

    def work():
        assert bucket.read(LOGO) == b"by the parent"
        assert bucket._system() is not parents()
        gc.collect()
        assert parents() is not None

    assert in_a_child(work) == 0


def test_a_writer_that_is_killed_before_it_has_finished_leaves_the_file_as_it_was(folder, monkeypatch):
    monkeypatch.setattr(Path, "replace", lambda *_paths: os.kill(os.getpid(), signal.SIGKILL))
    assert in_a_child(lambda: folder.write(LOGO, b"half")) == -signal.SIGKILL
    assert folder.read(LOGO) is None
    monkeypatch.undo()
    folder.write(LOGO, b"whole")
    monkeypatch.setattr(os, "fsync", lambda _file: os.kill(os.getpid(), signal.SIGKILL))
    assert in_a_child(lambda: folder.write(LOGO, b"half")) == -signal.SIGKILL
    monkeypatch.undo()
    assert folder.read(LOGO) == b"whole"
    assert len(parts_left(folder)) == 2
    folder.delete_all("organizations")
    assert parts_left(folder) == []


def test_a_full_disk_is_an_os_error_and_leaves_nothing_behind(folder, monkeypatch):
    folder.write(LOGO, b"whole")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            folder.write(LOGO, b"more")
    assert folder.read(LOGO) == b"whole"
    assert parts_left(folder) == []


def test_a_file_is_on_the_disk_with_its_name_before_write_returns(folder, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(file):
        synced.append(Path(f"/proc/self/fd/{file}").readlink())
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    folder.write("a/b", b"kept")
    root = folder._root
    [part] = [path for path in synced if path.suffix == ".part"]
    assert part.parent == root / "a"
    assert set(synced) - {part} == {root.parent, root, root / "a"}
    assert synced[-1] == root / "a", "the folder last: it holds the new name"


def test_a_folder_that_cannot_be_read_is_an_os_error_and_never_an_empty_answer(folder):
    folder.write(LOGO, b"whole")
    path = folder._root / LOGO
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(OSError, match="symbolic links"):
        folder.read(LOGO)


def test_a_bucket_that_is_not_there_is_an_os_error_and_none_is_made(connect, s3):
    missing = connect("s3://not-made", endpoint_url=s3)
    for _time in range(2):
        for act in (lambda: missing.read(LOGO), lambda: missing.write(LOGO, b"x"), lambda: missing.delete_all("organizations")):
            with pytest.raises(OSError, match="bucket does not exist"):
                act()


def test_a_bucket_without_a_prefix_serves_as_well(connect, s3):
    whole = connect(f"s3://{BUCKET}", endpoint_url=s3)
    whole.write("top/file", b"kept")
    with closing(boto3.client("s3", endpoint_url=s3)) as client:
        assert client.get_object(Bucket=BUCKET, Key="top/file")["Body"].read() == b"kept"
    whole.delete_all("top")
    assert whole.read("top/file") is None


@pytest.fixture(params=["away", "silent", "deaf"])
def unwell(request):
    """The address of a service that refuses connections, that takes them and never answers, or that doesn't even take them."""
    backlog = 0 if request.param == "deaf" else 100
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        port = server.getsockname()[1]
        if request.param == "away":
            server.close()
        waiting = [socket.create_connection(("127.0.0.1", port)) for _each in range(backlog == 0)]
        yield f"http://127.0.0.1:{port}"
        for each in waiting:
            each.close()


def test_a_service_that_is_away_or_silent_is_an_os_error_in_bounded_time(connect, s3, unwell, monkeypatch):
    for name, seconds in {"CONNECT": 0.2, "READ": 0.2, "CALL": 2}.items():
        monkeypatch.setattr(files, f"{name}_SECONDS", seconds)
    store = connect(f"s3://{BUCKET}", endpoint_url=unwell)
    for act in (partial(store.read, LOGO), partial(store.write, LOGO, b"x"), partial(store.delete_all, "organizations")):
        begun = time.monotonic()
        with pytest.raises(OSError, match=r"Could not connect|imeout on endpoint|didn't answer within 2 s"):
            act()
        assert time.monotonic() - begun < 5, "two seconds, and what a busy machine adds"


def test_a_silent_service_is_asked_three_times_and_no_more(connect, s3, monkeypatch):
    monkeypatch.setattr(files, "READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        store = connect(f"s3://{BUCKET}", endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(OSError, match="Read timeout on endpoint"):
            store.read(LOGO)
        server.setblocking(False)  # noqa: FBT003 - the socket's own signature
        asked = 0
        with suppress(BlockingIOError):
            while True:
                server.accept()[0].close()
                asked += 1
    assert asked == files.ATTEMPTS


def test_an_answer_that_breaks_off_is_an_os_error_and_never_half_a_file(connect, s3):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 1000\r\n\r\n%PDF-1.7"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(head)

        threading.Thread(target=serve, daemon=True).start()
        store = connect(f"s3://{BUCKET}", endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(OSError, match="not completed"):
            store.read(LOGO)
        server.shutdown(socket.SHUT_RDWR)


def test_without_credentials_a_call_is_an_os_error_that_says_so(connect, s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = connect(f"s3://{BUCKET}/without", endpoint_url=f"{s3}/")
    with pytest.raises(OSError, match="Unable to locate credentials"):
        store.read(LOGO)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "file:files",
        "file://elsewhere/srv/files",
        "file:///srv/files#1",
        "s3://",
        "s3:///files",
        "s3://key:secret@bucket/files",
        "s3://bucket/files?region=x",
        "memory://files",
    ],
)
def test_an_address_that_means_no_store_is_refused_at_the_start(connect, url):
    with pytest.raises(ValueError, match="FILES_URL must be") as refused:
        connect(url)
    assert "secret" not in str(refused.value)
