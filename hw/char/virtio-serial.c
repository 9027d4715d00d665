/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio console device: virtio 1.1, section 5.3, and its ports virtconsole
 * and virtserialport.
 *
 * Queues: port 0's in and out, control in and out, then in and out of port 1,
 * 2, ...  Control messages to a guest without buffers wait in a list.
 *
 * Flow control: what a back end cannot take stays in the guest's buffer, and
 * the port's queue is left alone until it can (consoles: it is queued, up to a
 * limit).  Bytes to the guest are only
 * taken while its queue has a buffer; what does not fit waits in `rx`.
 */
#include "osdep.h"
#include "hw/virtio/virtio-serial.h"
#include "qapi/qapi-events.h"
#include "util/log.h"

enum { CF_SIZE = 0, CF_MULTIPORT = 1, CF_EMERG_WRITE = 2 };
enum { CFG_COLS = 0, CFG_ROWS = 2, CFG_MAX_PORTS = 4, CFG_EMERG = 8,
       CFG_LEN = 12 };
/* Control messages, 5.3.6.2. */
enum { MSG_DEVICE_READY = 0, MSG_DEVICE_ADD = 1, MSG_DEVICE_REMOVE = 2,
       MSG_PORT_READY = 3, MSG_CONSOLE_PORT = 4, MSG_RESIZE = 5,
       MSG_PORT_OPEN = 6, MSG_PORT_NAME = 7 };
typedef struct CtrlMsg {
    uint32_t id;
    uint16_t event, value;
} CtrlMsg;

#define MAX_PORTS  511
#define RX_CHUNK   4096
#define TX_BUDGET  256  /* requests of a port in one go */
#define MSG_BACKLOG 4096 /* messages that wait for a guest's buffers */

struct VirtSerial {
    VirtIODevice vdev;
    /* Properties. */
    uint32_t max_ports;
    /* Guest-visible state. */
    GByteArray *backlog;     /* messages, each with its length before it */
    /* Host side. */
    BusState *bus;
    VirtSerialPort **ports;  /* [max_ports]; borrowed */
    VirtQueue *ctrl_in, *ctrl_out;
    unsigned backlog_count;
};

static VirtQueue *port_in(VirtSerialPort *p)
{
    return virtio_queue(&p->serial->vdev, p->nr ? 2 * p->nr + 2 : 0);
}

static VirtQueue *port_out(VirtSerialPort *p)
{
    return virtio_queue(&p->serial->vdev, p->nr ? 2 * p->nr + 3 : 1);
}

static bool is_console(const VirtSerialPort *p)
{
    return ((const VirtSerialPortInfo *)p->qdev.info->bus_info)->is_console;
}

/* ---- control: to the guest ---------------------------------------------------- */

static bool ctrl_put(VirtSerial *s, const void *msg, size_t len)
{
    VirtQueueElement *e;

    if (!virtio_queue_ready(s->ctrl_in) || !s->vdev.vm_running) {
        return false;
    }
    e = virtqueue_pop(s->ctrl_in, sizeof(*e));
    if (!e) {
        return false;
    }
    virtqueue_push(e, virtio_iov_copy_to(e->in, e->in_num, 0, msg, len));
    g_free(e);
    virtio_notify(s->ctrl_in);
    return true;
}

static void ctrl_send(VirtSerial *s, uint32_t id, uint16_t event,
                      uint16_t value, const char *text)
{
    size_t len = sizeof(CtrlMsg) + (text ? strlen(text) + 1 : 0);
    g_autofree uint8_t *buf = g_malloc0(len);
    CtrlMsg m = { GUINT32_TO_LE(id), GUINT16_TO_LE(event),
                  GUINT16_TO_LE(value) };
    uint32_t n = len;

    if (!virtio_has(&s->vdev, CF_MULTIPORT)) {
        return;
    }
    memcpy(buf, &m, sizeof(m));
    if (text) {
        memcpy(buf + sizeof(m), text, strlen(text));
        len--; /* the name has no end mark */
        n--;
    }
    if (s->backlog_count == 0 && ctrl_put(s, buf, len)) {
        return;
    }
    if (s->backlog_count == MSG_BACKLOG) {
        log_guest_error("virtio-serial: the guest takes no control messages\n");
        return;
    }
    g_byte_array_append(s->backlog, (uint8_t *)&n, 4);
    g_byte_array_append(s->backlog, buf, len);
    s->backlog_count++;
}

