/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages without memory of their own, at which foreign frames can be mapped.
 *
 * The kernel provides them, from the balloon or unpopulated space, as for
 * privcmd. To take one from the balloon and return it takes as long as to
 * map a frame, so each open file keeps some for its next mapping. A page from
 * the balloon costs dom0 a page of memory, so fewer are kept when memory is
 * scarce, and a shrinker returns those that are kept.
 */
#ifndef COLDLINE_PAGES_H
#define COLDLINE_PAGES_H

#include <linux/mm_types.h>

/* The most pages that a file keeps: 4 MiB of space. */
#define COLDLINE_KEPT	1024

struct coldline_pages;

/**
 * coldline_pages_init - begin to return kept pages when memory is scarce
 *
 * Return: 0, or a negative errno.
 */
int coldline_pages_init(void);

/**
 * coldline_pages_exit - end what coldline_pages_init() began
 *
 * There must be no cache any more.
 */
void coldline_pages_exit(void);

/**
 * coldline_pages_new - make the cache of an open file
 *
 * Return: an empty cache; or NULL.
 */
struct coldline_pages *coldline_pages_new(void);

/**
 * coldline_pages_free - free the cache of a file without mappings
 * @pages: from coldline_pages_new(); its pages go back to the kernel
 */
void coldline_pages_free(struct coldline_pages *pages);

/**
 * coldline_pages_get - get pages, cached ones first
 * @from: the cache
 * @pages: where to put them
 * @count: how many
 *
 * Return: 0, or a negative errno and none: -ENOMEM if there is no more space,
 * or if dom0 would be left with too little memory.
 */
int coldline_pages_get(struct coldline_pages *from, struct page **pages,
		       u32 count);

/**
 * coldline_pages_put - return pages at which no frame is mapped
 * @to: the cache that they come from
 * @pages: the pages
 * @count: how many
 */
void coldline_pages_put(struct coldline_pages *to, struct page **pages,
			u32 count);

#endif /* COLDLINE_PAGES_H */
