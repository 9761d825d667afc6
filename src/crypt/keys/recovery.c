/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/recovery.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "crypt/keys/kek.h"
#include "crypt/secret.h"

#define HEAD     2
#define DATA     52 /* symbols of five bits for 256 */
#define CHECKSUM 6
#define BECH32M  0x2bc830a3u

_Static_assert(HEAD + DATA + CHECKSUM == RECOVERY_SYMBOLS, "as in the header");

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The second symbol: an ordinary key, the halves of a kernel key. */
enum part { WHOLE = 1, FIRST_HALF = 2, SECOND_HALF = 3 };
#define S 25

/* What the symbols leave over when divided by the generator of BIP 173. */
static uint32_t remainder_of(const uint8_t *symbols, size_t count)
{
	static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t rest = 1;

	for (size_t i = 0; i < count; i++) {
		uint32_t top = rest >> 25;

		rest = (rest & 0x1ffffff) << 5 ^ symbols[i];
		for (unsigned bit = 0; bit < 5; bit++)
			rest ^= top >> bit & 1 ? generator[bit] : 0;
	}
	return rest;
}

static bool is_whole(const uint8_t *symbols)
{
	return remainder_of(symbols, RECOVERY_SYMBOLS) == BECH32M;
}

static int encode(const uint8_t *bytes, enum part part, char *ret_text)
{
	uint8_t *symbols = secret_alloc(RECOVERY_SYMBOLS);
	size_t len = 0;

	if (!symbols)
		return -ENOMEM;
	memset(symbols, 0, RECOVERY_SYMBOLS);
	symbols[0] = S;
	symbols[1] = (uint8_t)part;
	for (size_t bit = 0; bit < KEK_SIZE * 8; bit++)
		symbols[HEAD + bit / 5] |= (uint8_t)((bytes[bit / 8] >> (7 - bit % 8) & 1) << (4 - bit % 5));
	uint32_t rest = remainder_of(symbols, RECOVERY_SYMBOLS) ^ BECH32M;
	for (size_t i = 0; i < CHECKSUM; i++)
		symbols[HEAD + DATA + i] = rest >> 5 * (CHECKSUM - 1 - i) & 31;
	for (size_t i = 0; i < RECOVERY_SYMBOLS; i++) {
		if (i > 0 && i % RECOVERY_GROUP == 0)
			ret_text[len++] = '-';
		ret_text[len++] = alphabet[symbols[i]];
	}
	ret_text[len] = '\0';
	secret_free(symbols, RECOVERY_SYMBOLS);
	return 0;
}

int recovery_encode(const uint8_t *bytes, char ret_text[RECOVERY_TEXT])
{
	return encode(bytes, WHOLE, ret_text);
}

int recovery_encode_wide(const uint8_t *bytes, char ret_text[RECOVERY_WIDE])
{
	int r = encode(bytes, FIRST_HALF, ret_text);

	if (r == 0)
		r = encode(bytes + KEK_SIZE, SECOND_HALF, ret_text + RECOVERY_TEXT);
	ret_text[RECOVERY_TEXT - 1] = ' ';
	return r;
}

/* The value of a character, or -1 for what is in no recovery key. */
static int symbol_of(char c)
{
	int big = toupper((unsigned char)c);
	const char *found;

	if (big == 'O')
		return 0;
	if (big == 'I' || big == 'L')
		return 1;
	found = big ? strchr(alphabet, big) : NULL;
	return found ? (int)(found - alphabet) : -1;
}

/* The symbols that stand in TEXT: of one part or of two. *RET_PARTS: how many. */
static int read_symbols(const char *text, size_t len, uint8_t *symbols, unsigned *ret_parts, struct errmsg *msg)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '#') {
			while (i < len && text[i] != '\n')
				i++;
			continue;
		}
		if (isspace((unsigned char)text[i]) || text[i] == '-')
			continue;
		int symbol = symbol_of(text[i]);
		if (symbol < 0)
			return errmsg_set(msg, -EINVAL, "group %zu of the recovery key has a character that is in none",
					  count / RECOVERY_GROUP + 1);
		if (count < RECOVERY_SYMBOLS * (size_t)2)
			symbols[count] = (uint8_t)symbol;
		count++;
	}
	if (count != RECOVERY_SYMBOLS && count != RECOVERY_SYMBOLS * (size_t)2)
		return errmsg_set(msg, -EINVAL, "a recovery key has %d characters, without dashes, or twice as many if it starts with "
				  "S2, not %zu", RECOVERY_SYMBOLS, count);
	*ret_parts = (unsigned)(count / RECOVERY_SYMBOLS);
	return 0;
}

