/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object "secret".  See the header for the layers of a value. */
#include "osdep.h"
#include "util/aes.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/property.h"
#include "util/secret.h"

#define MAX_FILE MiB

typedef struct Secret {
    Object obj;
    /* Properties. */
    char *data, *file, *keyid, *iv;
    int format;
    /* Made by complete. */
    uint8_t *value;
    size_t len;
} Secret;

enum { FORMAT_RAW, FORMAT_BASE64 };
static const char *const formats[] = { "raw", "base64", NULL };

static const PropertyInfo prop_format = {
    .name = "QCryptoSecretFormat", .values = formats, .set = prop_enum_set,
    .get = prop_enum_get, .get_default = prop_enum_get_default,
};

/* Forgets bytes before they go back to the allocator. */
static void wipe(uint8_t *p, size_t n)
{
    if (p) {
        explicit_bzero(p, n);
        g_free(p);
    }
}

static uint8_t *read_file(const char *path, size_t *len, Error **errp)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    int fd = open_path(path, O_RDONLY, 0);
    uint8_t buf[4096];
    ssize_t n;

    if (fd < 0) {
        error_setg_errno(errp, errno, "Unable to read %s", path);
        return NULL;
    }
    while ((n = RETRY_ON_EINTR(read(fd, buf, sizeof(buf)))) > 0 &&
           all->len <= MAX_FILE) {
        g_byte_array_append(all, buf, n);
    }
    explicit_bzero(buf, sizeof(buf));
    if (n < 0) {
        error_setg_errno(errp, errno, "Unable to read %s", path);
    }
    close(fd);
    if (n < 0) {
        return NULL;
    }
    if (all->len > MAX_FILE) {
        error_setg(errp, "Unable to read %s: it is longer than 1 MiB", path);
        return NULL;
    }
    *len = all->len;
    g_byte_array_append(all, (const uint8_t *)"", 1);
    return g_byte_array_free(g_steal_pointer(&all), FALSE);
}

/* Strict: only the alphabet, line ends, padding at the end. */
static uint8_t *decode_base64(const char *text, size_t n, size_t *len,
                              Error **errp)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                   "qrstuvwxyz0123456789+/=\r\n";
    uint8_t *out;

    if (strnlen(text, n) != n || strspn(text, alphabet) != n) {
        error_setg(errp, "Base64 data '%s' is not valid",
                   g_utf8_validate(text, -1, NULL) ? text : "");
        return NULL;
    }
    out = g_base64_decode(text, len);
    out = g_realloc(out, *len + 1);
    out[*len] = 0;
    return out;
}

static bool decrypt(Secret *s, uint8_t *data, size_t *len, Error **errp)
{
    g_autofree uint8_t *iv = NULL;
    size_t key_len, iv_len, pad;
    uint8_t *key = secret_get(s->keyid, &key_len, errp);
    bool ok = false;

    if (!key) {
        return false;
    }
    if (key_len != 32) {
        error_setg(errp, "Key should be 32 bytes in length");
        goto out;
    }
    if (!s->iv) {
        error_setg(errp, "IV is required to decrypt secret");
        goto out;
    }
    iv = decode_base64(s->iv, strlen(s->iv), &iv_len, errp);
    if (!iv) {
        goto out;
    }
    if (iv_len != 16) {
        error_setg(errp, "IV should be 16 bytes in length not %zu", iv_len);
        goto out;
    }
    if (*len == 0 || *len % 16) {
        error_setg(errp, "Encrypted data of secret '%s' must be a multiple of "
                   "16 bytes", s->obj.name);
        goto out;
    }
    aes256_cbc_decrypt(key, iv, data, *len);
    pad = data[*len - 1];
    if (pad == 0 || pad > 16 || pad > *len) {
        error_setg(errp, "Incorrect number of padding bytes (%zu) found on "
                   "decrypted data", pad);
        goto out;
    }
    *len -= pad;
    data[*len] = 0;
    ok = true;
out:
    wipe(key, key_len);
    return ok;
}

static bool secret_complete(Object *obj, Error **errp)
{
    Secret *s = (Secret *)obj;
    size_t len = 0;
    uint8_t *v;

    if (!s->data == !s->file) {
        error_setg(errp, s->data ? "'file' and 'data' are mutually exclusive"
                                 : "Must provide 'file' or 'data'");
        return false;
    }
    if (s->file) {
        v = read_file(s->file, &len, errp);
        if (!v) {
            return false;
        }
    } else {
        len = strlen(s->data);
        v = (uint8_t *)g_strdup(s->data);
    }
    if (s->format == FORMAT_BASE64) {
        size_t n = len;
        uint8_t *raw = decode_base64((char *)v, n, &len, errp);

        wipe(v, n);
        if (!raw) {
            return false;
        }
        v = raw;
    }
    if (s->keyid && !decrypt(s, v, &len, errp)) {
        wipe(v, len);
        return false;
    }
    if (!s->keyid && s->format == FORMAT_RAW &&
        !g_utf8_validate((char *)v, len, NULL) && s->data) {
        error_setg(errp, "Data from secret %s is not valid UTF-8", obj->name);
        wipe(v, len);
        return false;
    }
    s->value = v;
    s->len = len;
    return true;
}

static void secret_finalize(Object *obj)
{
    Secret *s = (Secret *)obj;

    wipe(s->value, s->len);
}

uint8_t *secret_get(const char *id, size_t *len, Error **errp)
{
    Object *obj = object_child(object_container("/objects"), id);
    Secret *s;
    uint8_t *copy;

    if (!obj) {
        error_setg(errp, "No secret with id '%s'", id);
        return NULL;
    }
    s = (Secret *)object_dynamic_cast(obj, "secret");
    if (!s || !s->value) {
        error_setg(errp, "Object with id '%s' is not a secret", id);
        return NULL;
    }
    copy = g_memdup2(s->value, s->len + 1);
    *len = s->len;
    return copy;
}

char *secret_get_text(const char *id, Error **errp)
{
    size_t len;
    uint8_t *v = secret_get(id, &len, errp);

    if (v && !g_utf8_validate((char *)v, len, NULL)) {
        error_setg(errp, "Data from secret %s is not valid UTF-8", id);
        wipe(v, len);
        return NULL;
    }
    return (char *)v;
}

static const Property secret_props[] = {
    PROP_STR("data", Secret, data),
    PROP_STR("file", Secret, file),
    PROP_STR("keyid", Secret, keyid),
    PROP_STR("iv", Secret, iv),
    PROP_ENUM("format", Secret, format, int, prop_format, FORMAT_RAW),
    PROP_END(),
};

static const ObjectType secret_type = {
    .name = "secret", .user_creatable = true, .size = sizeof(Secret),
    .props = secret_props, .complete = secret_complete,
    .finalize = secret_finalize,
};

static void secret_register(void)
{
    object_type_register(&secret_type);
}
object_init(secret_register)
