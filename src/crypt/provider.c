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
