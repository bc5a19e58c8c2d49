/*
 * sign.h - the signature that brokers with access control want on every request.
 *
 * Three fields are added to a finished frame: AccessKey, SecurityToken (if there is one) and
 * Signature = base64(HMAC-SHA1(secret, text)), where the text is the values of all other fields
 * in the byte order of their names, then the body, with nothing between. The same for the ACL of
 * 4.x and the authentication of 5.x, in either header.
 *
 * Thread: one at a time (the net loop).
 */
#ifndef RMQ_SIGN_H
#define RMQ_SIGN_H

#include "rmq/command.h"

struct rmq_signer;

/**
 * @param security_token of temporary credentials; NULL or "": none. All three are copied; the
 *        secret is kept by the crypto library alone.
 * @returns DT_OK; DT_EINVAL: one of key and secret without the other; DT_ENOMEM;
 *          DT_EUNSUPPORTED.
 */
DT_MUST_USE dt_status rmq_signer_new(const char *access_key, const char *secret_key,
                                     const char *security_token, struct rmq_signer **out);
void rmq_signer_free(struct rmq_signer *signer); /* NULL: no-op */

/* Signs the one frame that stands from `start` to the end of `out`, as rmq_encode_*() wrote it.
 * Sets out->failed if it cannot. */
void rmq_signer_sign(struct rmq_signer *signer, struct dt_buf *out, size_t start);

/**
 * True if the answer is the no of access control: code 16 from the authentication of 5.x, code 1
 * with an AclException from the ACL of 4.x. Code 16 also says that a topic or a broker is not
 * writable or readable, which may pass: that is not meant.
 */
bool rmq_command_is_denied(const struct rmq_command *command);

#endif
