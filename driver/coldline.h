/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface of /dev/xen/coldline: foreign mappings with a memory type.
 *
 * Every structure has one layout, for 32-bit and 64-bit user space alike:
 * fixed-width members on their natural alignment, no implicit padding.
 * Pointers are carried as __u64. Members marked "zero" must be zero.
 */
#ifndef COLDLINE_H
#define COLDLINE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Changes with every change of a structure or an ioctl. Version 2 added
 * COLDLINE_MAP_REPLACE and kept_frames, version 3 COLDLINE_IOCTL_RESTRICT.
 */
#define COLDLINE_ABI			3

/*
 * A memory type is named by its attribute byte, as MAIR_ELx holds it and
 * PAR_EL1[63:56] shows it (Arm ARM DDI 0487, MAIR_EL1).
 */
#define COLDLINE_ATTR_NORMAL_NC		0x44	/* Normal, non-cacheable */
#define COLDLINE_ATTR_NORMAL_WB		0xff	/* Normal, write-back */

/**
 * struct coldline_features - what this driver can do
 * @abi: out: COLDLINE_ABI
 * @frame_size: out: bytes of a frame, and of a page
 * @max_frames: out: the most frames of one mapping
 * @kept_frames: out: the most pages that an open file keeps of a finished
 *	mapping; a next mapping of no more pages is faster
 * @attrs: out: bit n % 64 of word n / 64 is set if COLDLINE_IOCTL_MAP supports
 *	attribute byte n
 */
struct coldline_features {
	__u32 abi;
	__u32 frame_size;
	__u32 max_frames;
	__u32 kept_frames;
	__u64 attrs[4];
};

/**
 * struct coldline_map - frames of a domain, for a mapping of the device
 * @address: in: the start of a mapping of this file, as mmap() returned it,
 *	that has as many pages as there are frames, and no frames yet
 * @frames: in: pointer to @count frame numbers (__u64) of the domain
 * @errors: in: pointer to @count results (__s32), 0 or a negative errno; or
 *	zero: if one frame cannot be mapped, then none is
 * @count: in: the number of frames
 * @domain: in: the domain's number
 * @attr: in: the attribute byte of the memory type
 * @flags: in: COLDLINE_MAP_REPLACE, or zero
 * @mapped: out: the number of frames that are mapped
 * @reserved: in: zero
 */
struct coldline_map {
	__u64 address;
	__u64 frames;
	__u64 errors;
	__u32 count;
	__u32 domain;
	__u32 attr;
	__u32 flags;
	__u32 mapped;
	__u32 reserved;
};

/*
 * Replace the frames of a mapping, with this memory type. There can be fewer
 * frames than pages; the last pages then have none. Afterwards no old frame is
 * mapped, and after a failure no new frame either. Only an error in the
 * arguments (EINVAL, EOPNOTSUPP, EFAULT for the structure or @frames) changes
 * nothing.
 */
#define COLDLINE_MAP_REPLACE		0x1

/* Translate for a write access; without it, for a read. */
#define COLDLINE_QUERY_WRITE		0x1

/**
 * struct coldline_query - the hardware's translation of a user address
 * @address: in: any address of user space
 * @flags: in: COLDLINE_QUERY_WRITE, or zero
 * @translated: out: 1 if the access would pass stage 1, else 0
 * @attr: out: the attribute byte, if translated; else zero
 * @shareability: out: PAR_EL1.SH (0 none, 2 outer, 3 inner), if
 *	translated; else zero
 * @fault: out: the fault status code PAR_EL1.FST, if not translated;
 *	else zero
 */
struct coldline_query {
	__u64 address;
	__u32 flags;
	__u8 translated;
	__u8 attr;
	__u8 shareability;
	__u8 fault;
};

/**
 * struct coldline_restrict - restrict an open file to one domain
 * @domain: in: the domain's number
 * @reserved: in: zero
 *
 * From then on, COLDLINE_IOCTL_MAP maps no frames of other domains through
 * this file, nor through its copies in other processes (EPERM). Mappings that
 * exist stay. A restriction cannot be changed or removed (EINVAL).
 */
struct coldline_restrict {
	__u32 domain;
	__u32 reserved;
};

#define COLDLINE_IOCTL_MAGIC		0xDC
#define COLDLINE_IOCTL_FEATURES \
	_IOR(COLDLINE_IOCTL_MAGIC, 0, struct coldline_features)
#define COLDLINE_IOCTL_MAP \
	_IOWR(COLDLINE_IOCTL_MAGIC, 1, struct coldline_map)
#define COLDLINE_IOCTL_QUERY \
	_IOWR(COLDLINE_IOCTL_MAGIC, 2, struct coldline_query)
#define COLDLINE_IOCTL_RESTRICT \
	_IOW(COLDLINE_IOCTL_MAGIC, 3, struct coldline_restrict)

#endif /* COLDLINE_H */
