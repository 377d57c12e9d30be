/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that have no memory behind them, so that frames can be shown there.
 *
 * They are the kernel's own (the balloon, or unpopulated space), as for
 * privcmd. To get one out of the balloon and to give it back takes as long
 * as to map a frame; so each open file keeps some for its next mapping.
 */
#ifndef COLDLINE_PAGES_H
#define COLDLINE_PAGES_H

#include <linux/mm_types.h>

/* Pages that a file keeps: 4 MiB of space, no memory. */
#define COLDLINE_KEPT	1024

struct coldline_pages;

/**
 * coldline_pages_new - for a file that is opened
 *
 * Return: keeps no page yet; or NULL.
 */
struct coldline_pages *coldline_pages_new(void);

/**
 * coldline_pages_free - for a file that is closed, with all its mappings
 * @pages: from coldline_pages_new(); its pages go back to the kernel
 */
void coldline_pages_free(struct coldline_pages *pages);

/**
 * coldline_pages_get - get pages, those that are kept first
 * @from: the file's
 * @pages: where to put them
 * @count: how many
 *
 * Return: 0, or a negative errno and none.
 */
int coldline_pages_get(struct coldline_pages *from, struct page **pages,
		       u32 count);

/**
 * coldline_pages_put - take pages back that show nothing any more
 * @to: where they are from
 * @pages: the pages
 * @count: how many
 */
void coldline_pages_put(struct coldline_pages *to, struct page **pages,
			u32 count);

#endif /* COLDLINE_PAGES_H */
