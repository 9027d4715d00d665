/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and images as QMP describes them.  Main thread. */
#ifndef BLOCK_QAPI_INFO_H
#define BLOCK_QAPI_INFO_H

#include "block/block-int.h"
#include "qapi/qapi-types.h"

/* Facts about the image of @n and, with @chain, about its backing images.
 * NULL with an error when the driver fails. */
ImageInfo *image_info_new(BlockNode *n, bool chain, Error **errp);
/* @blk: whose limits and cache mode are shown; may be NULL. */
BlockDeviceInfo *block_device_info_new(BlockBackend *blk, BlockNode *n,
                                       bool flat, Error **errp);

#endif
