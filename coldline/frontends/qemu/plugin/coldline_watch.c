/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin of QEMU's: packs what a machine does into records of 32 bytes in a ring that another process reads.
 *
 * coldline/frontends/qemu/records.py has the layout of records and of the ring's head; the compiler gets it as
 * definitions (COLDLINE_...). The interface of plugins is declared here as far as it is used, as distributions do not
 * package its header: qemu include/qemu/qemu-plugin.h (10.0), version 4. All vCPUs are in one thread of QEMU's
 * (-accel tcg,thread=single), so there are no locks.
 *
 * Arguments: ring=FILE, ram=NAME (of the mapping of RAM, in /proc/self/maps), base=ADDRESS and size=BYTES (of RAM),
 * more-base=ADDRESS and more-size=BYTES (of RAM beside it), barriers=0|1, filter=0|1, reader=PID, and after base and size
 * only=FIRST:END for each range of addresses where loads and code are wanted; all of RAM without one. All stores are
 * wanted, as they may be to tables. A block of code elsewhere is told of once.
 *
 * With filter=1, a load or a block of code is left out if the same vCPU has loaded the same bytes, or executed the same
 * block, and since then no store was to their lines, and no vCPU has maintained caches, invalidated a TLB or written a
 * register that decides what an access is. Reads change nothing that caches may hold, so it would find what the
 * earlier one has found: coldline/frontends/qemu/known.py has the argument.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* -- the interface of QEMU ------------------------------------------------------------------------------------- */

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;

typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    bool system_emulation;
    union { struct { int smp_vcpus, max_vcpus; } system; };
} qemu_info_t;

typedef struct {
    struct qemu_plugin_register *handle;
    const char *name, *feature;
} qemu_plugin_reg_descriptor;

typedef struct {
    int type;
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        struct { uint64_t low, high; } u128;
    } data;
} qemu_plugin_mem_value;

enum { VALUE_U8, VALUE_U16, VALUE_U32, VALUE_U64, VALUE_U128 };
enum { CB_NO_REGS, CB_R_REGS };
enum { MEM_R = 1, MEM_W, MEM_RW };

typedef struct { char *data; unsigned length; } GArray;
typedef struct { uint8_t *data; unsigned length; } GByteArray;

GByteArray *g_byte_array_new(void);
GByteArray *g_byte_array_set_size(GByteArray *, unsigned);

typedef void (*vcpu_callback)(qemu_plugin_id_t, unsigned);
typedef void (*exec_callback)(unsigned, void *);
typedef void (*mem_callback)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *);

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, vcpu_callback);
void qemu_plugin_register_vcpu_idle_cb(qemu_plugin_id_t, vcpu_callback);
void qemu_plugin_register_vcpu_resume_cb(qemu_plugin_id_t, vcpu_callback);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, exec_callback, int, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, exec_callback, int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_callback, int, int, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
void qemu_plugin_register_flush_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_big_endian(qemu_plugin_meminfo_t);
qemu_plugin_mem_value qemu_plugin_mem_get_value(qemu_plugin_meminfo_t);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t, uint64_t);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
GArray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = COLDLINE_PLUGIN_VERSION;

/* -- the ring -------------------------------------------------------------------------------------------------- */

struct record { uint64_t head, first, second, third; };

struct ring_head {
    uint64_t magic, capacity;
    uint64_t state;                     /* of the plugin: one of COLDLINE_STATE_... */
    uint64_t go;                        /* the reader has seen RAM as it is before the first instruction */
    uint64_t gone;                      /* the reader reads no more */
    uint64_t waits;                     /* how often the plugin found the ring full */
    uint64_t instructions, accesses;    /* executed; loads and stores of RAM */
    _Alignas(64) uint64_t written;      /* records so far */
    uint64_t ctr;                       /* CTR_EL0 of the vCPU that executes first; 0 if it has none */
    _Alignas(64) uint64_t taken;        /* of these, by the reader */
};

static struct ring_head *head;
static struct record *records;
static uint64_t mask, capacity, position, published, room;
static pid_t reader;

static uint64_t ram_base, ram_size;
static uint64_t more_base, more_size;   /* of RAM beside it */
static const char *ram_name;
static bool barriers, filters;
static uint8_t *wanted;                 /* of each page of RAM, whether its loads and code are; NULL if all are */

static uint64_t count_instructions, count_accesses;

