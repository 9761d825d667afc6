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
static const uint8_t head[HEAD] = {25, 1}; /* "S1" */

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

int recovery_encode(const uint8_t *bytes, char ret_text[RECOVERY_TEXT])
{
	uint8_t *symbols = secret_alloc(RECOVERY_SYMBOLS);
	size_t len = 0;

	if (!symbols)
		return -ENOMEM;
	memset(symbols, 0, RECOVERY_SYMBOLS);
	memcpy(symbols, head, HEAD);
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

/* The symbols that stand in TEXT. */
static int read_symbols(const char *text, size_t len, uint8_t *symbols, struct errmsg *msg)
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
		if (count < RECOVERY_SYMBOLS)
			symbols[count] = (uint8_t)symbol;
		count++;
	}
	if (count != RECOVERY_SYMBOLS)
		return errmsg_set(msg, -EINVAL, "a recovery key has %d characters, without dashes, not %zu", RECOVERY_SYMBOLS, count);
	return 0;
}

/* Say where the error is if one symbol can be meant. The code's distance of five makes that one unique. */
static int say_typo(uint8_t *symbols, struct errmsg *msg)
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
					  i % RECOVERY_GROUP + 1, i / RECOVERY_GROUP + 1);
	}
	return errmsg_set(msg, -EBADMSG, "typing errors in the recovery key: compare it with what you have, group by group");
}

static int decode(const char *text, size_t len, uint8_t *symbols, uint8_t *ret_bytes, struct errmsg *msg)
{
	int r = read_symbols(text, len, symbols, msg);

	if (r < 0)
		return r;
	if (!is_whole(symbols))
		return say_typo(symbols, msg);
	/* Four bits are left over behind the key. */
	if (memcmp(symbols, head, HEAD) != 0 || (symbols[HEAD + DATA - 1] & 15) != 0)
		return errmsg_set(msg, -EINVAL, "a recovery key starts with S1: this is of another kind or a newer scrim");
	memset(ret_bytes, 0, KEK_SIZE);
	for (size_t bit = 0; bit < KEK_SIZE * 8; bit++)
		ret_bytes[bit / 8] |= (uint8_t)((symbols[HEAD + bit / 5] >> (4 - bit % 5) & 1) << (7 - bit % 8));
	return 0;
}

int recovery_decode(const char *text, size_t len, uint8_t *ret_bytes, struct errmsg *msg)
{
	uint8_t *symbols = secret_alloc(RECOVERY_SYMBOLS);

	if (!symbols)
		return -ENOMEM;
	int r = decode(text, len, symbols, ret_bytes, msg);
	secret_free(symbols, RECOVERY_SYMBOLS);
	return r;
}
