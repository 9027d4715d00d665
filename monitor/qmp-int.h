/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP sessions and events, for monitor/qmp*.c.  Main thread. */
#ifndef QMP_INT_H
#define QMP_INT_H

#include "monitor-int.h"
#include "util/loop.h"

typedef struct QmpMonitor QmpMonitor;

/* One connection of a client. */
typedef struct QmpSession {
    QmpMonitor *monitor; /* NULL: the client has gone */
    int refs;
    bool negotiated;     /* qmp_capabilities was run */
    bool oob;
    bool busy;           /* a request is running */
    int queued;
    ListNode requests;   /* Request.node; owned */
    BH *bh;
    JsonStream *parser;
} QmpSession;

struct QmpMonitor {
    ListNode node;
    CharFrontend fe;
    MonOut out;
    bool pretty;
    QmpSession *session; /* NULL: nobody is connected */
};

/* Sends a complete event to every session that has negotiated. */
void qmp_broadcast(const QObject *event_object);

/* Listens to the generated events (once, however often it is called). */
void qmp_events_init(void);
void qmp_events_fini(void);

#endif
