/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the socket between the supervisor and a vault. */
#pragma once

enum vault_message_kind {
	VAULT_NAME, /* with a descriptor; the answer has its number in the vault's table, or -1 */
	VAULT_DROP, /* of that number; no answer */
};

struct vault_message {
	int kind;
	int fd;
};
