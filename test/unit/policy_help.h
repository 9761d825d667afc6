/* SPDX-License-Identifier: Apache-2.0 */
/* Policies made of lines, for the tests of the policy. Include after <cmocka.h>. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "vfs/policy/parse.h"
#include "vfs/policy/policy.h"

static const char *test_getenv(const char *name)
{
	if (strcmp(name, "STAR") == 0)
		return "a*{b,c}";
	if (strcmp(name, "EMPTY") == 0)
		return "";
	return strcmp(name, "NAME") == 0 ? "value" : NULL;
}

static _unused_ struct policy *new_policy(void)
{
	static const struct policy_context context = {
		.home = "/nowhere/home",
		.cwd = "/nowhere/cwd",
		.getenv = test_getenv,
		.trust_any_owner = true,
		.no_mseal = true,
	};
	struct policy *policy = NULL;
	assert_int_equal(policy_new(&context, &policy), 0);
	return policy;
}

/* Read TEXT as the file "test.conf". */
static _unused_ int add_text(struct policy *policy, const char *text, struct errmsg *msg)
{
	static const struct reading reading = {.origin = "test.conf", .directory = "/nowhere"};
	return parse_text(policy, &reading, text, strlen(text), msg);
}

static _unused_ struct policy *compiled(const char *text)
{
	struct policy *policy = new_policy();
	struct errmsg msg = {0};
	int r = add_text(policy, text, &msg);
	if (r == 0)
		r = policy_compile(policy, &msg);
	if (r < 0)
		fail_msg("%.200s: %s", text, msg.text);
	return policy;
}

/* The verdict as "show plain free". */
static _unused_ const char *verdict_of(const struct policy *policy, const char *path)
{
	static const char *const visibility[] = {"show", "hide", "deny", "way"};
	static const char *const content[] = {"plain", "mask", "crypt"};
	static const char *const write[] = {"free", "append", "readonly"};
	static char text[64];
	struct verdict v;

	policy_verdict(policy, path, strlen(path), &v);
	snprintf(text, sizeof(text), "%s %s %s", visibility[v.visibility], content[v.content], write[v.write]);
	return text;
}
