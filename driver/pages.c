// SPDX-License-Identifier: GPL-2.0-only
/* Pages without memory of their own, and a cache of them. */

#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xen/xen.h>

#include "pages.h"

struct coldline_pages {
	struct mutex lock;	/* protects the members below */
	u32 count;
	struct page *kept[COLDLINE_KEPT];
};

struct coldline_pages *coldline_pages_new(void)
{
	struct coldline_pages *pages;

	pages = kvmalloc(sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	mutex_init(&pages->lock);
	pages->count = 0;
	return pages;
}

void coldline_pages_free(struct coldline_pages *pages)
{
	xen_free_unpopulated_pages(pages->count, pages->kept);
	mutex_destroy(&pages->lock);
	kvfree(pages);
}

int coldline_pages_get(struct coldline_pages *from, struct page **pages,
		       u32 count)
{
	u32 kept;
	int rc;

	mutex_lock(&from->lock);
	kept = min(count, from->count);
	from->count -= kept;
	memcpy(pages, &from->kept[from->count], kept * sizeof(*pages));
	mutex_unlock(&from->lock);
	if (kept == count)
		return 0;
	rc = xen_alloc_unpopulated_pages(count - kept, &pages[kept]);
	if (rc)
		coldline_pages_put(from, pages, kept);
	return rc;
}

void coldline_pages_put(struct coldline_pages *to, struct page **pages,
			u32 count)
{
	u32 kept;

	mutex_lock(&to->lock);
	kept = min_t(u32, count, COLDLINE_KEPT - to->count);
	memcpy(&to->kept[to->count], pages, kept * sizeof(*pages));
	to->count += kept;
	mutex_unlock(&to->lock);
	if (kept < count)
		xen_free_unpopulated_pages(count - kept, &pages[kept]);
}
