/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of docs/reference/order.md as a Promela model, for Spin: what is pending until a DSB, for data. It shares nothing with
 * coldline and nothing with tests/oracles/order_explorer.py.
 *
 * Of that page it has: cores; data cache maintenance by address and stores past the caches, which take effect at any
 * time, and are complete at their core's dsb; what a cacheable access waits for; walks that come again; mappings that are
 * changed or made invalid, and TLBIs. It has no fetch and no instruction cache, no dmb and no isb, no write-through, and
 * switches only where they say how an agent starts. promela_order.py says which traces that leaves.
 *
 * A story is told, and read, as for page.pml: a line whose masks say which of its pieces are fresh.
 */

#ifndef AGENTS
#define AGENTS 4
#endif
#ifndef CORES
#define CORES 3
#endif

#define END        0
#define READ       1
#define WRITE      2
#define WALK       4
#define DC_CVAC    5
#define DC_CIVAC   6
#define DC_IVAC    7
#define DC_CVAU    8
#define MAP        13
#define UNMAP      14
#define MMU        15
#define DCACHE     17
#define DSB        18
#define CORE       19  /* an agent's core, before any other event */
#define TLBI       20
#define DESCRIPTOR 21  /* with a type, or invalid with none */

#define NORMAL_WB 1
#define NORMAL_NC 3
#define DEVICE    4

#define STALE_READ 0
#define LOST_WRITE 2

c_decl {
\#include "stories.h"
}

/* ---- The state */

#define INVALID 0
#define CLEAN   1
#define DIRTY   2
#define EVERY   (-1)

#define MOST    3  /* operations of a core that are pending */
#define OLD     3  /* mappings of an agent that are ending */
#define NOWHERE 255

typedef Core {
    byte op[MOST];    /* the first one first */
    bool noted[MOST]; /* issued through a cacheable alias? */
    byte ops;
    int stored;       /* the pieces of which a store is in flight */
    int fresh         /* those of them whose store is the last write */
}

typedef Agent {
    byte core;
    byte alias;       /* its type for the page by its descriptor, 0 if it has none */
    bool untried;     /* made with the MMU off, and not on since? */
    byte old[OLD];    /* the types that are ending */
    byte seen[OLD];   /* a bit for each core that has seen that */
    byte tlbi[OLD];   /* and for each whose TLBI of it is not complete */
    bool mmu = 1;
    bool dcache = 1;
    bool walked;      /* does its walker come again? */
    byte walk_tlbi    /* a bit for each core whose TLBI of that is not complete */
}

int story, past;
byte what, who, where, type;
bool on;
int m;
int fresh_1, fresh_2, fresh_m = EVERY;
byte l1, l2;
Core core[CORES];
Agent agent[AGENTS];
bool alias_live;

hidden int copy, bad, somewhere;
hidden byte some, each, turn;

/* ---- At any time */

#define below_1   (l2 != INVALID -> fresh_2 : fresh_m)
#define first_op  core[_pid].op[0]
#define stored_by core[_pid].stored

inline clean_to_poc()
{
    if
    :: l1 == DIRTY ->
        fresh_m = fresh_1; l1 = CLEAN;
        if
        :: l2 != INVALID -> fresh_2 = fresh_1; l2 = CLEAN
        :: else
        fi
    :: else ->
        if
        :: l2 == DIRTY -> fresh_m = fresh_2; l2 = CLEAN
        :: else
        fi
    fi
}

inline discard() { l1 = INVALID; fresh_1 = 0; l2 = INVALID; fresh_2 = 0 }

inline done_first()
{
    each = 0;
    do
    :: each + 1 < MOST ->
        core[_pid].op[each] = core[_pid].op[each + 1]; core[_pid].noted[each] = core[_pid].noted[each + 1]; each++
    :: else -> break
    od;
    core[_pid].op[MOST - 1] = 0; core[_pid].noted[MOST - 1] = false;
    core[_pid].ops--;
    each = 0
}

/* what a core has pending takes effect: an operation, or the store of one piece */
active [CORES] proctype pending()
{
end: do
    :: d_step { core[_pid].ops > 0 && first_op == DC_CVAC -> clean_to_poc(); done_first() }
    :: d_step { core[_pid].ops > 0 && (first_op == DC_CIVAC || first_op == DC_IVAC) ->
        clean_to_poc(); discard(); done_first() }
    :: d_step { core[_pid].ops > 0 && first_op == DC_IVAC -> discard(); done_first() }
    :: d_step { core[_pid].ops > 0 && first_op == DC_CVAU ->
        if
        :: l1 == DIRTY -> l2 = DIRTY; fresh_2 = fresh_1; l1 = CLEAN
        :: else
        fi;
        done_first() }
    :: d_step { stored_by & 1 -> fresh_m = (fresh_m & ~1) | (core[_pid].fresh & 1);
        stored_by = stored_by & ~1; core[_pid].fresh = core[_pid].fresh & ~1 }
    :: d_step { stored_by & 2 -> fresh_m = (fresh_m & ~2) | (core[_pid].fresh & 2);
        stored_by = stored_by & ~2; core[_pid].fresh = core[_pid].fresh & ~2 }
    :: d_step { stored_by & 4 -> fresh_m = (fresh_m & ~4) | (core[_pid].fresh & 4);
        stored_by = stored_by & ~4; core[_pid].fresh = core[_pid].fresh & ~4 }
    od
}

active proctype caches()
{
end: do
    :: d_step { l1 == DIRTY -> l2 = DIRTY; fresh_2 = fresh_1; l1 = CLEAN }
    :: d_step { l1 == DIRTY -> l2 = DIRTY; fresh_2 = fresh_1; l1 = INVALID; fresh_1 = 0 }
    :: d_step { l1 == CLEAN -> l1 = INVALID; fresh_1 = 0 }
    :: d_step { l2 == DIRTY -> fresh_m = fresh_2; l2 = CLEAN }
    :: d_step { l2 == DIRTY -> fresh_m = fresh_2; l2 = INVALID; fresh_2 = 0 }
    :: d_step { l2 == CLEAN -> l2 = INVALID; fresh_2 = 0 }
    :: d_step { l2 == INVALID && alias_live -> l2 = CLEAN; fresh_2 = fresh_m }
    :: d_step { l1 == INVALID && alias_live -> l1 = CLEAN; fresh_1 = below_1 }
    od
}

/* ---- Agents */

#define A agent[who]
#define C core[A.core]
#define on_core(x) (1 << (x))

inline who_may_fill()
{
    alias_live = false;
    some = 0;
    do
    :: some < AGENTS ->
        if
        :: agent[some].mmu && agent[some].dcache ->
            alias_live = alias_live || agent[some].walked || agent[some].alias == NORMAL_WB ||
                agent[some].old[0] == NORMAL_WB || agent[some].old[1] == NORMAL_WB || agent[some].old[2] == NORMAL_WB
        :: else
        fi;
        some++
    :: else -> break
    od;
    some = 0
}

/* Which kinds a data access may be of: by the descriptor's mapping, and by those that are ending. */
#define is_wb(t)    ((t) == NORMAL_WB && A.dcache)
#define is_nc(t)    ((t) == NORMAL_NC || (t) == DEVICE || ((t) == NORMAL_WB && !A.dcache))
#define may_be_wb   (A.mmu && (is_wb(A.alias) || is_wb(A.old[0]) || is_wb(A.old[1]) || is_wb(A.old[2])))
#define may_be_nc   (!A.mmu || is_nc(A.alias) || is_nc(A.old[0]) || is_nc(A.old[1]) || is_nc(A.old[2]))
#define noted_here  (may_be_wb && !may_be_nc)

#define here        (where != NOWHERE)
#define in_order    !(C.ops > 0 && C.noted[0] || C.ops > 1 && C.noted[1] || C.ops > 2 && C.noted[2])
#define walks_wb    (A.dcache && type == NORMAL_WB)
#define is_dc       (what == DC_CVAC || what == DC_CIVAC || what == DC_IVAC || what == DC_CVAU)

inline check()
{
    bad = m & ~copy;
    somewhere = fresh_1 | fresh_2 | fresh_m;
    some = 0;
    do
    :: some < CORES -> somewhere = somewhere | core[some].fresh; some++
    :: else -> break
    od;
    some = 0;
    c_code {
        hazard(now.story, now.past, STALE_READ, bad & somewhere);
        hazard(now.story, now.past, LOST_WRITE, bad & ~somewhere);
    }
}

inline others_are_old()
{
    some = 0;
    do
    :: some < CORES -> core[some].fresh = core[some].fresh & ~m; some++
    :: else -> break
    od;
    some = 0
}

/* A mapping ends, unless it is in no TLB. There is room, or the story gets stuck. */
inline end_mapping()
{
    if
    :: A.untried
    :: !A.untried && A.old[0] == 0 -> A.old[0] = A.alias; A.seen[0] = 0; A.tlbi[0] = 0
    :: !A.untried && A.old[0] && A.old[1] == 0 -> A.old[1] = A.alias; A.seen[1] = 0; A.tlbi[1] = 0
    :: !A.untried && A.old[0] && A.old[1] && A.old[2] == 0 -> A.old[2] = A.alias; A.seen[2] = 0; A.tlbi[2] = 0
    fi
}

/* The descriptor says `type`, which an ending mapping may have been. */
inline take_mapping()
{
    A.alias = type; A.untried = !A.mmu;
    each = 0;
    do
    :: each < OLD ->
        if
        :: A.old[each] == type -> A.old[each] = 0; A.seen[each] = 0; A.tlbi[each] = 0; A.untried = false
        :: else
        fi;
        each++
    :: else -> break
    od;
    each = 0
}

