"""What a backend does: signs tokens, and calls the HTTP API."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import urllib.request
from typing import Any

# The key of the HTTP API and the secret of the tokens, as the example program has them.
KEY = "test-api-key"
SECRET = "secret"

TIMEOUT_S = 30


class ServerApi:
    def __init__(self, origin: str) -> None:
        self._origin = origin
        # The server is on this machine, whatever the environment says of proxies.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def publish(self, channel: str, data: Any) -> dict[str, Any]:
        """Publishes to a channel, and returns the position of the publication."""
        return await self._call("publish", channel=channel, data=data)

    async def subscribe(self, user: str, channel: str) -> None:
        await self._call("subscribe", user=user, channel=channel)

    async def unsubscribe(self, user: str, channel: str) -> None:
        await self._call("unsubscribe", user=user, channel=channel)

    async def disconnect(self, user: str, code: int | None = None, reason: str = "") -> None:
        """Closes every connection of a user, for good if no other code is given."""
        parameters = {} if code is None else {"disconnect": {"code": code, "reason": reason}}
        await self._call("disconnect", user=user, **parameters)

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._origin}/api/{method}",
            data=json.dumps(parameters).encode(),
            headers={"Content-Type": "application/json", "X-API-Key": KEY},
        )
        answer = await asyncio.to_thread(self._send, request)
        if "error" in answer:
            raise RuntimeError(f"{method} was answered with {answer}")
        return answer["result"]

    def _send(self, request: urllib.request.Request) -> dict[str, Any]:
        with self._opener.open(request, timeout=TIMEOUT_S) as response:
            return json.load(response)


def sign(claims: dict[str, Any], secret: str = SECRET) -> str:
    """A JSON Web Token."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64url(signature)}"


def in_seconds(seconds: int) -> int:
    """A moment as tokens name it, so many seconds from now."""
    return int(time.time()) + seconds


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
