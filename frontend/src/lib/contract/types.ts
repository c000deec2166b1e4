// Written by the server from its Rust types: change those, not this file.

/** Asks for the messages before one. */
export type EarlierMessages = {
	room: string;
	/** The id of the message before which they are wanted. */
	before: number;
};

/** Asks which rooms there are. */
export type ListRooms = null;

/** Something that was said. */
export type Message = {
	/** Grows from message to message, and is never given out twice. */
	id: number;
	room: string;
	author: string;
	/** Posted over HTTP without a session: the author is whoever they said they are. */
	outside: boolean;
	text: string;
	/** When, in milliseconds since 1970. */
	sent: number;
	/** What its sender knows it by. */
	nonce: string | null;
};

/** Asks for a room as it is now. */
export type OpenRoom = { room: string };

/** A room as somebody finds it who comes in. */
export type OpenedRoom = {
	/** The newest messages, the oldest first. */
	messages: Array<Message>;
	/** Whether there are messages before these. */
	earlier: boolean;
	/** A position in the room's channel: what is published behind it may be missing here, and nothing else is. */
	position: Position;
};

/** Neighbouring messages of a room, the oldest first. */
export type Page = {
	messages: Array<Message>;
	/** Whether there are messages before these. */
	earlier: boolean;
};

/** A position in a channel's stream: everything up to `offset` has been seen. */
export type Position = {
	/** The life of the stream. */
	epoch: string;
	/** The offset of the last publication seen; 0 before the first. Offsets grow by 1. */
	offset: number;
};

/** What a list of rooms says of one. */
export type Room = {
	name: string;
	/** How many there are in it. */
	messages: number;
	/** When the latest one was sent, in milliseconds since 1970. */
	latest: number | null;
};

/** Why there is nothing to be had of a room. */
export type RoomError = { type: "bad_room" };

/** Why a message is refused. The words are for people; programs go by the type. */
export type SendError = {
	type: "empty";
} | {
	type: "too_long";
	/** How many it may have. */
	limit: number;
} | {
	type: "unprintable";
} | {
	type: "bad_room";
} | {
	type: "too_fast";
	/** For so many milliseconds. */
	wait: number;
} | {
	type: "nonce_taken";
};

/** Says something in a room. */
export type SendMessage = {
	room: string;
	text: string;
	/** A UUID, by which the page knows its message. Sent again with the same one, it is still one message. */
	nonce: string;
};

/** Somebody, named by the publication's `info`, has begun to type or is done. */
export type Typing = { typing: boolean };

/** What a page may ask of the server, by name. */
export interface Calls {
	'chat.earlier': { params: EarlierMessages; reply: Page; error: RoomError };
	'chat.open': { params: OpenRoom; reply: OpenedRoom; error: RoomError };
	'chat.rooms': { params: ListRooms; reply: Array<Room>; error: never };
	'chat.send': { params: SendMessage; reply: Message; error: SendError };
}

/** What is published to channels, and what others see of their subscribers, by name. */
export interface Channels {
	[channel: `chat:${string}`]: { publication: Message; info: null };
	[channel: `typing:${string}`]: { publication: Typing; info: null };
}
