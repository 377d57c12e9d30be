/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory types: in page table entries, and as the hardware translates. */
#ifndef COLDLINE_ATTRIBUTES_H
#define COLDLINE_ATTRIBUTES_H

#include <linux/pgtable.h>
#include <linux/types.h>

struct coldline_query;

/**
 * coldline_attr_given - whether an attribute byte is supported
 * @attr: the byte
 */
bool coldline_attr_given(u32 attr);

/**
 * coldline_attr_prot - the page protection for an attribute byte
 * @attr: a supported byte
 * @prot: a protection of Normal write-back memory
 */
pgprot_t coldline_attr_prot(u32 attr, pgprot_t prot);

/**
 * coldline_prot_dirty - a protection whose entries can be written at once
 * @prot: a protection with the right to write
 *
 * An entry that starts clean costs a fault a page.
 */
pgprot_t coldline_prot_dirty(pgprot_t prot);

/**
 * coldline_translate - have the hardware translate an address of the caller
 * @query: address and flags, in; the rest, out
 */
void coldline_translate(struct coldline_query *query);

#endif /* COLDLINE_ATTRIBUTES_H */
