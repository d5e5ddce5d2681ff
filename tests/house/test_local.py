"""One machine: the embedded servers start, are shared, survive a kill, and leave nothing behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from portal.local import CannotStart, join, keys, processes, services

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "PORTAL_ENV",
        "PORTAL_HOME",
        "PORT",
        "BASE_URL",
        "BIND_HOST",
        *keys.NAMES,
    ):
        monkeypatch.delenv(name, raising=False)


def _sql(address: str, statement: str) -> object:
    with psycopg.connect(address.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def _postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def _valkey(address: str) -> int:
    with Redis.from_url(address) as client:
        return int(client.info("server")["process_id"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_users_of_one_home_share_its_servers_and_the_last_one_stops_them(tmp_path):
    home = tmp_path / "home"
    with services(home, for_tests=True) as first:
        with services(home, for_tests=True) as second:
            assert second == first
        assert _sql(first["DATABASE_URL"], "SELECT current_database()") == "portal"
        pids = [_postmaster(home), _valkey(first["REDIS_URL"])]
    assert not any(processes.is_alive(pid) for pid in pids)
    assert not home.exists()


def test_tests_do_not_wait_for_the_disk_and_everyone_else_does(tmp_path):
    settings = "SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ({})"
    durable = settings.format("'fsync', 'full_page_writes', 'max_connections', 'synchronous_commit'")
    with services(tmp_path / "tests", for_tests=True) as tests, services(tmp_path / "own") as own:
        assert _sql(tests["DATABASE_URL"], durable) == "off off 200 off"
        assert _sql(own["DATABASE_URL"], durable) == "on on 200 on"
        with Redis.from_url(own["REDIS_URL"]) as client:
            assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_what_was_written_is_there_after_a_restart(tmp_path):
    with services(tmp_path) as before:
        _sql(before["DATABASE_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
        with Redis.from_url(before["REDIS_URL"]) as client:
            client.set("kept", "7")
    began = time.monotonic()
    with services(tmp_path) as after:
        assert time.monotonic() - began < 10
        assert _sql(after["DATABASE_URL"], "SELECT n FROM kept") == 7
        with Redis.from_url(after["REDIS_URL"]) as client:
            assert client.get("kept") == b"7"


def test_killed_servers_start_again(tmp_path):
    with services(tmp_path) as before:
        _sql(before["DATABASE_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
        for pid in (_postmaster(tmp_path), _valkey(before["REDIS_URL"])):
            os.kill(pid, signal.SIGKILL)
        with services(tmp_path) as after:
            assert _sql(after["DATABASE_URL"], "SELECT n FROM kept") == 7
            with Redis.from_url(after["REDIS_URL"]) as client:
                assert client.ping()


def test_a_pid_file_whose_number_is_someone_elses_now_does_not_block_the_start(tmp_path):
    with services(tmp_path):
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    with services(tmp_path) as after:
        assert _sql(after["DATABASE_URL"], "SELECT 1") == 1


def test_a_data_folder_left_half_made_is_made_anew(tmp_path):
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    with services(tmp_path, for_tests=True) as made:
        assert _sql(made["DATABASE_URL"], "SHOW server_version_num") >= "180000"


def test_a_killed_user_does_not_keep_the_servers_running(tmp_path):
    script = "import sys, time; from pathlib import Path; from portal.local import services\n"
    script += "with services(Path(sys.argv[1])): print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout.readline() == "up\n"
        user.kill()
    pid = _postmaster(tmp_path)
    assert processes.is_alive(pid)
    with services(tmp_path):
        assert _postmaster(tmp_path) == pid
    assert not processes.is_alive(pid)


def test_valkey_moves_when_its_port_was_taken(tmp_path):
    with services(tmp_path) as before:
        port = int(before["REDIS_URL"].rpartition(":")[2].partition("/")[0])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with services(tmp_path) as after, Redis.from_url(after["REDIS_URL"]) as client:
            assert client.ping()
            assert f":{port}/" not in after["REDIS_URL"]


def test_a_path_too_long_for_a_socket_works(tmp_path):
    home = tmp_path / ("long" * 20) / ("longer" * 10)
    with services(home, for_tests=True) as made:
        assert _sql(made["DATABASE_URL"], "SELECT 1") == 1


def test_addresses_that_are_given_are_used_and_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:secret@db.example/portal")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example:6379/3")
    with services(tmp_path) as given:
        assert given == {
            "DATABASE_URL": "postgresql+psycopg://someone:secret@db.example/portal",
            "REDIS_URL": "redis://cache.example:6379/3",
        }
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "valkey").exists()


def test_tests_never_use_the_database_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:secret@db.example/portal")
    with services(tmp_path / "home", for_tests=True) as own:
        assert str(tmp_path / "home") in own["DATABASE_URL"]


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path):
    made = keys.made_or_kept(tmp_path, {})
    key_id, _, key = made["DATA_ENCRYPTION_KEYS"].partition(":")
    assert (key_id, len(bytes.fromhex(key))) == ("k1", 32)
    assert len(made["SECRET_KEY"]) == 64
    assert stat.S_IMODE((tmp_path / "keys.env").stat().st_mode) == 0o600
    assert keys.made_or_kept(tmp_path, {}) == made
    assert [path.name for path in tmp_path.iterdir()] == ["keys.env"]


def test_keys_that_are_given_are_not_made(tmp_path):
    assert keys.made_or_kept(tmp_path, {"SECRET_KEY": "s", "DATA_ENCRYPTION_KEYS": "k:00"}) == {}
    assert not (tmp_path / "keys.env").exists()
    assert set(keys.made_or_kept(tmp_path, {"SECRET_KEY": "s"})) == {"DATA_ENCRYPTION_KEYS"}


def test_keys_are_never_made_in_production(tmp_path):
    with pytest.raises(CannotStart, match="set SECRET_KEY and DATA_ENCRYPTION_KEYS"):
        keys.made_or_kept(tmp_path, {"PORTAL_ENV": "production"})
    assert not (tmp_path / "keys.env").exists()


def test_a_lost_key_is_not_made_anew(tmp_path):
    (tmp_path / "keys.env").write_text("SECRET_KEY=abc\n")
    with pytest.raises(CannotStart, match="holds no DATA_ENCRYPTION_KEYS"):
        keys.made_or_kept(tmp_path, {})


def test_a_command_in_production_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTAL_ENV", "production")
    monkeypatch.setenv("PORTAL_HOME", str(tmp_path / "home"))
    join()
    assert "DATABASE_URL" not in os.environ
    assert not (tmp_path / "home").exists()


def test_a_port_in_use_is_named_before_anything_starts(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = _run_portal(tmp_path, port)
    assert done.returncode == 1
    assert f"The portal can't listen on 127.0.0.1:{port} (Address already in use)" in done.stderr
    assert not (tmp_path / "postgres").exists()


def test_a_port_that_is_none_is_refused(tmp_path):
    done = _run_portal(tmp_path, "eighty")
    assert done.returncode == 1
    assert done.stderr == "PORT must be a number from 1 to 65535, and eighty isn't.\n"


def _run_portal(home: Path, port: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PORTAL_HOME": str(home), "PORT": str(port)}
    command = [sys.executable, "-m", "portal.local", "run"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_portal_starts_answers_and_stops_on_ctrl_c(tmp_path):
    port = _free_port()
    environment = os.environ | {"PORTAL_HOME": str(tmp_path), "PORT": str(port)}
    command = [sys.executable, "-m", "portal.local", "run"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as portal:
        said = []
        for line in portal.stdout:
            said.append(line)
            if line.startswith("The portal is at"):
                break
        assert said[-1:] == [f"The portal is at http://localhost:{port} and its data in {tmp_path}. Ctrl-C stops it.\n"], said
        assert "already runs" in _run_portal(tmp_path, _free_port()).stderr
        servers = [_postmaster(tmp_path), *processes.marked(str(tmp_path))]
        portal.send_signal(signal.SIGINT)
        rest, _ = portal.communicate(timeout=60)
    assert portal.returncode == 0, rest
    assert not any(processes.is_alive(pid) for pid in servers)
