/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "vfs/policy/context.h"
#include "vfs/policy/glob.h"
#include "vfs/policy/rules.h"
#include "vfs/policy/settings.h"
#include "vfs/policy/source.h"
#include "vfs/policy/verbs.h"

/* A line with the words that are still to be read. */
struct line {
	struct policy *policy;
	const struct reading *reading;
	const struct place *place;
	struct errmsg *msg;
	size_t position;
};

static bool token_is(const struct token *token, const char *what)
{
	return token->len == strlen(what) && memcmp(token->text, what, token->len) == 0;
}

static int at_token(const struct line *line, const struct token *token, const char *remedy, const char *what)
{
	return complain(line->msg, -EINVAL, line->place, column_of(line->place, token->text), remedy, "%s: %.*s", what,
			(int)(token->len > 80 ? 80 : token->len), token->text);
}

static int next(struct line *line, struct token *ret)
{
	return lex_next(line->place, &line->position, ret, line->msg);
}

/* The next word, which has to be there. */
static int need(struct line *line, struct token *ret, const char *what, const char *remedy)
{
	int r = next(line, ret);
	if (r == 0)
		return complain(line->msg, -EINVAL, line->place, line->place->len, remedy, "%s is missing", what);
	return r < 0 ? r : 0;
}

static int need_end(struct line *line, const char *remedy)
{
	struct token token;
	int r = next(line, &token);
	return r > 0 ? at_token(line, &token, remedy, "too many words") : r;
}

static int parse_source(struct policy *policy, const struct reading *includer, const char *path, const char *origin,
			const struct source *source, struct errmsg *msg)
{
	const char *slash = strrchr(path, '/');
	struct reading reading = {
		.origin = arena_strndup(&policy->arena, origin, strlen(origin)),
		.directory = slash ? arena_strndup(&policy->arena, path, (size_t)(slash - path)) : ".",
		.includer = includer,
		.depth = includer ? includer->depth + 1 : 0,
		.device = source->device,
		.inode = source->inode,
	};
	if (!reading.origin || !reading.directory)
		return -ENOMEM;
	return parse_text(policy, &reading, source->text, source->len, msg);
}

static int include_file(struct line *line, const struct token *token, const char *path)
{
	_cleanup_(source_done) struct source source = {0};
	struct errmsg inner = {0};
	size_t column = column_of(line->place, token->text);
	int r = source_read(path, line->policy->context.trust_any_owner, &source, &inner);

	if (r < 0) {
		char *remedy = strchr(inner.text, '\n');
		if (remedy)
			*remedy++ = '\0';
		return complain(line->msg, r, line->place, column, remedy, "%s",
				inner.text[0] ? inner.text : strerror(-r));
	}
	for (const struct reading *up = line->reading; up; up = up->includer)
		if (up->device == source.device && up->inode == source.inode)
			return complain(line->msg, -ELOOP, line->place, column, "take one of the includes out",
					"an include loop: %s", path);
	return parse_source(line->policy, line->reading, path, path, &source, line->msg);
}

static int parse_include(struct line *line)
{
	const struct policy_context *context = &line->policy->context;
	struct token token;
	BUFFER_ON_STACK(path, 2 * PATTERN_MAX);
	BUFFER_ON_STACK(text, PATTERN_MAX);

	int r = need(line, &token, "the file", "write include FILE");
	if (r == 0)
		r = word_expand(context, line->place, &token, WORD_TEXT, false, true, &text, line->msg);
	if (r == 0)
		r = need_end(line, "write one include FILE a line; a name with spaces stands in double quotes");
	if (r < 0)
		return r;
	if (text.len == 0)
		return at_token(line, &token, "write include FILE", "an empty file name");
	if (text.data[0] != '/') {
		r = buffer_append_str(&path, line->reading->directory);
		if (r == 0)
			r = buffer_append_str(&path, "/");
	}
	if (r == 0)
		r = buffer_append(&path, text.data, text.len);
	if (r < 0)
		return at_token(line, &token, "shorten it", "a path that is too long");
	if (line->reading->depth >= INCLUDE_DEPTH_MAX)
		return complain(line->msg, -ELOOP, line->place, column_of(line->place, token.text),
				"include fewer files from one another", "includes nested deeper than %d",
				INCLUDE_DEPTH_MAX);

	return include_file(line, &token, path.data);
}

static int add_env(struct line *line, bool set, const char *name, size_t name_len, const char *value)
{
	struct policy *policy = line->policy;
	struct parsed_env *env = arena_alloc(&policy->arena, sizeof(*env));

	if (!env)
		return -ENOMEM;
	env->rule.set = set;
	env->rule.name = arena_strndup(&policy->arena, name, name_len);
	env->rule.value = set ? arena_strndup(&policy->arena, value, strlen(value)) : NULL;
	if (!env->rule.name || (set && !env->rule.value))
		return -ENOMEM;
	*policy->env_tail = env;
	policy->env_tail = &env->next;
	policy->env_count++;
	return 0;
}

