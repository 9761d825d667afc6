/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypt/keys/key_line.h"

/* One line of the text: [at, end), a cursor in it, and its number for messages. */
struct line {
	const char *at, *end;
	unsigned number;
};

struct parser {
	struct key_file *file;
	struct errmsg *msg;
	bool versioned, has_id;
};

static int damaged(struct parser *p, const struct line *l, const char *what)
{
	return errmsg_set(p->msg, -EBADMSG, "line %u: %s", l->number, what);
}

/* Go past WORD if it stands next. */
static bool take(struct line *l, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(l->end - l->at) < len || memcmp(l->at, word, len) != 0)
		return false;
	l->at += len;
	return true;
}

/* A decimal number without leading zeros, up to MAX. */
static bool take_number(struct line *l, uint32_t *ret_number)
{
	const char *start = l->at;
	uint64_t number = 0;

	while (l->at < l->end && *l->at >= '0' && *l->at <= '9' && l->at - start < 10)
		number = number * 10 + (uint64_t)(*l->at++ - '0');
	if (l->at == start || (*start == '0' && l->at - start > 1) || number > UINT32_MAX)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

/* COUNT bytes as hexadecimal digits, small letters. */
static bool take_hex(struct line *l, uint8_t *bytes, size_t count)
{
	const char *end;
	size_t got;

	if ((size_t)(l->end - l->at) < 2 * count)
		return false;
	for (size_t i = 0; i < 2 * count; i++)
		if (l->at[i] >= 'A' && l->at[i] <= 'F')
			return false;
	if (sodium_hex2bin(bytes, count, l->at, 2 * count, NULL, &got, &end) != 0 || got != count)
		return false;
	l->at = end;
	return true;
}

/* What is not blank, into SIZE bytes with a NUL. */
static bool take_word(struct line *l, char *word, size_t size)
{
	size_t len = 0;

	while (l->at + len < l->end && l->at[len] != ' ')
		len++;
	if (len == 0 || len >= size || memchr(l->at, '\0', len))
		return false;
	memcpy(word, l->at, len);
	word[len] = '\0';
	l->at += len;
	return true;
}

static bool take_parameters(struct line *l, struct key_slot *slot)
{
	if (take(l, "slot passphrase argon2id memory=")) {
		slot->kind = SLOT_PASSPHRASE;
		if (!take_number(l, &slot->cost.memory) || !take(l, " passes=") || !take_number(l, &slot->cost.passes))
			return false;
	} else if (take(l, "slot kernel aes-256-xts type=")) {
		slot->kind = SLOT_KERNEL;
		if (!take_word(l, slot->kernel.type, sizeof(slot->kernel.type)) || !take(l, " name=") ||
		    !take_word(l, slot->kernel.name, sizeof(slot->kernel.name)))
			return false;
	} else if (take(l, "slot keyring aes-256-xts type=")) {
		slot->kind = SLOT_KEYRING;
		return take_word(l, slot->kernel.type, sizeof(slot->kernel.type)) && take(l, " name=") &&
		       take_word(l, slot->kernel.name, sizeof(slot->kernel.name));
	} else {
		return false;
	}
	return take(l, " salt=") && take_hex(l, slot->salt, sizeof(slot->salt)) && take(l, " nonce=") &&
	       take_hex(l, slot->nonce, sizeof(slot->nonce)) && take(l, " key=") &&
	       take_hex(l, slot->wrapped, slot->wide ? KEK_WIDE : KEK_SIZE) && take_hex(l, slot->tag, sizeof(slot->tag));
}

static int parse_sealed_slot(struct parser *p, const struct line *whole, struct key_slot *slot)
{
	struct line l = *whole;
	char line[SLOT_LINE];

	slot->wide = p->file->wide;
	/* Written as we write it, to the byte: so nothing is authenticated in one form and shown in another. */
	if (take_parameters(&l, slot) && slot->kind != (slot->wide ? SLOT_KERNEL : SLOT_KEYRING)) {
		key_line_format(p->file->id, slot, line);
		if (strlen(line) == (size_t)(whole->end - whole->at) && memcmp(line, whole->at, strlen(line)) == 0) {
			struct errmsg why = {0};
			int r = slot->kind == SLOT_PASSPHRASE ? key_cost_check(&slot->cost, &why)
							       : kernel_key_check(&slot->kernel, &why);

			return r < 0 ? errmsg_set(p->msg, r == -ERANGE ? r : -EBADMSG, "line %u: %s", whole->number, why.text) : 0;
		}
	}
	return damaged(p, whole, "a damaged slot: delete the line if another slot is left");
}

static int parse_slot(struct parser *p, const struct line *whole)
{
	struct key_file *file = p->file;
	struct key_slot slot = {.line = (size_t)(whole->at - file->text->data)};
	struct line l = *whole;
	int r = 0;

	if (!p->has_id)
		return damaged(p, whole, "a slot before the line 'id ...'");
	if (file->slot_count == KEY_SLOTS)
		return damaged(p, whole, "more than 8 slots");
	slot.line_len = (size_t)(whole->end - whole->at) + (*whole->end == '\n');
	if (take(&l, RAW_START)) {
		slot.kind = SLOT_RAW;
		slot.wide = file->wide;
		slot.secret = (size_t)(l.at - file->text->data);
		slot.secret_len = (size_t)(l.end - l.at);
	} else {
		r = parse_sealed_slot(p, whole, &slot);
	}
	if (r == 0)
		file->slot[file->slot_count++] = slot;
	return r;
}

static bool take_stamp(struct line *l, char *stamp, size_t size)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	if ((size_t)(l->end - l->at) != size - 1 || size != sizeof(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? l->at[i] < '0' || l->at[i] > '9' : l->at[i] != form[i])
			return false;
	memcpy(stamp, l->at, size - 1);
	stamp[size - 1] = '\0';
	return true;
}

static int parse_line(struct parser *p, struct line l)
{
	struct key_file *file = p->file;
	struct line whole = l;

	if (!p->versioned) {
		uint32_t version;

		if (!take(&l, KEY_FILE_FIRST) || !take_number(&l, &version) || l.at != l.end)
			return damaged(p, &l, "no key file: the first line that is no comment has to be 'scrim-key 1' or 'scrim-key 2'");
		if (version != 1 && version != 2)
			return errmsg_set(p->msg, -EPROTONOSUPPORT, "line %u: version %u, which a newer scrim made: use that", l.number, version);
		p->versioned = true;
		file->wide = version == 2;
		return 0;
	}
	if (take(&l, "id ")) {
		if (p->has_id || !take_hex(&l, file->id, sizeof(file->id)) || l.at != l.end)
			return damaged(p, &whole, "the id is 32 hexadecimal digits, once");
		p->has_id = true;
		return 0;
	}
	if (take(&l, "created ")) {
		if (file->created[0] || !take_stamp(&l, file->created, sizeof(file->created)))
			return damaged(p, &whole, "no time of creation");
		return 0;
	}
	if (take(&l, "slot "))
		return parse_slot(p, &whole);
	return damaged(p, &l, "not a line of a key file");
}

/* The next line of TEXT, from *AT on; false at the end. */
static bool next_line(const struct buffer *text, const char **at, struct line *l)
{
	const char *end = text->data + text->len;

	if (*at == end)
		return false;
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	l->at = *at;
	l->end = newline ? newline : end;
	l->number++;
	*at = newline ? newline + 1 : end;
	return true;
}

static bool says_nothing(const struct line *l)
{
	return l->at == l->end || *l->at == '#';
}

bool key_file_is_meant(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (*text != '#' && *text != '\n')
			break;
		text = newline ? newline + 1 : end;
	}
	return (size_t)(end - text) >= strlen(KEY_FILE_FIRST) && memcmp(text, KEY_FILE_FIRST, strlen(KEY_FILE_FIRST)) == 0;
}

int key_file_parse(const char *text, size_t len, struct key_file **ret_file, struct errmsg *msg)
{
	_cleanup_(cleanup_key_file) struct key_file *file = calloc(1, sizeof(*file));
	struct parser p = {.file = file, .msg = msg};
	struct line l = {0};
	const char *at;
	int r;

	if (len > KEY_TEXT_MAX)
		return errmsg_set(msg, -EBADMSG, "line 1: no key file: it is too long");
	if (!file)
		return -ENOMEM;
	file->text = secret_text_new(len);
	if (!file->text)
		return -ENOMEM;
	buffer_append(file->text, text, len);
	for (at = file->text->data; next_line(file->text, &at, &l);) {
		if (says_nothing(&l))
			continue;
		r = parse_line(&p, l);
		if (r < 0)
			return r;
	}
	if (!p.has_id || file->slot_count == 0)
		return damaged(&p, &l, !p.versioned ? "no key file" : !p.has_id ? "the id is missing" : "there is no slot");
	*ret_file = TAKE_PTR(file);
	return 0;
}
