/* SPDX-License-Identifier: Apache-2.0 */
/* Every verdict by every intention, by its expected answer; and where names may move. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_caller.h"
#include "vfs/judge.h"
#include "view_fixture.h"

static struct fixture view;
static struct fake_caller fake;
static struct op *op;
static const char *base;

static void begin(const char *const *rules)
{
	base = fixture_directory(false);
	fixture_view(&view, base, rules);
	assert_int_equal(fake_caller_init(&fake, base, 022), 0);
	op = malloc(sizeof(*op));
	op_init(op);
}

static void end(void)
{
	free(op);
	fake_caller_release(&fake);
	fixture_free(&view);
	fixture_remove(base);
}

enum kind { ABSENT, FILE_, DIRECTORY, LINK, FIFO, SOCKET, CHAR, BLOCK };

static const mode_t types[] = {0, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};

/* A walk that has come to BASE/NAME, which is of KIND. */
static void stand_at(struct walk *walk, const char *name, enum kind kind)
{
	walk_init(walk);
	walk->path_len = (size_t)snprintf(walk->path, sizeof(walk->path), "%s/%s", base, name);
	match_path(view.policy, walk->path, walk->path_len, &walk->state);
	match_verdict(view.policy, &walk->state, &walk->verdict);
	memset(&walk->stat, 0, sizeof(walk->stat));
	walk->stat.st_mode = types[kind];
	walk->exists = kind != ABSENT;
}

static int error_of(char c)
{
	switch (c) {
	case '.':
		return 0;
	case 'n':
		return -ENOENT;
	case 'a':
		return -EACCES;
	case 'b':
		return -EBUSY;
	case 'p':
		return -EPERM;
	case 'r':
		return -EROFS;
	}
	fail_msg("'%c'", c);
	return 0;
}

struct expected {
	const char *name;
	enum kind kind;
	/* LOOKUP READ WRITE RDWR TRUNC META TOUCH CREATE REMOVE MOVE REPLACE LINK EXEC CONNECT */
	const char *answers;
	enum refusal refusal;
};

static const struct expected table[] = {
	{"free", ABSENT, "..............", 0},
	{"free", FILE_, "..............", 0},
	{"hidden", ABSENT, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"hidden", FILE_, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"hidden", DIRECTORY, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"hidden/below", SOCKET, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"denied", ABSENT, "aaaaaaaaaaaaaa", REFUSAL_DENIED},
	{"denied/x", FILE_, "aaaaaaaaaaaaaa", REFUSAL_DENIED},
	{"home/proj", DIRECTORY, ".....aaabbb...", REFUSAL_HIDDEN},
	{"home/proj", ABSENT, ".......a..a...", REFUSAL_HIDDEN},
	{"home/proj", FILE_, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"home/proj", LINK, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"away/proj", FILE_, "aaaaaaaaaaaaaa", REFUSAL_DENIED},
	{"away/proj", DIRECTORY, ".....aaabbb...", REFUSAL_HIDDEN},
	{"home/proj/src", DIRECTORY, "..............", 0},
	{"home/other", FILE_, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"masked", FILE_, "..aaaaaaaaaaa.", REFUSAL_MASKED_WRITE},
	{"masked", ABSENT, ".......a..a...", REFUSAL_MASKED_WRITE},
	{"masked", DIRECTORY, ".....aaa..a...", REFUSAL_MASKED_WRITE},
	{"masked/l", LINK, ".....aaaaaaa..", REFUSAL_MASKED_WRITE},
	{"masked/f", FIFO, ".aaaaaaaaaaaaa", REFUSAL_MASKED_WRITE},
	{"masked/s", SOCKET, ".aaaaaaaaaaaaa", REFUSAL_MASKED_WRITE},
	{"masked/c", CHAR, ".aaaaaaaaaaaaa", REFUSAL_MASKED_WRITE},
	{"masked/b", BLOCK, ".aaaaaaaaaaaaa", REFUSAL_MASKED_WRITE},
	{"discard", FILE_, ".....aaaaaaaa.", REFUSAL_MASKED_WRITE},
	{"append", FILE_, "...ppp..pppp..", REFUSAL_APPEND},
	{"append", DIRECTORY, "...ppp..pppp..", REFUSAL_APPEND},
	{"append/new", ABSENT, "...p..........", REFUSAL_APPEND},
	{"ro", FILE_, "..rrrrrrrrrr..", REFUSAL_READONLY},
	{"ro", DIRECTORY, "..rrrrrrrrrr..", REFUSAL_READONLY},
	{"ro/new", ABSENT, "..rrrrrrrrrr..", REFUSAL_READONLY},
	{"ro/f", FIFO, ".....rrrrrrr..", REFUSAL_READONLY},
	{"ro/s", SOCKET, ".....rrrrrrr..", REFUSAL_READONLY},
	{"ro/c", CHAR, ".....rrrrrrr..", REFUSAL_READONLY},
	{"ro/b", BLOCK, ".....rrrrrrr..", REFUSAL_READONLY},
	{"ro/out/x", FILE_, "..............", 0},
	{"maskappend", FILE_, "..aaaaaaaaaaa.", REFUSAL_MASKED_WRITE},
	{"maskro", FILE_, "..rrrrrrrrrra.", REFUSAL_READONLY},
	{"hidero", FILE_, "nnnnnnnannannn", REFUSAL_HIDDEN},
	{"denyappend", FILE_, "aaaaaaaaaaaaaa", REFUSAL_DENIED},
};