static void handle_ctrl_in(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtSerial *s = (VirtSerial *)vdev;

    while (s->backlog->len >= 4) {
        uint32_t n;

        memcpy(&n, s->backlog->data, 4);
        if (!ctrl_put(s, s->backlog->data + 4, n)) {
            return;
        }
        g_byte_array_remove_range(s->backlog, 0, 4 + n);
        s->backlog_count--;
    }
}

/* ---- to the guest ---------------------------------------------------------------- */

static bool can_take(VirtSerialPort *p)
{
    return p->serial && p->guest_open && p->serial->vdev.vm_running &&
           virtio_queue_ready(port_in(p));
}

/* Bytes of @buf that found room. */
static size_t give(VirtSerialPort *p, const uint8_t *buf, size_t len)
{
    VirtQueue *vq = port_in(p);
    size_t done = 0;

    while (done < len) {
        VirtQueueElement *e = virtqueue_pop(vq, sizeof(*e));
        size_t n;

        if (!e) {
            break;
        }
        n = virtio_iov_copy_to(e->in, e->in_num, 0, buf + done, len - done);
        done += n;
        virtqueue_push(e, n);
        g_free(e);
    }
    if (done) {
        virtio_notify(vq);
    }
    return done;
}

static void flush_rx(VirtSerialPort *p)
{
    if (p->rx->len && can_take(p)) {
        g_byte_array_remove_range(p->rx, 0,
                                  give(p, p->rx->data, p->rx->len));
    }
    if (p->rx->len == 0 && can_take(p)) {
        chr_fe_accept_input(&p->chr);
    }
}

static int port_can_read(void *opaque)
{
    VirtSerialPort *p = opaque;

    return p->rx->len == 0 && can_take(p) && !virtqueue_empty(port_in(p))
               ? RX_CHUNK : 0;
}

static void port_read(void *opaque, const uint8_t *buf, int len)
{
    VirtSerialPort *p = opaque;
    size_t n = can_take(p) ? give(p, buf, len) : 0;

    if (n < (size_t)len) {
        g_byte_array_append(p->rx, buf + n, len - n);
    }
}

static void set_host_open(VirtSerialPort *p, bool open)
{
    if (p->host_open != open) {
        p->host_open = open;
        ctrl_send(p->serial, p->nr, MSG_PORT_OPEN, open, NULL);
    }
}

static void flush_tx(VirtSerialPort *p);

static void port_event(void *opaque, ChrEvent ev)
{
    VirtSerialPort *p = opaque;

    if (ev == CHR_EVENT_OPENED || ev == CHR_EVENT_CLOSED) {
        set_host_open(p, ev == CHR_EVENT_OPENED);
        flush_tx(p); /* what waited for a peer that has gone is dropped */
    }
}

/* ---- from the guest ---------------------------------------------------------------- */

static void tx_ready(void *opaque)
{
    flush_tx(opaque);
}

