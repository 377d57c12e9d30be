/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames of another domain in this one's physical address space. */
#ifndef COLDLINE_FRAMES_H
#define COLDLINE_FRAMES_H

#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <xen/interface/xen.h>

struct coldline_pages;

/**
 * struct coldline_frames - foreign frames, mapped at pages of this domain
 * @users: number of mappings; the last one to end frees everything
 * @from: the cache that the pages come from and return to
 * @domain: the frames' domain
 * @count: the number of pages
 * @mapped: the number of pages with a frame
 * @numbers: the frame number for each page with a frame
 * @errors: for each page, 0 if it has a frame; a negative errno from Xen; or
 *	COLDLINE_EMPTY
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

/* No frame was requested at the page, or it was unmapped. */
#define COLDLINE_EMPTY	1

/**
 * struct coldline_request - the frames to map
 * @domain: the domain
 * @numbers: the frame numbers
 * @count: the number of frames
 * @all: whether one frame that cannot be mapped fails the request
 */
struct coldline_request {
	domid_t domain;
	xen_ulong_t *numbers;
	u32 count;
	bool all;
};

/**
 * coldline_frames_map - map frames of a domain through Xen
 * @from: the cache of pages; must outlive the result
 * @request: the frames
 *
 * Return: the mapped frames, for coldline_frames_put(); or an ERR_PTR(), and
 * nothing is mapped.
 */
struct coldline_frames *coldline_frames_map(struct coldline_pages *from,
					    const struct coldline_request *request);

/**
 * coldline_frames_replace - map other frames at the same pages
 * @frames: what coldline_frames_map() returned; no page table may map them,
 *	and there must be no other user
 * @request: the frames, no more than there are pages; the remaining pages
 *	get no frame
 *
 * One hypercall unmaps and maps, so that pages need not be unmapped first.
 *
 * Return: 0, and the old frames are unmapped; or a negative errno, and
 * @frames must be put.
 */
int coldline_frames_replace(struct coldline_frames *frames,
			    const struct coldline_request *request);

/**
 * coldline_frames_put - drop a reference; the last one unmaps and frees
 * @frames: what coldline_frames_map() returned
 *
 * No page table may map them any more. May sleep.
 */
void coldline_frames_put(struct coldline_frames *frames);

#endif /* COLDLINE_FRAMES_H */
