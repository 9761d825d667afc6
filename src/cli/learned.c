/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/learned.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/json_value.h"
#include "intercept/record.h"
#include "vfs/policy/glob.h"

#define CHANGED (USE_WRITTEN | USE_CREATED | USE_REMOVED)
/* A directory of which so many names were used is shown as a whole. */
#define NAMES_MANY 8
#define DEPTH_MAX 256

struct node {
	struct node *parent, *child, *next; /* children in order of names */
	unsigned own;   /* what was done with this path */
	unsigned below; /* and with all beneath */
	unsigned read, written, executed; /* paths at and beneath this one with which that was done */
	bool leads_home; /* the home directory is here or beneath */
	size_t len;
	char name[];
};

struct learned {
	struct node *root;
	uint64_t dropped;
};

static void node_free(struct node *node)
{
	while (node) {
		struct node *next = node->next;

		node_free(node->child);
		free(node);
		node = next;
	}
}

int learned_new(struct learned **ret)
{
	_cleanup_free_ struct learned *learned = calloc(1, sizeof(*learned));

	if (!learned)
		return -ENOMEM;
	learned->root = calloc(1, sizeof(struct node) + 1);
	if (!learned->root)
		return -ENOMEM;
	*ret = TAKE_PTR(learned);
	return 0;
}

struct learned *learned_free(struct learned *learned)
{
	if (learned)
		node_free(learned->root);
	free(learned);
	return NULL;
}

/* The child of PARENT called NAME, made if need be. */
static struct node *child_of(struct node *parent, const char *name, size_t len)
{
	struct node **at = &parent->child, *made;

	while (*at) {
		size_t least = (*at)->len < len ? (*at)->len : len;
		int order = memcmp((*at)->name, name, least);

		if (order == 0 && (*at)->len == len)
			return *at;
		if (order > 0 || (order == 0 && (*at)->len > len))
			break;
		at = &(*at)->next;
	}
	made = calloc(1, sizeof(*made) + len + 1);
	if (!made)
		return NULL;
	memcpy(made->name, name, len);
	made->len = len;
	made->parent = parent;
	made->next = *at;
	*at = made;
	return made;
}

static struct node *node_at(struct learned *learned, const char *path, size_t len)
{
	struct node *node = learned->root;
	unsigned depth = 0;

	for (size_t i = 0; node && i < len && depth < DEPTH_MAX;) {
		const char *slash;
		size_t end;

		if (path[i] == '/') {
			i++;
			continue;
		}
		slash = memchr(path + i, '/', len - i);
		end = slash ? (size_t)(slash - path) : len;
		node = child_of(node, path + i, end - i);
		i = end;
		depth++;
	}
	return node;
}

int learned_add(struct learned *learned, const char *path, size_t len, unsigned uses)
{
	struct node *node = node_at(learned, path, len);

	if (!node)
		return -ENOMEM;
	node->own |= uses;
	return 0;
}

int learned_read(struct learned *learned, const char *text, size_t size)
{
	while (size) {
		const char *nul = memchr(text, '\0', size), *space;
		char *end;
		int error;

		if (!nul)
			return -EINVAL;
		if (strncmp(text, "dropped ", 8) == 0) {
			learned->dropped += strtoull(text + 8, NULL, 10);
			error = 0;
		} else {
			unsigned long uses = strtoul(text, &end, 10);

			space = end;
			if (end == text || *space != ' ' || space[1] != '/')
				return -EINVAL;
			error = learned_add(learned, space + 1, (size_t)(nul - space - 1), (unsigned)uses);
		}
		if (error < 0)
			return error;
		size -= (size_t)(nul - text) + 1;
		text = nul + 1;
	}
	return 0;
}

/* Merely being looked at makes nothing of use: what is not there is looked for as well. */
static unsigned count_up(struct node *node)
{
	node->below = node->own & ~(unsigned)USE_LOOKED;
	node->read = node->own & (USE_READ | USE_LISTED | USE_CONNECTED) ? 1 : 0;
	node->written = node->own & CHANGED ? 1 : 0;
	node->executed = node->own & USE_EXECUTED ? 1 : 0;
	for (struct node *child = node->child; child; child = child->next) {
		node->below |= count_up(child);
		node->read += child->read;
		node->written += child->written;
		node->executed += child->executed;
	}
	return node->below;
}

static size_t used_children(const struct node *node)
{
	size_t count = 0;

	for (const struct node *child = node->child; child; child = child->next)
		count += child->below != 0;
	return count;
}

