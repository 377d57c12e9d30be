/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the caches may do to lines of one page while a trace goes on: docs/reference/rules.md and docs/reference/trace-format.md as a
 * Promela model, for Spin. It shares nothing with coldline and nothing with tests/oracles/explorer.py.
 *
 * A line is whole: its masks say which of its bytes are fresh, all at once. (A bit of a mask is a *piece*: bytes that
 * every event of the trace touches together.) A closure is no table here: the caches are a process, the trace is
 * another, and Spin goes through every way in which they may take turns.
 *
 * What happens is a *story*: the events that bear on the page, as they stand in the trace. Who is allowed to fill,
 * and which type an access has, the model works out by itself. Stories come from standard input (stories.h), so
 * that one compiled verifier does for all; each is another way to begin, so that one search goes through many.
 *
 * -DLINES=n follows n lines at once instead of one, -DAGENTS=n allows so many agents.
 */

#ifndef LINES
#define LINES 1
#endif
#ifndef AGENTS
#define AGENTS 8
#endif

/* What a story is made of. The names and numbers are read by tests/oracles/promela_model.py too. */
#define END      0
#define READ     1
#define WRITE    2
#define FETCH    3
#define WALK     4
#define DC_CVAC  5
#define DC_CIVAC 6
#define DC_IVAC  7
#define DC_CVAU  8
#define DC_CSW   9
#define DC_CISW  10
#define DC_ISW   11
#define IC       12
#define MAP      13
#define UNMAP    14
#define MMU      15
#define ICACHE   16
#define DCACHE   17

#define NORMAL_WB 1
#define NORMAL_WT 2
#define NORMAL_NC 3
#define DEVICE    4

#define STALE_READ  0
#define STALE_FETCH 1
#define LOST_WRITE  2

c_decl {
\#include "stories.h"
}

/* ---- The state */

#define INVALID 0
#define CLEAN   1
#define DIRTY   2
#define EVERY   (-1)

typedef Line {
    int fresh_1, fresh_2, fresh_i;  /* fresh bytes of level 1, level 2, the instruction cache */
    int fresh_m = EVERY;  /* and of memory */
    byte l1, l2;          /* INVALID, CLEAN, DIRTY */
    bool ic               /* valid? */
}

#define UNSAID 2

typedef Agent {
    byte alias;           /* its type for the page, 0 if it has none */
    bool executable;
    bool mmu = 1;
    bool dcache = 1;
    byte icache = UNSAID; /* off, on */
    bool fetched          /* from this page or the one before, since it turned its MMU off? */
}

#define NOWHERE 255       /* an event of another line of the page, or of the page before */

int story;                /* which */
int past;                 /* how many of its events are */
byte what, who, where;    /* the event at hand: which, whose, on which line */
byte type;                /* of MAP and WALK */
bool on;                  /* of switches; of MAP: executable; of maintenance: perhaps */
int m;                    /* the bytes touched */
bool nc_may_hit, setway_effective, idc, dic;
Line line[LINES];
Agent agent[AGENTS];
bool alias_live;          /* a cacheable alias is live */
bool fetch_possible;      /* a cacheable fetch is */

hidden int copy, bad, somewhere;    /* no part of the state: worked out and done with in one step */
hidden byte some, kind;

/* ---- Caches: what may happen at any time */

#define L line[_pid]
#define below_1(x) (x.l2 != INVALID -> x.fresh_2 : x.fresh_m)
#define pou(x)     (idc && x.l1 != INVALID -> x.fresh_1 : below_1(x))