/* True: all of p->tx is out, or thrown away as nobody listens. */
static bool tx_buffer(VirtSerialPort *p)
{
    VirtQueueElement *e = p->tx;
    size_t off = p->tx_done;

    if (!p->chr.chr || !chr_fe_backend_open(&p->chr)) {
        return true;
    }
    for (unsigned i = 0; i < e->out_num; i++) {
        const uint8_t *base = e->out[i].iov_base;
        size_t len = e->out[i].iov_len;

        if (off >= len) {
            off -= len;
            continue;
        }
        if (is_console(p)) {
            /* Linux spins until we have taken it: never hold a console up. */
            chr_fe_write_all(&p->chr, base + off, len - off);
            p->tx_done += len - off;
            off = 0;
            continue;
        }
        while (off < len) {
            int n = chr_fe_write(&p->chr, base + off,
                                 MIN(len - off, (size_t)INT_MAX / 2));

            if (n <= 0) {
                return !chr_fe_backend_open(&p->chr);
            }
            off += n;
            p->tx_done += n;
        }
        off = 0;
    }
    return true;
}

static void flush_tx(VirtSerialPort *p)
{
    VirtIODevice *vdev = &p->serial->vdev;
    VirtQueue *vq = port_out(p);

    /* A write may find that the peer has gone, and so come back here. */
    if (!vdev->vm_running || !virtio_queue_ready(vq) || p->in_flush) {
        return;
    }
    p->in_flush = true;
    /* A guest can write as fast as a back end takes it: others' turn then. */
    for (unsigned left = TX_BUDGET;; left--) {
        if (left == 0) {
            virtio_queue_schedule(vq);
            break;
        }
        if (!p->tx) {
            p->tx = virtqueue_pop(vq, sizeof(*p->tx));
            p->tx_done = 0;
        }
        if (!p->tx) {
            break;
        }
        if (!tx_buffer(p)) {
            chr_fe_add_watch(&p->chr, tx_ready, p);
            break;
        }
        virtqueue_push(p->tx, 0);
        g_clear_pointer(&p->tx, g_free);
        virtio_notify(vq);
    }
    p->in_flush = false;
}

static VirtSerialPort *port_of_queue(VirtSerial *s, VirtQueue *vq)
{
    unsigned n = virtio_queue_index(vq) / 2;

    return s->ports[n ? n - 1 : 0];
}

static void handle_out(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtSerial *s = (VirtSerial *)vdev;
    VirtSerialPort *p = port_of_queue(s, vq);
    VirtQueueElement *e;

    if (p) {
        flush_tx(p);
        return;
    }
    /* No port: what is written there is lost. */
    for (unsigned n = 0; (e = virtqueue_pop(vq, sizeof(*e))); n++) {
        virtqueue_push(e, 0);
        g_free(e);
        if (n == TX_BUDGET) {
            virtio_queue_schedule(vq);
            break;
        }
    }
    virtio_notify(vq);
}

static void handle_in(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtSerialPort *p = port_of_queue((VirtSerial *)vdev, vq);

    if (p) {
        flush_rx(p);
    }
}

/* ---- control: from the guest --------------------------------------------------------- */

static void set_guest_open(VirtSerialPort *p, bool open)
{
    if (p->guest_open == open) {
        return;
    }
    p->guest_open = open;
    if (p->chr.chr && !is_console(p)) {
        chr_fe_set_open(&p->chr, open);
    }
    if (p->qdev.id && !is_console(p)) {
        qapi_event_send_vserport_change(p->qdev.id, open);
    }
    if (open) {
        flush_rx(p);
    } else {
        g_byte_array_set_size(p->rx, 0);
    }
}

static void port_ready(VirtSerialPort *p)
{
    if (is_console(p)) {
        ctrl_send(p->serial, p->nr, MSG_CONSOLE_PORT, 1, NULL);
    }
    if (p->name && *p->name) {
        ctrl_send(p->serial, p->nr, MSG_PORT_NAME, 1, p->name);
    }
    if (p->host_open) {
        ctrl_send(p->serial, p->nr, MSG_PORT_OPEN, 1, NULL);
    }
}