/* Names were made or removed in it, or it was listed: one rule for all of it. */
static bool is_group(const struct node *node)
{
	if (node->own & (USE_LISTED | USE_CREATED) || used_children(node) == 0 || used_children(node) > NAMES_MANY)
		return true;
	for (const struct node *child = node->child; child; child = child->next)
		if (child->own & (USE_CREATED | USE_REMOVED))
			return true;
	return false;
}

/* Outside the home directory a whole directory of / is told of at once where nothing was changed. */
static bool is_group_for(const struct node *node, bool in_home)
{
	return is_group(node) || (!in_home && !node->parent->parent && !(node->below & CHANGED));
}

static size_t path_of(const struct node *node, char *path, size_t size)
{
	size_t len = 0;

	if (node->parent) {
		len = path_of(node->parent, path, size);
		if (len + 1 + node->len < size) {
			path[len++] = '/';
			memcpy(path + len, node->name, node->len);
			len += node->len;
		}
	}
	path[len] = '\0';
	return len;
}

static bool mark_home(struct node *node, const struct node *home)
{
	node->leads_home = node == home;
	for (struct node *child = node->child; child; child = child->next)
		node->leads_home |= mark_home(child, home);
	return node->leads_home;
}

/* Find the home directory in the tree and sum up. NULL: there is none to hide. */
static struct node *prepare(struct learned *learned, const struct proposal *proposal)
{
	struct node *home = NULL;

	if (proposal->home && proposal->home[0] == '/' && proposal->home[1])
		home = node_at(learned, proposal->home, strlen(proposal->home));
	count_up(learned->root);
	mark_home(learned->root, home);
	return home;
}

