/* SPDX-License-Identifier: Apache-2.0 */
/* Socket calls that carry an address. Their int arguments are cut where they are used: the call may be made again. */
#include "intercept/handlers.h"

HANDLER(handle_connect)
{
	(void)nr;
	return vfs_connect(op, args, out);
}

HANDLER(handle_bind)
{
	(void)nr;
	return vfs_bind(op, args, out);
}

HANDLER(handle_sendto)
{
	(void)nr;
	return vfs_sendto(op, args, out);
}

HANDLER(handle_sendmsg)
{
	return vfs_sendmsg(op, nr, args, out);
}

HANDLER(handle_sendmmsg)
{
	return vfs_sendmsg(op, nr, args, out);
}
