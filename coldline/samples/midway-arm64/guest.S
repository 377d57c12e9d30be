// SPDX-License-Identifier: GPL-2.0-or-later
//
// midway-arm64: a guest that trusts its loader.
//
// With its MMU and caches off it stores over a word of data and over one of its own instructions, both
// written before by whoever loaded it, and does no cache maintenance by address. Then it turns its MMU and
// caches on and looks at both again. If the loader (or anyone else) left, or let a cache bring back, a copy of
// those lines above memory, it sees what the loader wrote: "old". On a machine without caches it sees "new".
//
// It prints one line over the PL011 that Xen gives its guests and ends with PSCI SYSTEM_OFF, X1 = a code:
//     bit 0  it read the old data
//     bit 1  it ran the old instruction
//
// Build (nothing is linked; every address is relative to the program counter):
//     aarch64-linux-gnu-gcc -c -o guest.o guest.S
//     aarch64-linux-gnu-objcopy -O binary -j .text guest.o guest.Image
//
// What must not share a cache line with anything is 2 KiB apart, the largest writeback granule that
// CTR_EL0.CWG can name. The image runs anywhere from 0x40000000 to 0x7fffffff (2 MiB aligned, as arm64's
// boot protocol says): the table maps that gigabyte onto itself.

        .set    PL011, 0x22000000
        .set    PL011_DR, 0x00
        .set    PL011_FR, 0x18
        .set    PL011_FR_TXFF_BIT, 5
        .set    PSCI_SYSTEM_OFF, 0x84000008

        .set    OLD_DATA, 0x11111111
        .set    NEW_DATA, 0x22222222

        .set    SCTLR_OFF, 0x30d00800           // the bits that are one in the base architecture; M, C, I clear
        .set    SCTLR_ON, SCTLR_OFF | 1 << 12 | 1 << 2 | 1 << 0         // I, C, M
        .set    MAIR, 0x04ff                    // 0: Normal write-back; 1: Device-nGnRE
        .set    TCR, 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32
        //           EPD1      SH0 inner ORGN0 wb  IRGN0 wb T0SZ: 4 GiB, so a level 1 table of 4 entries
        .set    AF, 1 << 10
        .set    INNER_SHAREABLE, 3 << 8
        .set    NORMAL, 0 << 2
        .set    DEVICE, 1 << 2
        .set    UXN, 1 << 54
        .set    PXN, 1 << 53
        .set    BLOCK, 1

        .text
// ---- The header of an arm64 Image (Linux Documentation/arch/arm64/booting.rst)
image:
        b       start
        .long   0
        .quad   0                               // text_offset
        .quad   end - image                     // image_size
        .quad   0xa                             // flags: little-endian, 4 KiB pages, anywhere in memory
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

// ---- Entry: X0 = device tree (not used), MMU and caches off, at EL1 or EL2
start:
        mov     x20, #0                         // X20: PSCI by HVC (0) or SMC (1)
        mrs     x1, CurrentEL
        cmp     x1, #2 << 2
        b.ne    1f
        mov     x20, #1                         // entered at EL2: go to EL1, leaving nobody at EL2 to take an HVC
        mov     x1, #1 << 31                    // HCR_EL2.RW
        msr     hcr_el2, x1
        ldr     w1, sctlr_off
        msr     sctlr_el1, x1
        mov     x1, #0x3c5                      // EL1h, all exceptions masked
        msr     spsr_el2, x1
        adr     x1, 1f
        msr     elr_el2, x1
        isb
        eret

// ---- MMU off: these two stores go to memory, past every cache
1:      ldr     w1, new_data
        adr     x2, data
        str     w1, [x2]
        ldr     w1, new_instruction
        adr     x2, patched
        str     w1, [x2]
        dsb     sy
        // A guest that looked after itself would do DC IVAC on both lines here. This one does not.

// ---- MMU and caches on. The table is as the loader wrote it.
        ldr     w1, mair
        msr     mair_el1, x1
        ldr     w1, tcr
        msr     tcr_el1, x1
        adr     x1, table
        msr     ttbr0_el1, x1
        isb
        tlbi    vmalle1
        dsb     nsh
        isb
        ldr     w1, sctlr_on
        msr     sctlr_el1, x1
        isb
        ic      iallu                           // as Linux does: the instruction cache starts empty, so an old
        dsb     nsh                             // instruction can only come from a data or unified cache
        isb

// ---- Look again, through the caches
        mov     x19, #0                         // X19: the code to end with
        ldr     w1, data
        ldr     w2, new_data
        cmp     w1, w2
        b.eq    2f
        orr     x19, x19, #1
2:      bl      patched
        cmp     w0, #2
        b.eq    3f
        orr     x19, x19, #2

// ---- Say so, and end
3:      adr     x1, data_is
        bl      print
        adr     x1, new
        tbz     x19, #0, 4f
        adr     x1, old
4:      bl      print
        adr     x1, code_is
        bl      print
        adr     x1, new
        tbz     x19, #1, 5f
        adr     x1, old
5:      bl      print
        adr     x1, newline
        bl      print

        ldr     w0, psci_system_off
        mov     x1, x19
        cbnz    x20, 6f
        hvc     #0
        b       7f
6:      smc     #0
7:      wfi                                     // SYSTEM_OFF does not return
        b       7b

// Print the string at X1. Changes X1 to X4.
print:
        mov     x2, #PL011
1:      ldrb    w3, [x1], #1
        cbz     w3, 3f
2:      ldr     w4, [x2, #PL011_FR]
        tbnz    w4, #PL011_FR_TXFF_BIT, 2b
        str     w3, [x2, #PL011_DR]
        b       1b
3:      ret

new_instruction:
        mov     w0, #2                          // never run here: what is stored over the first of `patched`
new_data:
        .long   NEW_DATA
sctlr_off:
        .long   SCTLR_OFF
sctlr_on:
        .long   SCTLR_ON
mair:
        .long   MAIR
tcr:
        .long   TCR
psci_system_off:
        .long   PSCI_SYSTEM_OFF
data_is:
        .asciz  "midway: data "
code_is:
        .asciz  ", code "
new:
        .asciz  "new"
old:
        .asciz  "old"
newline:
        .asciz  "\r\n"

// ---- What it stores over, and the table
        .org    0x0800
data:
        .long   OLD_DATA

        .org    0x1000
patched:
        mov     w0, #1                          // becomes mov w0, #2
        ret

        .org    0x1800
table:                                          // level 1, 1 GiB an entry
        .quad   0x00000000 | UXN | PXN | AF | DEVICE | BLOCK
        .quad   0x40000000 | UXN | AF | INNER_SHAREABLE | NORMAL | BLOCK
        .quad   0
        .quad   0

        .org    0x2000
end:
