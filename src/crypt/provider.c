/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/provider.h"

#include <string.h>

#include "base/cleanup.h"

static const struct aead_provider *const providers[] = {
	&aead_openssl,
	&aead_sodium,
	&aead_afalg,
};

const struct aead_provider *aead_provider_at(size_t i)
{
	return i < ARRAY_LEN(providers) ? providers[i] : NULL;
}

const struct aead_provider *aead_provider_find(const char *name)
{
	if (!name)
		return providers[0];
	for (size_t i = 0; i < ARRAY_LEN(providers); i++)
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	return NULL;
}

const struct aead_provider *aead_provider_or_instead(const struct aead_provider *p, const char **ret_why)
{
	const char *why = NULL, *other;

	if (p->usable(&why) == 0) {
		*ret_why = NULL;
		return p;
	}
	*ret_why = why;
	return p == &aead_afalg && aead_openssl.usable(&other) == 0 ? &aead_openssl : NULL;
}
