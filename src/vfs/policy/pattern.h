/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern taken apart into its components. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum component_kind {
	COMPONENT_LITERAL, /* the text is the name itself, no longer escaped */
	COMPONENT_ANY,	   /* `*` */
	COMPONENT_GLOB,
	COMPONENT_DEEP, /* `**`; never the last, never twice in a row */
};

struct component {
	const char *text;
	uint16_t len;
	uint8_t kind;
};

#define COMPONENTS_MAX 2049

struct pattern {
	size_t count;
	size_t literals; /* how many literal components lead it; == count: no wildcard in it */
	struct component component[COMPONENTS_MAX];
	size_t text_used;
	char text[8192]; /* what the components point into */
};

/* What is wrong with a pattern, for a person. */
struct pattern_fault {
	const char *why;
	const char *remedy;
};

/*
 * Take PATTERN (absolute, braces expanded) apart. `.` and empty components vanish; `..` is kept where only literals
 * lead to it, for whoever resolves the prefix. Returns 0, or -EINVAL with *ret_fault filled in.
 */
int pattern_split(const char *text, size_t len, struct pattern *ret, struct pattern_fault *ret_fault);