static void publish(void)
{
    head->instructions = count_instructions;
    head->accesses = count_accesses;
    __atomic_store_n(&head->written, position, __ATOMIC_RELEASE);
    published = position;
}

static void nap(void)
{
    struct timespec time = { 0, 50000 };
    nanosleep(&time, NULL);
}

static void give_up_if_alone(void)
{
    if (__atomic_load_n(&head->gone, __ATOMIC_ACQUIRE) || (reader && getppid() != reader))
        _exit(COLDLINE_EXIT_ALONE);
}

static void wait_for_room(void)
{
    publish();
    head->waits++;
    for (unsigned turn = 0;; turn++) {
        room = __atomic_load_n(&head->taken, __ATOMIC_ACQUIRE) + capacity;
        if (room - position > capacity / 4)
            return;
        nap();
        if (turn % 64 == 63)
            give_up_if_alone();
    }
}

static inline struct record *next_record(void)
{
    if (position - published >= COLDLINE_PUBLISH_EVERY)
        publish();
    if (position == room)
        wait_for_room();
    return &records[position++ & mask];
}

static inline void put(uint64_t what, uint64_t first, uint64_t second, uint64_t third)
{
    struct record *record = next_record();
    record->head = what;
    record->first = first;
    record->second = second;
    record->third = third;
}

static inline bool is_wanted(uint64_t physical)
{
    return !wanted || physical - ram_base >= ram_size || wanted[(physical - ram_base) / 4096];
}

/* -- what was seen already --------------------------------------------------------------------------------------- */

#define LINE_SHIFT 6
#define SEEN_LINES (1u << 13)

static uint64_t count_blocks;           /* that have a number: after COLDLINE_BLOCKS, numbers come again */
static uint32_t generation = 1;         /* of 24 bits; nothing of an earlier one counts as seen */

static struct seen_line {
    uint64_t who;                       /* line, vCPU and whether at EL0 or EL1, and generation */
    uint64_t bytes;                     /* of the line, a bit each */
} seen_lines[SEEN_LINES];

static uint16_t *code_lines;            /* of each line of RAM: the generation in which code there was seen, its lower bits */
static uint32_t *seen_blocks;           /* of each block of code, by its number: the generation, and the vCPU */

static void forget(void)
{
    if (!(++generation & 0xffff)) {
        generation++;                   /* 0 is that of lines without code */
        memset(code_lines, 0, (ram_size >> LINE_SHIFT) * sizeof *code_lines);
    }
    if (generation >> 24) {
        generation = 1;
        memset(code_lines, 0, (ram_size >> LINE_SHIFT) * sizeof *code_lines);
        memset(seen_lines, 0, sizeof seen_lines);
        memset(seen_blocks, 0, COLDLINE_BLOCKS * sizeof *seen_blocks);
    }
}

static inline bool is_seen(uint64_t physical, unsigned size, unsigned number, uint64_t level)
{
    uint64_t line = physical >> LINE_SHIFT, at = physical & ((1 << LINE_SHIFT) - 1);
    if (at + size > 1 << LINE_SHIFT)
        return false;
    struct seen_line *seen = &seen_lines[line % SEEN_LINES];
    uint64_t bytes = ((1ull << size) - 1) << at;
    /* the index has the lower bits of the line's number, so that what is above 2^44 alone is lost */
    uint64_t who = (line / SEEN_LINES) << 42 | (uint64_t)generation << 12 | number << 4 | (level > 1 ? level : 1);
    if (seen->who != who) {
        seen->who = who;
        seen->bytes = bytes;
        return false;
    }
    if ((seen->bytes & bytes) == bytes)
        return true;
    seen->bytes |= bytes;
    return false;
}

static inline void change_line(uint64_t physical, unsigned size)
{
    for (uint64_t line = physical >> LINE_SHIFT; line <= (physical + size - 1) >> LINE_SHIFT; line++) {
        seen_lines[line % SEEN_LINES].who = 0;
        uint64_t index = line - (ram_base >> LINE_SHIFT);
        if (index < ram_size >> LINE_SHIFT && code_lines[index] == (uint16_t)generation)
            forget();
    }
}

static void see_code(uint64_t physical, uint64_t size)
{
    for (uint64_t line = physical >> LINE_SHIFT; line <= (physical + size - 1) >> LINE_SHIFT; line++) {
        uint64_t index = line - (ram_base >> LINE_SHIFT);
        if (index < ram_size >> LINE_SHIFT)
            code_lines[index] = generation;
    }
}

