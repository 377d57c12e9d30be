// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of another domain in this one's physical address space.
 *
 * Stage 2 maps a foreign frame at a guest physical address of this domain:
 * that of a page without memory of its own (pages.h).
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <asm/xen/hypercall.h>
#include <xen/interface/memory.h>
#include <xen/page.h>

#include "frames.h"
#include "pages.h"

#if PAGE_SHIFT != XEN_PAGE_SHIFT
#error "a page of the kernel has to be a frame of Xen's: 4 KiB"
#endif

/* Frames per hypercall; the caller can be killed between two of them. */
#define BATCH	512U

/* The arguments of a mapping hypercall. */
struct batch {
	xen_pfn_t gfns[BATCH];
	int errors[BATCH];
};

/* Unmap the frame at a page. */
static int empty(struct coldline_frames *map, u32 i)
{
	struct xen_remove_from_physmap entry = {
		.domid = DOMID_SELF,
		.gpfn = xen_page_to_gfn(map->pages[i]),
	};
	int rc;

	rc = HYPERVISOR_memory_op(XENMEM_remove_from_physmap, &entry);
	/* Frames that Xen did not map need no unmapping. */
	if (rc && !map->errors[i])
		return rc;
	map->mapped -= !map->errors[i];
	map->errors[i] = COLDLINE_EMPTY;
	return 0;
}

/*
 * Xen drops its reference to a frame when another frame replaces it. But if
 * a frame replaces itself, Xen takes a second reference and never drops it.
 */
static bool shows(const struct coldline_frames *map, u32 i, domid_t domain,
		  xen_ulong_t number)
{
	return !map->errors[i] && map->domain == domain &&
	       map->numbers[i] == number;
}

static int map_batch(struct coldline_frames *map,
		     const struct coldline_request *request,
		     struct batch *batch, u32 first, u32 count)
{
	struct xen_add_to_physmap_range range = {
		.domid = DOMID_SELF,
		.space = XENMAPSPACE_gmfn_foreign,
		.size = count,
		.foreign_domid = request->domain,
	};
	xen_ulong_t *numbers = &request->numbers[first];
	int failed = 0;
	u32 i;
	int rc;

	for (i = 0; i < count; i++) {
		if (shows(map, first + i, request->domain, numbers[i])) {
			rc = empty(map, first + i);
			if (rc)
				return rc;
		}
		batch->gfns[i] = xen_page_to_gfn(map->pages[first + i]);
		/* Frames that the hypercall does not reach are not mapped. */
		batch->errors[i] = -EINTR;
	}
	set_xen_guest_handle(range.idxs, numbers);
	set_xen_guest_handle(range.gpfns, batch->gfns);
	set_xen_guest_handle(range.errs, batch->errors);
	rc = HYPERVISOR_memory_op(XENMEM_add_to_physmap_range, &range);
	for (i = 0; i < count; i++) {
		int *error = &map->errors[first + i];
		int left = 0;

		if (!batch->errors[i]) {
			map->mapped += !!*error;
			map->numbers[first + i] = numbers[i];
		} else if (!*error) {
			/* If a frame cannot be mapped, the old one stays mapped. */
			left = empty(map, first + i);
		}
		if (left)
			failed = left;
		else
			*error = batch->errors[i];
	}
	return rc ?: failed;
}

static int first_error(const int *errors, u32 count)
{
	for (; count; count--, errors++)
		if (*errors)
			return *errors;
	return 0;
}

static int map_all(struct coldline_frames *map,
		   const struct coldline_request *request)
{
	struct batch *batch;
	u32 first, count;
	int rc = 0;

	batch = kvmalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	for (first = 0; !rc && first < request->count; first += count) {
		count = min(BATCH, request->count - first);
		rc = map_batch(map, request, batch, first, count);
		if (!rc && request->all)
			rc = first_error(&map->errors[first], count);
		if (!rc && fatal_signal_pending(current))
			rc = -EINTR;
		cond_resched();
	}
	kvfree(batch);
	return rc;
}

static void unmap_all(struct coldline_frames *map)
{
	u32 i, lost = 0, freed = 0;

	for (i = 0; i < map->count; i++) {
		if (map->errors[i] != COLDLINE_EMPTY && empty(map, i)) {
			/* The frame is still mapped here: do not reuse the page. */
			lost++;
			continue;
		}
		map->pages[freed++] = map->pages[i];
		cond_resched();
	}
	if (lost)
		pr_warn("%u pages lost: Xen did not unmap their frames\n", lost);
	coldline_pages_put(map->from, map->pages, freed);
}

static void destroy(struct coldline_frames *map)
{
	kvfree(map->pages);
	kvfree(map->errors);
	kvfree(map->numbers);
	kfree(map);
}

struct coldline_frames *coldline_frames_map(struct coldline_pages *from,
					    const struct coldline_request *request)
{
	struct coldline_frames *map;
	int rc = -ENOMEM;
	u32 i;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(rc);
	refcount_set(&map->users, 1);
	map->from = from;
	map->count = request->count;
	map->domain = request->domain;
	map->numbers = kvcalloc(map->count, sizeof(*map->numbers), GFP_KERNEL);
	map->errors = kvcalloc(map->count, sizeof(*map->errors), GFP_KERNEL);
	map->pages = kvcalloc(map->count, sizeof(*map->pages), GFP_KERNEL);
	if (!map->numbers || !map->errors || !map->pages)
		goto fail;
	for (i = 0; i < map->count; i++)
		map->errors[i] = COLDLINE_EMPTY;
	rc = coldline_pages_get(from, map->pages, map->count);
	if (rc)
		goto fail;
	rc = map_all(map, request);
	if (rc) {
		coldline_frames_put(map);
		return ERR_PTR(rc);
	}
	return map;

fail:
	destroy(map);
	return ERR_PTR(rc);
}

int coldline_frames_replace(struct coldline_frames *map,
			    const struct coldline_request *request)
{
	u32 i;
	int rc;

	rc = map_all(map, request);
	for (i = request->count; !rc && i < map->count; i++) {
		if (map->errors[i] != COLDLINE_EMPTY)
			rc = empty(map, i);
		cond_resched();
	}
	map->domain = request->domain;
	return rc;
}

void coldline_frames_put(struct coldline_frames *frames)
{
	if (!refcount_dec_and_test(&frames->users))
		return;
	unmap_all(frames);
	destroy(frames);
}
