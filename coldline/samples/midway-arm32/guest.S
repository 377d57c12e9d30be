// SPDX-License-Identifier: GPL-2.0-or-later
//
// midway-arm32: a guest that trusts its loader, as the zImage did on Calxeda's Midway.
//
// With its MMU and caches off it stores over a word of data, moves a routine over another one, both written
// before by whoever loaded it, and does no cache maintenance by address. Then it turns its MMU and caches on and
// looks at both again. If the loader (or anyone else) left, or let a cache bring back, a copy of those lines
// above memory, it sees what the loader wrote: "old". On a machine without caches it sees "new".
//
// It prints one line over the PL011 that Xen gives its guests and ends with PSCI SYSTEM_OFF, r1 = a code:
//     bit 0  it read the old data
//     bit 1  it ran the old routine
//
// Build (nothing is linked; every address is relative to the program counter):
//     arm-linux-gnueabihf-gcc -c -o guest.o guest.S
//     arm-linux-gnueabihf-objcopy -O binary -j .text guest.o guest.zImage
//
// What must not share a cache line with anything is 2 KiB apart, the largest writeback granule that CTR.CWG can
// name. The image runs anywhere from 0x40000000 to 0x7fffffff on a 2 KiB boundary, where Xen's loader puts it
// too: the table, of long descriptors (LPAE), maps that gigabyte onto itself.

        .arch   armv7-a
        .arch_extension virt
        .arm

        .set    PL011, 0x22000000
        .set    PL011_DR, 0x00
        .set    PL011_FR, 0x18
        .set    PL011_FR_TXFF, 1 << 5
        .set    PSCI_SYSTEM_OFF, 0x84000008

        .set    ZIMAGE_MAGIC, 0x016f2818
        .set    ENDIANNESS, 0x04030201

        .set    OLD_DATA, 0x11111111
        .set    NEW_DATA, 0x22222222

        .set    MAIR0, 0x04ff                   // 0: Normal write-back; 1: Device
        .set    TTBCR, 1 << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8
        //             EAE       EPD1      SH0 inner ORGN0 wb  IRGN0 wb, and T0SZ 0: 4 GiB
        .set    AF, 1 << 10
        .set    INNER_SHAREABLE, 3 << 8
        .set    NORMAL, 0 << 2
        .set    DEVICE, 1 << 2
        .set    XN_HIGH, 1 << 22                // bit 54: of the upper word
        .set    BLOCK, 1

        .text
// ---- The header of a zImage (Linux arch/arm/boot/compressed/head.S), behind eight nops and a branch
image:
        .rept   8
        mov     r0, r0
        .endr
        b       start
        .long   ZIMAGE_MAGIC
        .long   0                               // start: it runs wherever it is
        .long   end - image
        .long   ENDIANNESS

// ---- Entry: r2 = device tree (not used), MMU and caches off, in Supervisor mode
// ---- MMU off: these stores go to memory, past every cache; and so do the loads, which read what was loaded
start:
        ldr     r1, new_data
        adr     r3, image
        add     r2, r3, #data - image
        str     r1, [r2]
        add     r2, r3, #original - image
        ldmia   r2, {r4, r5}
        add     r2, r3, #moved - image
        stmia   r2, {r4, r5}
        dsb     sy
        // A guest that looked after itself would do DCIMVAC on both lines here. This one does not.

// ---- MMU and caches on. The table is as the loader wrote it.
        ldr     r1, mair0
        mcr     p15, 0, r1, c10, c2, 0          // MAIR0
        ldr     r1, ttbcr
        mcr     p15, 0, r1, c2, c0, 2           // TTBCR
        add     r1, r3, #table - image
        mov     r2, #0
        mcrr    p15, 0, r1, r2, c2              // TTBR0
        isb
        mcr     p15, 0, r2, c8, c7, 0           // TLBIALL
        dsb     nsh
        isb
        mrc     p15, 0, r1, c1, c0, 0           // SCTLR
        orr     r1, r1, #1 << 12                // I
        orr     r1, r1, #1 << 2 | 1             // C, M
        mcr     p15, 0, r1, c1, c0, 0
        isb
        mcr     p15, 0, r2, c7, c5, 0           // ICIALLU, as Linux does: the instruction cache starts empty, so an
        mcr     p15, 0, r2, c7, c5, 6           // old instruction can only come from a data or unified cache. BPIALL
        dsb     nsh
        isb

// ---- Look again, through the caches
        mov     r7, #0                          // r7: the code to end with
        add     r2, r3, #data - image
        ldr     r1, [r2]
        ldr     r2, new_data
        cmp     r1, r2
        orrne   r7, r7, #1
        add     r2, r3, #moved - image
        blx     r2
        cmp     r0, #2
        orrne   r7, r7, #2

// ---- Say so, and end
        adr     r1, data_is
        bl      print
        tst     r7, #1
        adreq   r1, new
        adrne   r1, old
        bl      print
        adr     r1, code_is
        bl      print
        tst     r7, #2
        adreq   r1, new
        adrne   r1, old
        bl      print
        adr     r1, newline
        bl      print

        ldr     r0, psci_system_off
        mov     r1, r7
        hvc     #0
1:      wfi                                     // SYSTEM_OFF does not return
        b       1b

// Print the string at r1. Changes r1, r2, r4 and r5.
print:
        mov     r2, #PL011
1:      ldrb    r4, [r1], #1
        cmp     r4, #0
        bxeq    lr
2:      ldr     r5, [r2, #PL011_FR]
        tst     r5, #PL011_FR_TXFF
        bne     2b
        str     r4, [r2, #PL011_DR]
        b       1b

new_data:
        .long   NEW_DATA
mair0:
        .long   MAIR0
ttbcr:
        .long   TTBCR
psci_system_off:
        .long   PSCI_SYSTEM_OFF
data_is:
        .asciz  "midway: data "
        .balign 4
code_is:
        .asciz  ", code "
        .balign 4
new:
        .asciz  "new"
        .balign 4
old:
        .asciz  "old"
        .balign 4
newline:
        .asciz  "\r\n"

// ---- What it stores over, what it moves there, and the table
        .org    0x0800
data:
        .long   OLD_DATA

        .org    0x1000
moved:
        mov     r0, #1                          // becomes mov r0, #2
        bx      lr

        .org    0x1800
original:
        mov     r0, #2                          // never run here
        bx      lr

        .org    0x2000
table:                                          // level 1, 1 GiB an entry
        .long   0x00000000 | AF | DEVICE | BLOCK, XN_HIGH
        .long   0x40000000 | AF | INNER_SHAREABLE | NORMAL | BLOCK, 0
        .quad   0
        .quad   0

        .org    0x2800
end:
