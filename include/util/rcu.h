/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deferred freeing for data that readers follow without a lock (memory views,
 * mostly).  Readers bracket their use with rcu_read_lock/unlock (nestable,
 * wait-free, any thread); a writer unlinks the data, then hands it to
 * rcu_call(), which runs @fn once every reader that could have seen it is out.
 */
#ifndef UTIL_RCU_H
#define UTIL_RCU_H

#include "osdep.h"

void rcu_read_lock(void);
void rcu_read_unlock(void);
/* @fn runs on the main loop with the BQL held. */
void rcu_call(void (*fn)(void *opaque), void *opaque);
/* Waits for all readers; the caller is none and may hold the BQL. */
void rcu_synchronize(void);

#endif
