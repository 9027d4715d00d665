/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters: objects on a back end's cable that see, hold or swallow frames.
 * A frame meets the sender's filters in order, then the receiver's in
 * reverse.  Main loop or a vCPU thread, BQL.
 */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include "net/net.h"

typedef enum NetFilterQueue {
    NET_FILTER_ALL, NET_FILTER_RX, NET_FILTER_TX
} NetFilterQueue;

typedef struct NetFilter NetFilter;

/*
 * One frame from @sender.  True: swallowed (dropped, or kept to go on later by
 * net_filter_pass()).
 */
typedef bool NetFilterFn(NetFilter *f, NetClient *sender,
                         const struct iovec *iov, int n);

struct NetFilter {
    Object obj;
    char *netdev;        /* id of the back end */
    int queue;           /* NetFilterQueue, seen from it */
    bool on;             /* status=on */
    char *position, *insert;
    ListNode node;       /* in nc->filters; linked once complete */
    NetClient *nc;       /* NULL: not attached, or it has gone */
    NetFilterFn *receive;
    /* It was switched off, or its netdev is going: let go of what it holds. */
    void (*release)(NetFilter *f);
};

#define FILTER_TYPE "netfilter" /* the base of all */
/* For complete() of a filter: puts it on its netdev's cable. */
bool net_filter_attach(NetFilter *f, Error **errp);
/* For finalize(). */
void net_filter_detach(NetFilter *f);

/* net.c: @sender's frame goes on behind @f. */
void net_filter_pass(NetFilter *f, NetClient *sender, const struct iovec *iov,
                     int n);

#endif
