/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and images as QMP describes them.  Main thread. */
#ifndef BLOCK_QAPI_INFO_H
#define BLOCK_QAPI_INFO_H

#include "block/block-int.h"
#include "qapi/qapi-types.h"

/* Facts about the image of @n and, with @chain, about its backing images.
 * NULL with an error when the driver fails. */
ImageInfo *image_info_new(BlockNode *n, bool chain, Error **errp);
/* What `qemu-img info` and `info block -v` print about one image. */
void image_info_print(GString *out, const ImageInfo *info);
/* @blk: whose limits and cache mode are shown; may be NULL. */
BlockDeviceInfo *block_device_info_new(BlockBackend *blk, BlockNode *n,
                                       bool flat, Error **errp);
/* "1.5 GiB" */
char *block_size_text(uint64_t bytes);

#endif
