/* SPDX-License-Identifier: Apache-2.0 */
/* PROCMAP_QUERY of /proc/PID/maps, since Linux 6.11 (include/uapi/linux/fs.h), which older headers lack. */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY_IOCTL    _IOWR('f', 17, struct procmap_query)
#define QUERY_COVERING_OR_NEXT 0x10
#define QUERY_FILE_BACKED      0x20
