/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the monitor asks of user networks, in a build without libslirp. */
#include "osdep.h"
#include "net/net.h"

bool net_user_hostfwd(const char *id, const char *rule, bool add, Error **errp)
{
    error_setg(errp, "user networking: this build has no libslirp");
    return false;
}

void net_user_print(GString *out)
{
}