active [LINES] proctype caches()
{
end: do
    /* write back 1 */
    :: d_step { L.l1 == DIRTY -> L.l2 = DIRTY; L.fresh_2 = L.fresh_1; L.l1 = CLEAN }
    :: d_step { L.l1 == DIRTY -> L.l2 = DIRTY; L.fresh_2 = L.fresh_1; L.l1 = INVALID; L.fresh_1 = 0 }
    /* drop 1 */
    :: d_step { L.l1 == CLEAN -> L.l1 = INVALID; L.fresh_1 = 0 }
    /* write back 2 */
    :: d_step { L.l2 == DIRTY -> L.fresh_m = L.fresh_2; L.l2 = CLEAN }
    :: d_step { L.l2 == DIRTY -> L.fresh_m = L.fresh_2; L.l2 = INVALID; L.fresh_2 = 0 }
    /* drop 2 */
    :: d_step { L.l2 == CLEAN -> L.l2 = INVALID; L.fresh_2 = 0 }
    /* drop I */
    :: d_step { L.ic -> L.ic = false; L.fresh_i = 0 }
    /* fill 2 */
    :: d_step { L.l2 == INVALID && (alias_live || fetch_possible) -> L.l2 = CLEAN; L.fresh_2 = L.fresh_m }
    /* fill 1 */
    :: d_step { L.l1 == INVALID && alias_live -> L.l1 = CLEAN; L.fresh_1 = below_1(L) }
    /* fill I */
    :: d_step { fetch_possible && !dic -> L.ic = true; L.fresh_i = pou(L) }
    od
}

/* ---- Agents: who may fill, and what an access is */

#define A agent[who]
#define cacheable(t) (t == NORMAL_WB || t == NORMAL_WT)

#define icache_on(a) (a.icache == UNSAID -> a.mmu : a.icache)

/* the type of a data access of the agent */
#define data_type \
    (!A.mmu -> DEVICE : (!A.dcache && A.alias != DEVICE -> NORMAL_NC : A.alias))
#define cacheable_fetch (icache_on(A) && (!A.mmu || cacheable(A.alias)))

inline who_may_fill()
{
    alias_live = false;
    fetch_possible = false;
    some = 0;
    do
    :: some < AGENTS ->
        alias_live = alias_live ||
            agent[some].mmu && agent[some].dcache && cacheable(agent[some].alias);
        fetch_possible = fetch_possible || icache_on(agent[some]) &&
            (agent[some].mmu -> agent[some].executable && cacheable(agent[some].alias) : agent[some].fetched);
        some++
    :: else -> break
    od;
    some = 0
}

/* ---- The check */

#define X line[where]

/* of the copy in `copy` */
inline check()
{
    kind = (what == FETCH -> STALE_FETCH : STALE_READ);
    bad = m & ~copy;
    somewhere = X.fresh_1 | X.fresh_2 | X.fresh_i | X.fresh_m;
    c_code {
        hazard(now.story, now.past, kind, bad & somewhere);
        hazard(now.story, now.past, LOST_WRITE, bad & ~somewhere);
    }
}

/* ---- The events */

#define here (where != NOWHERE)

#define walk_type     (!A.dcache && cacheable(type) -> NORMAL_NC : type)
#define read_type     (what == WALK -> walk_type : data_type)
#define reads         (here && (what == READ || what == WALK))
#define reads_cached  (reads && cacheable(read_type))
#define reads_memory  (reads && !cacheable(read_type))
#define writes        (here && what == WRITE)

/* A fetch with the MMU off first lets others follow it. */
#define leads_on      (what == FETCH && !A.mmu && !A.fetched)
#define fetches       (here && what == FETCH && !leads_on)

#define cleans        (what == DC_CVAC || what == DC_CSW)
#define flushes       (what == DC_CIVAC || what == DC_CISW || what == DC_IVAC || what == DC_ISW)
#define discards      (what == DC_IVAC || what == DC_ISW)
#define by_set_way    (what == DC_CSW || what == DC_CISW || what == DC_ISW)
#define by_address    (what == DC_CVAC || what == DC_CIVAC || what == DC_IVAC || what == DC_CVAU || what == IC)

/* By address it is sure of 64 bytes, of a line that may be longer. */
#define perhaps       (by_set_way && !setway_effective || by_address && on)

inline clean_to_poc()
{
    if
    :: X.l1 == DIRTY ->
        if
        :: X.l2 != INVALID -> X.fresh_2 = X.fresh_1; X.l2 = CLEAN
        :: else
        fi;
        X.fresh_m = X.fresh_1; X.l1 = CLEAN
    :: else ->
        if
        :: X.l2 == DIRTY -> X.fresh_m = X.fresh_2; X.l2 = CLEAN
        :: else
        fi
    fi
}

