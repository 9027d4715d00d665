/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What filter drivers do alike: hand requests on to their "file" child. */
#ifndef BLOCK_FILTER_H
#define BLOCK_FILTER_H

#include "block/block-int.h"

/* Opens the child and takes over its length, alignment and abilities. */
bool filter_open_file(BlockNode *n, QObject *opts, Error **errp);
void filter_take_limits(BlockNode *n);
int filter_preadv(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v);
int filter_pwritev(BlockNode *n, uint64_t offset, uint64_t bytes, BlockVec v,
                   unsigned flags);
int filter_pwritev_compressed(BlockNode *n, uint64_t offset, uint64_t bytes,
                              BlockVec v);
int filter_pwrite_zeroes(BlockNode *n, uint64_t offset, uint64_t bytes,
                         unsigned flags);
int filter_pdiscard(BlockNode *n, uint64_t offset, uint64_t bytes);
int64_t filter_getlength(BlockNode *n);

#endif
