// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded to xl, this records which mappings of a guest libxenguest and
 * libxenctrl make, and which caches they have Xen flush. coldline's driver
 * tells the memory types, from the hardware's translation.
 *
 * MAP_TYPES_LOG names the file. Its lines are
 *
 *   map DOMAIN FRAME COUNT TYPE...    after a mapping was made
 *   unmap DOMAIN FRAME COUNT TYPE...  before it is removed
 *   flush DOMAIN FRAME COUNT          when Xen is told to clean and invalidate
 *
 * FRAME is the first one. The types are those of all pages, each type once, as
 * attribute bytes; at "unmap", those of pages that can be written, which is so
 * once they were. "-" is for none.
 *
 * With MAP_TYPES_NO_FLUSH, Xen is not told: xl then does what libxc did in the
 * RFC of January 2014.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "coldline.h"

#define DEVICE		"/dev/xen/coldline"
#define PAGE_BYTES	4096UL
#define MOST_MAPPINGS	64

static struct mapping {
	char *address;
	size_t count;
	uint64_t frame;
	uint32_t domain;
} mappings[MOST_MAPPINGS];

static void fail(const char *what)
{
	fprintf(stderr, "map_types: %s\n", what);
	abort();
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		fail(name);
	return found;
}

static void write_line(const char *line)
{
	const char *path = getenv("MAP_TYPES_LOG");
	int log;

	if (!path)
		return;
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || write(log, line, strlen(line)) != (ssize_t)strlen(line))
		fail(path);
	close(log);
}

/* Append the types of a mapping's pages; only of writable ones with @flags. */
static void add_types(char *line, const struct mapping *of, uint32_t flags)
{
	struct coldline_query query = { 0 };
	char seen[256] = { 0 };
	size_t i;
	int device = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (device < 0)
		fail(DEVICE);
	for (i = 0; i < of->count; i++) {
		query.address = (uintptr_t)of->address + i * PAGE_BYTES;
		query.flags = flags;
		if (ioctl(device, COLDLINE_IOCTL_QUERY, &query))
			fail("query");
		if (query.translated)
			seen[query.attr] = 1;
	}
	close(device);
	for (i = 0; i < sizeof(seen); i++)
		if (seen[i])
			sprintf(line + strlen(line), " %#zx", i);
	if (!memchr(seen, 1, sizeof(seen)))
		strcat(line, " -");
	strcat(line, "\n");
}

static void tell(const char *what, const struct mapping *of, uint32_t flags)
{
	char line[2048];

	sprintf(line, "%s %u %#llx %zu", what, of->domain,
		(unsigned long long)of->frame, of->count);
	add_types(line, of, flags);
	write_line(line);
}

static void *note(void *address, uint32_t domain, size_t count,
		  const uint64_t *frames)
{
	size_t i;

	if (!address || !count)
		return address;
	for (i = 0; i < MOST_MAPPINGS && mappings[i].address; i++)
		;
	if (i == MOST_MAPPINGS)
		fail("too many mappings");
	mappings[i] = (struct mapping){ address, count, frames[0], domain };
	tell("map", &mappings[i], 0);
	return address;
}

void *xenforeignmemory_map(void *handle, uint32_t domain, int prot,
			   size_t count, const uint64_t *frames, int *errors)
{
	static void *(*theirs)(void *, uint32_t, int, size_t, const uint64_t *,
			       int *);

	if (!theirs)
		*(void **)&theirs = next("xenforeignmemory_map");
	return note(theirs(handle, domain, prot, count, frames, errors), domain,
		    count, frames);
}

void *xenforeignmemory_map3(void *handle, uint32_t domain, void *address,
			    int prot, int flags, int type, size_t count,
			    const uint64_t *frames, int *errors)
{
	static void *(*theirs)(void *, uint32_t, void *, int, int, int, size_t,
			       const uint64_t *, int *);

	if (!theirs)
		*(void **)&theirs = next("xenforeignmemory_map3");
	return note(theirs(handle, domain, address, prot, flags, type, count,
			   frames, errors), domain, count, frames);
}

int munmap(void *address, size_t size)
{
	size_t i;

	for (i = 0; i < MOST_MAPPINGS && address; i++)
		if (mappings[i].address == address) {
			tell("unmap", &mappings[i], COLDLINE_QUERY_WRITE);
			mappings[i].address = NULL;
		}
	return syscall(SYS_munmap, address, size);
}

int xc_domain_cacheflush(void *handle, uint32_t domain, uint64_t frame,
			 uint64_t count)
{
	static int (*theirs)(void *, uint32_t, uint64_t, uint64_t);
	char line[128];

	if (getenv("MAP_TYPES_NO_FLUSH"))
		return 0;
	if (!theirs)
		*(void **)&theirs = next("xc_domain_cacheflush");
	sprintf(line, "flush %u %#llx %llu\n", domain,
		(unsigned long long)frame, (unsigned long long)count);
	write_line(line);
	return theirs(handle, domain, frame, count);
}