/* -- registers ------------------------------------------------------------------------------------------------- */

static const char *const watched[] = { COLDLINE_REGISTERS };
#define WATCHED (sizeof watched / sizeof *watched)
#define MAX_VCPUS COLDLINE_MAX_VCPUS

static struct vcpu {
    bool known, stale;                  /* stale: registers are to be read before the next block */
    bool resumed;                       /* since they were read: it has waited, or was turned on */
    struct qemu_plugin_register *x[31], *pc, *cpsr, *hcr, *scr, *ctr, *of[WATCHED];   /* x has AArch32's r0 to lr, too */
    bool is_32;                         /* it has AArch32 alone */
    uint64_t value[WATCHED];
    bool told[WATCHED];
} vcpus[MAX_VCPUS];

static GByteArray *bytes;

/*
 * The vCPU that executes. With one thread for all, callbacks get the number of the vCPU for which the code was translated
 * (qemu accel/tcg/plugin-gen.c gen_cpu_index, 10.0), and vCPUs share code. QEMU's own variable says which one it is.
 */
static void **current_cpu;
static void *(*get_cpu)(int);
static unsigned several;

static void *present_cpu;
static unsigned present_number;

static __attribute__((noinline)) void find_present(void)
{
    for (unsigned each = 0; each < MAX_VCPUS; each++)
        if (get_cpu(each) == *current_cpu) {
            present_cpu = *current_cpu;
            present_number = each;
        }
}

static inline unsigned present(unsigned number)
{
    if (!several)
        return number;
    if (__builtin_expect(*current_cpu != present_cpu, 0))
        find_present();
    return present_number;
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
    uint64_t value = 0;
    if (!handle)
        return 0;
    g_byte_array_set_size(bytes, 0);
    int size = qemu_plugin_read_register(handle, bytes);
    memcpy(&value, bytes->data, size < 8 ? (size > 0 ? size : 0) : 8);
    return value;
}

static void tell_registers(unsigned number)
{
    struct vcpu *vcpu = &vcpus[number];
    uint64_t common = COLDLINE_KIND_REGISTER | (uint64_t)number << 8 | (uint64_t)vcpu->resumed << 24;
    vcpu->stale = vcpu->resumed = false;
    for (unsigned index = 0; index < WATCHED; index++) {
        if (!vcpu->of[index])
            continue;
        uint64_t value = read_register(vcpu->of[index]);
        if (vcpu->told[index] && vcpu->value[index] == value)
            continue;
        vcpu->told[index] = true;
        vcpu->value[index] = value;
        put(common | (uint64_t)index << 32, value, 0, 0);
    }
}

static void on_vcpu(qemu_plugin_id_t id, unsigned number)
{
    if (number >= MAX_VCPUS)
        return;
    struct vcpu *vcpu = &vcpus[number];
    GArray *array = qemu_plugin_get_registers();
    const qemu_plugin_reg_descriptor *each = (void *)array->data;
    for (unsigned index = 0; index < array->length; index++, each++) {
        unsigned general;
        char rest;
        if (sscanf(each->name, "x%u%c", &general, &rest) == 1 && general < 31)
            vcpu->x[general] = each->handle;
        else if (sscanf(each->name, "r%u%c", &general, &rest) == 1 && general < 13) {
            vcpu->x[general] = each->handle;
            vcpu->is_32 = true;
        } else if (vcpu->is_32 && !strcmp(each->name, "sp"))
            vcpu->x[13] = each->handle;
        else if (vcpu->is_32 && !strcmp(each->name, "lr"))
            vcpu->x[14] = each->handle;
        else if (!strcmp(each->name, "pc"))
            vcpu->pc = each->handle;
        else if (!strcmp(each->name, "cpsr"))
            vcpu->cpsr = each->handle;
        else if (!strcmp(each->name, "HCR_EL2"))
            vcpu->hcr = each->handle;
        else if (!strcmp(each->name, "SCR"))
            vcpu->scr = each->handle;
        else if (!strcmp(each->name, "CTR_EL0"))
            vcpu->ctr = each->handle;
        for (unsigned which = 0; which < WATCHED; which++)
            if (!strcmp(each->name, watched[which]))
                vcpu->of[which] = each->handle;
    }
    vcpu->known = vcpu->stale = true;
}

static void on_idle(qemu_plugin_id_t id, unsigned number)
{
    publish();
}

