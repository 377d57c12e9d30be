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
 * @domain: whose frames are shown
 * @count: the number of pages
 * @mapped: how many of them show a frame
 * @numbers: for each page that does, which
 * @errors: for each page, 0 if it does; a negative errno if Xen was asked and
 *	gave that; or COLDLINE_EMPTY
 * @pages: the pages
 */
struct coldline_frames {
	refcount_t users;
	struct coldline_pages *from;
	domid_t domain;
	u32 count;
	u32 mapped;
	xen_ulong_t *numbers;
	int *errors;
	struct page **pages;
};

/* Xen was not asked to show a frame at the page, or does not any more. */
#define COLDLINE_EMPTY	1

/**
 * struct coldline_request - what is to be shown
 * @domain: the domain
 * @numbers: its frames' numbers
 * @count: how many there are
 * @all: whether one that cannot be mapped is an error for all
 */
struct coldline_request {
	domid_t domain;
	xen_ulong_t *numbers;
	u32 count;
	bool all;
};

/**
 * coldline_frames_map - have Xen map frames of a domain
 * @from: where pages are from; has to be there until these are let go of
 * @request: which frames
 *
 * Return: as many pages, for coldline_frames_put(); or an ERR_PTR(), and
 * nothing is mapped.
 */
struct coldline_frames *coldline_frames_map(struct coldline_pages *from,
					    const struct coldline_request *request);

/**
 * coldline_frames_replace - have Xen map others in their place
 * @frames: what coldline_frames_map() returned; no page table may show them,
 *	and there has to be no other user
 * @request: which frames, no more than there are pages: the pages after them
 *	show nothing
 *
 * One hypercall does both, so that each page is not unmapped first.
 *
 * Return: 0, and nothing is mapped any more that was; or a negative errno,
 * and @frames has to be put.
 */
int coldline_frames_replace(struct coldline_frames *frames,
			    const struct coldline_request *request);

/**
 * coldline_frames_put - let go of frames; the last one unmaps and frees them
 * @frames: what coldline_frames_map() returned
 *
 * No page table may show them any more. May sleep.
 */
void coldline_frames_put(struct coldline_frames *frames);

#endif /* COLDLINE_FRAMES_H */
