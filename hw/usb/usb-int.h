/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_USB_INT_H
#define HW_USB_INT_H

#include "hw/usb.h"

/* Bytes of @data, -1: stall. */
int usb_standard_request(USBDevice *d, uint8_t type, uint8_t request,
                         uint16_t value, uint16_t index, uint16_t length,
                         uint8_t *data);
/* Its serial number: the property's, or made from its place; g_free. */
char *usb_serial(const USBDevice *d);

#endif
