/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/glob_program.h"

#include <assert.h>
#include <endian.h>
#include <stdalign.h>
#include <string.h>

#include "vfs/policy/glob.h"

/* A unit: a byte that stands for itself, anything, or CLASS_UNIT and the number of a class. */
#define ANY_UNIT 0x100u
#define CLASS_UNIT 0x200u

#define NO_MARK UINT16_MAX

/* What stands between two stars, or between a star and an end. Units are those from `from` on. */
struct piece {
	uint16_t from, count;
	uint16_t mark; /* which of its units stands for itself, so that it can be looked for; NO_MARK: none */
	uint16_t byte; /* that one */
	bool plain;    /* all of them do */
};

/* The bytes that a [...] matches. */
struct class {
	uint64_t has[4];
};

/*
 * Behind it: classes, pieces, units. Invariants: there is one piece more than stars (several stars at once count as one), first
 * and last may be empty, those between are not; `min` is the number of units.
 */
struct glob_program {
	alignas(uint64_t) uint16_t min;
	uint16_t pieces, classes;
	/* The marks of the first and the last piece, whose places are known; the latter counts from the end. A mask of 0: none. */
	uint16_t first_mark, last_mark;
	uint8_t first_byte, last_byte;
	uint8_t first_mask, last_mask;
};

#define HEADER sizeof(struct glob_program)
static_assert(HEADER % _Alignof(struct class) == 0, "classes are aligned behind it");

static const struct class *classes_of(const struct glob_program *program)
{
	return (const struct class *)((const char *)program + HEADER);
}

static const struct piece *pieces_of(const struct glob_program *program)
{
	return (const struct piece *)(classes_of(program) + program->classes);
}

static const uint16_t *units_of(const struct glob_program *program)
{
	return (const uint16_t *)(pieces_of(program) + program->pieces);
}

/* How many there are of each. */
static struct glob_program count(const char *pattern, size_t len)
{
	struct glob_program n = {.pieces = 1};
	bool star = false;

	for (size_t i = 0, next; i < len; i = next) {
		next = glob_skip(pattern, len, i);
		if (pattern[i] == '*') {
			n.pieces += !star;
			star = true;
			continue;
		}
		star = false;
		n.min++;
		n.classes += pattern[i] == '[' && next > i + 1;
	}
	return n;
}

size_t glob_program_size(const char *pattern, size_t len)
{
	struct glob_program n = count(pattern, len);

	return HEADER + n.classes * sizeof(struct class) + n.pieces * sizeof(struct piece) + n.min * sizeof(uint16_t);
}

static void compile_class(const char *unit, size_t len, struct class *ret)
{
	*ret = (struct class){0};
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;

		if (glob_match(unit, len, &byte, 1))
			ret->has[c / 64] |= UINT64_C(1) << c % 64;
	}
}

/* Letters that are rare in names make the best marks; digits and dots the worst. */
static unsigned rarity(unsigned byte)
{
	static const char common[] = "zqxjkvwybgphmufdlcnsoritae_-.0123456789";
	const char *at = byte ? strchr(common, (int)byte) : NULL;

	return at ? (unsigned)(at - common) : 0;
}

static void finish(struct piece *piece, const uint16_t *units)
{
	unsigned best = UINT16_MAX;

	piece->mark = NO_MARK;
	piece->plain = true;
	for (uint16_t i = 0; i < piece->count; i++) {
		uint16_t unit = units[piece->from + i];

		if (unit >= ANY_UNIT) {
			piece->plain = false;
		} else if (rarity(unit) < best) {
			best = rarity(unit);
			piece->mark = i;
			piece->byte = unit;
		}
	}
}

