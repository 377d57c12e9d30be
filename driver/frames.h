/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames of another domain in this one's physical address space. */
#ifndef COLDLINE_FRAMES_H
#define COLDLINE_FRAMES_H

#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <xen/interface/xen.h>

struct coldline_pages;

/**
 * struct coldline_frames - pages without memory of their own that show frames
 * @users: the mappings that have it; the last to go undoes it all
 * @from: where the pages are from, and go to
 * @count: the number of pages, and of frames
 * @tried: how many of them, from the first, Xen was asked to map
 * @mapped: how many of those it did map
 * @errors: for each page tried, 0 or a negative errno
 * @pages: the pages
 */
struct coldline_frames {
	refcount_t users;
	struct coldline_pages *from;
	u32 count;
	u32 tried;
	u32 mapped;
	int *errors;
	struct page **pages;
};

/**
 * coldline_frames_map - have Xen map frames of a domain
 * @from: where pages are from; has to be there until these are let go of
 * @domain: the domain
 * @frames: its frame numbers
 * @count: how many there are
 * @all: whether one that cannot be mapped is an error for all
 *
 * Return: the pages, for coldline_frames_put(); or an ERR_PTR(), and nothing
 * is mapped.
 */
struct coldline_frames *coldline_frames_map(struct coldline_pages *from,
					    domid_t domain,
					    xen_ulong_t *frames,
					    u32 count, bool all);

/**
 * coldline_frames_put - let go of frames; the last one unmaps and frees them
 * @frames: what coldline_frames_map() returned
 *
 * No page table may show them any more. May sleep.
 */
void coldline_frames_put(struct coldline_frames *frames);

#endif /* COLDLINE_FRAMES_H */
