"""The embedded PostgreSQL: real server programs on loopback TCP, with passwords, and durable."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from jobline_local.child import Program, run_to_end
from jobline_local.errors import StackError
from jobline_local.processes import end
from jobline_local.secrets import Secrets
from jobline_local.server_user import ServerUser

_SUPERUSER = "postgres"
_OWNER = "jobline"
_DATABASE = "jobline"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket path is limited to about 100 bytes, a data directory is not
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "wal_compression": "off",  # a queue's row images are small: compressing them costs more than it saves
    "jit": "off",  # every statement of a queue is short; compiling it would take longer than running it
    "autovacuum_naptime": "10s",
    "log_line_prefix": "%m [%p] ",
}


class Postgres:
    """One cluster below `home`, with the database `jobline` owned by the role of the same name.

    The steps are those of a `Service`: `prepare`, `program`, `ready`.
    """

    name = "postgres"

    def __init__(
        self, binaries: Path, home: Path, port: int, secrets: Secrets, log: Path, user: ServerUser | None
    ) -> None:
        self._binaries = binaries / "bin"
        self._home = home
        self._port = port
        self._secrets = secrets
        self._log = log
        self._user = user

    @property
    def url(self) -> str:
        """The address for the services: an ordinary role that owns its database."""
        return self._url(_OWNER, self._secrets.postgres, _DATABASE)

    @property
    def superuser_url(self) -> str:
        """The address for setting things up."""
        return self._url(_SUPERUSER, self._secrets.postgres_superuser, "postgres")

    @property
    def data(self) -> Path:
        """The cluster's own folder."""
        return self._home / "data"

    async def prepare(self) -> None:
        """Leaves a cluster that is initialised and that no process of an earlier run touches any more."""
        self._own_home()
        await asyncio.to_thread(end_leftovers, self.data)
        if not self.data.exists():
            await self._initialise()
        # The lock file of a killed server names a process number that may be somebody else's by now. Nothing of ours
        # runs (the stack holds its lock, leftovers are gone), and the shared memory segment guards the cluster, too.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def program(self) -> Program:
        """The postmaster. SIGINT is its fast stop, SIGQUIT its immediate one."""
        settings = {**_SETTINGS, "port": str(self._port)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return self._run(
            "postgres",
            "-D",
            str(self.data),
            *options,
            death_signal=signal.SIGINT,
            stop_steps=((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)),
        )

    async def ready(self) -> None:
        """Waits until the server takes connections, and completes the role and the database.

        Raises:
            StackError: the cluster was made with another password than the one in the secrets file.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(psycopg.OperationalError), wait=wait_fixed(0.05)
        ):
            with attempt:
                try:
                    await self._complete()
                except psycopg.OperationalError as error:
                    if "password authentication failed" in str(error):
                        raise StackError(
                            f"{self.data} was made with other secrets than those of this data directory"
                        ) from error
                    raise

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self._port}/{database}"

    def _own_home(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(self._home, self._user.uid, self._user.gid)

    async def _initialise(self) -> None:
        """Runs initdb beside the final place and renames: an interrupted one leaves no half cluster behind."""
        draft = self._home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        with self._password_file() as password_file:
            code = await run_to_end(
                self._run(
                    "initdb",
                    "--pgdata",
                    str(draft),
                    "--username",
                    _SUPERUSER,
                    "--auth",
                    "scram-sha-256",
                    "--pwfile",
                    str(password_file),
                    "--encoding",
                    "UTF8",
                    # PostgreSQL's own C.UTF-8 sorts alike on every system; not every libc has one.
                    "--locale-provider",
                    "builtin",
                    "--builtin-locale",
                    "C.UTF-8",
                    "--locale",
                    "C",
                    "--no-instructions",
                )
            )
        if code:
            raise StackError(f"initdb failed with exit code {code}; see {self._log}")
        draft.rename(self.data)

    @contextlib.contextmanager
    def _password_file(self) -> Iterator[Path]:
        path = self._home / "password"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._secrets.postgres_superuser)
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)
        try:
            yield path
        finally:
            path.unlink()

    def _run(
        self,
        program: str,
        *arguments: str,
        death_signal: signal.Signals = signal.SIGKILL,
        stop_steps: tuple[tuple[signal.Signals, float], ...] = (),
    ) -> Program:
        return Program(
            name=self.name,
            argv=(str(self._binaries / program), *arguments),
            env=_server_environment(),
            cwd="/",
            user=self._user,
            log=self._log,
            death_signal=death_signal,
            stop_steps=stop_steps,
        )

    async def _complete(self) -> None:
        """Creates role, database and extension where missing. Safe to repeat."""
        async with await psycopg.AsyncConnection.connect(
            self.superuser_url, autocommit=True, connect_timeout=5
        ) as connection:
            found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [_OWNER])
            verb = sql.SQL("ALTER" if await found.fetchone() else "CREATE")
            await connection.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    verb, sql.Identifier(_OWNER), sql.Literal(self._secrets.postgres)
                )
            )
            await create_database(connection, _DATABASE)
        async with await psycopg.AsyncConnection.connect(
            self._url(_SUPERUSER, self._secrets.postgres_superuser, _DATABASE), autocommit=True, connect_timeout=5
        ) as connection:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")


async def create_database(connection: psycopg.AsyncConnection, name: str) -> None:
    """Creates the database `name`, owned by the services' role, unless it exists. Needs autocommit."""
    found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    if await found.fetchone() is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        await connection.execute(statement.format(sql.Identifier(name), sql.Identifier(_OWNER)))


def end_leftovers(data: Path) -> None:
    """Kills what an earlier server on the cluster `data` left running, and waits until it is gone.

    Backends of a killed postmaster live on for a second or two and may still write; their changes are either committed
    in the log or void, so ending them hard loses nothing.

    Raises:
        StackError: a process did not go within 10 seconds.
    """
    end(process for process in psutil.process_iter(["name"]) if _works_in(process, data))


def _works_in(process: psutil.Process, data: Path) -> bool:
    """Whether this is a PostgreSQL process of that cluster: they all work in its folder."""
    if process.info["name"] != "postgres":
        return False
    try:
        return Path(process.cwd()) == data.resolve()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return _is_orphan(process)


def _is_orphan(process: psutil.Process) -> bool:
    """A backend whose postmaster is gone: about to end anyway, whichever cluster it belongs to.

    Asked only where a container's root may not see the working folder of another account's process.
    """
    with contextlib.suppress(psutil.Error):
        return process.ppid() == 1 and "".join(process.cmdline()).startswith("postgres: ")
    return False


def _server_environment() -> dict[str, str]:
    """The caller's environment without the variables that would steer the server programs."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