static void ctrl_message(VirtSerial *s, const CtrlMsg *m)
{
    uint32_t id = GUINT32_FROM_LE(m->id);
    uint16_t event = GUINT16_FROM_LE(m->event);
    uint16_t value = GUINT16_FROM_LE(m->value);
    VirtSerialPort *p = id < s->max_ports ? s->ports[id] : NULL;

    if (event == MSG_DEVICE_READY) {
        for (unsigned i = 0; value && i < s->max_ports; i++) {
            if (s->ports[i]) {
                ctrl_send(s, i, MSG_DEVICE_ADD, 1, NULL);
            }
        }
        return;
    }
    if (!p) {
        log_guest_error("virtio-serial: message %u for port %u\n", event, id);
        return;
    }
    switch (event) {
    case MSG_PORT_READY:
        if (value) {
            port_ready(p);
        } else {
            log_guest_error("virtio-serial: the guest cannot add port %u\n",
                            id);
        }
        break;
    case MSG_PORT_OPEN:
        set_guest_open(p, value);
        break;
    }
}

static void handle_ctrl_out(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtSerial *s = (VirtSerial *)vdev;
    VirtQueueElement *e;

    while ((e = virtqueue_pop(vq, sizeof(*e)))) {
        CtrlMsg m;

        if (virtio_iov_copy_from(e->out, e->out_num, 0, &m, sizeof(m)) ==
            sizeof(m)) {
            ctrl_message(s, &m);
        }
        virtqueue_push(e, 0);
        g_free(e);
        virtio_notify(vq);
    }
}

/* ---- configuration ------------------------------------------------------------------- */

static uint64_t serial_features(VirtIODevice *vdev, uint64_t f)
{
    return ((VirtSerial *)vdev)->max_ports > 1 ? f | BIT(CF_MULTIPORT) : f;
}

static void serial_get_config(VirtIODevice *vdev, uint8_t *c)
{
    uint32_t n = GUINT32_TO_LE(((VirtSerial *)vdev)->max_ports);

    memset(c, 0, CFG_LEN);
    memcpy(c + CFG_MAX_PORTS, &n, 4);
}

/* A byte for the console before there are queues, 5.3.4. */
static void serial_set_config(VirtIODevice *vdev, const uint8_t *c)
{
    VirtSerial *s = (VirtSerial *)vdev;

    if (vdev->host_features & BIT(CF_EMERG_WRITE) && c[CFG_EMERG]) {
        for (unsigned i = 0; i < s->max_ports; i++) {
            if (s->ports[i] && is_console(s->ports[i])) {
                chr_fe_write_all(&s->ports[i]->chr, c + CFG_EMERG, 1);
                return;
            }
        }
    }
}

static void serial_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtSerial *s = (VirtSerial *)vdev;

    /* Without control messages the one port is always open. */
    if ((status & VIRTIO_S_DRIVER_OK) && !virtio_has(vdev, CF_MULTIPORT) &&
        s->ports[0]) {
        set_guest_open(s->ports[0], true);
    }
}

static void drop_tx(VirtSerialPort *p)
{
    chr_fe_cancel_watch(&p->chr);
    if (p->tx) {
        virtqueue_drop(p->tx);
        g_clear_pointer(&p->tx, g_free);
    }
}

static void serial_reset(VirtIODevice *vdev)
{
    VirtSerial *s = (VirtSerial *)vdev;

    g_byte_array_set_size(s->backlog, 0);
    s->backlog_count = 0;
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            drop_tx(s->ports[i]);
            set_guest_open(s->ports[i], false);
        }
    }
}

static void serial_queue_reset(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtSerial *s = (VirtSerial *)vdev;

    if (vq != s->ctrl_in && vq != s->ctrl_out) {
        VirtSerialPort *p = port_of_queue(s, vq);

        if (p && vq == port_out(p)) {
            drop_tx(p);
        }
    }
}

static void serial_vm_state(VirtIODevice *vdev, bool running)
{
    VirtSerial *s = (VirtSerial *)vdev;

    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && running && s->ports[i]->tx) {
            virtio_queue_schedule(port_out(s->ports[i]));
        }
    }
}

