/* SPDX-License-Identifier: Apache-2.0 */
#include "base/errmsg.h"

#include <stdarg.h>
#include <stdio.h>

int errmsg_set(struct errmsg *msg, int error, const char *format, ...)
{
	va_list args;

	if (!msg || msg->text[0])
		return error;
	va_start(args, format);
	vsnprintf(msg->text, sizeof(msg->text), format, args);
	va_end(args);
	return error;
}
