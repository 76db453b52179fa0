/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * calendar.h - the match time: is this second one of the rule's? for both sides
 *
 * From the kernel's net/netfilter/xt_time.c. Days of the week and of the month are
 * those of UTC (or of the kernel's time zone, which the caller takes off @stamp). Its
 * table of years ends with 2039: from 2040 on, days are counted on as if that
 * year went on, in a byte, and so are they here.
 */
#ifndef BPFIPT_CALENDAR_H
#define BPFIPT_CALENDAR_H

#include <linux/netfilter/xt_time.h>
#include "abi/late_rate.h"

#define CALENDAR_DAY	86400u
#define CALENDAR_LAST	2039u
#define CALENDAR_2039	25202u	/* days from the epoch to its first */

/* Day of the month of day @dse since the epoch, 1..31 */
static inline __u32 calendar_monthday(__u32 dse)
{
	/* Of a year that has no leap day; in one that has, those from March on are one later */
	static const __u16 first[12] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334,
	};
	__u32 year, day, leap, start, i;

	if (dse >= CALENDAR_2039) {
		year = CALENDAR_LAST;
		day = dse - CALENDAR_2039;
	} else {
		/* 1461 days in four years, the third (1972, 1976 ...) being long */
		year = 1970 + (4 * dse + 2) / 1461;
		day = dse - (365 * (year - 1970) + (year - 1969) / 4);
	}
	leap = year % 4 == 0;
	start = 0;
	for (i = 1; i < 12; i++) {
		__u32 at = first[i] + (i >= 2 ? leap : 0);

		if (at <= day)
			start = at;
	}
	return (__u8)(day - start + 1);
}

/* calendar_match() - is @stamp, seconds since the epoch by the rule's clock, in @t? */
static inline int calendar_match(const struct late_time *t, __s64 stamp)
{
	__u32 day_time, dse, weekday;

	if (stamp < (__s64)t->date_start || stamp > (__s64)t->date_stop)
		return 0;
	day_time = (__u64)stamp % CALENDAR_DAY;
	if (t->day_start < t->day_stop) {
		if (day_time < t->day_start || day_time > t->day_stop)
			return 0;
	} else {
		if (day_time < t->day_start && day_time > t->day_stop)
			return 0;
		/* 23:00 to 01:00 as one: the hour past midnight is the day before's */
		if (t->flags & XT_TIME_CONTIGUOUS && day_time <= t->day_stop)
			stamp -= CALENDAR_DAY;
	}
	dse = (__u64)stamp / CALENDAR_DAY;
	weekday = (4 + dse - 1) % 7 + 1;
	if (!(t->weekdays & 1u << weekday))
		return 0;
	return t->monthdays == XT_TIME_ALL_MONTHDAYS ||
	       (t->monthdays >> (calendar_monthday(dse) & 31) & 1);
}

#endif /* BPFIPT_CALENDAR_H */
