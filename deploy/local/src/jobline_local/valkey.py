"""The embedded Valkey: rate counters and chores; losing it never loses a job, and it keeps its data all the same."""

import os
import signal
from pathlib import Path

import redis.asyncio
from redis.exceptions import AuthenticationError, RedisError
from tenacity import AsyncRetrying, retry_if_exception, wait_fixed

from jobline_local.child import Program
from jobline_local.errors import StackError
from jobline_local.secrets import Secrets
from jobline_local.server_user import ServerUser


class Valkey:
    """One Valkey server with its files below `home`. The steps are those of a `Service`."""

    name = "valkey"

    def __init__(
        self, binaries: Path, home: Path, port: int, secrets: Secrets, log: Path, user: ServerUser | None
    ) -> None:
        self._binaries = binaries
        self._home = home
        self._port = port
        self._password = secrets.valkey
        self._log = log
        self._user = user

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    async def prepare(self) -> None:
        """Makes the folder of the append-only file."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(self._home, self._user.uid, self._user.gid)

    def program(self) -> Program:
        """The server. Its configuration goes through standard input: arguments can be read by everybody."""
        return Program(
            name=self.name,
            argv=(str(self._binaries / "valkey-server"), "-"),
            cwd="/",
            user=self._user,
            stdin=self._configuration().encode(),
            log=self._log,
            death_signal=signal.SIGTERM,
            stop_steps=((signal.SIGTERM, 10.0),),
        )

    async def ready(self) -> None:
        """Waits until the server answers, its append-only file loaded.

        Raises:
            StackError: it does not know the password of this data directory.
        """
        client = redis.asyncio.Redis.from_url(self.url, socket_connect_timeout=5, socket_timeout=5)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(_may_pass), wait=wait_fixed(0.05), reraise=True
            ):
                with attempt:
                    await client.ping()
        except AuthenticationError as error:
            raise StackError(f"port {self._port} is answered by another server than this stack's Valkey") from error
        finally:
            await client.aclose()

    def _configuration(self) -> str:
        folder = str(self._home).replace("\\", "\\\\").replace('"', '\\"')
        return "\n".join(
            (
                "bind 127.0.0.1",
                f"port {self._port}",
                f"requirepass {self._password}",
                f'dir "{folder}"',
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "",
            )
        )


def _may_pass(error: BaseException) -> bool:
    """Whether waiting helps: the server is still starting or loading its file."""
    return isinstance(error, RedisError) and not isinstance(error, AuthenticationError)