void glob_compile(const char *pattern, size_t len, struct glob_program *ret)
{
	struct glob_program n = count(pattern, len);
	bool star = false;

	*ret = n;
	struct class *class = (struct class *)((char *)ret + HEADER);
	struct piece *piece = (struct piece *)(class + n.classes);
	uint16_t *units = (uint16_t *)(piece + n.pieces), classes = 0, made = 0;

	*piece = (struct piece){0};
	for (size_t i = 0, next; i < len; i = next) {
		next = glob_skip(pattern, len, i);
		if (pattern[i] == '*') {
			if (!star) {
				finish(piece, units);
				*++piece = (struct piece){.from = made};
			}
			star = true;
			continue;
		}
		star = false;
		piece->count++;
		if (pattern[i] == '?') {
			units[made++] = ANY_UNIT;
		} else if (pattern[i] == '[' && next > i + 1) {
			compile_class(pattern + i, next - i, &class[classes]);
			units[made++] = (uint16_t)(CLASS_UNIT | classes++);
		} else {
			units[made++] = (unsigned char)pattern[next - 1];
		}
	}
	finish(piece, units);

	const struct piece *first = pieces_of(ret);
	if (first->mark != NO_MARK) {
		ret->first_mark = first->mark;
		ret->first_byte = (uint8_t)first->byte;
		ret->first_mask = 0xff;
	}
	ret->last_mark = 1;
	if (piece->mark != NO_MARK) {
		ret->last_mark = piece->count - piece->mark;
		ret->last_byte = (uint8_t)piece->byte;
		ret->last_mask = 0xff;
	}
}

static inline bool piece_fits(const struct glob_program *program, const struct piece *piece, const char *name)
{
	const uint16_t *unit = units_of(program) + piece->from;

	for (uint16_t i = 0; i < piece->count; i++) {
		unsigned char c = (unsigned char)name[i];

		if (unit[i] == c || unit[i] == ANY_UNIT)
			continue;
		if (unit[i] < CLASS_UNIT ||
		    !(classes_of(program)[unit[i] - CLASS_UNIT].has[c / 64] >> c % 64 & 1))
			return false;
	}
	return true;
}

/* As memchr(3), without its call: names are short. NULL also where FROM is END. */
static inline const char *find_byte(const char *from, const char *end, unsigned char byte)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	for (; end - from >= 8; from += 8) {
		uint64_t eight, zero;

		memcpy(&eight, from, sizeof(eight));
		eight = le64toh(eight) ^ ones * byte;
		zero = (eight - ones) & ~eight & ones << 7; /* its lowest bit marks the first byte that is 0 */
		if (zero)
			return from + __builtin_ctzll(zero) / 8;
	}
	for (; from < end; from++)
		if ((unsigned char)*from == byte)
			return from;
	return NULL;
}

/* Where PIECE first fits in NAME; NULL: nowhere. */
static const char *find_piece(const struct glob_program *program, const struct piece *piece, const char *name, size_t nlen)
{
	if (nlen < piece->count)
		return NULL;
	const char *end = name + (nlen - piece->count) + 1;

	if (piece->mark == NO_MARK) {
		while (name < end && !piece_fits(program, piece, name))
			name++;
		return name < end ? name : NULL;
	}
	while ((name = find_byte(name + piece->mark, end + piece->mark, (unsigned char)piece->byte))) {
		name -= piece->mark;
		if (piece_fits(program, piece, name))
			return name;
		name++;
	}
	return NULL;
}

bool glob_run(const struct glob_program *program, const char *name, size_t nlen)
{
	if (nlen < program->min)
		return false;
	/* Two bytes tell most. */
	if (program->min && ((((unsigned char)name[program->first_mark] ^ program->first_byte) & program->first_mask) |
			     (((unsigned char)name[nlen - program->last_mark] ^ program->last_byte) & program->last_mask)))
		return false;

	const struct piece *piece = pieces_of(program), *last = piece + program->pieces - 1;
	const char *end = name + nlen - last->count;

	if (!piece_fits(program, piece, name))
		return false;
	if (piece == last)
		return nlen == program->min;
	if (!piece_fits(program, last, end))
		return false;
	name += piece->count;
	while (++piece < last) {
		name = find_piece(program, piece, name, (size_t)(end - name));
		if (!name)
			return false;
		name += piece->count;
	}
	return true;
}
