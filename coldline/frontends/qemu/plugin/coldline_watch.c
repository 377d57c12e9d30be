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
 * low=ADDRESS and high=ADDRESS (the range of loads that are wanted; all stores are, as they may be to tables),
 * barriers=0|1, reader=PID.
 */

#define _GNU_SOURCE
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
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
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
    uint64_t padding[2];
    _Alignas(64) uint64_t written;      /* records so far */
    _Alignas(64) uint64_t taken;        /* of these, by the reader */
};

static struct ring_head *head;
static struct record *records;
static uint64_t mask, capacity, position, published, room;
static pid_t reader;

static uint64_t ram_base, ram_size, low, high;
static const char *ram_name;
static bool barriers;

static void publish(void)
{
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

/* -- registers ------------------------------------------------------------------------------------------------- */

static const char *const watched[] = { COLDLINE_REGISTERS };
#define WATCHED (sizeof watched / sizeof *watched)
#define MAX_VCPUS COLDLINE_MAX_VCPUS

static struct vcpu {
    bool known, stale;                  /* stale: registers are to be read before the next block */
    struct qemu_plugin_register *x[31], *cpsr, *of[WATCHED];
    uint64_t value[WATCHED];
    bool told[WATCHED];
} vcpus[MAX_VCPUS];

static GByteArray *bytes;

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
    vcpu->stale = false;
    for (unsigned index = 0; index < WATCHED; index++) {
        if (!vcpu->of[index])
            continue;
        uint64_t value = read_register(vcpu->of[index]);
        if (vcpu->told[index] && vcpu->value[index] == value)
            continue;
        vcpu->told[index] = true;
        vcpu->value[index] = value;
        put(COLDLINE_KIND_REGISTER | (uint64_t)number << 8 | (uint64_t)index << 32, value, 0, 0);
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
        else if (!strcmp(each->name, "cpsr"))
            vcpu->cpsr = each->handle;
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
        vcpus[number].stale = true;     /* it may have been turned off and on */
}

/* -- blocks of code -------------------------------------------------------------------------------------------- */

struct block {
    struct block *next;
    uint64_t head, virtual, physical;
};

struct instruction {
    struct instruction *next;
    uint64_t head, virtual;
    unsigned general;
};

static struct block *blocks;
static struct instruction *instructions;

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

static void start(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    find_ram();
    head->state = COLDLINE_STATE_RUNS;
    publish();
    for (unsigned turn = 0; !__atomic_load_n(&head->go, __ATOMIC_ACQUIRE); turn++) {
        nap();
        if (turn % 64 == 63)
            give_up_if_alone();
    }
}

static void on_block(unsigned number, void *data)
{
    const struct block *block = data;
    if (number >= MAX_VCPUS)
        return;
    if (vcpus[number].stale)
        tell_registers(number);
    put(block->head | (uint64_t)number << 8, block->virtual, block->physical, 0);
}

static void on_access(unsigned number, qemu_plugin_meminfo_t info, uint64_t virtual, void *data)
{
    struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, virtual);
    if (!place || qemu_plugin_hwaddr_is_io(place))
        return;
    uint64_t physical = qemu_plugin_hwaddr_phys_addr(place);
    if (physical - ram_base >= ram_size)
        return;
    unsigned shift = qemu_plugin_mem_size_shift(info);
    uint64_t what = (uint64_t)(uintptr_t)data | (uint64_t)number << 8;
    if (!qemu_plugin_mem_is_store(info)) {
        if (physical - low >= high - low)
            return;
        put(what | COLDLINE_KIND_LOAD | (uint64_t)1 << (24 + shift), virtual, physical, 0);
        return;
    }
    what |= COLDLINE_KIND_STORE;
    qemu_plugin_mem_value value = qemu_plugin_mem_get_value(info);
    if (shift == 4) {
        bool big = qemu_plugin_mem_is_big_endian(info);
        put(what | 8 << 24, virtual, physical, big ? value.data.u128.high : value.data.u128.low);
        put(what | 8 << 24, virtual + 8, physical + 8, big ? value.data.u128.low : value.data.u128.high);
        return;
    }
    uint64_t bits = shift == 3 ? value.data.u64
                  : shift == 2 ? value.data.u32
                  : shift == 1 ? value.data.u16 : value.data.u8;
    if (qemu_plugin_mem_is_big_endian(info))
        bits = shift == 3 ? __builtin_bswap64(bits)
             : shift == 2 ? __builtin_bswap32(bits)
             : shift == 1 ? __builtin_bswap16(bits) : bits;
    put(what | (uint64_t)1 << (24 + shift), virtual, physical, bits);
}