static int add_env_glob(const char *text, size_t len, void *userdata)
{
	return add_env(userdata, false, text, len, NULL);
}

static int parse_env_hide(struct line *line, const struct token *token)
{
	const char *remedy = NULL, *why;
	BUFFER_ON_STACK(text, PATTERN_MAX);

	int r = word_expand(&line->policy->context, line->place, token, WORD_PATTERN, false, false, &text, line->msg);
	if (r < 0)
		return r;
	if (text.len == 0 || memchr(text.data, '=', text.len))
		return at_token(line, token, "write env hide NAME, where * ? [...] and {a,b} may stand in NAME",
				"not the name of a variable");
	why = glob_check(text.data, text.len, &remedy);
	if (why)
		return at_token(line, token, remedy, why);
	r = glob_expand(text.data, text.len, add_env_glob, line);
	if (r == -EINVAL || r == -E2BIG)
		return at_token(line, token, "write {a,b}, or \\{ for the character itself",
				r == -EINVAL ? "braces that cannot be expanded" : "more than 256 alternatives");
	return r;
}

static int parse_env_set(struct line *line, const struct token *token)
{
	BUFFER_ON_STACK(text, PATTERN_MAX);

	int r = word_expand(&line->policy->context, line->place, token, WORD_TEXT, false, false, &text, line->msg);
	if (r < 0)
		return r;
	const char *equals = memchr(text.data, '=', text.len);
	size_t name_len = equals ? (size_t)(equals - text.data) : 0;
	bool good = name_len && !isdigit((unsigned char)text.data[0]);
	for (size_t i = 0; i < name_len; i++)
		good &= isalnum((unsigned char)text.data[i]) || text.data[i] == '_';
	if (!good)
		return at_token(line, token, "write env set NAME=VALUE; a value with spaces stands in double quotes",
				"not an assignment");
	return add_env(line, true, text.data, name_len, equals + 1);
}

static int parse_env(struct line *line)
{
	static const char remedy[] = "write env hide GLOB or env set NAME=VALUE";
	struct token action, token;

	int r = need(line, &action, "hide or set", remedy);
	if (r < 0)
		return r;
	bool set = token_is(&action, "set");
	if (!set && !token_is(&action, "hide"))
		return at_token(line, &action, remedy, "unknown action of env");
	r = need(line, &token, set ? "NAME=VALUE" : "the name", remedy);
	if (r == 0)
		r = set ? parse_env_set(line, &token) : parse_env_hide(line, &token);
	return r < 0 ? r : need_end(line, remedy);
}

static int option_path(struct line *line, const struct token *value, const char **ret)
{
	struct policy *policy = line->policy;
	BUFFER_ON_STACK(text, PATTERN_MAX);
	BUFFER_ON_STACK(path, PATTERN_MAX);

	int r = word_expand(&policy->context, line->place, value, WORD_TEXT, false, true, &text, line->msg);
	if (r < 0)
		return r;
	if (text.len && text.data[0] != '/') {
		if (!line->reading->command_line || !policy->context.cwd)
			return at_token(line, value, "write ${CWD}/FILE or an absolute path", "a relative path");
		r = buffer_append_str(&path, policy->context.cwd);
		if (r == 0)
			r = buffer_append_str(&path, "/");
	}
	if (r == 0)
		r = buffer_append(&path, text.data, text.len);
	if (r < 0)
		return at_token(line, value, "shorten it to 4095 bytes", "a path that is too long");
	*ret = arena_strndup(&policy->arena, path.data, path.len);
	return *ret ? 0 : -ENOMEM;
}

/* The place of TEXT among the words of FORM; their number if it is none of them. */
static unsigned word_index(const struct option_form *form, const char *text)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(form->words) && form->words[i] && strcmp(form->words[i], text) != 0)
		i++;
	return i < ARRAY_LEN(form->words) && form->words[i] ? i : ARRAY_LEN(form->words);
}

/* The value of an option, by its kind. */
static int option_value(struct line *line, const struct option_form *form, const struct token *value, const char **ret)
{
	BUFFER_ON_STACK(text, PATTERN_MAX);

	if (value->len == 0)
		return complain(line->msg, -EINVAL, line->place, column_of(line->place, value->text), form->remedy,
				"nothing after %s=", form->name);
	if (form->kind == OPTION_IS_PATH)
		return option_path(line, value, ret);
	int r = form->kind == OPTION_IS_REGEX ? word_raw(line->place, value, &text, line->msg)
					      : word_expand(&line->policy->context, line->place, value, WORD_TEXT,
							    false, false, &text, line->msg);
	if (r < 0)
		return r;
	bool known = form->kind == OPTION_IS_WORD ? word_index(form, text.data) < ARRAY_LEN(form->words) : text.len > 0;
	if (!known)
		return at_token(line, value, form->remedy, "not a value of this option");
	*ret = arena_strndup(&line->policy->arena, text.data, text.len);
	return *ret ? 0 : -ENOMEM;
}

