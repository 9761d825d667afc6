/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * As cmd_run(), for other subcommands: KEPT_FD (close-on-exec; -1: none) stays open here and in the supervisor until the view has
 * ended. All other descriptors above 2 that the command line does not name are closed.
 */
int run_command(int argc, char **argv, int kept_fd);