/* ---- the device ------------------------------------------------------------------------ */

/* The bus takes ports at any time; they go at once. */
static const HotplugHandler port_hotplug = { 0 };

static bool serial_realize(DeviceState *dev, Error **errp)
{
    VirtSerial *s = (VirtSerial *)dev;
    const char *id = dev->parent_bus->parent->id;
    g_autofree char *name = id ? g_strdup_printf("%s.0", id) : NULL;

    if (s->max_ports == 0 || s->max_ports > MAX_PORTS) {
        error_setg(errp, "maximum number of serial ports supported: %u",
                   MAX_PORTS);
        return false;
    }
    if (!virtio_init(&s->vdev, errp)) {
        return false;
    }
    s->ports = g_new0(VirtSerialPort *, s->max_ports);
    s->backlog = g_byte_array_new();
    virtio_add_queue(&s->vdev, 128, handle_in);
    virtio_add_queue(&s->vdev, 128, handle_out);
    s->ctrl_in = virtio_add_queue(&s->vdev, 32, handle_ctrl_in);
    s->ctrl_out = virtio_add_queue(&s->vdev, 32, handle_ctrl_out);
    for (unsigned i = 1; i < s->max_ports; i++) {
        virtio_add_queue(&s->vdev, 128, handle_in);
        virtio_add_queue(&s->vdev, 128, handle_out);
    }
    s->bus = bus_new(BUS_VIRTIO_SERIAL, dev, name);
    s->bus->hotplug = &port_hotplug;
    return true;
}

static void serial_unrealize(DeviceState *dev)
{
    VirtSerial *s = (VirtSerial *)dev;

    virtio_cleanup(&s->vdev);
    g_byte_array_free(s->backlog, TRUE);
    g_clear_pointer(&s->ports, g_free);
}

static void save_bytes(const void *field, VMStateWriter *w)
{
    const GByteArray *a = *(GByteArray *const *)field;

    vmstate_put_u32(w, a->len);
    vmstate_put_bytes(w, a->data, a->len);
}

static bool load_bytes(void *field, VMStateReader *r, Error **errp)
{
    GByteArray *a = *(GByteArray **)field;
    uint32_t n;

    if (!vmstate_get_u32(r, &n, errp)) {
        return false;
    }
    if (n > MSG_BACKLOG * 64) {
        error_setg(errp, "virtio-serial: %u bytes wait for the guest", n);
        return false;
    }
    g_byte_array_set_size(a, n);
    return vmstate_get_bytes(r, a->data, n, errp);
}

/* Whole messages, counted. */
static bool serial_post_load(void *opaque, int version, Error **errp)
{
    VirtSerial *s = opaque;
    guint at = 0;

    s->backlog_count = 0;
    while (at < s->backlog->len) {
        uint32_t n = 0;

        if (s->backlog->len - at >= 4) {
            memcpy(&n, s->backlog->data + at, 4);
        }
        if (s->backlog->len - at < 4 || n > s->backlog->len - at - 4 ||
            s->backlog_count == MSG_BACKLOG) {
            error_setg(errp, "virtio-serial: impossible control messages");
            return false;
        }
        at += 4 + n;
        s->backlog_count++;
    }
    return true;
}