/* Where everything is the kernel's, or everybody's. */
static bool needs_no_rule(const struct node *node)
{
	static const char *const names[] = {"proc", "sys", "dev", "run", "tmp"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (node->parent && !node->parent->parent && strcmp(node->name, names[i]) == 0)
			return true;
	return false;
}

/* Names that usually hold secrets: as the profile "credentials" has them, by their last component. */
static bool looks_secret(const struct node *node)
{
	static const char *const globs[] = {".env", ".env.*", "id_*", "*.pem", "*.key", "*.p12", "*.kdbx", ".netrc", ".npmrc",
					    ".pypirc", ".pgpass", ".git-credentials", "*credentials*", "*secret*", "*token*",
					    ".ssh", ".gnupg", ".aws", ".kube", ".docker", ".vault-token", ".*_history"};

	for (size_t i = 0; i < ARRAY_LEN(globs); i++)
		if (glob_match(globs[i], strlen(globs[i]), node->name, node->len))
			return true;
	return false;
}

struct writer {
	FILE *to;
	const struct node *home;
	const char *home_path;
};

/* PATH as a pattern of a rule: special bytes escaped, the home as ~, quoted where a blank is in it. */
static void write_pattern(const struct writer *w, const char *path)
{
	size_t home_len = w->home ? strlen(w->home_path) : 0;
	bool quoted = strpbrk(path, " \t\"#") != NULL;

	if (quoted)
		fputc('"', w->to);
	if (home_len && strncmp(path, w->home_path, home_len) == 0 && (path[home_len] == '/' || !path[home_len])) {
		fputc('~', w->to);
		path += home_len;
	}
	for (; *path; path++) {
		if (strchr("*?[]{},\\\"$", *path))
			fputc('\\', w->to);
		fputc(*path, w->to);
	}
	if (quoted)
		fputc('"', w->to);
}

static void write_counts(FILE *to, const struct node *node)
{
	const char *between = "";

	if (node->read) {
		fprintf(to, "%u read", node->read);
		between = ", ";
	}
	if (node->written) {
		fprintf(to, "%s%u written", between, node->written);
		between = ", ";
	}
	if (node->executed)
		fprintf(to, "%s%u executed", between, node->executed);
}

static void write_secrets(const struct writer *w, const struct node *node)
{
	char path[PATH_MAX];

	for (const struct node *child = node->child; child; child = child->next) {
		if (child->below && looks_secret(child)) {
			path_of(child, path, sizeof(path));
			if (strchr(path, '\n'))
				continue;
			fputs("# looks like a secret and was used; if it need not be:\n# hide  ", w->to);
			write_pattern(w, path);
			fputc('\n', w->to);
		} else if (child->below) {
			write_secrets(w, child);
		}
	}
}

static void write_rule(const struct writer *w, const struct node *node, const char *verb)
{
	char path[PATH_MAX];

	path_of(node, path, sizeof(path));
	/* No rule can name it: a line is a rule. */
	if (strchr(path, '\n')) {
		fputs("# a path with a line end in it was used and is not covered\n", w->to);
		return;
	}
	fprintf(w->to, "%-8s  ", verb);
	write_pattern(w, path);
	fputs("  # ", w->to);
	write_counts(w->to, node);
	fputc('\n', w->to);
}

/* Rules for what is used at NODE and beneath: `show` in the home, and `readonly` for what was not changed. */
static void write_groups(const struct writer *w, const struct node *node, bool in_home)
{
	if (!node->below || (!in_home && (node == w->home || needs_no_rule(node))))
		return;
	if (node != w->home && !node->leads_home && is_group_for(node, in_home)) {
		if (in_home)
			write_rule(w, node, "show");
		if (!(node->below & CHANGED))
			write_rule(w, node, "readonly");
		else if (!in_home)
			write_rule(w, node, "free");
		write_secrets(w, node);
		return;
	}
	for (const struct node *child = node->child; child; child = child->next)
		write_groups(w, child, in_home);
}

int learned_propose(struct learned *learned, const struct proposal *proposal, FILE *to)
{
	struct writer w = {.to = to, .home = prepare(learned, proposal), .home_path = proposal->home};
	const struct node *root = learned->root;

	fprintf(to, "# Proposed by scrim learn from one run of: ");
	print_safe(to, proposal->command);
	fputs("\n# It shows what that run used, and no more: read it, and run the program with it before relying on it.\n"
	      "# The last rule that matches wins (man scrim.conf).\n", to);
	if (learned->dropped)
		fprintf(to, "# %" PRIu64 " uses of further paths are missing here: there were too many.\n", learned->dropped);
	if (w.home) {
		fputs("\n# The home directory: nothing but what was used.\nhide      ~\n", to);
		write_groups(&w, w.home, true);
	}
	fputs("\n# Elsewhere: what was only read cannot be changed.\n", to);
	for (const struct node *child = root->child; child; child = child->next)
		write_groups(&w, child, false);
	return ferror(to) ? -EIO : 0;
}

struct printer {
	FILE *to;
	const struct node *home;
	bool colour, unicode;
	bool open[DEPTH_MAX + 2];
};

static bool is_shown(const struct node *node)
{
	return node->below && (node->leads_home || !needs_no_rule(node));
}

static const struct node *last_used(const struct node *node)
{
	const struct node *last = NULL;

	for (const struct node *child = node->child; child; child = child->next)
		if (is_shown(child))
			last = child;
	return last;
}

static void print_node(struct printer *p, const struct node *node, unsigned depth, bool in_home)
{
	static const char *const ascii[] = {"|   ", "    ", "|-- ", "`-- "};
	static const char *const unicode[] = {"\u2502   ", "    ", "\u251c\u2500\u2500 ", "\u2514\u2500\u2500 "};
	const char *const *lines = p->unicode ? unicode : ascii;
	const struct node *last = last_used(node);
	bool group = node->parent && node != p->home && !node->leads_home && is_group_for(node, in_home);
	const char *colour = node->below & CHANGED ? "\033[33m" : "\033[32m";

	/* One name on the way is not worth a line. */
	fputs(node->parent ? "" : "/", p->to);
	print_safe(p->to, node->name);
	while (!group && node != p->home && last && used_children(node) == 1 && node->parent) {
		node = last;
		last = last_used(node);
		group = node != p->home && !node->leads_home && is_group_for(node, in_home);
		fputc('/', p->to);
		print_safe(p->to, node->name);
	}
	in_home |= node == p->home;
	if (group) {
		fprintf(p->to, "%s  %s", node->child ? "/" : "", p->colour ? colour : "");
		write_counts(p->to, node);
		fputs(p->colour ? "\033[0m" : "", p->to);
	} else if (node == p->home) {
		fprintf(p->to, "/  %sall else hidden%s", p->colour ? "\033[31m" : "", p->colour ? "\033[0m" : "");
	} else if (node->parent) {
		fputc('/', p->to);
	}
	fputc('\n', p->to);
	if (group)
		return;
	for (const struct node *child = node->child; child; child = child->next) {
		if (!is_shown(child))
			continue;
		for (unsigned i = 0; i < depth; i++)
			fputs(lines[p->open[i] ? 0 : 1], p->to);
		fputs(lines[child == last ? 3 : 2], p->to);
		p->open[depth] = child != last;
		print_node(p, child, depth + 1, in_home);
	}
}

void learned_print(struct learned *learned, const struct proposal *proposal, FILE *to, bool colour, bool unicode)
{
	struct printer p = {.to = to, .home = prepare(learned, proposal), .colour = colour, .unicode = unicode};

	print_node(&p, learned->root, 0, false);
}
