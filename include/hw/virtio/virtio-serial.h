/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of a virtio console device, on its bus.  A port is a DeviceInfo whose
 * bus_info is a VirtSerialPortInfo.  BQL.
 */
#ifndef HW_VIRTIO_SERIAL_H
#define HW_VIRTIO_SERIAL_H

#include "chardev/char.h"
#include "hw/virtio/virtio.h"

typedef struct VirtSerial VirtSerial;

typedef struct VirtSerialPortInfo {
    bool is_console;
} VirtSerialPortInfo;

typedef struct VirtSerialPort {
    DeviceState qdev;
    /* Properties. */
    uint32_t nr;             /* UINT32_MAX: the bus picks one */
    char *name;
    CharFrontend chr;
    /* Guest-visible state. */
    bool guest_open;         /* the guest has it open */
    bool host_open;          /* as the guest was told */
    VirtQueueElement *tx;    /* what the back end has no room for yet */
    uint32_t tx_done;        /* bytes of it that are out */
    GByteArray *rx;          /* bytes for which the guest had no buffers */
    /* Host side. */
    bool in_flush;
    VirtSerial *serial;      /* NULL: not realized */
} VirtSerialPort;

#endif
