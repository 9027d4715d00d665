/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -numa says: nodes, their memory and CPUs, distances.  BQL. */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "util/error.h"
#include "util/object.h"

#define NUMA_NODES_MAX 128
#define NUMA_DISTANCE_LOCAL   10
#define NUMA_DISTANCE_DEFAULT 20
#define NUMA_DISTANCE_NONE    255 /* not reachable */

typedef struct NumaNode {
    bool present;
    bool has_mem;
    uint64_t mem;     /* bytes */
    Object *memdev;   /* its back end; borrowed, claimed */
} NumaNode;

typedef struct NumaState {
    unsigned count;               /* 0: no NUMA */
    NumaNode nodes[NUMA_NODES_MAX];
    bool have_distances;
    bool made_for_dimms;          /* the only node, nobody asked for it */
    uint8_t distance[NUMA_NODES_MAX][NUMA_NODES_MAX];
    int16_t *cpu_node;            /* of each possible CPU, -1: not said; owned */
} NumaState;

typedef struct MachineState MachineState;

/* One -numa option. */
bool numa_add(MachineState *m, const QObject *opts, Error **errp);
/* After the last: what was left open, and whether it agrees with -m. */
bool numa_complete(MachineState *m, Error **errp);

#endif