inline do_tlbi()
{
    some = 0;
    do
    :: some < AGENTS ->
        each = 0;
        do
        :: each < OLD ->
            if
            :: agent[some].old[each] && (agent[some].seen[each] & on_core(A.core)) ->
                agent[some].tlbi[each] = agent[some].tlbi[each] | on_core(A.core)
            :: else
            fi;
            each++
        :: else -> break
        od;
        if
        :: agent[some].walked -> agent[some].walk_tlbi = agent[some].walk_tlbi | on_core(A.core)
        :: else
        fi;
        some++
    :: else -> break
    od;
    some = 0; each = 0
}

inline do_dsb()
{
    some = 0;
    do
    :: some < AGENTS ->
        each = 0;
        do
        :: each < OLD ->
            if
            :: agent[some].tlbi[each] & on_core(A.core) ->
                agent[some].old[each] = 0; agent[some].seen[each] = 0; agent[some].tlbi[each] = 0
            :: !(agent[some].tlbi[each] & on_core(A.core)) && agent[some].old[each] ->
                agent[some].seen[each] = agent[some].seen[each] | on_core(A.core)
            :: else
            fi;
            each++
        :: else -> break
        od;
        if
        :: agent[some].walk_tlbi & on_core(A.core) -> agent[some].walked = false; agent[some].walk_tlbi = 0
        :: else
        fi;
        some++
    :: else -> break
    od;
    some = 0; each = 0
}

inline look()
{
    what = c_expr { event->what };
    who = c_expr { event->who };
    where = c_expr { event->where };
    type = c_expr { event->type };
    on = c_expr { event->on };
    m = c_expr { event->pieces }
}

inline next()
{
    past++;
    c_code { event_at(now.story, now.past); };
    look()
}

active proctype agents()
{
    c_code { read_stories(); };
    do
    :: d_step { story + 1 < c_expr { stories } -> story++ }
    :: break
    od;
    c_code { event_at(now.story, now.past); };
    d_step { look() };

    do
    :: what == END -> c_code { end(now.story); }; break

    :: d_step { what == CORE -> A.core = type; next() }

    /* reads and walks; a walk waits for nothing, and sees no store in flight */
    :: d_step { here && (what == READ && may_be_wb && in_order || what == WALK && walks_wb) ->
        if
        :: l1 == INVALID -> l1 = CLEAN; fresh_1 = below_1
        :: else
        fi;
        copy = fresh_1; check();
        if
        :: what == WALK -> A.walked = true; A.walk_tlbi = 0; who_may_fill()
        :: else
        fi;
        next() }
    :: d_step { here && what == READ && may_be_nc ->
        copy = (fresh_m & ~C.stored) | C.fresh; check(); next() }
    :: d_step { here && what == WALK && !walks_wb -> copy = fresh_m; check(); next() }
    :: d_step { !here && what == WALK ->
        if
        :: walks_wb -> A.walked = true; A.walk_tlbi = 0; who_may_fill()
        :: else
        fi;
        next() }

    /* writes */
    :: d_step { here && what == WRITE && may_be_wb && in_order ->
        fresh_1 = (l1 != INVALID -> fresh_1 : below_1) | m;
        l1 = DIRTY;
        fresh_2 = fresh_2 & ~m; fresh_m = fresh_m & ~m;
        others_are_old();
        next() }
    :: d_step { here && what == WRITE && may_be_nc && !(C.stored & m) ->
        fresh_1 = fresh_1 & ~m; fresh_2 = fresh_2 & ~m; fresh_m = fresh_m & ~m;
        others_are_old();
        C.stored = C.stored | m; C.fresh = C.fresh | m;
        next() }

    /* what is issued, and complete */
    :: d_step { is_dc && C.ops < MOST ->
        C.op[C.ops] = what; C.noted[C.ops] = noted_here; C.ops++; next() }
    :: d_step { what == DSB && C.ops == 0 && C.stored == 0 -> do_dsb(); who_may_fill(); next() }
    :: d_step { what == TLBI -> do_tlbi(); next() }

    /* who may fill from here on */
    :: d_step { what == MAP -> take_mapping(); who_may_fill(); next() }
    :: d_step { what == UNMAP ->
        A.alias = 0; A.untried = false;
        A.old[0] = 0; A.old[1] = 0; A.old[2] = 0;
        A.seen[0] = 0; A.seen[1] = 0; A.seen[2] = 0;
        A.tlbi[0] = 0; A.tlbi[1] = 0; A.tlbi[2] = 0;
        who_may_fill(); next() }
    :: d_step { what == DESCRIPTOR && type == 0 ->
        A.untried = false; end_mapping(); A.alias = 0; who_may_fill(); next() }
    :: d_step { what == DESCRIPTOR && type != 0 ->
        if
        :: A.alias == type
        :: A.alias == 0 -> take_mapping()
        :: A.alias != 0 && A.alias != type -> end_mapping(); take_mapping()
        fi;
        who_may_fill(); next() }
    :: d_step { what == MMU -> A.mmu = on; A.untried = A.untried && !on; who_may_fill(); next() }
    :: d_step { what == DCACHE -> A.dcache = on; who_may_fill(); next() }
    od
}
