// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/xen/coldline: mappings of another domain's frames with a memory type.
 *
 * mmap() reserves a mapping. An ioctl maps frames in all of it, or replaces
 * them, with one memory type. Page table entries exist only if it succeeds.
 * The interface is in coldline.h.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <xen/interface/xen.h>
#include <xen/xen.h>

#include "attributes.h"
#include "coldline.h"
#include "frames.h"
#include "pages.h"

/* The most frames of a mapping: 1 GiB, as in Xen's own builder. */
#define MAX_FRAMES	(SZ_1G >> PAGE_SHIFT)

/**
 * struct coldline_file - an open file
 * @pages: the cache of pages for its mappings
 * @only: the one domain whose frames it maps, or DOMID_INVALID for any
 */
struct coldline_file {
	struct coldline_pages *pages;
	u32 only;
};

/* mremap() opens a mapping at its new address, then closes the old one. */
static void coldline_vma_open(struct vm_area_struct *vma)
{
	struct coldline_frames *frames = vma->vm_private_data;

	if (frames)
		refcount_inc(&frames->users);
}

/* The page table entries are gone, also from the TLBs. */
static void coldline_vma_close(struct vm_area_struct *vma)
{
	if (vma->vm_private_data)
		coldline_frames_put(vma->vm_private_data);
}

/* Ownership of pages is tracked by mapping, not by page. */
static int coldline_vma_may_split(struct vm_area_struct *vma,
				  unsigned long address)
{
	return -EINVAL;
}

static const struct vm_operations_struct coldline_vm_ops = {
	.open = coldline_vma_open,
	.close = coldline_vma_close,
	.may_split = coldline_vma_may_split,
};

static void change_flags(struct vm_area_struct *vma, unsigned long set,
			 unsigned long clear)
{
#ifdef HAVE_VM_FLAGS_MOD
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

static int coldline_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff || vma_pages(vma) > MAX_FRAMES)
		return -EINVAL;
	/*
	 * A write to a private mapping would copy the page. A shared mapping
	 * of a file that is open for reading only is not VM_SHARED.
	 */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	change_flags(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND |
		     VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_ops = &coldline_vm_ops;
	vma->vm_private_data = NULL;
	return 0;
}

static int insert_pages(struct vm_area_struct *vma,
			const struct coldline_frames *frames)
{
	pgprot_t prot = vma->vm_page_prot;
	unsigned long address = vma->vm_start;
	u32 i;

	if (vma->vm_flags & VM_WRITE)
		prot = coldline_prot_dirty(prot);
	for (i = 0; i < frames->count; i++, address += PAGE_SIZE) {
		/* A page without a frame stays a hole: an access raises SIGBUS. */
		if (frames->errors[i])
			continue;
		if (vmf_insert_pfn_prot(vma, address,
					page_to_pfn(frames->pages[i]),
					prot) != VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

/* Check the memory type in the page tables; one page stands for all. */
static int check_attr(const struct vm_area_struct *vma,
		      const struct coldline_frames *frames, u32 attr)
{
	struct coldline_query query = { .address = vma->vm_start };
	u32 i;

	for (i = 0; i < frames->count && frames->errors[i]; i++)
		query.address += PAGE_SIZE;
	if (i == frames->count)
		return 0;
	coldline_translate(&query);
	return query.translated && query.attr == attr ? 0 : -EIO;
}

static int show_frames(struct vm_area_struct *vma,
		       struct coldline_frames *frames, u32 attr)
{
	pgprot_t prot = vm_get_page_prot(vma->vm_flags);
	int rc;

	/* Also in the vma: mprotect() makes new entries from it. */
	vma->vm_page_prot = coldline_attr_prot(attr, prot);
	rc = insert_pages(vma, frames);
	if (!rc)
		rc = check_attr(vma, frames, attr);
	if (rc) {
		zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
		vma->vm_page_prot = prot;
		return rc;
	}
	vma->vm_private_data = frames;
	return 0;
}

/* Return the mapping of this file that starts at an address. */
static struct vm_area_struct *find(struct file *file, u64 address)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, address);

	return vma && vma->vm_file == file && vma->vm_start == address ?
	       vma : NULL;
}

static int find_and_show(struct file *file, const struct coldline_map *map,
			 struct coldline_frames *frames)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int rc;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	vma = find(file, map->address);
	if (!vma || vma_pages(vma) != frames->count)
		rc = -EINVAL;
	else if (vma->vm_private_data)
		rc = -EBUSY;
	else if (!(vma->vm_flags & VM_READ))
		rc = -EACCES;
	else
		rc = show_frames(vma, frames, map->attr);
	mmap_write_unlock(mm);
	return rc;
}

