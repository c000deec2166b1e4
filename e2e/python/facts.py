"""What the SDK for Python can do with the server: the facts of ../sdk/facts.js, under the same names.

The server that DUPLEX_ORIGIN names is the one to try them with.
"""

import os
import unittest
from typing import Any

from centrifuge import (
    ClientInfo,
    ConnectingContext,
    DisconnectedContext,
    PresenceStatsResult,
    ReplyError,
    StreamPosition,
)
from server_api import ServerApi, in_seconds, sign
from visitor import Visitor, until

# How long the tokens are valid that have to be renewed: the shortest time that is never over when it arrives.
SHORT_S = 2
LONG_S = 3600


class Facts(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        origin = os.environ["DUPLEX_ORIGIN"]
        self.address = f"{origin.replace('http', 'ws', 1)}/connection/websocket"
        self.api = ServerApi(origin)
        # A channel that no other fact uses.
        self.channel = self._testMethodName

    async def connected(self, user: str = "ada") -> Visitor:
        """A client that is connected, with a token that says nothing but who it is."""
        visitor = self.visitor(token=sign({"sub": user}))
        await visitor.connect()
        return visitor

    def visitor(self, **options: Any) -> Visitor:
        """A client that is not connected yet, and that ends with the fact."""
        visitor = Visitor(self.address, **options)
        self.addAsyncCleanup(visitor.sdk.disconnect)
        return visitor

    async def a_token_says_who_is_connected(self) -> None:
        token = sign({"sub": "ada", "exp": in_seconds(LONG_S), "info": {"name": "Ada"}})
        ada = self.visitor(token=token)
        await ada.connect()
        listener = await ada.subscribe(self.channel)
        presence = await listener.sdk.presence()
        self.assertEqual(presence.clients, {ada.id: info(ada, "ada", conn_info={"name": "Ada"})})

    async def without_a_token_the_user_is_nobody(self) -> None:
        nobody = self.visitor()
        await nobody.connect()
        listener = await nobody.subscribe(self.channel)
        presence = await listener.sdk.presence()
        self.assertEqual(presence.clients, {nobody.id: info(nobody, "")})

    async def a_forged_token_is_refused_for_good(self) -> None:
        forger = self.visitor(token=sign({"sub": "ada"}, "another secret"))
        await forger.sdk.connect()
        await until("the refusal", lambda: len(forger.disconnected) > 0)
        self.assertEqual(forger.disconnected, [DisconnectedContext(3500, "invalid token")])
        self.assertEqual(forger.connected, [])

    async def an_expired_token_is_replaced_by_a_new_one(self) -> None:
        asked = 0

        async def get_token() -> str:
            nonlocal asked
            asked += 1
            return sign({"sub": "ada", "exp": in_seconds(LONG_S)})

        expired = sign({"sub": "ada", "exp": in_seconds(-60)})
        ada = self.visitor(token=expired, get_token=get_token)
        await ada.connect()
        self.assertEqual(asked, 1)
        self.assertEqual([code(error) for error in ada.errors], [109])

    async def a_publication_comes_back_to_its_publisher(self) -> None:
        ada = await self.connected()
        listener = await ada.subscribe(self.channel)
        data = {"text": "grüß dich", "numbers": [1, 2.5, -3]}
        await listener.sdk.publish(data)
        self.assertEqual(await listener.has_received(1), [data])
        [publication] = listener.publications
        self.assertEqual((publication.offset, publication.info), (1, info(ada, "ada")))

    async def publications_reach_every_subscriber_in_order(self) -> None:
        ada, bob = await self.connected("ada"), await self.connected("bob")
        listeners = [await ada.subscribe(self.channel), await bob.subscribe(self.channel)]
        numbers = list(range(50))
        for number in numbers:
            await ada.sdk.publish(self.channel, number)
        for listener in listeners:
            self.assertEqual(await listener.has_received(50), numbers)

    async def an_unknown_namespace_ends_the_subscription(self) -> None:
        ada = await self.connected()
        listener = ada.listener(f"nowhere:{self.channel}")
        await listener.sdk.subscribe()
        await until("the refusal", lambda: len(listener.unsubscribed) > 0)
        self.assertEqual([context.code for context in listener.unsubscribed], [102])
        self.assertEqual(listener.subscribed, [])

    async def a_remote_procedure_returns_what_it_is_given(self) -> None:
        ada = await self.connected()
        data = {"text": "grüß dich", "nested": [{"deep": True}, None]}
        self.assertEqual((await ada.sdk.rpc("echo", data)).data, data)

    async def an_unknown_remote_procedure_is_an_error_that_the_connection_survives(self) -> None:
        ada = await self.connected()
        with self.assertRaises(ReplyError) as refusal:
            await ada.sdk.rpc("nothing of that name", {})
        self.assertEqual(refusal.exception.code, 108)
        self.assertEqual((await ada.sdk.rpc("echo", "still here")).data, "still here")
        self.assertEqual(len(ada.connected), 1)

    async def presence_names_every_connection_and_counts_every_user(self) -> None:
        ada, again, bob = [await self.connected(user) for user in ("ada", "ada", "bob")]
        for visitor in (ada, again, bob):
            await visitor.subscribe(self.channel)
        presence = await ada.sdk.presence(self.channel)
        self.assertEqual(
            presence.clients,
            {ada.id: info(ada, "ada"), again.id: info(again, "ada"), bob.id: info(bob, "bob")},
        )
        stats = await bob.sdk.presence_stats(self.channel)
        self.assertEqual(stats, PresenceStatsResult(num_clients=3, num_users=2))

    async def who_comes_and_goes_is_told_to_those_who_ask(self) -> None:
        ada, bob = await self.connected("ada"), await self.connected("bob")
        asking = await ada.subscribe(self.channel, join_leave=True)
        silent = await bob.subscribe(self.channel)
        await until("the news of the coming", lambda: "bob" in asking.joined)
        await silent.sdk.unsubscribe()
        await until("the news of the going", lambda: "bob" in asking.left)
        self.assertEqual((silent.joined, silent.left), ([], []))

    async def history_is_read_from_either_end_and_from_a_position(self) -> None:
        ada = await self.connected()
        sdk = (await ada.subscribe(self.channel)).sdk
        for data in ("one", "two", "three"):
            await sdk.publish(data)

        async def read(**options: Any) -> list[tuple[int, Any]]:
            result = await sdk.history(**options)
            return [(publication.offset, publication.data) for publication in result.publications]

        top = await sdk.history(limit=0)
        self.assertEqual((top.publications, top.offset), ([], 3))
        self.assertEqual(await read(limit=10), [(1, "one"), (2, "two"), (3, "three")])
        since = StreamPosition(offset=1, epoch=top.epoch)
        self.assertEqual(await read(limit=1, since=since), [(2, "two")])
        self.assertEqual(await read(limit=2, reverse=True), [(3, "three"), (2, "two")])
        position = await self.api.publish(self.channel, "four")
        self.assertEqual(position, {"offset": 4, "epoch": top.epoch})

    async def what_was_published_while_a_client_was_away_is_recovered(self) -> None:
        ada = await self.connected()
        listener = await ada.subscribe(self.channel)
        await self.api.publish(self.channel, "before")
        await listener.has_received(1)
        await ada.sdk.disconnect()
        for data in ("one", "two", "three"):
            await self.api.publish(self.channel, data)
        await ada.connect()
        self.assertEqual(await listener.has_received(4), ["before", "one", "two", "three"])
        await self.api.publish(self.channel, "after")
        self.assertEqual(await listener.has_received(5), ["before", "one", "two", "three", "after"])
        offsets = [publication.offset for publication in listener.publications]
        self.assertEqual(offsets, [1, 2, 3, 4, 5])
        self.assertEqual(listener.recoveries, [(False, False), (True, True)])

    async def a_dropped_client_comes_back_by_itself_and_misses_nothing(self) -> None:
        channel = f"recovery:{self.channel}"
        ada = await self.connected()
        listener = await ada.subscribe(channel)
        await self.api.publish(channel, "before")
        await listener.has_received(1)
        before = ada.id
        await self.api.disconnect("ada", 3011, "force reconnect")
        await until("the drop", lambda: len(ada.connecting) == 2)
        for data in ("one", "two", "three"):
            await self.api.publish(channel, data)
        await until("the return", lambda: len(ada.connected) == 2)
        self.assertEqual(await listener.has_received(4), ["before", "one", "two", "three"])
        await self.api.publish(channel, "after")
        self.assertEqual(await listener.has_received(5), ["before", "one", "two", "three", "after"])
        self.assertEqual(listener.recoveries, [(False, False), (True, True)])
        self.assertEqual(ada.connecting[1], ConnectingContext(3011, "force reconnect"))
        self.assertNotEqual(ada.id, before)

    async def what_history_no_longer_has_is_said_to_be_lost(self) -> None:
        channel = f"smallhistory:{self.channel}"
        ada = await self.connected()
        listener = await ada.subscribe(channel)
        await self.api.publish(channel, "before")
        await listener.has_received(1)
        await ada.sdk.disconnect()
        for data in ("one", "two", "three"):
            await self.api.publish(channel, data)
        await ada.connect()
        await until("the subscription", lambda: len(listener.subscribed) == 2)
        await self.api.publish(channel, "after")
        self.assertEqual(await listener.has_received(2), ["before", "after"])
        self.assertEqual(listener.recoveries, [(False, False), (True, False)])
        position = listener.subscribed[1].stream_position
        self.assertEqual(position and position.offset, 4)

    async def a_client_that_is_thrown_out_stays_out(self) -> None:
        ada = await self.connected()
        await self.api.disconnect("ada")
        await until("the end", lambda: len(ada.disconnected) > 0)
        self.assertEqual(ada.disconnected, [DisconnectedContext(3503, "force disconnect")])
        self.assertEqual(len(ada.connecting), 1)

    async def a_token_is_renewed_while_the_connection_stays(self) -> None:
        asked = 0

        async def get_token() -> str:
            nonlocal asked
            asked += 1
            return sign({"sub": "ada", "exp": in_seconds(LONG_S if asked > 2 else SHORT_S)})

        ada = self.visitor(get_token=get_token)
        await ada.connect()
        # The third is asked for only when the server has taken the second and said how long it lasts.
        await until("the third token", lambda: asked == 3)
        self.assertEqual((await ada.sdk.rpc("echo", "still here")).data, "still here")
        self.assertEqual((len(ada.connecting), len(ada.connected), ada.errors), (1, 1, []))

    async def a_subscription_token_is_renewed_while_the_subscription_stays(self) -> None:
        asked = 0

        async def get_token(channel: str) -> str:
            nonlocal asked
            asked += 1
            exp = in_seconds(LONG_S if asked > 2 else SHORT_S)
            return sign({"sub": "ada", "channel": channel, "exp": exp, "info": {"seat": 7}})

        ada = await self.connected()
        listener = await ada.subscribe(self.channel, get_token=get_token)
        presence = await listener.sdk.presence()
        self.assertEqual(presence.clients, {ada.id: info(ada, "ada", chan_info={"seat": 7})})
        await until("the third token", lambda: asked == 3)
        await listener.sdk.publish("still here")
        self.assertEqual(await listener.has_received(1), ["still here"])
        self.assertEqual((len(listener.subscribed), listener.unsubscribed), (1, []))
        self.assertEqual(len(ada.connected), 1)

    async def the_server_subscribes_a_user_and_ends_that_again(self) -> None:
        ada = await self.connected()
        await self.api.subscribe("ada", self.channel)
        await until("the subscription", lambda: len(ada.subscribed) > 0)
        await self.api.publish(self.channel, "pushed")
        await until("the publication", lambda: len(ada.publications) > 0)
        await self.api.unsubscribe("ada", self.channel)
        await until("its end", lambda: len(ada.unsubscribed) > 0)
        self.assertEqual((ada.subscribed, ada.unsubscribed), ([self.channel], [self.channel]))
        received = [(context.channel, context.pub.data) for context in ada.publications]
        self.assertEqual(received, [(self.channel, "pushed")])

    async def the_server_ends_a_subscription_of_the_client(self) -> None:
        ada = await self.connected()
        listener = await ada.subscribe(self.channel)
        await self.api.unsubscribe("ada", self.channel)
        await until("its end", lambda: len(listener.unsubscribed) > 0)
        self.assertEqual([context.code for context in listener.unsubscribed], [2000])
        self.assertEqual(ada.disconnected, [])

    async def a_client_that_disconnects_is_gone(self) -> None:
        ada, bob = await self.connected("ada"), await self.connected("bob")
        for visitor in (ada, bob):
            await visitor.subscribe(self.channel)
        stats = await bob.sdk.presence_stats(self.channel)
        self.assertEqual(stats, PresenceStatsResult(num_clients=2, num_users=2))
        await ada.sdk.disconnect()
        self.assertEqual(ada.disconnected, [DisconnectedContext(0, "disconnect called")])

        async def alone() -> bool:
            return (await bob.sdk.presence_stats(self.channel)).num_clients == 1

        await until("the presence to end", alone)


def info(visitor: Visitor, user: str, conn_info: Any = None, chan_info: Any = None) -> ClientInfo:
    """What the server says of a client."""
    return ClientInfo(visitor.id, user, conn_info, chan_info)


def code(error: Exception) -> int | None:
    """What the server has refused something with."""
    return error.code if isinstance(error, ReplyError) else None