static void on_resume(qemu_plugin_id_t id, unsigned number)
{
    if (number < MAX_VCPUS)
        vcpus[number].stale = vcpus[number].resumed = true;     /* it may have been turned off and on */
    forget();
}

/* -- blocks of code -------------------------------------------------------------------------------------------- */

#define BLOCKS COLDLINE_BLOCKS
#define PAGE 4096
#define ADDRESS_BITS COLDLINE_ADDRESS_BITS
#define ADDRESS ((1ull << ADDRESS_BITS) - 1)

static struct block {
    uint64_t head, virtual, physical, size;
    uint64_t second, second_size;       /* of the part in the next page */
    bool unwanted;
} *blocks;                              /* by number */

struct instruction {
    struct instruction *next;
    uint64_t head, place;               /* the number of its block, and its place there in halfwords */
    unsigned general, condition;
};

static struct instruction *instructions;

/* What a callback of an access gets in place of a pointer: the number of its block, its instruction's place, its level. */
#define PACKED(block, index, level) ((void *)(uintptr_t)((block) << ADDRESS_BITS | (index) << 8 | (level)))

static uint64_t map_start, map_end, map_offset;

static void find_ram(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        uint64_t start, end, offset;
        if (!strstr(line, ram_name))
            continue;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) == 3 &&
            end - start > map_end - map_start) {
            map_start = start;
            map_end = end;
            map_offset = offset;
        }
    }
    if (maps)
        fclose(maps);
}

static uint64_t physical_of(const void *host)
{
    uint64_t at = (uintptr_t)host;
    return at >= map_start && at < map_end ? ram_base + map_offset + (at - map_start) : ~0ull;
}

/* One whose registers are known. A handle is the register's number, the same for all; the value is the present vCPU's. */
static const struct vcpu *first_known(void)
{
    const struct vcpu *vcpu = vcpus;
    while (vcpu < vcpus + MAX_VCPUS - 1 && !vcpu->cpsr)
        vcpu++;
    return vcpu;
}

static void start(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    find_ram();
    current_cpu = dlsym(RTLD_DEFAULT, "current_cpu");   /* that of this thread, which is the one of all vCPUs */
    get_cpu = (void *(*)(int))dlsym(RTLD_DEFAULT, "qemu_get_cpu");
    if (several && (!current_cpu || !get_cpu)) {
        head->state = COLDLINE_STATE_NO_VCPU;
        publish();
        _exit(COLDLINE_EXIT_ALONE);
    }
    head->ctr = read_register(first_known()->ctr);
    head->state = COLDLINE_STATE_RUNS;
    publish();
    for (unsigned turn = 0; !__atomic_load_n(&head->go, __ATOMIC_ACQUIRE); turn++) {
        nap();
        if (turn % 64 == 63)
            give_up_if_alone();
    }
}

/*
 * The virtual address of a block that a vCPU is about to execute. The one for which the code was translated may be that of
 * another process, which maps the same bytes elsewhere. Code for a core of Arm's keeps the program counter up to date at the
 * start of each block (qemu target/arm/cpu.c, CF_PCREL; 10.0).
 */
static uint64_t present_address(const struct block *block, unsigned number)
{
    uint64_t at = read_register(vcpus[number].pc);
    return at % PAGE == block->virtual % PAGE ? at : block->virtual;
}

static void on_block(unsigned number, void *data)
{
    uint64_t index = (uintptr_t)data & (BLOCKS - 1);
    number = present(number);
    count_instructions += (uintptr_t)data / BLOCKS;
    if (vcpus[number].stale)
        tell_registers(number);
    if (filters) {
        uint32_t who = blocks[index].unwanted ? 1 : generation << 8 | number;
        if (seen_blocks[index] == who)
            return;
        if (!blocks[index].second_size || blocks[index].second != ~0ull)
            seen_blocks[index] = who;
        if (blocks[index].physical != ~0ull)
            see_code(blocks[index].physical, blocks[index].size);
        if (blocks[index].second_size && blocks[index].second != ~0ull)
            see_code(blocks[index].second, blocks[index].second_size);
    }
    const struct block *block = &blocks[index];
    uint64_t what = block->head | (uint64_t)number << 8, virtual = block->virtual;
    if (block->second_size && block->second == ~0ull)
        virtual = present_address(block, number);
    put(what | block->size << 32, virtual, (block->physical & ADDRESS) | index << ADDRESS_BITS, 0);
    if (block->second_size)
        put(what | block->second_size << 32, virtual + block->size,
            (block->second & ADDRESS) | index << ADDRESS_BITS, block->size / 2);
}

