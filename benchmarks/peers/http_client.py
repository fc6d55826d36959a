"""What the clients of HTTP servers share."""

from typing import Any

import aiohttp
from load.place import port
from load.tasks import Tasks

__all__ = ["HttpAsker"]


class HttpAsker(Tasks):
    """Connections are kept and used again; beyond a thousand, requests wait in the client."""

    path = "/predict"

    async def open(self) -> None:
        """Connections are made when they are first used."""
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port()}",
            connector=aiohttp.TCPConnector(limit=1000),
            timeout=aiohttp.ClientTimeout(total=120.0),
            raise_for_status=True,
        )

    def body(self, row: Any) -> Any:  # noqa: ANN401  JSON
        """What to send."""
        return {"row": row}

    def label(self, answer: Any) -> Any:  # noqa: ANN401  JSON
        """What came back."""
        return answer

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  as the base
        """One row, one label."""
        async with self._session.post(self.path, json=self.body(row)) as response:
            return self.label(await response.json())

    async def close(self) -> None:
        """Disconnect."""
        await super().close()
        await self._session.close()
