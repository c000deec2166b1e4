/** Moments in words, for the reader's language and time zone. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const clock = new Intl.DateTimeFormat(undefined, {
	hour: '2-digit',
	minute: '2-digit',
	hourCycle: 'h23'
});
const weekday = new Intl.DateTimeFormat(undefined, {
	weekday: 'long',
	day: 'numeric',
	month: 'long'
});
const fullDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** The time of the day, to the minute. */
export function timeOf(moment: number): string {
	return clock.format(moment);
}

/** The day: today, yesterday, or its date. */
export function dayOf(moment: number, now: number): string {
	switch (daysBetween(moment, now)) {
		case 0:
			return 'Today';
		case 1:
			return 'Yesterday';
		default:
			return sameYear(moment, now) ? weekday.format(moment) : fullDay.format(moment);
	}
}

/** How long ago, as short as can be: "now", "5 min", "3 h", "yesterday", "7 Mar". */
export function agoOf(moment: number, now: number): string {
	const age = now - moment;
	if (age < MINUTE_MS) return 'now';
	if (age < HOUR_MS) return `${Math.floor(age / MINUTE_MS)} min`;
	const days = daysBetween(moment, now);
	if (days <= 0) return `${Math.floor(age / HOUR_MS)} h`;
	return days === 1 ? 'yesterday' : shortDay.format(moment);
}

/** By the calendar: from eleven in the evening to one in the morning is a day. */
function daysBetween(moment: number, now: number): number {
	return Math.round((midnight(now) - midnight(moment)) / (24 * HOUR_MS));
}

function midnight(moment: number): number {
	return new Date(moment).setHours(0, 0, 0, 0);
}

function sameYear(one: number, other: number): boolean {
	return new Date(one).getFullYear() === new Date(other).getFullYear();
}