static void on_access(unsigned number, qemu_plugin_meminfo_t info, uint64_t virtual, void *data)
{
    struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, virtual);
    if (!place || qemu_plugin_hwaddr_is_io(place))
        return;
    uint64_t physical = qemu_plugin_hwaddr_phys_addr(place);
    if (physical - ram_base >= ram_size && physical - more_base >= more_size)
        return;
    unsigned shift = qemu_plugin_mem_size_shift(info);
    uint64_t at = (uintptr_t)data, level = at & 0xff, block = at & ~ADDRESS;
    number = present(number);
    count_accesses++;
    uint64_t what = level << 16 | (at >> 8 & 0xffff) << 32 | (uint64_t)number << 8;
    if (!qemu_plugin_mem_is_store(info)) {
        if (!is_wanted(physical))
            return;
        if (filters && is_seen(physical, 1u << shift, number, level))
            return;
        put(what | COLDLINE_KIND_LOAD | (uint64_t)1 << (24 + shift), virtual, physical | block, 0);
        return;
    }
    what |= COLDLINE_KIND_STORE;
    if (filters) {
        if (virtual % PAGE + (1u << shift) > PAGE)
            forget();                   /* where its second page is, is not known */
        else
            change_line(physical, 1u << shift);
    }
    qemu_plugin_mem_value value = qemu_plugin_mem_get_value(info);
    if (shift == 4) {
        bool big = qemu_plugin_mem_is_big_endian(info);
        put(what | 8 << 24, virtual, physical | block, big ? value.data.u128.high : value.data.u128.low);
        uint64_t second = virtual % PAGE + 8 < PAGE ? physical + 8 : ADDRESS;
        put(what | 8 << 24, virtual + 8, second | block, big ? value.data.u128.low : value.data.u128.high);
        return;
    }
    uint64_t bits = shift == 3 ? value.data.u64
                  : shift == 2 ? value.data.u32
                  : shift == 1 ? value.data.u16 : value.data.u8;
    if (qemu_plugin_mem_is_big_endian(info))
        bits = shift == 3 ? __builtin_bswap64(bits)
             : shift == 2 ? __builtin_bswap32(bits)
             : shift == 1 ? __builtin_bswap16(bits) : bits;
    put(what | (uint64_t)1 << (24 + shift), virtual, physical | block, bits);
}

#define ALWAYS 14

/* Whether an AArch32 instruction with a condition is executed: Arm ARM DDI 0406C A8.3.1, ConditionPassed. */
static bool passes(unsigned condition, unsigned number)
{
    if (condition >= ALWAYS)
        return true;
    uint64_t cpsr = read_register(vcpus[number].cpsr);
    bool n = cpsr >> 31 & 1, z = cpsr >> 30 & 1, c = cpsr >> 29 & 1, v = cpsr >> 28 & 1;
    bool held[] = { z, c, n, v, c && !z, n == v, n == v && !z };
    return held[condition >> 1] != (condition & 1);
}

static void on_system(unsigned number, void *data)
{
    const struct instruction *at = data;
    number = present(number);
    if (!passes(at->condition, number))
        return;
    uint64_t operand = at->general < 31 ? read_register(vcpus[number].x[at->general]) : 0;
    put(at->head | (uint64_t)number << 8, operand, at->place, 0);
    forget();
}

static void on_barrier(unsigned number, void *data)
{
    const struct instruction *at = data;
    number = present(number);
    if (passes(at->condition, number))
        put(at->head | (uint64_t)number << 8, 0, at->place, 0);
}

static void on_register(unsigned number, void *data)
{
    vcpus[present(number)].stale = true;
    forget();
}

static uint64_t barrier_of(uint32_t word)
{
    if ((word & 0xfffff0ff) == 0xd503309f || (word & 0xfffff0ff) == 0xd50330bf) {
        unsigned option = word >> 8 & 15;       /* SY, ISH, OSH: see coldline/frontends/unicorn/barriers.py */
        if (option != 15 && option != 11 && option != 3)
            return 0;
        return (word & 0x20) ? COLDLINE_BARRIER_DMB : COLDLINE_BARRIER_DSB;
    }
    if ((word & 0xfffff0ff) == 0xd50330df)
        return COLDLINE_BARRIER_ISB;
    return word == 0xd69f03e0 || word == 0xd69f0bff || word == 0xd69f0fff ? COLDLINE_BARRIER_ISB : 0;
}

