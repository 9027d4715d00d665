/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that users make: secret, iothread, rng-*, links between objects. */
#include "osdep.h"
#include "util/aes.h"
#include "util/iothread.h"
#include "util/module.h"
#include "util/rng.h"
#include "util/secret.h"
#include "util/thread.h"

static Object *make(Error **errp, const char *json)
{
    g_autoptr(QObject) opts = json_parse(json, &error_abort);

    return object_create_user(opts, errp);
}

static void refused(const char *json, const char *why)
{
    Error *err = NULL;

    g_assert_null(make(&err, json));
    g_assert_cmpstr(error_get_pretty(err), ==, why);
    error_free(err);
}

static void drop(const char *id)
{
    object_delete_user(id, &error_abort);
}

/* NIST SP 800-38A, F.2.6 */
static void test_aes(void)
{
    static const uint8_t key[32] = {
        0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae,
        0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61,
        0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4,
    };
    static const uint8_t iv[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                    13, 14, 15 };
    static const uint8_t plain[32] = {
        0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e,
        0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03,
        0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51,
    };
    uint8_t data[32] = {
        0xf5, 0x8c, 0x4c, 0x04, 0xd6, 0xe5, 0xf1, 0xba, 0x77, 0x9e, 0xab,
        0xfb, 0x5f, 0x7b, 0xfb, 0xd6, 0x9c, 0xfc, 0x4e, 0x96, 0x7e, 0xdb,
        0x80, 0x8d, 0x67, 0x9f, 0x77, 0x7b, 0xc6, 0x70, 0x2c, 0x7d,
    };

    aes256_cbc_decrypt(key, iv, data, sizeof(data));
    g_assert_cmpmem(data, sizeof(data), plain, sizeof(plain));
}

static void test_secret(void)
{
    g_autofree char *text = NULL;
    g_autofree uint8_t *bytes = NULL;
    Error *err = NULL;
    size_t len;

    make(&error_abort, "{'qom-type':'secret','id':'s','data':'letmein'}");
    text = secret_get_text("s", &error_abort);
    g_assert_cmpstr(text, ==, "letmein");
    make(&error_abort, "{'qom-type':'secret','id':'b','data':'AAH/',"
                       "'format':'base64'}");
    bytes = secret_get("b", &len, &error_abort);
    g_assert_cmpmem(bytes, len, "\0\1\377", 3);
    g_assert_null(secret_get_text("b", &err));
    error_free(err);
    refused("{'qom-type':'secret','id':'x'}", "Must provide 'file' or 'data'");
    refused("{'qom-type':'secret','id':'x','data':'a','file':'b'}",
            "'file' and 'data' are mutually exclusive");
    refused("{'qom-type':'secret','id':'x','data':'!!','format':'base64'}",
            "Base64 data '!!' is not valid");
    refused("{'qom-type':'secret','id':'x','data':'a','keyid':'none'}",
            "No secret with id 'none'");
    refused("{'qom-type':'secret','id':'x','data':'a','keyid':'s'}",
            "Key should be 32 bytes in length");
    drop("s");
    drop("b");
}

static void test_secret_encrypted(void)
{
    g_autofree char *text = NULL;

    make(&error_abort, "{'qom-type':'secret','id':'m','format':'base64',"
         "'data':'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='}");
    /* "hunter2" with the key 00..1f and an IV of zeroes (by openssl). */
    make(&error_abort, "{'qom-type':'secret','id':'e','format':'base64',"
         "'keyid':'m','iv':'AAAAAAAAAAAAAAAAAAAAAA==',"
         "'data':'nMlq0khtTouaTDh6cQDvCA=='}");
    text = secret_get_text("e", &error_abort);
    g_assert_cmpstr(text, ==, "hunter2");
    refused("{'qom-type':'secret','id':'x','data':'a','keyid':'m'}",
            "IV is required to decrypt secret");
    drop("e");
    drop("m");
}

static void note_thread(void *opaque)
{
    *(int *)opaque = thread_get_tid();
}

static void note_status(const IOThreadStatus *st, void *opaque)
{
    int *tid = opaque;

    *tid = st->tid;
    g_assert_cmpint(st->poll_max_ns, ==, 5);
}

static void test_iothread(void)
{
    Object *o = make(&error_abort,
                     "{'qom-type':'iothread','id':'io','poll-max-ns':5}");
    int tid = 0, told = 0;

    g_assert_nonnull(iothread_loop(o));
    iothread_run(o, note_thread, &tid);
    iothread_foreach(note_status, &told);
    g_assert_cmpint(tid, ==, told);
    g_assert_cmpint(tid, !=, thread_get_tid());
    refused("{'qom-type':'iothread','id':'x','poll-max-ns':-1}",
            "poll-max-ns value must be in range [0, 9223372036854775807]");
    drop("io");
    /* Again and again: the stop may meet the thread anywhere. */
    for (int i = 0; i < 100; i++) {
        make(&error_abort, "{'qom-type':'iothread','id':'io'}");
        drop("io");
    }
}

typedef struct Client {
    Object obj;
    RngBackend *rng;
} Client;

static const Property client_props[] = {
    PROP_RNG("rng", Client, rng),
    PROP_END(),
};

static const ObjectType client_type = {
    .name = "client", .size = sizeof(Client), .props = client_props,
};

static void got(void *opaque, const uint8_t *data, size_t n)
{
    *(size_t *)opaque += n;
}

static void test_rng(const void *type)
{
    g_autofree char *json =
        g_strdup_printf("{'qom-type':'%s','id':'r'}", (const char *)type);
    Client *c = (Client *)object_new("client");
    size_t n = 0, other = 0;
    Error *err = NULL;

    make(&error_abort, json);
    make(&error_abort, "{'qom-type':'iothread','id':'io'}");
    g_assert_false(object_set_str(&c->obj, "rng", "io", &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Invalid parameter type for 'rng', expected: rng-backend");
    error_free(g_steal_pointer(&err));
    object_set_str(&c->obj, "rng", "r", &error_abort);
    g_assert_false(object_delete_user("r", &err));
    error_free(err);
    rng_request(c->rng, 16, got, &n);
    rng_request(c->rng, 16, got, &other);
    rng_cancel(c->rng, &other);
    rng_request(c->rng, 64, got, &n);
    while (n < 80) {
        loop_run_once(loop_main(), true);
    }
    g_assert_cmpint(n, ==, 80);
    g_assert_cmpint(other, ==, 0);
    object_free(&c->obj);
    drop("r");
    drop("io");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_OBJECT);
    object_type_register(&client_type);
    bql_lock();
    g_test_add_func("/objects/aes", test_aes);
    g_test_add_func("/objects/secret", test_secret);
    g_test_add_func("/objects/secret/encrypted", test_secret_encrypted);
    g_test_add_func("/objects/iothread", test_iothread);
    g_test_add_data_func("/objects/rng/random", "rng-random", test_rng);
    g_test_add_data_func("/objects/rng/builtin", "rng-builtin", test_rng);
    return g_test_run();
}
