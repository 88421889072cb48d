"""The embedded PostgreSQL and Valkey by themselves: what they keep, where they live, whom they let in."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from jobline_local.binaries import postgres_binaries
from jobline_local.child import Child, Program
from jobline_local.clean import clean
from jobline_local.errors import StackError
from jobline_local.keeper import Keeper
from jobline_local.paths import DataDir
from jobline_local.postgres import Postgres
from jobline_local.processes import ProcessRecord
from jobline_local.secrets import load_or_create
from jobline_local.server_user import server_user
from jobline_local.servers import embedded_servers
from jobline_local.valkey import Valkey
from support.eventually import eventually, eventually_blocking
from support.processes import clean_environ, living
from support.stack import EmbeddedPair, running, scratch_data_dir

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another account")


def postgres_in(data: DataDir) -> Postgres:
    data.create()
    postgres = embedded_servers(data, load_or_create(data.secrets_file), postgres=True, valkey=False).postgres
    assert postgres is not None
    return postgres


def valkey_in(data: DataDir) -> Valkey:
    data.create()
    valkey = embedded_servers(data, load_or_create(data.secrets_file), postgres=False, valkey=True).valkey
    assert valkey is not None
    return valkey


def store_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n integer)")
        connection.execute("INSERT INTO kept SELECT coalesce(max(n), 0) + 1 FROM kept")


def stored_rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM kept ORDER BY n")]


def family(child: Child) -> list[psutil.Process]:
    root = psutil.Process(child.pid)
    return [root, *root.children(recursive=True)]


def test_the_role_of_the_services_owns_its_database_and_nothing_more(embedded: EmbeddedPair) -> None:
    with psycopg.connect(embedded.postgres.url) as connection:
        facts = connection.execute(
            "SELECT current_user, rolsuper, rolcreatedb, pg_get_userbyid(datdba), current_setting('server_encoding')"
            "  FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()
    assert facts == ("jobline", False, False, "jobline", "UTF8")


def test_commits_are_synchronous_and_vectors_are_available(embedded: EmbeddedPair) -> None:
    with psycopg.connect(embedded.postgres.url) as connection:
        settings = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), '[1,2]'::vector(2)::text"
        ).fetchone()
    assert settings == ("on", "on", "[1,2]")


def test_postgres_listens_on_loopback_only_and_wants_the_password(embedded: EmbeddedPair) -> None:
    with psycopg.connect(embedded.superuser_url) as connection:
        listening = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()
    assert listening == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(embedded.superuser_url, password="wrong")


def test_valkey_wants_the_password_and_does_not_show_it_in_its_arguments(embedded: EmbeddedPair) -> None:
    port = redis.Redis.from_url(embedded.redis_url).connection_pool.connection_kwargs["port"]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    password = redis.Redis.from_url(embedded.redis_url).connection_pool.connection_kwargs["password"]
    arguments = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in arguments if password in line]


def test_committed_rows_survive_the_kill_of_the_postmaster(data_dir: DataDir) -> None:
    first, second = postgres_in(data_dir), postgres_in(data_dir)
    with running(first) as child:
        store_row(first.url)
        os.kill(child.pid, signal.SIGKILL)
        # Started at once, while the backends of the killed server may still be about.
        with running(second):
            assert stored_rows(second.url) == [1]


def test_committed_rows_survive_the_kill_of_every_process(data_dir: DataDir) -> None:
    postgres = postgres_in(data_dir)
    with running(postgres) as child:
        store_row(postgres.url)
        for process in family(child):
            process.kill()
    with running(postgres):
        assert stored_rows(postgres.url) == [1]


def test_a_lock_file_with_a_strangers_process_number_does_not_stop_a_start(data_dir: DataDir) -> None:
    postgres = postgres_in(data_dir)
    with running(postgres) as child:
        store_row(postgres.url)
        for process in family(child):
            process.kill()
    server_data = data_dir.servers / "postgres" / "data"
    (server_data / "postmaster.pid").write_text(f"{os.getppid()}\n{server_data}\n1\n1\n\n127.0.0.1\n0 0\n\n")
    with running(postgres):
        assert stored_rows(postgres.url) == [1]


def test_an_interrupted_initialisation_is_done_again(data_dir: DataDir) -> None:
    postgres = postgres_in(data_dir)
    half = data_dir.servers / "postgres" / "data.new" / "base"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("x")
    with running(postgres):
        store_row(postgres.url)
        assert stored_rows(postgres.url) == [1]


def test_a_cluster_without_its_secrets_is_refused_with_a_reason(data_dir: DataDir) -> None:
    with running(postgres_in(data_dir)):
        pass
    data_dir.secrets_file.unlink()
    with pytest.raises(StackError, match="made with other secrets"), running(postgres_in(data_dir)):
        pass


def test_valkey_keeps_its_keys_when_it_is_killed(data_dir: DataDir) -> None:
    valkey = valkey_in(data_dir)
    with running(valkey) as child:
        redis.Redis.from_url(valkey.url).set("kept", "yes")
        os.kill(child.pid, signal.SIGKILL)
    again = valkey_in(data_dir)
    with running(again):
        assert redis.Redis.from_url(again.url).get("kept") == b"yes"


def test_both_servers_work_below_a_path_with_spaces_and_quotes() -> None:
    with scratch_data_dir('it\'s a "data" dir') as data:
        postgres, valkey = postgres_in(data), valkey_in(data)
        with running(postgres), running(valkey):
            store_row(postgres.url)
            redis.Redis.from_url(valkey.url).set("n", 1)
        with running(postgres), running(valkey):
            assert stored_rows(postgres.url) == [1]
            assert redis.Redis.from_url(valkey.url).get("n") == b"1"


def test_two_clusters_run_side_by_side(data_dir: DataDir) -> None:
    with scratch_data_dir() as other:
        first, second = postgres_in(data_dir), postgres_in(other)
        with running(first), running(second):
            store_row(first.url)
            store_row(second.url)
            store_row(second.url)
            assert stored_rows(first.url) == [1]
            assert stored_rows(second.url) == [1, 2]


async def test_a_keeper_brings_a_killed_server_back_on_the_same_port(data_dir: DataDir) -> None:
    postgres = postgres_in(data_dir)
    keeper = Keeper(postgres, ProcessRecord(data_dir.processes_file))
    await keeper.start()
    try:
        store_row(postgres.url)
        (postmaster,) = [p for p in psutil.Process().children() if str(postgres.data) in p.cmdline()]
        postmaster.kill()

        def rows_are_back() -> bool:
            with contextlib.suppress(psycopg.OperationalError):
                return not living([postmaster]) and stored_rows(postgres.url) == [1]
            return False

        await eventually(rows_are_back, within=30)
    finally:
        await keeper.stop()


def test_secrets_are_kept_and_private(data_dir: DataDir) -> None:
    data_dir.create()
    first = load_or_create(data_dir.secrets_file)
    assert load_or_create(data_dir.secrets_file) == first
    assert stat.S_IMODE(data_dir.secrets_file.stat().st_mode) == 0o600
    assert len({first.postgres, first.postgres_superuser, first.valkey, *first.tokens.values()}) == 7


def test_a_data_directory_of_somebody_else_keeps_its_mode_and_its_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    (tmp_path / "letter").write_text("mine")
    data = DataDir.at(tmp_path)
    data.create()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    clean(data)
    assert [file.name for file in tmp_path.iterdir()] == ["letter"]


@as_root
def test_servers_of_an_unreachable_data_directory_live_elsewhere_until_cleaned(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    data = DataDir.at(home / "data")
    try:
        postgres = postgres_in(data)
        with running(postgres) as child:
            store_row(postgres.url)
            assert psutil.Process(child.pid).uids().real != 0
        assert data.servers.readlink() == data.relocated
        with running(postgres):
            assert stored_rows(postgres.url) == [1]
    finally:
        clean(data)
    assert not data.relocated.exists()
    assert not data.root.exists()


@as_root
def test_programs_that_the_server_account_cannot_reach_are_copied(tmp_path: Path, data_dir: DataDir) -> None:
    found, user = postgres_binaries(), server_user()
    assert user is not None
    hidden = tmp_path / "site-packages"
    for part in found.parts:
        shutil.copytree(found.site / part, hidden / part, symlinks=True)
    for folder in (hidden, *hidden.rglob("*")):
        folder.chmod(0o700)  # a checkout made under a strict umask
    data_dir.create()
    copy = replace(found, site=hidden).usable_by(user, data_dir.place_servers(user, reachable=True))
    answer = subprocess.run(
        (copy / "bin" / "psql", "--version"),
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    assert "PostgreSQL" in answer.stdout


def test_a_copied_data_directory_does_not_use_the_servers_of_the_original(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "copy")
    data.create()
    data.servers.symlink_to(DataDir.at(tmp_path / "original").relocated)
    with pytest.raises(StackError, match="belongs to another data directory"):
        data.place_servers(None, reachable=True)


@pytest.fixture
def ordinary_python() -> Path:
    """An interpreter of this version that the account `nobody` may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = shutil.which(version, path="/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"no {version} outside root's home")
    return Path(found)


_ORDINARY_USER = """
import asyncio, pathlib, psycopg, sys
from support.stack import embedded_pair
with embedded_pair() as pair, psycopg.connect(pair.postgres.url) as connection:
    print(connection.execute("SELECT 'served'").fetchone()[0])
"""


@as_root
def test_an_ordinary_user_can_run_both_servers(ordinary_python: Path) -> None:
    modules = os.pathsep.join(path for path in sys.path if path)
    if not os.access(psycopg.__file__, os.R_OK, follow_symlinks=True):
        pytest.skip("the environment is closed to other accounts")
    done = subprocess.run(
        (ordinary_python, "-c", _ORDINARY_USER),
        env=clean_environ(PYTHONPATH=modules, HOME="/nonexistent"),
        cwd="/",
        user="nobody",
        group="nogroup",
        extra_groups=[],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("served\n", 0), done.stderr


def test_a_child_is_ended_with_what_it_started() -> None:
    script = "sleep 600 & echo $! >&2; exec sleep 600"
    child = Child(Program("shell", ("/bin/sh", "-c", script), stop_steps=((signal.SIGTERM, 5.0),)))
    eventually_blocking(lambda: len(family(child)) == 2, what="the shell has started its own child")
    everything = family(child)
    asyncio.run(child.stop())
    eventually_blocking(lambda: not living(everything), within=2, what="the group is gone")
