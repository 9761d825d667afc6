/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/settings.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

enum setting_kind {
	SETTING_IS_SIZE, /* uint64_t */
	SETTING_IS_FLAG, /* bool, set by `word` and taken back by `other` */
};

static const struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;
	const char *word, *other;
	const char *remedy;
} settings_table[] = {
	{"memfd.max", SETTING_IS_SIZE, offsetof(struct policy_settings, memfd_max), NULL, NULL,
	 "write option memfd.max=SIZE, as 512M or 2G"},
	{"memfd.total", SETTING_IS_SIZE, offsetof(struct policy_settings, memfd_total), NULL, NULL,
	 "write option memfd.total=SIZE, as 512M or 2G"},
	{"private.total", SETTING_IS_SIZE, offsetof(struct policy_settings, private_total), NULL, NULL,
	 "write option private.total=SIZE, as 64M or 1G"},
	{"private.files", SETTING_IS_SIZE, offsetof(struct policy_settings, private_files), NULL, NULL,
	 "write option private.files=NUMBER, as 500 or 8K"},
	{"swap", SETTING_IS_FLAG, offsetof(struct policy_settings, require_no_swap), "refuse", "warn",
	 "write option swap=refuse or swap=warn"},
	{"rand-fd", SETTING_IS_FLAG, offsetof(struct policy_settings, rand_fd), "yes", "no", "write option rand-fd"},
	{"freshness", SETTING_IS_FLAG, offsetof(struct policy_settings, strict_freshness), "strict", "warn",
	 "write option freshness=strict or freshness=warn"},
};

int size_parse(const char *text, size_t len, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit = len ? memchr(units, text[len - 1], sizeof(units) - 1) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t value = 0;

	len -= unit != NULL;
	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || value > (INT64_MAX - 9) / 10)
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value == 0 || value > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	*ret = value << shift;
	return 0;
}

static bool is_word(const char *word, const char *text, size_t len)
{
	return strlen(word) == len && memcmp(word, text, len) == 0;
}

int setting_apply(struct policy_settings *settings, const char *text, size_t len, const char **ret_remedy)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len;

	for (size_t i = 0; i < ARRAY_LEN(settings_table); i++) {
		const struct setting *setting = &settings_table[i];
		char *place = (char *)settings + setting->offset;
		if (!is_word(setting->name, text, name_len))
			continue;
		*ret_remedy = setting->remedy;
		if (!equals && setting->kind == SETTING_IS_FLAG && is_word("yes", setting->word, strlen(setting->word))) {
			*(bool *)place = true;
			return 0;
		}
		if (!equals)
			return -EINVAL;
		const char *value = equals + 1;
		size_t value_len = len - name_len - 1;
		if (setting->kind == SETTING_IS_SIZE)
			return size_parse(value, value_len, (uint64_t *)(void *)place);
		bool set = is_word(setting->word, value, value_len);
		if (!set && !is_word(setting->other, value, value_len))
			return -EINVAL;
		*(bool *)place = set;
		return 0;
	}
	*ret_remedy = "options are memfd.max, memfd.total, private.total, private.files, rand-fd, swap and freshness; see scrim.conf(5)";
	return -ENOENT;
}
