// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of another domain in this one's physical address space.
 *
 * A foreign frame needs a guest physical address of ours at which stage 2
 * shows it: that of a page that has no memory behind it (pages.h).
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

/* Frames a hypercall; between two of them the caller can be killed. */
#define BATCH	512U

static int map_batch(struct coldline_frames *map, domid_t domain,
		     xen_ulong_t *frames, xen_pfn_t *gfns, u32 count)
{
	struct xen_add_to_physmap_range range = {
		.domid = DOMID_SELF,
		.space = XENMAPSPACE_gmfn_foreign,
		.size = count,
		.foreign_domid = domain,
	};
	int *errors = &map->errors[map->tried];
	u32 i;
	int rc;

	for (i = 0; i < count; i++) {
		gfns[i] = xen_page_to_gfn(map->pages[map->tried + i]);
		/* What the hypercall does not reach has not been mapped. */
		errors[i] = -EINTR;
	}
	set_xen_guest_handle(range.idxs, &frames[map->tried]);
	set_xen_guest_handle(range.gpfns, gfns);
	set_xen_guest_handle(range.errs, errors);
	rc = HYPERVISOR_memory_op(XENMEM_add_to_physmap_range, &range);
	map->tried += count;
	for (i = 0; i < count; i++)
		map->mapped += !errors[i];
	return rc;
}

static int first_error(const int *errors, u32 count)
{
	while (count-- && !*errors)
		errors++;
	return *errors;
}

static int map_all(struct coldline_frames *map, domid_t domain,
		   xen_ulong_t *frames, bool all)
{
	xen_pfn_t *gfns;
	int rc = 0;

	gfns = kmalloc_array(BATCH, sizeof(*gfns), GFP_KERNEL);
	if (!gfns)
		return -ENOMEM;
	while (!rc && map->tried < map->count) {
		rc = map_batch(map, domain, frames, gfns,
			       min(BATCH, map->count - map->tried));
		if (!rc && all && map->mapped != map->tried)
			rc = first_error(map->errors, map->tried);
		if (!rc && fatal_signal_pending(current))
			rc = -EINTR;
		cond_resched();
	}
	kfree(gfns);
	return rc;
}

static void unmap_all(struct coldline_frames *map)
{
	struct xen_remove_from_physmap entry = { .domid = DOMID_SELF };
	u32 i, kept = 0, freed = 0;
	int rc;

	for (i = 0; i < map->count; i++) {
		if (i < map->tried) {
			entry.gpfn = xen_page_to_gfn(map->pages[i]);
			rc = HYPERVISOR_memory_op(XENMEM_remove_from_physmap,
						  &entry);
			if (rc && !map->errors[i]) {
				/* It still shows the frame: nobody may get it. */
				kept++;
				continue;
			}
		}
		map->pages[freed++] = map->pages[i];
		cond_resched();
	}
	if (kept)
		pr_warn("%u pages lost: Xen did not unmap their frames\n", kept);
	coldline_pages_put(map->from, map->pages, freed);
}

static void destroy(struct coldline_frames *map)
{
	kvfree(map->pages);
	kvfree(map->errors);
	kfree(map);
}

struct coldline_frames *coldline_frames_map(struct coldline_pages *from,
					    domid_t domain,
					    xen_ulong_t *frames,
					    u32 count, bool all)
{
	struct coldline_frames *map;
	int rc = -ENOMEM;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(rc);
	refcount_set(&map->users, 1);
	map->from = from;
	map->count = count;
	map->errors = kvcalloc(count, sizeof(*map->errors), GFP_KERNEL);
	map->pages = kvcalloc(count, sizeof(*map->pages), GFP_KERNEL);
	if (!map->errors || !map->pages)
		goto fail;
	rc = coldline_pages_get(from, map->pages, count);
	if (rc)
		goto fail;
	rc = map_all(map, domain, frames, all);
	if (rc) {
		coldline_frames_put(map);
		return ERR_PTR(rc);
	}
	return map;

fail:
	destroy(map);
	return ERR_PTR(rc);
}

void coldline_frames_put(struct coldline_frames *frames)
{
	if (!refcount_dec_and_test(&frames->users))
		return;
	unmap_all(frames);
	destroy(frames);
}
