// SPDX-License-Identifier: GPL-2.0-only
/* Pages without memory of their own, and a cache of them. */

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include <xen/xen.h>

#include "pages.h"

/* Pages that are taken at once; in between, memory may have become scarce. */
#define PART	512U

/*
 * Of dom0's memory, 1/RESERVE stays for others, 32 MiB at least, and the pages
 * that files keep are at most 1/RESERVE of what is available.
 */
#define RESERVE	16

/*
 * Whether a page costs dom0 a page of its memory (it comes from the balloon),
 * or none (it is in unpopulated space).
 */
static bool takes_memory;

/* The pages that all files keep. */
static atomic_long_t all_kept;

/* The caches of all files; the lock protects the list. */
static LIST_HEAD(caches);
static DEFINE_MUTEX(caches_lock);

/* The kept pages that the kernel wants back. */
static atomic_long_t wanted;

struct coldline_pages {
	struct list_head list;	/* in caches */
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
	mutex_lock(&caches_lock);
	list_add_tail(&pages->list, &caches);
	mutex_unlock(&caches_lock);
	return pages;
}

void coldline_pages_free(struct coldline_pages *pages)
{
	mutex_lock(&caches_lock);
	list_del(&pages->list);
	mutex_unlock(&caches_lock);
	atomic_long_sub(pages->count, &all_kept);
	xen_free_unpopulated_pages(pages->count, pages->kept);
	mutex_destroy(&pages->lock);
	kvfree(pages);
}

/*
 * Available pages that the balloon can have: it asks for no high memory, and
 * takes none of those that are kept for contiguous allocations.
 */
static long available(void)
{
	long pages = si_mem_available() -
		     (long)global_zone_page_state(NR_FREE_CMA_PAGES);
#ifdef CONFIG_HIGHMEM
	struct zone *high = &NODE_DATA(0)->node_zones[ZONE_HIGHMEM];

	pages -= zone_page_state(high, NR_FREE_PAGES) +
		 zone_page_state(high, NR_ZONE_ACTIVE_FILE) +
		 zone_page_state(high, NR_ZONE_INACTIVE_FILE);
	pages += zone_page_state(high, NR_FREE_CMA_PAGES);
#endif
	return pages;
}

/*
 * The balloon allocates without failing early: it would take dom0's last pages,
 * and the OOM killer its daemons.
 */
static bool scarce(void)
{
	long least = max_t(long, totalram_pages() / RESERVE,
			   SZ_32M >> PAGE_SHIFT);

	return READ_ONCE(takes_memory) && available() < least;
}

static int take(struct page **pages, u32 count)
{
	int rc;

	if (scarce())
		return -ENOMEM;
	if (fatal_signal_pending(current))
		return -EINTR;
	rc = xen_alloc_unpopulated_pages(count, pages);
	/* EBUSY: the kernel has no more physical address space to give. */
	if (rc)
		return rc == -EBUSY ? -ENOMEM : rc;
	WRITE_ONCE(takes_memory, !is_zone_device_page(pages[0]));
	return 0;
}

int coldline_pages_get(struct coldline_pages *from, struct page **pages,
		       u32 count)
{
	u32 got, part;
	int rc;

	mutex_lock(&from->lock);
	got = min(count, from->count);
	from->count -= got;
	memcpy(pages, &from->kept[from->count], got * sizeof(*pages));
	mutex_unlock(&from->lock);
	atomic_long_sub(got, &all_kept);
	for (; got < count; got += part) {
		part = min(PART, count - got);
		rc = take(&pages[got], part);
		if (rc) {
			coldline_pages_put(from, pages, got);
			return rc;
		}
		cond_resched();
	}
	return 0;
}

/* How many more pages a file may keep. */
static u32 room(const struct coldline_pages *pages)
{
	long most = COLDLINE_KEPT - pages->count;
	long all;

	if (!READ_ONCE(takes_memory))
		return most;
	all = available() / RESERVE - atomic_long_read(&all_kept);
	return clamp(all, 0L, most);
}

void coldline_pages_put(struct coldline_pages *to, struct page **pages,
			u32 count)
{
	u32 kept;

	mutex_lock(&to->lock);
	kept = min(count, room(to));
	memcpy(&to->kept[to->count], pages, kept * sizeof(*pages));
	to->count += kept;
	atomic_long_add(kept, &all_kept);
	mutex_unlock(&to->lock);
	if (kept < count)
		xen_free_unpopulated_pages(count - kept, &pages[kept]);
}

/* Return up to a number of kept pages to the kernel; return how many. */
static u32 give_back(struct coldline_pages *from, u32 most)
{
	u32 count;

	mutex_lock(&from->lock);
	count = min(most, from->count);
	from->count -= count;
	xen_free_unpopulated_pages(count, &from->kept[from->count]);
	mutex_unlock(&from->lock);
	atomic_long_sub(count, &all_kept);
	return count;
}

static void give_back_wanted(struct work_struct *work)
{
	long left = atomic_long_xchg(&wanted, 0);
	struct coldline_pages *from;

	mutex_lock(&caches_lock);
	list_for_each_entry(from, &caches, list) {
		if (left <= 0)
			break;
		left -= give_back(from, min_t(long, left, COLDLINE_KEPT));
	}
	mutex_unlock(&caches_lock);
}

static DECLARE_WORK(work, give_back_wanted);

static unsigned long count_kept(struct shrinker *shrinker,
				struct shrink_control *control)
{
	long kept = READ_ONCE(takes_memory) ? atomic_long_read(&all_kept) : 0;

	return kept > 0 ? kept : SHRINK_EMPTY;
}

/*
 * Returning pages takes the balloon's lock, and the caller may be the balloon,
 * which needs memory while it holds that lock. So a worker returns them.
 */
static unsigned long scan_kept(struct shrinker *shrinker,
			       struct shrink_control *control)
{
	atomic_long_add(control->nr_to_scan, &wanted);
	schedule_work(&work);
	return 0;	/* none yet */
}

#ifdef HAVE_SHRINKER_ALLOC

static struct shrinker *kept_pages;

int coldline_pages_init(void)
{
	kept_pages = shrinker_alloc(0, KBUILD_MODNAME);
	if (!kept_pages)
		return -ENOMEM;
	kept_pages->count_objects = count_kept;
	kept_pages->scan_objects = scan_kept;
	shrinker_register(kept_pages);
	return 0;
}

static void stop_shrinking(void)
{
	shrinker_free(kept_pages);
}

#else

static struct shrinker kept_pages = {
	.count_objects = count_kept,
	.scan_objects = scan_kept,
	.seeks = DEFAULT_SEEKS,
};

int coldline_pages_init(void)
{
	return register_shrinker(&kept_pages, KBUILD_MODNAME);
}

static void stop_shrinking(void)
{
	unregister_shrinker(&kept_pages);
}

#endif

void coldline_pages_exit(void)
{
	stop_shrinking();
	cancel_work_sync(&work);
}