/* MSR of a register with CRn 1 (SCTLR, HCR, SCR), 2 (TTBRs, TCR, VTTBR, VTCR) or 10 (MAIR), but for CPACR's. */
static bool writes_watched(uint32_t word)
{
    unsigned crn = word >> 12 & 15;
    return (word & 0xfff00000) == 0xd5100000 && (crn == 1 || crn == 2 || crn == 10) &&
           (word & 0xffe0) != 0x1040;
}

static struct instruction *new_instruction(uint64_t what, uint64_t place, unsigned general, unsigned condition)
{
    struct instruction *made = malloc(sizeof *made);
    if (!made)
        abort();
    *made = (struct instruction){ instructions, what, place, general, condition };
    instructions = made;
    return made;
}

struct code_state { uint64_t level, set; unsigned it; };

/* That of the code that is being translated: its level, its instruction set, and T32's ITSTATE. */
static struct code_state current_state(void)
{
    const struct vcpu *vcpu = first_known();
    if (!vcpu->cpsr)
        return (struct code_state){ 0, COLDLINE_SET_A64, 0 };
    uint64_t cpsr = read_register(vcpu->cpsr);
    if (!(cpsr & 0x10))
        return (struct code_state){ cpsr >> 2 & 3, COLDLINE_SET_A64, 0 };
    unsigned mode = cpsr & 0x1f;
    struct code_state state = { 1, cpsr & 0x20 ? COLDLINE_SET_T32 : COLDLINE_SET_A32,
                                (cpsr >> 25 & 3) | (cpsr >> 8 & 0xfc) };
    if (!vcpu->is_32) {                 /* user code below a kernel of AArch64 */
        if (mode != 0x10 || (vcpu->hcr && !(read_register(vcpu->hcr) >> 31 & 1)))
            state.level = COLDLINE_LEVEL_AARCH32;
    } else if (mode == 0x1a)
        state.level = 2;
    else if (mode == 0x16 || (vcpu->scr && !(read_register(vcpu->scr) & 1)))
        state.level = 3;                /* Secure PL1 and PL0 are in EL3's regime: Arm ARM DDI 0487 G1.7 */
    return state;
}

struct place { uint64_t what, at; };    /* of an instruction: its record's state, and its block and place there */

static void on_execution(struct qemu_plugin_insn *insn, exec_callback callback, int reads, struct place place,
                         uint64_t what, unsigned general, unsigned condition)
{
    qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, reads,
                                           new_instruction(place.what | what, place.at, general, condition));
}

/* Watch an A64 instruction; false if it may be a load or a store. */
static bool watch_a64(struct qemu_plugin_insn *insn, uint32_t word, struct place place)
{
    if ((word & 0xfff80000) == 0xd5080000) {
        unsigned operation = word >> 12 & 15, key = word >> 5 & 0x3fff;
        if (operation == 9)             /* TLBI ...nXS is like TLBI: Arm ARM DDI 0487 C5.5 */
            key ^= (8 ^ 9) << 7;
        if (operation == 7 || operation == 8 || operation == 9)
            on_execution(insn, on_system, CB_R_REGS, place, COLDLINE_KIND_SYSTEM | (uint64_t)key << 32, word & 31, ALWAYS);
        return true;
    }
    if (writes_watched(word)) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_register, CB_NO_REGS, NULL);
        return true;
    }
    uint64_t barrier = barriers ? barrier_of(word) : 0;
    if (barrier)
        on_execution(insn, on_barrier, CB_NO_REGS, place, COLDLINE_KIND_BARRIER | barrier << 32, 31, ALWAYS);
    return false;
}