static const VMStateField serial_fields[] = {
    VMSTATE_STRUCT(vdev, VirtSerial, VirtIODevice, vmstate_virtio),
    VMSTATE_CUSTOM("backlog", VirtSerial, backlog, save_bytes, load_bytes),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_serial = {
    .name = "virtio-serial",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = serial_post_load,
    .fields = serial_fields,
};

static const Property serial_props[] = {
    PROP_UINT32("max_ports", VirtSerial, max_ports, 31),
    PROP_BIT64("emergency-write", VirtSerial, vdev.host_features,
               CF_EMERG_WRITE, true),
    PROP_END(),
};

static const VirtIOInfo serial_virtio = {
    .device_id = VIRTIO_ID_CONSOLE,
    .pci_name = "virtio-serial-pci",
    .pci_class = 0x0780,
    .pci_legacy_id = 0x1003,
    .pci_vectors = 2,
    .has_class_prop = true,
    .config_len = CFG_LEN,
    .get_features = serial_features,
    .get_config = serial_get_config,
    .set_config = serial_set_config,
    .set_status = serial_set_status,
    .reset = serial_reset,
    .queue_reset = serial_queue_reset,
    .vm_state = serial_vm_state,
};

static const DeviceInfo serial_info = {
    .name = "virtio-serial-device",
    .bus = BUS_VIRTIO,
    .category = DEVICE_CATEGORY_INPUT,
    .size = sizeof(VirtSerial),
    .props = serial_props,
    .vmsd = &vmstate_serial,
    .bus_info = &serial_virtio,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
};

/* ---- ports --------------------------------------------------------------------------------- */

static bool pick_number(VirtSerial *s, VirtSerialPort *p, Error **errp)
{
    VirtSerialPort *same;

    for (unsigned i = 0; p->name && i < s->max_ports; i++) {
        same = s->ports[i];
        if (same && !g_strcmp0(same->name, p->name)) {
            error_setg(errp, "virtio-serial-bus: A port already exists by name "
                             "%s", p->name);
            return false;
        }
    }
    if (p->nr == UINT32_MAX) {
        /* Port 0 is the console's. */
        for (p->nr = !is_console(p); p->nr < s->max_ports && s->ports[p->nr];
             p->nr++) {
        }
        if (p->nr >= s->max_ports) {
            error_setg(errp, "virtio-serial-bus: Maximum port limit for this "
                             "device reached");
            return false;
        }
    }
    if (p->nr >= s->max_ports) {
        error_setg(errp, "virtio-serial-bus: Out-of-range port id specified, "
                         "max. allowed: %u", s->max_ports - 1);
        return false;
    }
    if (p->nr == 0 && !is_console(p)) {
        error_setg(errp, "Port number 0 on virtio-serial devices reserved for "
                         "virtconsole devices for backward compatibility.");
        return false;
    }
    if (s->ports[p->nr]) {
        error_setg(errp, "virtio-serial-bus: A port already exists at id %u",
                   p->nr);
        return false;
    }
    return true;
}

static bool port_realize(DeviceState *dev, Error **errp)
{
    VirtSerialPort *p = (VirtSerialPort *)dev;
    VirtSerial *s = (VirtSerial *)dev->parent_bus->parent;

    if (!pick_number(s, p, errp)) {
        return false;
    }
    p->serial = s;
    p->rx = g_byte_array_new();
    s->ports[p->nr] = p;
    ctrl_send(s, p->nr, MSG_DEVICE_ADD, 1, NULL);
    /* OPENED comes at once or later. */
    if (p->chr.chr) {
        chr_fe_set_handlers(&p->chr, port_can_read, port_read, port_event, p);
    } else {
        p->host_open = is_console(p);
    }
    virtio_queue_schedule(port_out(p));
    return true;
}

static void port_unrealize(DeviceState *dev)
{
    VirtSerialPort *p = (VirtSerialPort *)dev;
    VirtSerial *s = p->serial;

    ctrl_send(s, p->nr, MSG_DEVICE_REMOVE, 1, NULL);
    chr_fe_cancel_watch(&p->chr);
    if (p->tx) {
        /* Linux waits for it, spinning, before it looks at the message. */
        virtqueue_push(p->tx, 0);
        g_clear_pointer(&p->tx, g_free);
        virtio_notify(port_out(p));
    }
    virtio_queue_schedule(port_out(p)); /* and for what is behind it */
    chr_fe_deinit(&p->chr);
    s->ports[p->nr] = NULL;
    p->serial = NULL;
    g_byte_array_free(p->rx, TRUE);
}

static void save_tx(const void *field, VMStateWriter *w)
{
    const VirtQueueElement *e = *(VirtQueueElement *const *)field;

    vmstate_put_u8(w, e != NULL);
    if (e) {
        virtqueue_save_element(w, e);
    }
}

static bool load_tx(void *field, VMStateReader *r, Error **errp)
{
    VirtSerialPort *p = container_of((VirtQueueElement **)field,
                                     VirtSerialPort, tx);
    uint8_t there;

    if (!vmstate_get_u8(r, &there, errp)) {
        return false;
    }
    drop_tx(p);
    if (there) {
        p->tx = virtqueue_load_element(&p->serial->vdev, r, sizeof(*p->tx),
                                       errp);
    }
    return !there || p->tx;
}

static bool port_post_load(void *opaque, int version, Error **errp)
{
    VirtSerialPort *p = opaque;
    bool open = p->chr.chr ? chr_fe_backend_open(&p->chr) : p->host_open;

    if (p->tx && p->tx->vq != port_out(p)) {
        error_setg(errp, "virtserialport: a buffer of another queue");
        return false;
    }
    if (p->guest_open && p->chr.chr && !is_console(p)) {
        chr_fe_set_open(&p->chr, true);
    }
    /* The back end is this host's; the guest hears of the difference. */
    set_host_open(p, open);
    return true;
}

static const VMStateField port_fields[] = {
    VMSTATE_BOOL(guest_open, VirtSerialPort),
    VMSTATE_BOOL(host_open, VirtSerialPort),
    VMSTATE_CUSTOM("tx", VirtSerialPort, tx, save_tx, load_tx),
    VMSTATE_UINT32(tx_done, VirtSerialPort),
    VMSTATE_CUSTOM("rx", VirtSerialPort, rx, save_bytes, load_bytes),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_port = {
    .name = "virtio-serial-port",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = port_post_load,
    .fields = port_fields,
};

static const VirtSerialPortInfo console_port = { .is_console = true };
static const VirtSerialPortInfo serial_port = { .is_console = false };

static const Property port_props[] = {
    PROP_CHARDEV("chardev", VirtSerialPort, chr),
    PROP_END(),
};

#define PORT(nm, inf) \
    { .name = (nm), .bus = BUS_VIRTIO_SERIAL, \
      .category = DEVICE_CATEGORY_INPUT, .size = sizeof(VirtSerialPort), \
      .props = port_props, .vmsd = &vmstate_port, .bus_info = &(inf), \
      .realize = port_realize, .unrealize = port_unrealize }
static const DeviceInfo port_infos[] = {
    PORT("virtconsole", console_port),
    PORT("virtserialport", serial_port),
};

static const Property port_base_props[] = {
    PROP_UINT32("nr", VirtSerialPort, nr, UINT32_MAX),
    PROP_STR("name", VirtSerialPort, name),
    PROP_END(),
};

static void print_port(DeviceState *dev, GString *out, int indent)
{
    VirtSerialPort *p = (VirtSerialPort *)dev;

    g_string_append_printf(out, "%*sport %u, guest %s, host %s\n", indent, "",
                           p->nr, p->guest_open ? "on" : "off",
                           p->host_open ? "on" : "off");
}

static const BusInfo port_bus = {
    .name = BUS_VIRTIO_SERIAL,
    .size = sizeof(BusState),
    .device_type = "virtio-serial-port",
    .device_size = sizeof(VirtSerialPort),
    .device_props = port_base_props,
    .print_dev = print_port,
};

static void virtio_serial_register(void)
{
    bus_register(&port_bus);
    virtio_device_register(&serial_info);
    for (unsigned i = 0; i < ARRAY_SIZE(port_infos); i++) {
        device_register(&port_infos[i]);
    }
}
device_init(virtio_serial_register)
