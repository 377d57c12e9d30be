// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded to xl, this makes libxenforeignmemory's mappings of a guest that is
 * built by coldline's driver, Normal non-cacheable.
 *
 * libxenguest writes each part of a guest through one mapping, which
 * libxenctrl makes by xenforeignmemory_map(): writable, all frames or none
 * (xen tools/libs/guest/xg_dom_boot.c, tools/libs/ctrl/xc_foreign_memory.c
 * (4.17)). Such mappings are made here. All others are left to the library:
 * those with a result for each frame (save and restore), those for reading
 * only, and rings, which are cacheable by Xen's ABI. Both kinds end with
 * munmap(), so that is nothing to replace.
 *
 * A mapping that cannot be made uncached fails: it is never made cached.
 * COLDLINE_MAP_LOG names a file that gets a line for each mapping, with the
 * memory type that the hardware's translation finds there.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../coldline.h"

#define DEVICE		"/dev/xen/coldline"
#define FRAME_BYTES	4096UL
#define MOST_FRAMES	(1UL << 18)

/* xen xen/include/public/arch-arm.h (4.17): GUEST_MAGIC_BASE, GUEST_MAGIC_SIZE */
#define FIRST_RING	0x39000UL
#define RINGS		0x1000UL

void *xenforeignmemory_map(void *handle, uint32_t domain, int prot,
			   size_t count, const uint64_t *frames, int *errors);
void *xenforeignmemory_map2(void *handle, uint32_t domain, void *address,
			    int prot, int flags, size_t count,
			    const uint64_t *frames, int *errors);

static int opened_device(void)
{
	static int device = -1;

	if (device < 0)
		device = open(DEVICE, O_RDWR | O_CLOEXEC);
	return device;
}

static int has_ring(const uint64_t *frames, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (frames[i] - FIRST_RING < RINGS)
			return 1;
	return 0;
}

static void tell(int device, uint32_t domain, const char *address,
		 const uint64_t *frames, size_t count)
{
	struct coldline_query query = { 0 };
	const char *path = getenv("COLDLINE_MAP_LOG");
	int log;

	if (!path)
		return;
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return;
	query.address = (uintptr_t)address;
	query.flags = COLDLINE_QUERY_WRITE;
	if (ioctl(device, COLDLINE_IOCTL_QUERY, &query) || !query.translated)
		dprintf(log, "domain %u frame %#llx count %zu not translated\n",
			domain, (unsigned long long)frames[0], count);
	else
		dprintf(log, "domain %u frame %#llx count %zu attr %#x\n",
			domain, (unsigned long long)frames[0], count,
			query.attr);
	close(log);
}

/* Map at most MOST_FRAMES in a reserved range; a mapping has one file offset. */
static int map_part(int device, char *address, uint32_t domain, int prot,
		    const uint64_t *frames, size_t count)
{
	struct coldline_map map = { 0 };

	if (mmap(address, count * FRAME_BYTES, prot | PROT_READ,
		 MAP_SHARED | MAP_FIXED, device, 0) == MAP_FAILED)
		return -1;
	map.address = (uintptr_t)address;
	map.frames = (uintptr_t)frames;
	map.count = count;
	map.domain = domain;
	map.attr = COLDLINE_ATTR_NORMAL_NC;
	return ioctl(device, COLDLINE_IOCTL_MAP, &map);
}

static void *map_uncached(uint32_t domain, int prot, size_t count,
			  const uint64_t *frames)
{
	int device = opened_device();
	size_t done, part;
	char *address;
	int error;

	if (device < 0)
		return NULL;
	address = mmap(NULL, count * FRAME_BYTES, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (address == MAP_FAILED)
		return NULL;
	for (done = 0; done < count; done += part) {
		part = count - done < MOST_FRAMES ? count - done : MOST_FRAMES;
		if (map_part(device, address + done * FRAME_BYTES, domain, prot,
			     frames + done, part)) {
			error = errno;
			munmap(address, count * FRAME_BYTES);
			errno = error;
			return NULL;
		}
	}
	tell(device, domain, address, frames, count);
	return address;
}

static int is_builders(int prot, size_t count, const uint64_t *frames,
		       const int *errors)
{
	return prot & PROT_WRITE && count && !errors && !has_ring(frames, count);
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found) {
		fprintf(stderr, "coldline: no %s after the preloaded library\n",
			name);
		abort();
	}
	return found;
}

void *xenforeignmemory_map(void *handle, uint32_t domain, int prot,
			   size_t count, const uint64_t *frames, int *errors)
{
	static void *(*theirs)(void *, uint32_t, int, size_t, const uint64_t *,
			       int *);

	if (is_builders(prot, count, frames, errors))
		return map_uncached(domain, prot, count, frames);
	if (!theirs)
		*(void **)&theirs = next("xenforeignmemory_map");
	return theirs(handle, domain, prot, count, frames, errors);
}

void *xenforeignmemory_map2(void *handle, uint32_t domain, void *address,
			    int prot, int flags, size_t count,
			    const uint64_t *frames, int *errors)
{
	static void *(*theirs)(void *, uint32_t, void *, int, int, size_t,
			       const uint64_t *, int *);

	if (!address && !flags && is_builders(prot, count, frames, errors))
		return map_uncached(domain, prot, count, frames);
	if (!theirs)
		*(void **)&theirs = next("xenforeignmemory_map2");
	return theirs(handle, domain, address, prot, flags, count, frames,
		      errors);
}
