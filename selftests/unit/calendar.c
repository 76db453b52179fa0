// SPDX-License-Identifier: GPL-2.0-only
/*
 * calendar.c - the match time's days, weeks and hours against the C library's
 *
 * Every day of the kernel's table (1970 to 2039) by gmtime_r(), then the edges of a
 * day's hours, of ranges past midnight and of dates.
 */
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <linux/types.h>

#include "../../progs/calendar.h"

#define EVERY_WEEKDAY	0xfeu

static int tap_nr, tap_bad;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_nr, what);
	tap_bad += !good;
}

static struct late_time always(void)
{
	return (struct late_time){
		.date_stop = 0xffffffffu, .day_stop = CALENDAR_DAY - 1,
		.monthdays = XT_TIME_ALL_MONTHDAYS, .weekdays = EVERY_WEEKDAY,
	};
}

/* Days on which the month's or the week's day is not gmtime_r()'s. */
static int wrong_days(bool week)
{
	int wrong = 0;

	for (__s64 day = 0; ; day++) {
		time_t at = day * CALENDAR_DAY;
		struct late_time t = always();
		struct tm tm;

		gmtime_r(&at, &tm);
		if (tm.tm_year + 1900 > (int)CALENDAR_LAST)
			break;
		if (week)	/* iptables counts Monday 1 to Sunday 7 */
			t.weekdays = 1u << (tm.tm_wday ? tm.tm_wday : 7);
		else
			t.monthdays = 1u << tm.tm_mday;
		wrong += !calendar_match(&t, at);
		if (week)
			t.weekdays ^= EVERY_WEEKDAY;
		else
			t.monthdays ^= XT_TIME_ALL_MONTHDAYS;
		wrong += calendar_match(&t, at);
	}
	return wrong;
}

static bool hours(__u32 start, __u32 stop, __u32 at)
{
	struct late_time t = always();

	t.day_start = start;
	t.day_stop = stop;
	return calendar_match(&t, 10 * CALENDAR_DAY + at);
}

int main(void)
{
	const __s64 monday = 4 * CALENDAR_DAY;	/* 5 January 1970 */
	struct late_time t;

	ok(!wrong_days(false), "every day of the month, 1970 to 2039");
	ok(!wrong_days(true), "every day of the week");
	ok(hours(3600, 7200, 3600) && hours(3600, 7200, 7200), "hours include both ends");
	ok(!hours(3600, 7200, 3599) && !hours(3600, 7200, 7201), "and nothing beyond them");
	ok(hours(7200, 3600, 7200) && hours(7200, 3600, 0) && hours(7200, 3600, 3600),
	   "hours past midnight");
	ok(!hours(7200, 3600, 3601) && !hours(7200, 3600, 7199), "and the gap between");
	t = always();
	t.date_start = 1000;
	t.date_stop = 2000;
	ok(calendar_match(&t, 1000) && calendar_match(&t, 2000) &&
	   !calendar_match(&t, 999) && !calendar_match(&t, 2001), "dates include both ends");
	t = always();
	t.weekdays = 1u << 1;
	t.day_start = 82800;
	t.day_stop = 3600;
	ok(!calendar_match(&t, monday + CALENDAR_DAY) && calendar_match(&t, monday),
	   "past midnight is the next day");
	t.flags = XT_TIME_CONTIGUOUS;
	ok(calendar_match(&t, monday + CALENDAR_DAY) && !calendar_match(&t, monday),
	   "with --contiguous it is the day's own night");
	printf("1..%d\n", tap_nr);
	return tap_bad != 0;
}