/* Remove a mapping's frames and return them to the caller. */
static struct coldline_frames *find_and_take(struct file *file,
					     const struct coldline_map *map)
{
	struct mm_struct *mm = current->mm;
	struct coldline_frames *frames;
	struct vm_area_struct *vma;

	if (mmap_write_lock_killable(mm))
		return ERR_PTR(-EINTR);
	vma = find(file, map->address);
	frames = vma ? vma->vm_private_data : NULL;
	if (!frames || map->count > frames->count) {
		frames = ERR_PTR(-EINVAL);
	} else {
		zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
		vma->vm_private_data = NULL;
	}
	mmap_write_unlock(mm);
	return frames;
}

/* Map a request's frames, in new pages or in place of others. */
static struct coldline_frames *get_frames(struct file *file,
					  const struct coldline_map *map,
					  xen_ulong_t *numbers)
{
	const struct coldline_request request = {
		.domain = map->domain,
		.numbers = numbers,
		.count = map->count,
		.all = !map->errors,
	};
	const struct coldline_file *opened = file->private_data;
	struct coldline_frames *frames;
	int rc;

	if (!(map->flags & COLDLINE_MAP_REPLACE))
		return coldline_frames_map(opened->pages, &request);
	frames = find_and_take(file, map);
	if (IS_ERR(frames))
		return frames;
	rc = coldline_frames_replace(frames, &request);
	if (!rc)
		return frames;
	coldline_frames_put(frames);
	return ERR_PTR(rc);
}