/* Say where the error is if one symbol can be meant. The code's distance of five makes that one unique. */
static int say_typo(uint8_t *symbols, unsigned part, struct errmsg *msg)
{
	for (size_t i = 0; msg && i < RECOVERY_SYMBOLS; i++) {
		uint8_t typed = symbols[i];
		bool whole = false;

		for (uint8_t other = 0; other < 32 && !whole; other++) {
			symbols[i] = other;
			whole = is_whole(symbols);
		}
		symbols[i] = typed;
		if (whole)
			return errmsg_set(msg, -EBADMSG, "a typing error in the recovery key: character %zu of group %zu",
					  i % RECOVERY_GROUP + 1, (i + (size_t)part * RECOVERY_SYMBOLS) / RECOVERY_GROUP + 1);
	}
	return errmsg_set(msg, -EBADMSG, "typing errors in the recovery key: compare it with what you have, group by group");
}

/* One part, which is to be PART, the INDEXth. */
static int decode_part(uint8_t *symbols, enum part part, unsigned index, uint8_t *ret_bytes, struct errmsg *msg)
{
	if (!is_whole(symbols))
		return say_typo(symbols, index, msg);
	/* Four bits are left over behind the key. */
	if (symbols[0] != S || symbols[1] != part || (symbols[HEAD + DATA - 1] & 15) != 0)
		return errmsg_set(msg, -EINVAL, part == WHOLE ? "a recovery key starts with S1: this is of another kind, half of one, or "
				  "a newer scrim's" : "a recovery key of two parts starts with S2, and its second part with S3");
	memset(ret_bytes, 0, KEK_SIZE);
	for (size_t bit = 0; bit < KEK_SIZE * 8; bit++)
		ret_bytes[bit / 8] |= (uint8_t)((symbols[HEAD + bit / 5] >> (4 - bit % 5) & 1) << (7 - bit % 8));
	return 0;
}

static int decode(const char *text, size_t len, uint8_t *symbols, uint8_t *ret_bytes, bool *ret_wide, struct errmsg *msg)
{
	unsigned parts = 0;
	int r = read_symbols(text, len, symbols, &parts, msg);

	if (r == 0 && parts == 1)
		r = decode_part(symbols, WHOLE, 0, ret_bytes, msg);
	if (r == 0 && parts == 2)
		r = decode_part(symbols, FIRST_HALF, 0, ret_bytes, msg);
	if (r == 0 && parts == 2)
		r = decode_part(symbols + RECOVERY_SYMBOLS, SECOND_HALF, 1, ret_bytes + KEK_SIZE, msg);
	if (r == 0)
		*ret_wide = parts == 2;
	return r;
}

int recovery_decode_any(const char *text, size_t len, uint8_t *ret_bytes, bool *ret_wide, struct errmsg *msg)
{
	uint8_t *room = secret_alloc(2 * RECOVERY_SYMBOLS + KEK_WIDE);

	if (!room)
		return -ENOMEM;
	uint8_t *bytes = room + 2 * (size_t)RECOVERY_SYMBOLS;
	int r = decode(text, len, room, bytes, ret_wide, msg);
	if (r == 0)
		memcpy(ret_bytes, bytes, *ret_wide ? KEK_WIDE : KEK_SIZE);
	secret_free(room, 2 * RECOVERY_SYMBOLS + KEK_WIDE);
	return r;
}

int recovery_decode(const char *text, size_t len, uint8_t *ret_bytes, struct errmsg *msg)
{
	uint8_t *bytes = secret_alloc(KEK_WIDE);
	bool wide;

	if (!bytes)
		return -ENOMEM;
	int r = recovery_decode_any(text, len, bytes, &wide, msg);
	if (r == 0 && wide)
		r = errmsg_set(msg, -EINVAL, "this is the recovery key of a kernel key: an ordinary one, S1, is meant");
	if (r == 0)
		memcpy(ret_bytes, bytes, KEK_SIZE);
	secret_free(bytes, KEK_WIDE);
	return r;
}
