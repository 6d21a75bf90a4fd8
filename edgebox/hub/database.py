"""What every database of the hub has: one thread that owns it, and faults that are values.

A method is one transaction and blocks; `call` runs it in that thread, so that neither a slow disk
nor a remote PostgreSQL stalls signalling. A disk that is full and a server that is away are
expected: `call` then answers with a Fault, and its caller goes on.
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import BigInteger, Integer, MetaData, create_engine, event
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from edgebox.errors import ConfigError, DeviceError
from edgebox.messages.base import Fault

P = ParamSpec("P")
T = TypeVar("T")

TEXT_MAX = 200
BIG = BigInteger().with_variant(Integer, "sqlite")
"""A number that counts up by itself: SQLite has but one kind of those."""


class Database:
    """One database; what is in it is said by those who inherit."""

    def __init__(self, key: str, url: str, metadata: MetaData, pragmas: Sequence[str]):
        """`key`: of the setting that holds `url`, SQLAlchemy's. `pragmas`: for SQLite.

        Raises ConfigError for a URL that names no usable database.
        """
        self._key = key
        self._metadata = metadata
        try:
            self._engine = create_engine(url)
        except (ArgumentError, ImportError) as error:
            raise ConfigError(f"{key}: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=key)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", functools.partial(_set_up_sqlite, pragmas))

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Fault:
        """Run one of the methods in the database's thread.

        A Fault is `failed` when the database is away or full, so that it may be tried again, and
        `refused` when it takes everything but this.
        """
        loop = asyncio.get_running_loop()
        work = functools.partial(method, *args, **kwargs)
        try:
            return await loop.run_in_executor(self._thread, work)
        except (IntegrityError, DataError) as error:
            return Fault(reason="refused", text=self._said(error))
        except DBAPIError as error:
            return Fault(reason="failed", text=self._said(error))
        except PoolTimeoutError:
            return Fault(reason="failed", text=f"{self._key}: no connection in time")

    def _said(self, error: DBAPIError) -> str:
        # Without the statement: its values are names and hashes of people.
        return f"{self._key}: {' '.join(str(error.orig).split())}"[:TEXT_MAX]

    def set_up(self) -> None:
        """Make the tables that are missing. Raises DeviceError."""
        try:
            self._metadata.create_all(self._engine)
        except DBAPIError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise DeviceError(f"{self._key} {where}: {error.orig}") from error

    async def close(self) -> None:
        """Finish what is queued and let go of the database."""
        await self.call(self._engine.dispose)
        self._thread.shutdown()


def _set_up_sqlite(pragmas: Sequence[str], connection: Any, record: object) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
