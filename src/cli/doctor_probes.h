/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel, container and user allow, each asked for in the way in which it is used. */
#pragma once

#include "base/errmsg.h"

/* 1: it is there; 0: it is not; a negative errno: it cannot be found out. DETAIL may say why, or how much of it. */
typedef int (*doctor_probe)(struct errmsg *detail);

int probe_view(struct errmsg *detail);
int probe_process_vm(struct errmsg *detail);
int probe_openat2(struct errmsg *detail);
int probe_pidfd_getfd(struct errmsg *detail);
int probe_pidfd_thread(struct errmsg *detail);
int probe_pidfd_info(struct errmsg *detail);
int probe_kcmp(struct errmsg *detail);
int probe_unshare_fs(struct errmsg *detail);
int probe_mseal(struct errmsg *detail);
int probe_procmap_query(struct errmsg *detail);
int probe_sync_wake_up(struct errmsg *detail);
int probe_execve_check(struct errmsg *detail);
int probe_statx(struct errmsg *detail);
int probe_memfd_secret(struct errmsg *detail);
int probe_locked_memory(struct errmsg *detail);
int probe_no_plain_swap(struct errmsg *detail);
int probe_openssl(struct errmsg *detail);
int probe_sodium(struct errmsg *detail);
int probe_afalg(struct errmsg *detail);
int probe_keyring(struct errmsg *detail);
int probe_kernel_xts(struct errmsg *detail);
int probe_key_serial(struct errmsg *detail);
