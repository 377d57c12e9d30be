// SPDX-License-Identifier: GPL-2.0-only
/* Memory types: in page table entries, and as the hardware translates. */

#include <linux/bitfield.h>
#include <linux/irqflags.h>
#include <linux/uaccess.h>

#include <asm/barrier.h>

#include "attributes.h"
#include "coldline.h"

/* PAR_EL1, and PAR in its 64-bit format */
#define PAR_F		BIT_ULL(0)
#define PAR_FST		GENMASK_ULL(6, 1)
#define PAR_SH		GENMASK_ULL(8, 7)
#define PAR_ATTR	GENMASK_ULL(63, 56)

#if defined(CONFIG_ARM64)

#include <asm/sysreg.h>

static u64 translate(unsigned long address, bool write)
{
	u64 par;

	uaccess_ttbr0_enable();
	if (write)
		asm volatile("at s1e0w, %0" : : "r" (address));
	else
		asm volatile("at s1e0r, %0" : : "r" (address));
	isb();
	par = read_sysreg_par();
	uaccess_ttbr0_disable();
	return par;
}

pgprot_t coldline_prot_dirty(pgprot_t prot)
{
	return __pgprot((pgprot_val(prot) & ~PTE_RDONLY) | PTE_DIRTY);
}

#elif defined(CONFIG_ARM_LPAE)

static u64 translate(unsigned long address, bool write)
{
	unsigned int flags = uaccess_save_and_enable();
	u64 par;

	if (write)
		asm volatile("mcr p15, 0, %0, c7, c8, 3" : : "r" (address));
	else
		asm volatile("mcr p15, 0, %0, c7, c8, 2" : : "r" (address));
	isb();
	asm volatile("mrrc p15, 0, %Q0, %R0, c7" : "=r" (par));
	uaccess_restore(flags);
	return par;
}

pgprot_t coldline_prot_dirty(pgprot_t prot)
{
	return __pgprot(pgprot_val(prot) | L_PTE_DIRTY);
}

#else
#error "needs arm64, or arm with LPAE"
#endif

bool coldline_attr_given(u32 attr)
{
	return attr == COLDLINE_ATTR_NORMAL_WB ||
	       attr == COLDLINE_ATTR_NORMAL_NC;
}

pgprot_t coldline_attr_prot(u32 attr, pgprot_t prot)
{
	return attr == COLDLINE_ATTR_NORMAL_NC ? pgprot_writecombine(prot) : prot;
}

void coldline_translate(struct coldline_query *query)
{
	unsigned long flags;
	u64 par;

	/* An interrupt handler's translation would overwrite PAR_EL1. */
	local_irq_save(flags);
	/* Make entries that were just written visible to the walk. */
	dsb(ishst);
	par = translate(query->address, query->flags & COLDLINE_QUERY_WRITE);
	local_irq_restore(flags);

	query->translated = !(par & PAR_F);
	query->attr = query->translated ? FIELD_GET(PAR_ATTR, par) : 0;
	query->shareability = query->translated ? FIELD_GET(PAR_SH, par) : 0;
	query->fault = query->translated ? 0 : FIELD_GET(PAR_FST, par);
}