static int parse_option(struct line *line, const struct verb *verb, const struct token *token,
			const char *values[OPTION_COUNT])
{
	const char *equals = memchr(token->text, '=', token->len);
	size_t name_len = equals ? (size_t)(equals - token->text) : token->len;

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_form *form = &option_forms[i];
		if (strlen(form->name) != name_len || memcmp(form->name, token->text, name_len) != 0)
			continue;
		if (!(verb->options & 1u << i))
			return complain(line->msg, -EINVAL, line->place, column_of(line->place, token->text),
					"take it out, or use the verb it belongs to", "%s has no option %s", verb->name,
					form->name);
		if (!equals)
			return at_token(line, token, form->remedy, "an option without a value");
		if (values[i])
			return at_token(line, token, "give it once", "an option given twice");
		const struct token value = {equals + 1, token->len - name_len - 1};
		return option_value(line, form, &value, &values[i]);
	}
	return at_token(line, token,
			verb->options ? "see scrim.conf(5); a pattern with spaces stands in double quotes"
				      : "this verb has no options; a pattern with spaces stands in double quotes",
			"unknown option");
}

static void take_crypt(struct parsed_rule *rule, const char *const values[OPTION_COUNT])
{
	const char *plain = values[OPTION_PLAIN];

	if (rule->verb->part != PART_CONTENT || rule->verb->value != CONTENT_CRYPT)
		return;
	rule->crypt_key = values[OPTION_KEY] ? values[OPTION_KEY] : KEY_DEFAULT;
	rule->crypt_provider = values[OPTION_PROVIDER];
	rule->crypt_plain = !plain ? PLAIN_REFUSE : strcmp(plain, "read") == 0 ? PLAIN_READ : PLAIN_ADOPT;
	rule->files_only = values[OPTION_FILES] != NULL;
}

/* The options that may stand several times: what the last word was goes from VALUES into the list. */
static int collect_redaction(struct line *line, const struct token *token, const char *values[OPTION_COUNT],
			     struct redaction *list, unsigned *count)
{
	if (values[OPTION_REDACT]) {
		if (*count == REDACTIONS_MAX)
			return at_token(line, token, "join some with |", "more than 16 times redact=");
		list[(*count)++].expression = values[OPTION_REDACT];
		values[OPTION_REDACT] = NULL;
	}
	if (values[OPTION_TOKEN]) {
		if (!*count || list[*count - 1].token)
			return at_token(line, token, option_forms[OPTION_TOKEN].remedy, "a token without redact");
		list[*count - 1].token = values[OPTION_TOKEN];
		values[OPTION_TOKEN] = NULL;
	}
	return 0;
}

/* What the options of a mask rule say together; REDACT and NOMATCH: where to point. */
static int mask_options(struct line *line, const char *const values[OPTION_COUNT], const struct token *redact,
			const struct token *nomatch, const struct redaction *list, unsigned count,
			struct mask_options *ret)
{
	struct redaction *kept = NULL;

