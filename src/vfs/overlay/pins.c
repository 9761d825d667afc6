/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/policy/internal.h"

struct pin {
	dev_t dev;
	ino_t ino;
	uint8_t value[PART_COUNT];
	int32_t rule[PART_COUNT]; /* RULE_NONE: says nothing of this part */
	int fd;			    /* holds the object, or -EBADF: `path` is asked whether it still leads there */
	const char *path;	    /* the policy's */
	bool used;
};

#define HIDDEN_DEVICES 8u

/* Open addressing; several pins that are not held may have the same key. */
struct pins {
	size_t mask; /* table size - 1 */
	/* File systems with hidden objects; where there are more than there is room for, all are taken to have some. */
	unsigned hidden_count;
	dev_t hidden[HIDDEN_DEVICES];
	struct pin table[];
};

/* The part of the verdict that a rule with an object speaks of, or -1. */
static int part_of(const struct rule *rule)
{
	const struct verb *verb = rule->literal && rule->canonical ? verb_of(rule) : NULL;

	return verb ? (int)verb->part : -1;
}

static size_t slot_of(const struct pins *pins, dev_t dev, ino_t ino)
{
	uint64_t hash = ((uint64_t)ino + ((uint64_t)dev << 40)) * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 32) & pins->mask;
}

/* What the policy says at the rule's own path, in the part the rule speaks of. */
static void judge_at_home(const struct policy *policy, const struct rule *rule, enum part part,
			  struct pin *pin)
{
	struct verdict verdict;

	policy_verdict(policy, rule->canonical, strlen(rule->canonical), &verdict);
	/* The way down leads through the rule's own path only: another mount of that directory is as its rule has it. */
	if (verdict.visibility == VIS_WAY) {
		const struct rule *decided = verdict.visibility_rule < 0 ? rule :
					     policy_rule(policy, (uint32_t)verdict.visibility_rule);

		verdict.visibility = (enum visibility)verb_of(decided)->value;
	}
	for (int i = 0; i < PART_COUNT; i++)
		pin->rule[i] = RULE_NONE;
	switch (part) {
	case PART_VISIBILITY:
		pin->value[part] = (uint8_t)verdict.visibility;
		pin->rule[part] = verdict.visibility_rule;
		break;
	case PART_CONTENT:
		pin->value[part] = (uint8_t)verdict.content;
		pin->rule[part] = verdict.content_rule;
		break;
	case PART_WRITE:
		pin->value[part] = (uint8_t)verdict.write;
		pin->rule[part] = verdict.write_rule;
		break;
	case PART_COUNT:
		break;
	}
}

/* Two literal rules for one object (two of its links, or two parts): in each part the later counts. */
static void merge(struct pin *into, const struct pin *pin)
{
	for (int i = 0; i < PART_COUNT; i++) {
		if (pin->rule[i] > into->rule[i]) {
			into->rule[i] = pin->rule[i];
			into->value[i] = pin->value[i];
		}
	}
}

static void insert(struct pins *pins, const struct pin *pin)
{
	size_t slot = slot_of(pins, pin->dev, pin->ino);

	for (; pins->table[slot].used; slot = (slot + 1) & pins->mask) {
		struct pin *there = &pins->table[slot];

		if (there->dev == pin->dev && there->ino == pin->ino && there->fd >= 0) {
			merge(there, pin);
			safe_close(pin->fd);
			return;
		}
	}
	pins->table[slot] = *pin;
	pins->table[slot].used = true;
}

/* Looking for the objects of one policy: thousands of rules may name what is in a directory that is not there. */
struct search {
	size_t held;
	size_t absent_len; /* 0: none */
	char absent[PATH_MAX];
	size_t present_len; /* 0: none */
	char present[PATH_MAX];
};

static bool is_absent(const char *path)
{
	struct stat stat;

	return fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 &&
	       (errno == ENOENT || errno == ENOTDIR);
}

/* PATH is not there: remember the uppermost of its directories that is not either. */
static void remember_absent(struct search *search, const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	if (len == 0 || len >= PATH_MAX ||
	    (len == search->present_len && memcmp(path, search->present, len) == 0))
		return;
	memcpy(search->present, path, len);
	search->present[len] = '\0';
	search->present_len = len;
	if (!is_absent(search->present))
		return;
	search->present_len = 0;
	for (size_t end = 1; end <= len; end++) {
		if (path[end] != '/')
			continue;
		memcpy(search->absent, path, end);
		search->absent[end] = '\0';
		search->absent_len = end;
		if (is_absent(search->absent))
			return;
	}
	search->absent_len = 0; /* it came meanwhile */
}

