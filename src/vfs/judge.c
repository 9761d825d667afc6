/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts to errors, as one table: a row for each state a rule can put a name in, a column for each intention. A name
 * is in at most one row of each part; the parts speak in the order visibility, content, write, except that what is
 * read-only says so before it says that it is masked.
 */
#include "vfs/judge.h"

#include <errno.h>
#include <string.h>

#include "vfs/encrypted.h"

enum row {
	ROW_HIDE,
	ROW_DENY,
	ROW_WAY,
	ROW_WAY_ABSENT, /* a way down that does not exist (yet): it cannot be made from inside */
	ROW_MASK_FILE,
	ROW_MASK_DISCARD,
	ROW_MASK_ABSENT,
	ROW_MASK_DIRECTORY,
	ROW_MASK_LINK,
	ROW_MASK_SPECIAL, /* devices, FIFOs, sockets */
	ROW_APPEND,
	ROW_APPEND_ABSENT,
	ROW_READONLY,
	ROW_READONLY_SPECIAL,
	ROW_COUNT,
};

/* clang-format off */
static const short answers[ROW_COUNT][INTENT_COUNT] = {
	/* Creating calls say EACCES whether or not the name exists; all others that it does not exist. */
	[ROW_HIDE] = {
		[INTENT_LOOKUP] = -ENOENT, [INTENT_READ] = -ENOENT, [INTENT_WRITE] = -ENOENT,
		[INTENT_READWRITE] = -ENOENT, [INTENT_TRUNCATE] = -ENOENT, [INTENT_METADATA] = -ENOENT,
		[INTENT_TOUCH] = -ENOENT, [INTENT_CREATE] = -EACCES, [INTENT_REMOVE] = -ENOENT,
		[INTENT_MOVE] = -ENOENT, [INTENT_REPLACE] = -EACCES, [INTENT_LINK] = -ENOENT,
		[INTENT_EXECUTE] = -ENOENT, [INTENT_CONNECT] = -ENOENT,
	},
	[ROW_DENY] = {
		[INTENT_LOOKUP] = -EACCES, [INTENT_READ] = -EACCES, [INTENT_WRITE] = -EACCES,
		[INTENT_READWRITE] = -EACCES, [INTENT_TRUNCATE] = -EACCES, [INTENT_METADATA] = -EACCES,
		[INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES, [INTENT_REMOVE] = -EACCES,
		[INTENT_MOVE] = -EACCES, [INTENT_REPLACE] = -EACCES, [INTENT_LINK] = -EACCES,
		[INTENT_EXECUTE] = -EACCES, [INTENT_CONNECT] = -EACCES,
	},
	/* A directory: what would write, execute or link it is refused by the kernel's own EISDIR, EACCES, EPERM. */
	[ROW_WAY] = {
		[INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES,
		[INTENT_REMOVE] = -EBUSY, [INTENT_MOVE] = -EBUSY, [INTENT_REPLACE] = -EBUSY,
	},
	[ROW_WAY_ABSENT] = { [INTENT_CREATE] = -EACCES, [INTENT_REPLACE] = -EACCES },
	/* The real file is never changed, nor is its real content run. */
	[ROW_MASK_FILE] = {
		[INTENT_WRITE] = -EACCES, [INTENT_READWRITE] = -EACCES, [INTENT_TRUNCATE] = -EACCES,
		[INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES,
		[INTENT_REMOVE] = -EACCES, [INTENT_MOVE] = -EACCES, [INTENT_REPLACE] = -EACCES,
		[INTENT_LINK] = -EACCES, [INTENT_EXECUTE] = -EACCES,
	},
	/* write=discard: a private copy for each open takes what is written. */
	[ROW_MASK_DISCARD] = {
		[INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES,
		[INTENT_REMOVE] = -EACCES, [INTENT_MOVE] = -EACCES, [INTENT_REPLACE] = -EACCES,
		[INTENT_LINK] = -EACCES, [INTENT_EXECUTE] = -EACCES,
	},
	[ROW_MASK_ABSENT] = { [INTENT_CREATE] = -EACCES, [INTENT_REPLACE] = -EACCES },
	/* An empty directory masks nothing and may go; where a directory may move to is judge_move()'s. */
	[ROW_MASK_DIRECTORY] = {
		[INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES,
		[INTENT_REPLACE] = -EACCES,
	},
	[ROW_MASK_LINK] = {
		[INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES, [INTENT_CREATE] = -EACCES,
		[INTENT_REMOVE] = -EACCES, [INTENT_MOVE] = -EACCES, [INTENT_REPLACE] = -EACCES,
		[INTENT_LINK] = -EACCES,
	},
	[ROW_MASK_SPECIAL] = {
		[INTENT_READ] = -EACCES, [INTENT_WRITE] = -EACCES, [INTENT_READWRITE] = -EACCES,
		[INTENT_TRUNCATE] = -EACCES, [INTENT_METADATA] = -EACCES, [INTENT_TOUCH] = -EACCES,
		[INTENT_CREATE] = -EACCES, [INTENT_REMOVE] = -EACCES, [INTENT_MOVE] = -EACCES,
		[INTENT_REPLACE] = -EACCES, [INTENT_LINK] = -EACCES, [INTENT_EXECUTE] = -EACCES,
		[INTENT_CONNECT] = -EACCES,
	},
	/* WRITE is allowed: the open forces O_APPEND. */
	[ROW_APPEND] = {
		[INTENT_READWRITE] = -EPERM, [INTENT_TRUNCATE] = -EPERM, [INTENT_METADATA] = -EPERM,
		[INTENT_REMOVE] = -EPERM, [INTENT_MOVE] = -EPERM, [INTENT_REPLACE] = -EPERM, [INTENT_LINK] = -EPERM,
	},
	/* New names may be made; whether an object may move to one is judge_move()'s. */
	[ROW_APPEND_ABSENT] = { [INTENT_READWRITE] = -EPERM },
	[ROW_READONLY] = {
		[INTENT_WRITE] = -EROFS, [INTENT_READWRITE] = -EROFS, [INTENT_TRUNCATE] = -EROFS,
		[INTENT_METADATA] = -EROFS, [INTENT_TOUCH] = -EROFS, [INTENT_CREATE] = -EROFS,
		[INTENT_REMOVE] = -EROFS, [INTENT_MOVE] = -EROFS, [INTENT_REPLACE] = -EROFS, [INTENT_LINK] = -EROFS,
	},
	[ROW_READONLY_SPECIAL] = {
		[INTENT_METADATA] = -EROFS, [INTENT_TOUCH] = -EROFS, [INTENT_CREATE] = -EROFS,
		[INTENT_REMOVE] = -EROFS, [INTENT_MOVE] = -EROFS, [INTENT_REPLACE] = -EROFS, [INTENT_LINK] = -EROFS,
	},
};
/* clang-format on */

static bool is_special(const struct stat *stat)
{
	return S_ISCHR(stat->st_mode) || S_ISBLK(stat->st_mode) || S_ISFIFO(stat->st_mode) || S_ISSOCK(stat->st_mode);
}

static const struct rule *rule_of(const struct op *op, int32_t index)
{
	return index == RULE_NONE ? NULL : policy_rule(op->view->policy, (uint32_t)index);
}

/* The way down is made of directories: anything else under that name is what its own rule makes it. */
static int visibility_row(const struct op *op, const struct walk *walk, enum refusal *ret_refusal)
{
	const struct rule *rule;

	*ret_refusal = REFUSAL_HIDDEN;
	switch (walk->verdict.visibility) {
	case VIS_SHOW:
		return -1;
	case VIS_HIDE:
		return ROW_HIDE;
	case VIS_WAY:
		if (!walk->exists)
			return ROW_WAY_ABSENT;
		if (S_ISDIR(walk->stat.st_mode))
			return ROW_WAY;
		rule = rule_of(op, walk->verdict.visibility_rule);
		if (!rule || strcmp(rule->verb, "deny") != 0)
			return ROW_HIDE;
		break;
	case VIS_DENY:
		break;
	}
	*ret_refusal = REFUSAL_DENIED;
	return ROW_DENY;
}

static int content_row(const struct op *op, const struct walk *walk)
{
	const struct rule *rule;

	switch (walk->verdict.content) {
	case CONTENT_PLAIN:
	case CONTENT_CRYPT: /* a file as others are; only moves know an edge */
		return -1;
	case CONTENT_MASK:
		break;
	}
	if (!walk->exists)
		return ROW_MASK_ABSENT;
	if (S_ISDIR(walk->stat.st_mode))
		return ROW_MASK_DIRECTORY;
	if (S_ISLNK(walk->stat.st_mode))
		return ROW_MASK_LINK;
	if (is_special(&walk->stat))
		return ROW_MASK_SPECIAL;
	rule = rule_of(op, walk->verdict.content_rule);
	return rule && rule->mask.discard ? ROW_MASK_DISCARD : ROW_MASK_FILE;
}

static int write_row(const struct walk *walk, enum refusal *ret_refusal)
{
	switch (walk->verdict.write) {
	case WRITE_FREE:
		return -1;
	case WRITE_APPEND:
		*ret_refusal = REFUSAL_APPEND;
		return walk->exists ? ROW_APPEND : ROW_APPEND_ABSENT;
	case WRITE_READONLY:
		break;
	}
	*ret_refusal = REFUSAL_READONLY;
	return walk->exists && is_special(&walk->stat) ? ROW_READONLY_SPECIAL : ROW_READONLY;
}

int judge(struct op *op, const struct walk *walk, enum intent intent)
{
	const struct verdict *verdict = &walk->verdict;
	enum refusal refusal = REFUSAL_HIDDEN, write_refusal = REFUSAL_READONLY;
	int row, write, error = 0;

	row = visibility_row(op, walk, &refusal);
	if (row >= 0) {
		error = answers[row][intent];
		if (error)
			return op_refuse(op, walk, refusal, verdict->visibility_rule, error);
	}
	write = write_row(walk, &write_refusal);
	if (write >= 0)
		error = answers[write][intent];
	if (error == -EROFS)
		return op_refuse(op, walk, write_refusal, verdict->write_rule, error);
	row = content_row(op, walk);
	if (row >= 0 && answers[row][intent])
		return op_refuse(op, walk, REFUSAL_MASKED_WRITE, verdict->content_rule, answers[row][intent]);
	if (error)
		return op_refuse(op, walk, write_refusal, verdict->write_rule, error);
	return 0;
}

/* What stands between two places: the errno of the literal rule that makes them differ for a file. */
static int refuse_literal_file(struct op *op, const struct walk *walk)
{
	const struct verdict *v = &walk->verdict;
	const struct rule *rule = rule_of(op, v->visibility_rule);

	if (rule && rule->literal && v->visibility != VIS_SHOW)
		return op_refuse(op, walk, v->visibility == VIS_DENY ? REFUSAL_DENIED : REFUSAL_HIDDEN, v->visibility_rule,
				 -EACCES);
	rule = rule_of(op, v->content_rule);
	if (rule && rule->literal && v->content != CONTENT_PLAIN)
		return v->content == CONTENT_CRYPT
			       ? op_refuse(op, walk, REFUSAL_CRYPT, v->content_rule, -EXDEV)
			       : op_refuse(op, walk, REFUSAL_MASKED_WRITE, v->content_rule, -EACCES);
	rule = rule_of(op, v->write_rule);
	if (rule && rule->literal && v->write == WRITE_READONLY)
		return op_refuse(op, walk, REFUSAL_READONLY, v->write_rule, -EROFS);
	if (rule && rule->literal && v->write == WRITE_APPEND)
		return op_refuse(op, walk, REFUSAL_APPEND, v->write_rule, -EPERM);
	return 0;
}

/* A refusal that no single verdict explains: the part in which the two places differ names the rule. */
static int refuse_move(struct op *op, const struct walk *from, const struct walk *to, int error)
{
	const struct walk *sides[] = {to, from};

	for (unsigned i = 0; i < 2; i++) {
		const struct verdict *v = &sides[i]->verdict;

		if (v->write != WRITE_FREE)
			return op_refuse(op, sides[i], v->write == WRITE_APPEND ? REFUSAL_APPEND : REFUSAL_READONLY,
					 v->write_rule, error);
		if (v->content != CONTENT_PLAIN)
			return op_refuse(op, sides[i],
					 v->content == CONTENT_CRYPT ? REFUSAL_CRYPT : REFUSAL_MASKED_WRITE,
					 v->content_rule, error);
		if (v->visibility != VIS_SHOW)
			return op_refuse(op, sides[i], v->visibility == VIS_DENY ? REFUSAL_DENIED : REFUSAL_HIDDEN,
					 v->visibility_rule, error);
	}
	return op_refuse(op, from, REFUSAL_HIDDEN, RULE_NONE, error);
}

/*
 * An object without a name (O_TMPFILE) gets its first one. Whoever made it may hold it open for writing, which a name with a
 * rule on writing, or a mask, does not allow. What it is on the disk, encrypted or not, it stays.
 */
static int judge_first_name(struct op *op, const struct walk *from, const struct walk *to)
{
	const struct verdict *is = &from->verdict, *becomes = &to->verdict;
	bool encrypts = is->content == CONTENT_CRYPT || becomes->content == CONTENT_CRYPT;

	if (becomes->write != WRITE_FREE || becomes->content == CONTENT_MASK)
		return refuse_move(op, from, to, becomes->write == WRITE_APPEND ? -EPERM : -EACCES);
	if (encrypts && (is->content != becomes->content ||
			 !encrypted_same_key(op, is->content_rule, becomes->content_rule)))
		return refuse_move(op, from, to, -EXDEV);
	return 0;
}

int judge_move(struct op *op, const struct walk *from, const struct walk *to, bool directory)
{
	const struct policy *policy = op->view->policy;
	int error;

	if (from->detached)
		return judge_first_name(op, from, to);
	if (directory && (match_is_anchor(policy, &from->state) || match_is_anchor(policy, &to->state)))
		return refuse_move(op, from, to, -EBUSY);
	/*
	 * For files too, though nothing lies beneath them: what stands at a name may be exchanged for a directory before
	 * the kernel moves it.
	 */
	if (match_equal(&from->state, &to->state))
		return 0;
	if (!directory && (match_literal_below(policy, &from->state) || match_literal_below(policy, &to->state))) {
		error = refuse_literal_file(op, to);
		if (!error)
			error = refuse_literal_file(op, from);
		if (error)
			return error;
	}
	return refuse_move(op, from, to, -EXDEV);
}