static long coldline_map(struct file *file, struct coldline_map __user *argument)
{
	const struct coldline_file *opened = file->private_data;
	struct coldline_frames *frames;
	struct coldline_map map;
	xen_ulong_t *numbers;
	u32 only;
	long rc;

	BUILD_BUG_ON(sizeof(*numbers) != sizeof(__u64));
	BUILD_BUG_ON(sizeof(*frames->errors) != sizeof(__s32));

	if (copy_from_user(&map, argument, sizeof(map)))
		return -EFAULT;
	if (!coldline_attr_given(map.attr))
		return -EOPNOTSUPP;
	if (map.flags & ~COLDLINE_MAP_REPLACE || map.reserved || !map.count ||
	    map.count > MAX_FRAMES || map.domain >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	only = READ_ONCE(opened->only);
	if (only != DOMID_INVALID && only != map.domain)
		return -EPERM;
	numbers = vmemdup_user(u64_to_user_ptr(map.frames),
			       array_size(map.count, sizeof(*numbers)));
	if (IS_ERR(numbers))
		return PTR_ERR(numbers);
	frames = get_frames(file, &map, numbers);
	kvfree(numbers);
	if (IS_ERR(frames))
		return PTR_ERR(frames);

	/* Write the results first: nothing may fail after the frames are mapped. */
	rc = -EFAULT;
	if (map.errors &&
	    copy_to_user(u64_to_user_ptr(map.errors), frames->errors,
			 array_size(map.count, sizeof(*frames->errors))))
		goto put;
	if (put_user(frames->mapped, &argument->mapped))
		goto put;
	rc = find_and_show(file, &map, frames);
	if (rc)
		goto put;
	return 0;

put:
	coldline_frames_put(frames);
	return rc;
}

static long coldline_query(struct coldline_query __user *argument)
{
	struct coldline_query query;

	if (copy_from_user(&query, argument, sizeof(query)))
		return -EFAULT;
	if (query.flags & ~COLDLINE_QUERY_WRITE)
		return -EINVAL;
	if (query.address != (unsigned long)query.address ||
	    !access_ok(u64_to_user_ptr(query.address), 1))
		return -EFAULT;
	coldline_translate(&query);
	return copy_to_user(argument, &query, sizeof(query)) ? -EFAULT : 0;
}

static long coldline_restrict(struct file *file,
			      struct coldline_restrict __user *argument)
{
	struct coldline_file *opened = file->private_data;
	struct coldline_restrict wanted;
	u32 before;

	if (copy_from_user(&wanted, argument, sizeof(wanted)))
		return -EFAULT;
	if (wanted.reserved || wanted.domain >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	before = cmpxchg(&opened->only, DOMID_INVALID, wanted.domain);
	return before == DOMID_INVALID || before == wanted.domain ? 0 : -EINVAL;
}

static long coldline_features(struct coldline_features __user *argument)
{
	struct coldline_features features = {
		.abi = COLDLINE_ABI,
		.frame_size = PAGE_SIZE,
		.max_frames = MAX_FRAMES,
		.kept_frames = COLDLINE_KEPT,
	};
	u32 attr;

	for (attr = 0; attr < 64 * ARRAY_SIZE(features.attrs); attr++)
		if (coldline_attr_given(attr))
			features.attrs[attr / 64] |= BIT_ULL(attr % 64);
	return copy_to_user(argument, &features, sizeof(features)) ? -EFAULT : 0;
}

static long coldline_ioctl(struct file *file, unsigned int command,
			   unsigned long argument)
{
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case COLDLINE_IOCTL_FEATURES:
		return coldline_features(pointer);
	case COLDLINE_IOCTL_MAP:
		return coldline_map(file, pointer);
	case COLDLINE_IOCTL_QUERY:
		return coldline_query(pointer);
	case COLDLINE_IOCTL_RESTRICT:
		return coldline_restrict(file, pointer);
	default:
		return -ENOTTY;
	}
}

static int coldline_open(struct inode *inode, struct file *file)
{
	struct coldline_file *opened;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	opened = kmalloc(sizeof(*opened), GFP_KERNEL);
	if (!opened)
		return -ENOMEM;
	opened->only = DOMID_INVALID;
	opened->pages = coldline_pages_new();
	if (!opened->pages) {
		kfree(opened);
		return -ENOMEM;
	}
	file->private_data = opened;
	return 0;
}

/* No mapping is left, as each one holds the file. */
static int coldline_release(struct inode *inode, struct file *file)
{
	struct coldline_file *opened = file->private_data;

	coldline_pages_free(opened->pages);
	kfree(opened);
	return 0;
}

static const struct file_operations coldline_fops = {
	.owner = THIS_MODULE,
	.open = coldline_open,
	.release = coldline_release,
	.mmap = coldline_mmap,
	.unlocked_ioctl = coldline_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice coldline_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/coldline",
	.mode = 0600,
	.fops = &coldline_fops,
};

static int __init coldline_init(void)
{
	int rc;

	if (!xen_initial_domain())
		return -ENODEV;
	rc = coldline_pages_init();
	if (rc)
		return rc;
	rc = misc_register(&coldline_device);
	if (rc)
		coldline_pages_exit();
	return rc;
}
module_init(coldline_init);

static void __exit coldline_exit(void)
{
	misc_deregister(&coldline_device);
	coldline_pages_exit();
}
module_exit(coldline_exit);

MODULE_DESCRIPTION("Foreign mappings of Xen domains with a memory type");
MODULE_AUTHOR("The coldline authors");
MODULE_LICENSE("GPL");