static void on_system(unsigned number, void *data)
{
    const struct instruction *at = data;
    if (number >= MAX_VCPUS)
        return;
    uint64_t operand = at->general < 31 ? read_register(vcpus[number].x[at->general]) : 0;
    put(at->head | (uint64_t)number << 8, operand, at->virtual, 0);
}

static void on_barrier(unsigned number, void *data)
{
    const struct instruction *at = data;
    put(at->head | (uint64_t)number << 8, 0, at->virtual, 0);
}

static void on_register(unsigned number, void *data)
{
    if (number < MAX_VCPUS)
        vcpus[number].stale = true;
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

static struct instruction *new_instruction(uint64_t what, uint64_t virtual, unsigned general)
{
    struct instruction *made = malloc(sizeof *made);
    if (!made)
        abort();
    *made = (struct instruction){ instructions, what, virtual, general };
    instructions = made;
    return made;
}

static unsigned current_level(void)
{
    for (unsigned number = 0; number < MAX_VCPUS; number++) {
        if (!vcpus[number].cpsr)
            continue;
        /* a handle is the register's number, the same for all vCPUs; the value is the present vCPU's */
        uint64_t cpsr = read_register(vcpus[number].cpsr);
        return cpsr & 0x10 ? COLDLINE_LEVEL_AARCH32 : cpsr >> 2 & 3;
    }
    return 0;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    start();
    size_t count = qemu_plugin_tb_n_insns(tb);
    uint64_t virtual = qemu_plugin_tb_vaddr(tb), level = current_level(), size = 4 * count;
    uint64_t common = level << 16;
    struct block *block = malloc(sizeof *block);
    if (!block)
        abort();
    *block = (struct block){ blocks, COLDLINE_KIND_BLOCK | common | size << 32, virtual,
                             physical_of(qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0))) };
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_R_REGS, block);
    for (size_t index = 0; index < count; index++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, index);
        uint64_t at = qemu_plugin_insn_vaddr(insn), barrier;
        uint32_t word = 0;
        qemu_plugin_insn_data(insn, &word, sizeof word);
        if ((word & 0xfff80000) == 0xd5080000) {
            unsigned operation = word >> 12 & 15;
            if (operation == 7 || operation == 8)
                qemu_plugin_register_vcpu_insn_exec_cb(
                    insn, on_system, CB_R_REGS,
                    new_instruction(COLDLINE_KIND_SYSTEM | common | (uint64_t)(word >> 5 & 0x3fff) << 32, at,
                                    word & 31));
            continue;
        }
        if (writes_watched(word)) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_register, CB_NO_REGS, NULL);
            continue;
        }
        if (barriers && (barrier = barrier_of(word)))
            qemu_plugin_register_vcpu_insn_exec_cb(
                insn, on_barrier, CB_NO_REGS, new_instruction(COLDLINE_KIND_BARRIER | common | barrier << 32, at, 31));
        qemu_plugin_register_vcpu_mem_cb(insn, on_access, CB_NO_REGS, MEM_RW,
                                         (void *)(uintptr_t)(common | (uint64_t)index << 32));
    }
}

static void on_flush(qemu_plugin_id_t id)
{
    while (blocks) {
        struct block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
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
        else if (!strcmp(argv[index], "low"))
            low = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "high"))
            high = strtoull(value, NULL, 0);
        else if (!strcmp(argv[index], "barriers"))
            barriers = *value == '1';
        else if (!strcmp(argv[index], "reader"))
            reader = atoi(value);
        else
            return -1;
    }
    if (!ring || !ram_name || !info->system_emulation || open_ring(ring) < 0)
        return -1;
    bytes = g_byte_array_new();
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
    qemu_plugin_register_vcpu_idle_cb(id, on_idle);
    qemu_plugin_register_vcpu_resume_cb(id, on_resume);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_flush_cb(id, on_flush);
    qemu_plugin_register_atexit_cb(id, on_exit_of_machine, NULL);
    head->state = COLDLINE_STATE_LOADED;
    return 0;
}
