/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of the qtest protocol: starts the emulator (QTEST_BINARY, else the
 * build's) with a qtest and a QMP socket, and drives it.  Any failure of the
 * connection or the protocol fails the test (g_error).
 */
#ifndef LIBQTEST_H
#define LIBQTEST_H

#include "osdep.h"
#include "util/qobject.h"

typedef struct QTestState QTestState;

/* @fmt: more of the command line, split like a shell does. */
QTestState *qtest_init(const char *fmt, ...) PRINTF(1, 2);
/* SIGTERM; the exit status must be 0. */
void qtest_quit(QTestState *s);

void outb(QTestState *s, uint16_t port, uint8_t v);
void outw(QTestState *s, uint16_t port, uint16_t v);
void outl(QTestState *s, uint16_t port, uint32_t v);
uint8_t inb(QTestState *s, uint16_t port);
uint16_t inw(QTestState *s, uint16_t port);
uint32_t inl(QTestState *s, uint16_t port);
void writeb(QTestState *s, uint64_t addr, uint8_t v);
void writew(QTestState *s, uint64_t addr, uint16_t v);
void writel(QTestState *s, uint64_t addr, uint32_t v);
void writeq(QTestState *s, uint64_t addr, uint64_t v);
uint8_t readb(QTestState *s, uint64_t addr);
uint16_t readw(QTestState *s, uint64_t addr);
uint32_t readl(QTestState *s, uint64_t addr);
uint64_t readq(QTestState *s, uint64_t addr);
void memread(QTestState *s, uint64_t addr, void *buf, size_t len);
void memwrite(QTestState *s, uint64_t addr, const void *buf, size_t len);
void qmemset(QTestState *s, uint64_t addr, uint8_t byte, size_t len);

/* Sends @n requests, a line each, and waits for as many answers, whose values
 * are lost: for fuzzers, which have many. */
void qtest_burst(QTestState *s, const GString *lines, unsigned n);

/* Virtual time, ns; the new time. */
int64_t clock_step_next(QTestState *s);
int64_t clock_step(QTestState *s, int64_t ns);
int64_t clock_set(QTestState *s, int64_t ns);

void irq_intercept_in(QTestState *s, const char *path);
void irq_intercept_out(QTestState *s, const char *path, const char *name);
void set_irq_in(QTestState *s, const char *path, const char *name, int n,
                int level);
/* Level of intercepted line @n, as of the last reply. */
bool get_irq(QTestState *s, int n);

/* Sends one QMP command (JSON text); the reply.  Events on the way queue. */
QObject *qmp(QTestState *s, const char *fmt, ...) PRINTF(2, 3);
/* Waits for the event @name, dropping others; the whole event. */
QObject *qmp_wait_event(QTestState *s, const char *name);
/* human-monitor-command; g_free. */
char *hmp(QTestState *s, const char *fmt, ...) PRINTF(2, 3);
bool qtest_has_device(const char *type);

#endif
