/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stories of page.pml, read from standard input once, and the hazards, written to standard output as they are
 * found. No rule is here.
 *
 * In:  how many stories; of each: its four switches, how many events; of each: what, who, where, type, on, pieces.
 * Out: a line for each new bad piece: "hazard", story, event (from 0), kind, the pieces that are bad by now; and one
 *      for each story that has an end: "end", story.
 */

#include <stdio.h>
#include <stdlib.h>

struct event { int what, who, where, type, on, pieces, bad[3]; };
struct story { int nc_may_hit, setway_effective, idc, dic, length, ends; struct event *events; };

static int stories;
static struct story *all_stories;

static int number(void)
{
    int value;
    if (scanf("%d", &value) != 1) {
        fprintf(stderr, "stories: the input ends too soon\n");
        exit(3);
    }
    return value;
}

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "stories: out of memory\n");
        exit(3);
    }
    return memory;
}

static void read_stories(void)
{
    if (all_stories)
        return;
    stories = number();
    all_stories = room(stories, sizeof *all_stories);
    for (int i = 0; i < stories; i++) {
        struct story *story = &all_stories[i];
        story->nc_may_hit = number();
        story->setway_effective = number();
        story->idc = number();
        story->dic = number();
        story->length = number();
        story->events = room(story->length + 1, sizeof *story->events);  /* after the last: nothing, with 0 for all */
        for (int j = 0; j < story->length; j++) {
            struct event *event = &story->events[j];
            event->what = number();
            event->who = number();
            event->where = number();
            event->type = number();
            event->on = number();
            event->pieces = number();
        }
    }
}

/* The story that is told, and the event of it that is at hand: for c_expr, which may call nothing. */
static struct story *told;
static struct event *event;

static void event_at(int story, int past)
{
    told = &all_stories[story];
    event = &told->events[past];
}

static void hazard(int story, int past, int kind, int bad)
{
    struct event *at = &all_stories[story].events[past];
    if (bad & ~at->bad[kind]) {
        at->bad[kind] |= bad;
        printf("hazard %d %d %d %d\n", story, past, kind, at->bad[kind]);
    }
}

static void end(int story)
{
    if (!all_stories[story].ends) {
        all_stories[story].ends = 1;
        printf("end %d\n", story);
    }
}
