/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_USB_INT_H
#define HW_USB_INT_H

#include "hw/usb.h"

/* Bytes of @data, -1: stall. */
int usb_standard_request(USBDevice *d, uint8_t type, uint8_t request,
                         uint16_t value, uint16_t index, uint16_t length,
                         uint8_t *data);
/* A capture in a file (pcap=); the rest does nothing without one. */
USBPcap *usb_pcap_open(const char *path, Error **errp);
void usb_pcap_close(USBPcap *c);
/* A whole control transfer; @result: bytes, or -1: stall. */
void usb_pcap_control(USBDevice *d, const uint8_t setup[8],
                      const uint8_t *data, int result);
void usb_pcap_submit(USBDevice *d, USBPacket *p);
void usb_pcap_complete(USBDevice *d, const USBPacket *p);
/* Its serial number: the property's, or made from its place; g_free. */
char *usb_serial(const USBDevice *d);

#endif
