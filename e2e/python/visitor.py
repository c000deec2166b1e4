"""A client and its subscriptions that remember what the SDK has told them."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import centrifuge

# Longer than anything here takes on a slow and busy machine.
PATIENCE_S = 30

# How often a state that announces itself by no event is looked at.
LOOK_EVERY_S = 0.02


async def until(what: str, look: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits until `look` says yes; `what` completes the sentence "waited for …"."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + PATIENCE_S
    while True:
        answer = look()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if clock.time() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S} s in vain for {what}")
        await asyncio.sleep(LOOK_EVERY_S)


class Listener(centrifuge.SubscriptionEventHandler):
    """One subscription of a client."""

    sdk: centrifuge.Subscription

    def __init__(self) -> None:
        self.subscribed: list[centrifuge.SubscribedContext] = []
        self.unsubscribed: list[centrifuge.UnsubscribedContext] = []
        self.publications: list[centrifuge.Publication] = []
        self.joined: list[str] = []
        self.left: list[str] = []

    @property
    def data(self) -> list[Any]:
        """What has been received."""
        return [publication.data for publication in self.publications]

    @property
    def recoveries(self) -> list[tuple[bool, bool]]:
        """How each time of subscribing went: whether something was to be recovered, whether it was."""
        return [(context.was_recovering, context.recovered) for context in self.subscribed]

    async def has_received(self, count: int) -> list[Any]:
        """Waits until so many publications have come in all, and returns what has come."""
        await until(f"{count} publications", lambda: len(self.publications) >= count)
        return self.data

    async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
        self.subscribed.append(ctx)

    async def on_unsubscribed(self, ctx: centrifuge.UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx)

    async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
        self.publications.append(ctx.pub)

    async def on_join(self, ctx: centrifuge.JoinContext) -> None:
        self.joined.append(ctx.info.user)

    async def on_leave(self, ctx: centrifuge.LeaveContext) -> None:
        self.left.append(ctx.info.user)


class Visitor(centrifuge.ClientEventHandler):
    """One client of the SDK."""

    def __init__(self, address: str, **options: Any) -> None:
        self.connecting: list[centrifuge.ConnectingContext] = []
        self.connected: list[centrifuge.ConnectedContext] = []
        self.disconnected: list[centrifuge.DisconnectedContext] = []
        self.errors: list[Exception] = []
        # What the server has subscribed the client to, what it has ended of that, and what came from there.
        self.subscribed: list[str] = []
        self.unsubscribed: list[str] = []
        self.publications: list[centrifuge.ServerPublicationContext] = []
        # As long a pause before the client comes back as the SDK for JavaScript makes.
        self.sdk = centrifuge.Client(
            address, events=self, proxy=None, min_reconnect_delay=0.5, **options
        )

    @property
    def id(self) -> str:
        """The identifier of the present connection."""
        return self.connected[-1].client

    async def connect(self) -> None:
        """Connects, and waits until that is done."""
        await self.sdk.connect()
        await self.sdk.ready(PATIENCE_S)

    async def subscribe(self, channel: str, **options: Any) -> Listener:
        """Subscribes, and waits until that is done."""
        listener = self.listener(channel, **options)
        await listener.sdk.subscribe()
        await listener.sdk.ready(PATIENCE_S)
        return listener

    def listener(self, channel: str, **options: Any) -> Listener:
        """Prepares a subscription."""
        listener = Listener()
        listener.sdk = self.sdk.new_subscription(channel, events=listener, **options)
        return listener

    async def on_connecting(self, ctx: centrifuge.ConnectingContext) -> None:
        self.connecting.append(ctx)

    async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
        self.connected.append(ctx)

    async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
        self.disconnected.append(ctx)

    async def on_error(self, ctx: centrifuge.ErrorContext) -> None:
        self.errors.append(ctx.error)

    async def on_subscribed(self, ctx: centrifuge.ServerSubscribedContext) -> None:
        self.subscribed.append(ctx.channel)

    async def on_unsubscribed(self, ctx: centrifuge.ServerUnsubscribedContext) -> None:
        self.unsubscribed.append(ctx.channel)

    async def on_publication(self, ctx: centrifuge.ServerPublicationContext) -> None:
        self.publications.append(ctx)
