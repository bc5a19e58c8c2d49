#include "support/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DAY = 24 * 60 * 60 };

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s\n", what);
    abort();
}

static FILE *open_file(const char *dir, const char *name, const char *suffix)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
    file = fopen(path, "w");
    need(file != NULL, path);
    return file;
}

static void extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

/* `signer` NULL: signs itself, as an authority. */
static struct pair make(const char *dir, const char *name, const struct pair *signer,
                        const char *hosts, long from, long to)
{
    static long serial = 1;
    struct pair pair = {X509_new(), EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(pair.certificate);
    const struct pair *by = signer == NULL ? &pair : signer;
    FILE *file;

    need(pair.certificate != NULL && pair.key != NULL, "a key");
    X509_set_version(pair.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(pair.certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(pair.certificate), to);
    X509_set_pubkey(pair.certificate, pair.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(pair.certificate, X509_get_subject_name(by->certificate));
    extend(pair.certificate, NID_basic_constraints,
           signer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (hosts != NULL)
        extend(pair.certificate, NID_subject_alt_name, hosts);
    need(X509_sign(pair.certificate, by->key, EVP_sha256()) > 0, "signing");

    file = open_file(dir, name, "pem");
    need(PEM_write_X509(file, pair.certificate) == 1, "writing a certificate");
    fclose(file);
    file = open_file(dir, name, "key");
    need(PEM_write_PrivateKey(file, pair.key, NULL, NULL, 0, NULL, NULL) == 1, "a key");
    fclose(file);
    return pair;
}

static void drop(struct pair pair)
{
    X509_free(pair.certificate);
    EVP_PKEY_free(pair.key);
}

static void lock_key(const char *dir, const struct pair *pair)
{
    unsigned char password[] = "open sesame";
    FILE *file = open_file(dir, "locked", "key");

    need(PEM_write_PrivateKey(file, pair->key, EVP_aes_128_cbc(), password,
                              sizeof(password) - 1, NULL, NULL) == 1,
         "a locked key");
    fclose(file);
}

void certs_make(const char *dir)
{
    static const char here[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    struct pair ca = make(dir, "ca", NULL, NULL, -DAY, DAY);
    struct pair other = make(dir, "other", NULL, NULL, -DAY, DAY);
    struct pair client = make(dir, "client", &ca, NULL, -DAY, DAY);

    lock_key(dir, &client);
    drop(client);
    drop(make(dir, "server", &ca, here, -DAY, DAY));
    drop(make(dir, "elsewhere", &ca, "DNS:elsewhere.example,IP:192.0.2.1", -DAY, DAY));
    drop(make(dir, "expired", &ca, here, -2 * DAY, -DAY));
    drop(make(dir, "early", &ca, here, DAY, 2 * DAY));
    drop(make(dir, "foreign", &other, here, -DAY, DAY));
    drop(ca);
    drop(other);
}

void certs_remove(const char *dir)
{
    static const char *const names[] = {"ca",     "other",     "client",
                                        "server", "elsewhere", "expired",
                                        "early",  "foreign",   "locked"};
    char path[512];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s.pem", dir, names[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%s.key", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}