/* A barrier of A32 or T32: see coldline/frontends/unicorn/barriers.py. A word of T32 has its first halfword above. */
static uint64_t barrier_of_32(uint32_t word, bool thumb, unsigned condition)
{
    if ((word & 0xffffff00) == (thumb ? 0xf3bf8f00 : 0xf57ff000)) {
        unsigned kind = word >> 4 & 15, option = word & 15;
        if (kind == 6)
            return COLDLINE_BARRIER_ISB;
        if ((kind != 4 && kind != 5) || (option != 15 && option != 11 && option != 3))
            return 0;
        return kind == 4 ? COLDLINE_BARRIER_DSB : COLDLINE_BARRIER_DMB;
    }
    if (thumb)
        return (word & 0xffffff00) == 0xf3de8f00 ||
               ((word & 0xffff) == 0xc000 && ((word >> 16 & 0xffd0) == 0xe810 || (word >> 16 & 0xffd0) == 0xe990))
               ? COLDLINE_BARRIER_ISB : 0;
    if ((word & 0xfe50ffff) == 0xf8100a00)              /* RFE */
        return COLDLINE_BARRIER_ISB;
    if (condition != ALWAYS)
        return 0;
    bool computes = (word & 0x0c10f000) == 0x0010f000 && (word >> 23 & 3) != 2 && (word >> 25 & 1 || !(word >> 4 & 1));
    return word == 0xe160006e || (word & 0x0e508000) == 0x08508000 || computes ? COLDLINE_BARRIER_ISB : 0;
}

/* Watch an A32 or T32 instruction; false if it may be a load or a store. */
static bool watch_32(struct qemu_plugin_insn *insn, uint32_t word, bool thumb, unsigned condition, struct place place)
{
    bool has_condition = thumb || word >> 28 != 15;
    if (has_condition && (word & 0x0f000f10) == 0x0e000f10) {           /* MCR and MRC of CP15 */
        unsigned crn = word >> 16 & 15, crm = word & 15, op2 = word >> 5 & 7, op1 = word >> 21 & 7;
        uint64_t key = op1 << 11 | crn << 7 | crm << 3 | op2;
        if (word >> 20 & 1)
            return true;
        if (key == COLDLINE_CP15_DSB || key == COLDLINE_CP15_DMB || key == COLDLINE_CP15_ISB) {
            uint64_t barrier = key == COLDLINE_CP15_DSB ? COLDLINE_BARRIER_DSB
                             : key == COLDLINE_CP15_DMB ? COLDLINE_BARRIER_DMB : COLDLINE_BARRIER_ISB;
            if (barriers)
                on_execution(insn, on_barrier, CB_R_REGS, place, COLDLINE_KIND_BARRIER | barrier << 32, 31, condition);
        } else if (crn == 7 || crn == 8)
            on_execution(insn, on_system, CB_R_REGS, place, COLDLINE_KIND_SYSTEM | key << 32, word >> 12 & 15, condition);
        else if (crn == 1 || crn == 2 || crn == 10)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_register, CB_NO_REGS, NULL);
        return true;
    }
    if (has_condition && (word & 0x0fe00f00) == 0x0c400f00) {           /* MCRR and MRRC */
        if (!(word >> 20 & 1) && (word & 15) == 2)                      /* TTBR0, TTBR1, HTTBR, VTTBR */
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_register, CB_NO_REGS, NULL);
        return true;
    }
    uint64_t barrier = barriers ? barrier_of_32(word, thumb, condition) : 0;
    if (barrier)
        on_execution(insn, on_barrier, CB_R_REGS, place, COLDLINE_KIND_BARRIER | barrier << 32, 31, ALWAYS);
    return false;
}

/* ITSTATE after one more T32 instruction: Arm ARM DDI 0406C A8.8.54 and A2.5.2, ITAdvance. */
static unsigned next_it(unsigned it, unsigned first)
{
    if (it & 15)
        return it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
    return (first & 0xff00) == 0xbf00 && first & 15 ? first & 0xff : 0;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    start();
    size_t count = qemu_plugin_tb_n_insns(tb);
    struct code_state state = current_state();
    bool thumb = state.set == COLDLINE_SET_T32;
    uint64_t virtual = qemu_plugin_tb_vaddr(tb), size = 0, room = PAGE - virtual % PAGE, second = ~0ull;
    uint64_t common = state.level << 16 | state.set << COLDLINE_SET_SHIFT;
    uint64_t block = count_blocks++ % BLOCKS;
    if (count_blocks >= BLOCKS)
        count_blocks = 0;
    for (size_t index = 0; index < count; index++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, index);
        if (size == room)               /* an instruction of T32 may lie across: then only the tables know */
            second = physical_of(qemu_plugin_insn_haddr(insn));
        struct place place = { common, block << ADDRESS_BITS | size / 2 };
        uint16_t half[2] = { 0, 0 };
        qemu_plugin_insn_data(insn, half, sizeof half);
        uint32_t word = half[0] | (uint32_t)half[1] << 16;
        size_t length = qemu_plugin_insn_size(insn);
        bool done;
        if (state.set == COLDLINE_SET_A64)
            done = watch_a64(insn, word, place);
        else if (!thumb)
            done = watch_32(insn, word, false, word >> 28, place);
        else
            done = length == 4 && watch_32(insn, (uint32_t)half[0] << 16 | half[1], true,
                                           state.it & 15 ? state.it >> 4 : ALWAYS, place);
        if (!done)
            qemu_plugin_register_vcpu_mem_cb(insn, on_access, CB_NO_REGS, MEM_RW,
                                             PACKED(block, size / 2, state.level));
        if (thumb)
            state.it = next_it(state.it, half[0]);
        size += length;
    }
    uint64_t first = room < size ? room : size;
    blocks[block] = (struct block){ COLDLINE_KIND_BLOCK | common, virtual,
                                    physical_of(qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0))), first,
                                    second, size - first };
    blocks[block].unwanted = !is_wanted(blocks[block].physical) && (first == size || !is_wanted(blocks[block].second));
    seen_blocks[block] = 0;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_R_REGS, (void *)(uintptr_t)(count * BLOCKS | block));
}

