/*
 * command.h - the header of a remoting frame, in its JSON and its binary form, both ways.
 *
 * JSON    {"code":310,"language":"CPP","version":401,"opaque":7,"flag":0,"remark":"...",
 *          "extFields":{"name":"value",...},"serializeTypeCurrentRPC":"JSON"}
 *
 * Binary  | code:16 | language:8 | version:16 | opaque:32 | flag:32 |
 *         | remark_size:32 remark | fields_size:32 fields |
 *         with fields = ( name_size:16 name value_size:32 value )*
 *
 * Pure. Writing appends to a dt_buf, without an allocation per field; reading gives a table of
 * spans into the input.
 *
 *     struct rmq_encoder encoder;
 *     rmq_encode_begin(&encoder, out, RMQ_HEADER_JSON, rmq_head_request(code, opaque, 0));
 *     rmq_encode_str(&encoder, "topic", topic);
 *     rmq_encode_int(&encoder, "queueId", queue_id);
 *     rmq_encode_end(&encoder, body.size);
 *     dt_buf_put_span(out, body);            (or sent from where it lies)
 */
#ifndef RMQ_COMMAND_H
#define RMQ_COMMAND_H

#include "base/buf.h"
#include "rmq/codes.h"
#include "rmq/decimal.h"
#include "rmq/frame.h"

#define RMQ_FIELDS_MAX 64 /* a send has 15, a pull 14 */

/* ---------------------------------------------------------------- reading */

struct rmq_field {
    struct dt_span name;
    struct dt_span value;
};

struct rmq_command {
    int32_t code;     /* of the request or of the response: see rmq_command_is_response() */
    int32_t language; /* enum rmq_language; -1: a name that we do not know */
    int32_t version;
    int32_t opaque;
    int32_t flag;
    struct dt_span remark; /* data NULL: none */
    size_t field_count;
    struct rmq_field
        fields[RMQ_FIELDS_MAX]; /* as on the wire; of a repeated name the last counts */
};

/**
 * Reads a header.
 *
 * Spans in `out` point into `header`, and for JSON texts with escapes into `scratch`, which is
 * cleared first and given header.size bytes at most: both must stay as they are while `out` is
 * in use. Numbers and booleans in extFields are given as their text; null is as if not there;
 * unknown keys are passed over.
 *
 * @param type as the frame said.
 * @returns DT_OK; DT_ECORRUPT; DT_ETOOBIG: more than RMQ_FIELDS_MAX fields, or `scratch` is too
 *          small. `out` is set on DT_OK only.
 */
DT_MUST_USE dt_status rmq_command_decode(struct dt_span header, enum rmq_header_type type,
                                         struct dt_buf *scratch, struct rmq_command *out);

static inline bool rmq_command_is_response(const struct rmq_command *command)
{
    return (command->flag & RMQ_FLAG_RESPONSE) != 0;
}

static inline bool rmq_command_is_oneway(const struct rmq_command *command)
{
    return (command->flag & RMQ_FLAG_ONEWAY) != 0;
}

/* A field's value; false, and an empty span, if it is not there. */
bool rmq_command_str(const struct rmq_command *command, const char *name,
                     struct dt_span *value);

/* A field as a decimal number; false, and *value untouched, if it is not there, not a number or
 * out of the type's range. */
bool rmq_command_i64(const struct rmq_command *command, const char *name, int64_t *value);
bool rmq_command_i32(const struct rmq_command *command, const char *name, int32_t *value);

/* As Java reads it: "true" in any case is true, everything else and nothing is false. */
bool rmq_command_bool(const struct rmq_command *command, const char *name);

/* A field as NUL-terminated text in out[size]; false, and "", if it is not there, has a NUL in
 * it or does not fit. */
bool rmq_command_text(const struct rmq_command *command, const char *name, char *out,
                      size_t size);

/* ---------------------------------------------------------------- writing */

/* Everything of a header but its fields. */
struct rmq_head {
    int32_t code;
    int32_t opaque;
    int32_t flag;
    int32_t language;
    int32_t version;
    struct dt_span remark; /* data NULL: none */
};

/* The head of a request as this library sends it: language CPP, version 4.9.4. */
static inline struct rmq_head rmq_head_request(int32_t code, int32_t opaque, int32_t flag)
{
    struct rmq_head head = {code,     opaque, flag, RMQ_LANGUAGE_CPP, RMQ_VERSION_4_9_4,
                            {NULL, 0}};
    return head;
}

/* State between begin and end; on the stack of whoever writes. */
struct rmq_encoder {
    struct dt_buf *out;
    enum rmq_header_type type;
    struct rmq_head head; /* JSON: what comes behind the fields is written at the end */
    size_t start;         /* where the frame begins in `out` */
    size_t fields_at;     /* binary: where fields_size is patched */
    bool has_fields;
};

/* Starts a frame at the end of `out`: the prefix (patched by rmq_encode_end) and the head. What
 * cannot be written (a code beyond 16 bits in a binary header, a bound of `out`) sets
 * out->failed, which is asked once at the end. head.remark is borrowed until then. Keys of JSON
 * are sorted, as the reference client's are. */
void rmq_encode_begin(struct rmq_encoder *encoder, struct dt_buf *out,
                      enum rmq_header_type type, struct rmq_head head);

/* One extField each. `name` is plain ASCII without quotes, as all of the protocol's are. Values
 * should be UTF-8: the far side reads text, and what is not comes out as U+FFFD. An empty value
 * is left out of a binary header, since brokers would read it as null there. */
void rmq_encode_str(struct rmq_encoder *encoder, const char *name, const char *value);
void rmq_encode_span(struct rmq_encoder *encoder, const char *name, struct dt_span value);
void rmq_encode_int(struct rmq_encoder *encoder, const char *name, int64_t value);
void rmq_encode_bool(struct rmq_encoder *encoder, const char *name, bool value);

/* Ends the header and writes the prefix of a frame whose body has `body_size` bytes; these
 * follow, from `out` or from elsewhere. Sets out->failed if the frame would be larger than
 * RMQ_FRAME_SIZE_MAX. */
void rmq_encode_end(struct rmq_encoder *encoder, size_t body_size);

/* After rmq_encode_end(&encoder, 0): everything appended to `out` since then is the body. For a
 * body whose size is known only when it is written. */
void rmq_encode_body_end(struct rmq_encoder *encoder);

#endif
