/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console in a browser (web=on): a page of ours and noVNC's files, which
 * the distribution's package has, on the port where VNC is.  On the client's
 * reader thread.
 *
 * Only names that are made of harmless characters are looked up, only under
 * noVNC's core/ and vendor/, and only JavaScript.  The page can do what any
 * VNC client can.
 */
#include "osdep.h"
#include "embed.h"
#include "vnc-auth.h"
#include "vnc-io.h"

#define FILE_MAX_ (4 * MiB)

/* Where Debian and Fedora put it; a directory of one's own may be named. */
static const char *const novnc_dirs[] = { "/usr/share/novnc",
                                          "/usr/share/noVNC", NULL };

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' ws: wss:; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

static void reply(VncClient *c, const char *status, const char *type,
                  const void *body, size_t len)
{
    g_autofree char *head = g_strdup_printf(
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Connection: close\r\nCache-Control: no-cache\r\n"
        "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: %s\r\n\r\n", status, type, len, policy);

    if (vnc_io_write(c->io, head, strlen(head))) {
        vnc_io_write(c->io, body, len);
    }
}

static void say(VncClient *c, const char *status, const char *text)
{
    reply(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

static const char *novnc_dir(void)
{
    for (const char *const *d = novnc_dirs; *d; d++) {
        g_autofree char *probe = g_build_filename(*d, "core", "rfb.js", NULL);

        if (access(probe, R_OK) == 0) {
            return *d;
        }
    }
    return NULL;
}

static bool is_harmless(const char *path)
{
    if (strstr(path, "..") || strstr(path, "/.") || strstr(path, "//")) {
        return false;
    }
    for (const char *p = path; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("/._-", *p)) {
            return false;
        }
    }
    return (g_str_has_prefix(path, "/core/") ||
            g_str_has_prefix(path, "/vendor/")) &&
           g_str_has_suffix(path, ".js");
}

static void send_novnc(VncClient *c, const char *path)
{
    const char *dir = novnc_dir();
    g_autofree char *full = dir ? g_build_filename(dir, path, NULL) : NULL;
    g_autofree char *data = NULL;
    gsize len;

    if (!full || !is_harmless(path) ||
        !g_file_get_contents(full, &data, &len, NULL) || len > FILE_MAX_) {
        say(c, "404 Not Found", "There is no such file.\n");
        return;
    }
    reply(c, "200 OK", "text/javascript; charset=utf-8", data, len);
}

/* Another site's page may not use the browser of somebody who can reach us. */
static bool same_origin(const char *head)
{
    g_autofree char *origin = vnc_http_header(head, "Origin");
    g_autofree char *host = vnc_http_header(head, "Host");
    const char *at = origin ? strstr(origin, "://") : NULL;

    return !origin || (at && !g_strcmp0(at + 3, host));
}

bool vnc_web_request(VncClient *c, const char *head)
{
    g_autofree char *upgrade = vnc_http_header(head, "Upgrade");
    g_autofree char *path = NULL;
    const char *end = strpbrk(head + 4, " ?\r");

    if (upgrade) {
        if (!same_origin(head)) {
            say(c, "403 Forbidden", "That page is not ours.\n");
            return false;
        }
        return true;
    }
    path = g_strndup(head + 4, end ? end - head - 4 : 0);
    if (!strcmp(path, "/") && !novnc_dir()) {
        say(c, "503 Service Unavailable",
            "The console page needs noVNC on the host: install the package "
            "\"novnc\".\n");
    } else if (!strcmp(path, "/")) {
        reply(c, "200 OK", "text/html; charset=utf-8", console_html,
              console_html_len);
    } else if (!strcmp(path, "/console.js")) {
        reply(c, "200 OK", "text/javascript; charset=utf-8", console_js,
              console_js_len);
    } else {
        send_novnc(c, path);
    }
    return false;
}
