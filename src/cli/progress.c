/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/safe_text.h"

#define PATIENCE 0.3 /* seconds before there is a bar */
#define INTERVAL 0.1 /* between two of its states */
#define BAR      20  /* characters of it */

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void progress_init(struct progress *p, bool quiet)
{
	const char *term = getenv("TERM");

	*p = (struct progress){.wanted = !quiet && isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0)};
}

void progress_plan(struct progress *p, enum progress_unit unit, uint64_t total)
{
	p->unit = unit;
	p->total = total;
	p->before = p->weight = 0;
	p->name = NULL;
	if (p->wanted) {
		clock_gettime(CLOCK_MONOTONIC, &p->start);
		p->last = p->start;
	}
}

void progress_begin(struct progress *p, const char *name, uint64_t weight)
{
	p->name = name;
	p->weight = weight;
	if (p->total > 0)
		progress_update(p, 0, weight);
}

void progress_done(struct progress *p)
{
	p->before += p->weight;
	p->weight = 0;
	p->name = NULL;
}

void progress_one(struct progress *p, const char *name)
{
	progress_plan(p, PROGRESS_BYTES, 0);
	progress_begin(p, name, 0);
}

void format_bytes(uint64_t bytes, char *ret_text, size_t size)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(ret_text, size, "%" PRIu64 " B", bytes);
		return;
	}
	for (value /= 1024; value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	snprintf(ret_text, size, "%.1f %s", value, units[unit]);
}

static void format_time(double seconds, char *ret_text, size_t size)
{
	unsigned long s = seconds > 359999 ? 359999 : (unsigned long)seconds;

	if (s >= 3600)
		snprintf(ret_text, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(ret_text, size, "%lu:%02lu", s / 60, s % 60);
}

static void format_amount(enum progress_unit unit, double amount, char *ret_text, size_t size)
{
	if (unit == PROGRESS_FILES)
		snprintf(ret_text, size, amount < 10 ? "%.1f files" : "%.0f files", amount);
	else
		format_bytes((uint64_t)amount, ret_text, size);
}

/* "[####....]  42% 1.5 MiB 3.0 MiB/s 0:12 left"; DONE and TOTAL are those of all files. */
static void format_numbers(const struct progress *p, double done, double total, double seconds, char *ret_text,
			   size_t size)
{
	char amount[32], rate[32], left[32], bar[BAR + 1];
	double part = done < total ? done / total : 1;
	size_t filled = (size_t)(part * BAR);

	if (p->unit == PROGRESS_FILES)
		snprintf(amount, sizeof(amount), "%.0f of %.0f", done, total);
	else
		format_amount(p->unit, done, amount, sizeof(amount));
	format_amount(p->unit, done / seconds, rate, sizeof(rate));
	if (total <= 0) {
		snprintf(ret_text, size, "%s %s/s", amount, rate);
		return;
	}
	memset(bar, '#', filled);
	memset(bar + filled, '.', BAR - filled);
	bar[BAR] = '\0';
	format_time(part > 0 ? seconds / part - seconds : 359999, left, sizeof(left));
	snprintf(ret_text, size, "[%s] %3.0f%% %s %s/s %s left", bar, part * 100, amount, rate, part > 0 ? left : "?");
}

static void draw(const struct progress *p, double done, double total, double seconds)
{
	char numbers[160], name[1024];
	const char *colour = getenv("NO_COLOR");
	bool coloured = !(colour && *colour);
	struct winsize window;
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80, room;

	format_numbers(p, done, total, seconds, numbers, sizeof(numbers));
	room = width - (int)strlen(numbers) - 2;
	safe_text(p->name, name, sizeof(name));
	/* The end of a long path says more than its beginning. */
	size_t len = strlen(name), from = room > 0 && len > (size_t)room ? len - (size_t)room : 0;
	while (from > 0 && ((unsigned char)name[from] & 0xc0) == 0x80)
		from++;
	fprintf(stderr, "\r%s%s%s %s\033[K", coloured ? "\033[1m" : "", room > 0 ? name + from : "",
		coloured ? "\033[0m" : "", numbers);
	fflush(stderr);
}

void progress_update(struct progress *p, uint64_t done, uint64_t total)
{
	double all = (double)p->total, so_far;

	if (!p->wanted || !p->name)
		return;
	if (p->total == 0) {
		/* One file, of which we hear here how large it is: or not even that. */
		so_far = (double)done;
		all = (double)total;
	} else {
		double part = total == 0 ? 0 : done < total ? (double)done / (double)total : 1;

		so_far = (double)p->before + (double)p->weight * part;
	}
	double seconds = seconds_since(&p->start);
	if (seconds < PATIENCE || (seconds_since(&p->last) < INTERVAL && so_far != all))
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->last);
	p->shown = true;
	draw(p, so_far, all, seconds);
}

void progress_off(struct progress *p)
{
	progress_clear(p);
	p->wanted = false;
}

void progress_clear(struct progress *p)
{
	if (p->shown) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	p->shown = false;
}
