/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of an image, for people and for programs.  Main thread. */
#ifndef BLOCK_INFO_H
#define BLOCK_INFO_H

#include "block/block-int.h"

/* "1.5 GiB" */
char *block_size_text(uint64_t bytes);
/* The facts of one image, its backing file not included, as QMP's ImageInfo.
 * @filename: as it is to be shown; @base: from where its names count. */
QObject *block_image_facts(BlockNode *n, const char *filename,
                           const char *base);
/* Its internal snapshots, as QMP's SnapshotInfo; NULL: none. */
QObject *block_snapshot_facts(BlockNode *n);
/* The same in words: `qemu-img info`, `info block -v`, `snapshot -l`. */
void block_image_print(GString *out, const QObject *facts);
void block_snapshots_print(GString *out, const QObject *list);

#endif
