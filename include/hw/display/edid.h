/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A monitor's identification (VESA E-EDID 1.4 with a CTA-861 extension). */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include "osdep.h"

#define EDID_SIZE 256

typedef struct EDIDInfo {
    uint32_t width, height;         /* preferred mode; 0: 1280 x 800 */
    uint32_t max_width, max_height; /* largest listed; 0: no limit */
    uint32_t refresh_mhz;           /* 0: 75000, thousandths of a hertz */
} EDIDInfo;

void edid_generate(uint8_t edid[EDID_SIZE], const EDIDInfo *info);

#endif
