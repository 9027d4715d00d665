/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's real-time clock with 128 bytes of CMOS RAM, ports 70h/71h. */
#ifndef HW_RTC_MC146818RTC_H
#define HW_RTC_MC146818RTC_H

#include "hw/boards.h"
#include "hw/isa.h"

DeviceState *rtc_create(ISABus *bus, const RTCConfig *config, Error **errp);
/* CMOS RAM as the firmware finds it; kept over resets.  BQL. */
void rtc_set_memory(DeviceState *rtc, unsigned addr, uint8_t val);
uint8_t rtc_get_memory(DeviceState *rtc, unsigned addr);
/* The guest's time of day, and its distance from the host's, in s. */
void rtc_get_time(DeviceState *rtc, struct tm *tm);
/* Forgets interrupts owed by driftfix=slew (rtc-reset-reinjection). */
void rtc_reset_reinjection(DeviceState *rtc);
/* HPET legacy replacement takes IRQ 8 over. */
void rtc_disable_irq(DeviceState *rtc, bool disable);

#endif