	if (values[OPTION_WITH] && count)
		return at_token(line, redact, "keep one of them", "with and redact exclude each other");
	if (values[OPTION_NOMATCH] && !count)
		return at_token(line, nomatch, "write redact=REGEX, too", "nomatch without redact");
	if (count) {
		kept = arena_array(&line->policy->arena, count, sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		memcpy(kept, list, count * sizeof(*kept));
	}
	*ret = (struct mask_options){
		.kind = values[OPTION_WITH] ? MASK_WITH : count ? MASK_REDACT : MASK_EMPTY,
		.with = values[OPTION_WITH],
		.redactions = kept,
		.redaction_count = count,
		.discard = values[OPTION_WRITE] != NULL,
	};
	if (values[OPTION_NOMATCH])
		ret->nomatch = (enum mask_nomatch)word_index(&option_forms[OPTION_NOMATCH], values[OPTION_NOMATCH]);
	return 0;
}

static int parse_rule(struct line *line, const struct verb *verb)
{
	const char *values[OPTION_COUNT] = {0};
	struct redaction redactions[REDACTIONS_MAX] = {0};
	struct token pattern, token, redact = {0}, nomatch = {0};
	unsigned count = 0;
	int r = need(line, &pattern, "the pattern", "write VERB PATTERN [OPTION=VALUE ...]");

	if (r < 0)
		return r;
	while ((r = next(line, &token)) > 0) {
		bool had_nomatch = values[OPTION_NOMATCH];
		r = parse_option(line, verb, &token, values);
		if (r < 0)
			return r;
		if (!count && values[OPTION_REDACT])
			redact = token;
		if (!had_nomatch && values[OPTION_NOMATCH])
			nomatch = token;
		r = collect_redaction(line, &token, values, redactions, &count);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;

	struct parsed_rule rule = {.verb = verb, .origin = line->reading->origin, .line = line->place->line};
	r = mask_options(line, values, &redact, &nomatch, redactions, count, &rule.mask);
	if (r < 0)
		return r;
	take_crypt(&rule, values);
	rule.create_private = values[OPTION_CREATE] != NULL;
	return rules_add(line->policy, &rule, line->reading->command_line, false, line->place, &pattern, line->msg);
}

static int parse_fstype(struct line *line)
{
	static const char remedy[] = "write fstype NAME hide or fstype NAME deny; /proc/self/mountinfo has the names";
	struct token name, action;
	struct parsed_rule rule = {.origin = line->reading->origin, .line = line->place->line};

	int r = need(line, &name, "the type", remedy);
	if (r == 0)
		r = need(line, &action, "hide or deny", remedy);
	if (r < 0)
		return r;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.text[i]) && !strchr("._-", name.text[i]))
			return at_token(line, &name, remedy, "not the name of a type");
	if (!token_is(&action, "hide") && !token_is(&action, "deny"))
		return at_token(line, &action, remedy, "neither hide nor deny");
	r = need_end(line, remedy);
	if (r < 0)
		return r;
	rule.verb = verb_find(action.text, action.len);
	rule.fstype = arena_strndup(&line->policy->arena, name.text, name.len);
	if (!rule.fstype)
		return -ENOMEM;
	return rules_add_fstype(line->policy, &rule, line->place, &name, line->msg);
}

static int parse_setting(struct line *line)
{
	static const char remedy[] = "write option NAME=VALUE";
	struct token token;
	BUFFER_ON_STACK(text, PATTERN_MAX);

	int r = need(line, &token, "NAME=VALUE", remedy);
	if (r == 0)
		r = word_expand(&line->policy->context, line->place, &token, WORD_TEXT, false, false, &text, line->msg);
	if (r < 0)
		return r;
	const char *why = NULL;
	r = setting_apply(&line->policy->settings, text.data, text.len, &why);
	if (r < 0)
		return at_token(line, &token, why, r == -ENOENT ? "no such option" : "not a value of this option");
	return need_end(line, remedy);
}

int parse_line(struct policy *policy, const struct reading *reading, const struct place *place, struct errmsg *msg)
{
	struct line line = {.policy = policy, .reading = reading, .place = place, .msg = msg};
	const char *nul = place->len ? memchr(place->text, '\0', place->len) : NULL;
	struct token token;

	if (nul)
		return complain(msg, -EINVAL, place, column_of(place, nul), "take it out", "a NUL byte");
	int r = next(&line, &token);
	if (r <= 0)
		return r;
	if (token_is(&token, "include"))
		return parse_include(&line);
	if (token_is(&token, "env"))
		return parse_env(&line);
	if (token_is(&token, "fstype"))
		return parse_fstype(&line);
	if (token_is(&token, "option"))
		return parse_setting(&line);
	const struct verb *verb = verb_find(token.text, token.len);
	if (!verb)
		return at_token(&line, &token, verb_remedy, "unknown verb");
	return parse_rule(&line, verb);
}

int parse_verb(struct policy *policy, const struct reading *reading, const struct place *place, const char *verb,
	       const char *glob, struct errmsg *msg)
{
	struct parsed_rule rule = {.verb = verb_find(verb, strlen(verb)), .origin = reading->origin};
	const struct token token = {glob, strlen(glob)};

	if (!rule.verb)
		return complain(msg, -EINVAL, place, 0, verb_remedy, "unknown verb: %s", verb);
	return rules_add(policy, &rule, reading->command_line, true, place, &token, msg);
}

int parse_text(struct policy *policy, const struct reading *reading, const char *text, size_t len, struct errmsg *msg)
{
	struct place place = {.origin = reading->origin};

	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		place.text = text + i;
		place.len = end ? (size_t)(end - place.text) : len - i;
		place.line++;
		int r = parse_line(policy, reading, &place, msg);
		if (r < 0)
			return r;
		i += place.len + 1;
	}
	return 0;
}

int parse_file(struct policy *policy, const char *path, const char *origin, struct errmsg *msg)
{
	_cleanup_(source_done) struct source source = {0};
	int r = source_read(path, policy->context.trust_any_owner, &source, msg);

	return r < 0 ? r : parse_source(policy, NULL, path, origin, &source, msg);
}