static void on_flush(qemu_plugin_id_t id)
{
    while (instructions) {
        struct instruction *next = instructions->next;
        free(instructions);
        instructions = next;
    }
}

static void on_exit_of_machine(qemu_plugin_id_t id, void *data)
{
    publish();
    __atomic_store_n(&head->state, COLDLINE_STATE_ENDED, __ATOMIC_RELEASE);
}

/* -- the start ------------------------------------------------------------------------------------------------- */

static int open_ring(const char *name)
{
    int file = open(name, O_RDWR);
    if (file < 0) {
        perror(name);
        return -1;
    }
    head = mmap(NULL, COLDLINE_HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (head == MAP_FAILED || head->magic != COLDLINE_MAGIC) {
        fprintf(stderr, "%s: not a ring of this plugin\n", name);
        return -1;
    }
    capacity = room = head->capacity;
    mask = capacity - 1;
    records = mmap(NULL, capacity * sizeof *records, PROT_READ | PROT_WRITE, MAP_SHARED, file, COLDLINE_HEAD_SIZE);
    close(file);
    return records == MAP_FAILED ? -1 : 0;
}

static bool want(const char *range)
{
    uint64_t first, end;
    if (sscanf(range, "%" SCNx64 ":%" SCNx64, &first, &end) != 2 || (!wanted && !(wanted = calloc(ram_size / 4096, 1))))
        return false;
    for (uint64_t page = 0; page < ram_size / 4096; page++)
        if (ram_base + 4096 * page >= first && ram_base + 4096 * page < end)
            wanted[page] = true;
    return true;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    const char *ring = NULL;
    for (int index = 0; index < argc; index++) {
        char *value = strchr(argv[index], '=');
        if (!value)
            return -1;
        *value++ = 0;
        if (!strcmp(argv[index], "ring"))
            ring = value;
        else if (!strcmp(argv[index], "ram"))
            ram_name = strdup(value);
        else if (!strcmp(argv[index], "base"))
            ram_base = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "size"))
            ram_size = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "more-base"))
            more_base = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "more-size"))
            more_size = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "only")) {
            if (!want(value))
                return -1;
        }
        else if (!strcmp(argv[index], "barriers"))
            barriers = *value == '1';
        else if (!strcmp(argv[index], "filter"))
            filters = *value == '1';
        else if (!strcmp(argv[index], "reader"))
            reader = atoi(value);
        else
            return -1;
    }
    several = info->system.max_vcpus > 1;
    if (info->system.max_vcpus > MAX_VCPUS)
        return -1;
    if (!ring || !ram_name || !info->system_emulation || open_ring(ring) < 0)
        return -1;
    bytes = g_byte_array_new();
    code_lines = calloc(ram_size >> LINE_SHIFT, sizeof *code_lines);
    seen_blocks = calloc(BLOCKS, sizeof *seen_blocks);
    blocks = calloc(BLOCKS, sizeof *blocks);
    if (!code_lines || !seen_blocks || !blocks)
        return -1;
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    qemu_plugin_register_vcpu_resume_cb(id, on_resume);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_flush_cb(id, on_flush);
    qemu_plugin_register_atexit_cb(id, on_exit_of_machine, NULL);
    head->state = COLDLINE_STATE_LOADED;
    return 0;
}