static bool below_absent(const struct search *search, const char *path)
{
	return search->absent_len && strncmp(path, search->absent, search->absent_len) == 0 &&
	       path[search->absent_len] == '/';
}

/* Find the object of a literal rule, holding it while fewer than the bound are held. Returns whether it exists. */
static bool look_up(struct search *search, const char *path, struct pin *pin)
{
	struct stat stat;

	if (path[0] != '/' || below_absent(search, path))
		return false;
	/* Looking is cheaper than opening, and most are not there. */
	if (fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			remember_absent(search, path);
		return false;
	}
	pin->fd = search->held < PINS_MAX ? open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -EBADF;
	if (pin->fd < 0) {
		pin->fd = -EBADF;
	} else if (fstat(pin->fd, &stat) < 0) {
		pin->fd = safe_close(pin->fd);
		return false;
	}
	pin->dev = stat.st_dev;
	pin->ino = stat.st_ino;
	return true;
}

int pins_new(const struct policy *policy, struct pins **ret)
{
	uint32_t count = policy_rule_count(policy);
	struct pins *pins;
	size_t literal = 0, size = 8, kept = 0;
	_cleanup_free_ struct search *search = calloc(1, sizeof(*search));

	for (uint32_t i = 0; i < count; i++)
		literal += part_of(policy_rule(policy, i)) >= 0;
	while (size < 2 * literal)
		size *= 2;
	pins = calloc(1, sizeof(*pins) + size * sizeof(pins->table[0]));
	if (!pins || !search) {
		free(pins);
		return -ENOMEM;
	}
	pins->mask = size - 1;
	for (uint32_t i = 0; i < count; i++) {
		const struct rule *rule = policy_rule(policy, i);
		int part = part_of(rule);
		struct pin pin = {.path = rule->canonical};

		if (part < 0 || !look_up(search, rule->canonical, &pin))
			continue;
		judge_at_home(policy, rule, (enum part)part, &pin);
		search->held += pin.fd >= 0;
		kept++;
		if (part == PART_VISIBILITY && pin.value[part] == VIS_HIDE && !pins_any_hidden(pins, pin.dev)) {
			if (pins->hidden_count < HIDDEN_DEVICES)
				pins->hidden[pins->hidden_count] = pin.dev;
			pins->hidden_count++;
		}
		insert(pins, &pin);
	}
	if (kept == 0)
		pins = pins_free(pins);
	*ret = pins;
	return 0;
}

struct pins *pins_free(struct pins *pins)
{
	if (!pins)
		return NULL;
	for (size_t i = 0; i <= pins->mask; i++) {
		if (pins->table[i].used)
			safe_close(pins->table[i].fd);
	}
	free(pins);
	return NULL;
}

bool pins_any(const struct pins *pins)
{
	return pins;
}

bool pins_any_hidden(const struct pins *pins, dev_t dev)
{
	if (!pins)
		return false;
	for (unsigned i = 0; i < pins->hidden_count && i < HIDDEN_DEVICES; i++) {
		if (pins->hidden[i] == dev)
			return true;
	}
	return pins->hidden_count > HIDDEN_DEVICES;
}

/* The inode number of what is not held may belong to another file by now. */
static bool still_there(const struct pin *pin)
{
	struct stat stat;

	if (pin->fd >= 0)
		return true;
	return fstatat(AT_FDCWD, pin->path, &stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
	       stat.st_dev == pin->dev && stat.st_ino == pin->ino;
}

static void lay_over(const struct pin *pin, struct verdict *verdict)
{
	if (pin->rule[PART_VISIBILITY] > verdict->visibility_rule) {
		verdict->visibility_rule = pin->rule[PART_VISIBILITY];
		verdict->visibility = (enum visibility)pin->value[PART_VISIBILITY];
	}
	if (pin->rule[PART_CONTENT] > verdict->content_rule) {
		verdict->content_rule = pin->rule[PART_CONTENT];
		verdict->content = (enum content)pin->value[PART_CONTENT];
	}
	if (pin->rule[PART_WRITE] > verdict->write_rule) {
		verdict->write_rule = pin->rule[PART_WRITE];
		verdict->write = (enum write_mode)pin->value[PART_WRITE];
	}
}

void pins_apply(const struct pins *pins, const struct policy *policy _unused_, dev_t dev, ino_t ino,
		struct verdict *verdict)
{
	if (!pins)
		return;
	for (size_t slot = slot_of(pins, dev, ino); pins->table[slot].used; slot = (slot + 1) & pins->mask) {
		const struct pin *pin = &pins->table[slot];

		if (pin->dev == dev && pin->ino == ino && still_there(pin))
			lay_over(pin, verdict);
	}
}
