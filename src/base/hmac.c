#include "base/hmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "base/status.h"

enum { SHA1_SIZE = 20 };

struct dt_hmac {
    EVP_MAC *mac;
    EVP_MAC_CTX *context;
    bool failed;
};

dt_status dt_hmac_sha1_new(struct dt_span key, struct dt_hmac **out)
{
    struct dt_hmac *hmac = calloc(1, sizeof(*hmac));
    char digest[] = "SHA1";
    OSSL_PARAM settings[2] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};

    *out = NULL;
    if (hmac == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a signature");
    hmac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (hmac->mac != NULL)
        hmac->context = EVP_MAC_CTX_new(hmac->mac);
    if (hmac->context == NULL ||
        EVP_MAC_init(hmac->context, key.data, key.size, settings) != 1) {
        dt_hmac_free(hmac);
        return dt_error_set(DT_EUNSUPPORTED, "the crypto library gives no HMAC-SHA1");
    }
    *out = hmac;
    return DT_OK;
}

void dt_hmac_free(struct dt_hmac *hmac)
{
    if (hmac == NULL)
        return;
    EVP_MAC_CTX_free(hmac->context);
    EVP_MAC_free(hmac->mac);
    free(hmac);
}

void dt_hmac_start(struct dt_hmac *hmac)
{
    hmac->failed = EVP_MAC_init(hmac->context, NULL, 0, NULL) != 1; /* the same key again */
}

void dt_hmac_put(struct dt_hmac *hmac, struct dt_span piece)
{
    if (!hmac->failed && piece.size > 0)
        hmac->failed = EVP_MAC_update(hmac->context, piece.data, piece.size) != 1;
}

bool dt_hmac_end(struct dt_hmac *hmac, char out[DT_HMAC_TEXT_SIZE])
{
    unsigned char bytes[SHA1_SIZE];
    size_t size = 0;

    out[0] = 0;
    if (hmac->failed || EVP_MAC_final(hmac->context, bytes, &size, sizeof(bytes)) != 1 ||
        size != SHA1_SIZE)
        return false;
    EVP_EncodeBlock((unsigned char *)out, bytes, SHA1_SIZE);
    return true;
}