inline discard()
{
    X.l1 = INVALID; X.fresh_1 = 0;
    X.l2 = INVALID; X.fresh_2 = 0
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
    d_step {
        nc_may_hit = c_expr { told->nc_may_hit };
        setway_effective = c_expr { told->setway_effective };
        idc = c_expr { told->idc };
        dic = c_expr { told->dic };
        look()
    };

    do
    :: what == END -> c_code { end(now.story); }; break

    /* read wb, read wt */
    :: d_step { reads_cached ->
        if
        :: X.l1 == INVALID -> X.l1 = CLEAN; X.fresh_1 = below_1(X)
        :: else
        fi;
        copy = X.fresh_1; check();
        next() }

    /* read nc, device; it may hit where the profile says so */
    :: d_step { reads_memory -> copy = X.fresh_m; check(); next() }
    :: d_step { reads_memory && nc_may_hit && X.l1 != INVALID -> copy = X.fresh_1; check(); next() }
    :: d_step { reads_memory && nc_may_hit && X.l2 != INVALID -> copy = X.fresh_2; check(); next() }

    /* write wb */
    :: d_step { writes && data_type == NORMAL_WB ->
        X.fresh_1 = (X.l1 != INVALID -> X.fresh_1 : below_1(X)) | m;
        X.l1 = DIRTY;
        X.fresh_2 = X.fresh_2 & ~m; X.fresh_i = X.fresh_i & ~m; X.fresh_m = X.fresh_m & ~m;
        next() }

    /* write wt */
    :: d_step { writes && data_type == NORMAL_WT ->
        if
        :: X.l1 != INVALID -> X.fresh_1 = X.fresh_1 | m
        :: else
        fi;
        if
        :: X.l2 != INVALID -> X.fresh_2 = X.fresh_2 | m
        :: else
        fi;
        X.fresh_m = X.fresh_m | m;
        X.fresh_i = X.fresh_i & ~m;
        next() }

    /* write nc, device */
    :: d_step { writes && (data_type == NORMAL_NC || data_type == DEVICE) ->
        X.fresh_m = X.fresh_m | m;
        X.fresh_1 = X.fresh_1 & ~m; X.fresh_2 = X.fresh_2 & ~m; X.fresh_i = X.fresh_i & ~m;
        next() }

    /* fetch */
    :: d_step { leads_on -> A.fetched = true; who_may_fill() }
    :: d_step { fetches && cacheable_fetch ->
        if
        :: X.ic -> copy = X.fresh_i; check()
        :: !X.ic && !dic -> X.ic = true; X.fresh_i = pou(X); copy = X.fresh_i; check()
        :: dic -> copy = pou(X); check()
        fi;
        next() }
    :: d_step { fetches && !cacheable_fetch -> copy = X.fresh_m; check(); next() }
    :: d_step { what == FETCH && !here && !leads_on -> next() }

    /* dc */
    :: d_step { cleans -> clean_to_poc(); next() }
    :: d_step { flushes -> clean_to_poc(); discard(); next() }
    :: d_step { discards -> discard(); next() }
    :: d_step { what == DC_CVAU ->
        if
        :: X.l1 == DIRTY -> X.l2 = DIRTY; X.fresh_2 = X.fresh_1; X.l1 = CLEAN
        :: else
        fi;
        next() }
    :: d_step { perhaps -> next() }

    /* ic */
    :: d_step { what == IC -> X.ic = false; X.fresh_i = 0; next() }

    /* who may fill from here on */
    :: d_step { what == MAP -> A.alias = type; A.executable = on; who_may_fill(); next() }
    :: d_step { what == UNMAP -> A.alias = 0; A.executable = false; who_may_fill(); next() }
    :: d_step { what == MMU ->
        if
        :: A.mmu && !on -> A.fetched = false
        :: else
        fi;
        A.mmu = on; who_may_fill(); next() }
    :: d_step { what == ICACHE -> A.icache = on; who_may_fill(); next() }
    :: d_step { what == DCACHE -> A.dcache = on; who_may_fill(); next() }
    od
}