static const char *const all_rules[] = {
	"hide @/hidden", "deny @/denied", "hide @/home", "show @/home/proj/src", "deny @/away", "show @/away/proj/src",
	"mask @/masked", "mask @/discard write=discard", "append @/append", "readonly @/ro", "free @/ro/out",
	"mask @/maskappend", "append @/maskappend", "mask @/maskro", "readonly @/maskro", "hide @/hidero",
	"readonly @/hidero", "deny @/denyappend", "append @/denyappend", NULL,
};

static void test_table(void **state)
{
	unsigned entries = 0;

	(void)state;
	begin(all_rules);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(strlen(table[i].answers), INTENT_COUNT);
		for (int intent = 0; intent < INTENT_COUNT; intent++) {
			int expected = error_of(table[i].answers[intent]), got;

			op_begin(op, view.view, &fake.caller, 0);
			stand_at(&op->walk[0], table[i].name, table[i].kind);
			got = judge(op, &op->walk[0], (enum intent)intent);
			if (got != expected)
				fail_msg("%s kind %d intent %d: %d, not %d", table[i].name, table[i].kind, intent, got, expected);
			assert_int_equal(op->refused.set, expected != 0);
			if (expected) {
				bool other = expected == -EACCES && table[i].refusal == REFUSAL_READONLY; /* mask's exec */

				assert_int_equal(op->refused.refusal, other ? REFUSAL_MASKED_WRITE : table[i].refusal);
				assert_true(op->refused.rule != RULE_NONE);
				assert_int_equal(op->refused.path_len, op->walk[0].path_len);
				assert_memory_equal(op->refused.path, op->walk[0].path, op->walk[0].path_len);
			}
			entries++;
		}
	}
	assert_int_equal(entries, sizeof(table) / sizeof(table[0]) * INTENT_COUNT);
	end();
}

struct move {
	const char *from, *to;
	bool directory;
	int expected;
};

static const char *const move_rules[] = {
	"hide **/.env", "hide @/lit/secret", "mask @/m.txt", "append @/a.log", "readonly @/r.txt", "append **/*.wild",
	"hide @/*/deep", "deny @/d.txt", "free @/free.txt", NULL,
};

static const struct move moves[] = {
	/* hide ** /.env must not stop mv, git or npm */
	{"x/y", "z/w", true, 0},
	{"x/y", "z/w", false, 0},
	{"x", "z", true, 0},
	/* wildcards: mv copies */
	{"x/a.txt", "x/a.wild", false, -EXDEV},
	{"x", "x/sub", true, -EXDEV},
	{"x/sub", "y", true, -EXDEV},
	{"x/sub", "y", false, -EXDEV}, /* it may be exchanged for a directory meanwhile */
	/* a literal rule at or beneath */
	{"lit", "other", true, -EBUSY},
	{"other", "lit", true, -EBUSY},
	{"lit", "lit2", true, -EBUSY},
	{"x/f", "m.txt", false, -EACCES},
	{"m.txt", "x/f", false, -EACCES},
	{"x/f", "a.log", false, -EPERM},
	{"x/f", "r.txt", false, -EROFS},
	{"x/f", "d.txt", false, -EACCES},
	{"x/f", "lit/secret", false, -EACCES},
	{"free.txt", "x/f", false, -EXDEV},
};

static void test_moves(void **state)
{
	(void)state;
	begin(move_rules);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		enum kind kind = moves[i].directory ? DIRECTORY : FILE_;
		int got;

		op_begin(op, view.view, &fake.caller, 0);
		stand_at(&op->walk[0], moves[i].from, kind);
		stand_at(&op->walk[1], moves[i].to, ABSENT);
		got = judge_move(op, &op->walk[0], &op->walk[1], moves[i].directory);
		if (got != moves[i].expected)
			fail_msg("%s -> %s (%d): %d, not %d", moves[i].from, moves[i].to, moves[i].directory, got,
				 moves[i].expected);
		assert_int_equal(op->refused.set, got != 0);
	}
	end();
}

/* An object that never had a name gets one: only where no rule speaks of its content. */
static void test_first_name(void **state)
{
	static const struct move first[] = {
		{"", "x/f", false, 0}, {"", "a.log", false, -EPERM}, {"", "m.txt", false, -EACCES}, {"", "r.txt", false, -EACCES},
	};

	(void)state;
	begin(move_rules);
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		op_begin(op, view.view, &fake.caller, 0);
		stand_at(&op->walk[0], "x/f", FILE_);
		op->walk[0].detached = true;
		stand_at(&op->walk[1], first[i].to, ABSENT);
		assert_int_equal(judge_move(op, &op->walk[0], &op->walk[1], false), first[i].expected);
	}
	end();
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_first_name),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
