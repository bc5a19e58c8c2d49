#include "rmq/command.h"

#include <strings.h>

#include "base/status.h"
#include "rmq/json.h"
#include "rmq/json_text.h"

static const char *const language_names[] = {"JAVA",   "CPP",  "DOTNET", "PYTHON", "DELPHI",
                                             "ERLANG", "RUBY", "OTHER",  "HTTP",   "GO",
                                             "PHP",    "OMS",  "RUST",   "NODE_JS"};

#define LANGUAGE_COUNT ((int32_t)(sizeof(language_names) / sizeof(language_names[0])))

/* ---------------------------------------------------------------- reading */

static dt_status corrupt(const char *what)
{
    return dt_error_set(DT_ECORRUPT, "remoting header: %s", what);
}

static dt_status too_many_fields(void)
{
    return dt_error_set(DT_ETOOBIG, "remoting header: more than %d fields", RMQ_FIELDS_MAX);
}

static int32_t language_of(struct rmq_json value)
{
    for (int32_t i = 0; i < LANGUAGE_COUNT; i++)
        if (rmq_json_is(value, language_names[i]))
            return i;
    return (int32_t)rmq_json_i64_or(value, 0, LANGUAGE_COUNT - 1,
                                    value.kind == RMQ_JSON_NONE ? RMQ_LANGUAGE_JAVA : -1);
}

/* The text of a value. All texts of a header are shorter than it, so the first that has escapes
 * reserves for all, and what is in scratch never moves. */
static bool text_of(struct rmq_json value, size_t header_size, struct dt_buf *scratch,
                    struct dt_span *out)
{
    if (value.escaped && scratch->size == 0 && dt_buf_reserve(scratch, header_size) == NULL)
        return false;
    return rmq_json_text(value, scratch, out);
}

/* In the pass that checks them. What breaks off is seen when the iterator has ended. */
static dt_status decode_fields(struct rmq_json_iter *iter, size_t header_size,
                               struct dt_buf *scratch, struct rmq_command *out)
{
    struct rmq_json key, value;

    out->field_count = 0; /* of a repeated extFields the last counts */
    while (rmq_json_next(iter, &key, &value)) {
        struct rmq_field *field = &out->fields[out->field_count];

        if (value.kind == RMQ_JSON_NULL)
            continue;
        if (out->field_count == RMQ_FIELDS_MAX)
            return too_many_fields();
        if (!text_of(key, header_size, scratch, &field->name) ||
            !text_of(value, header_size, scratch, &field->value))
            return dt_buf_status(scratch, "remoting header");
        out->field_count++;
    }
    return DT_OK;
}

static bool take_i32(struct rmq_json value, int32_t *out)
{
    int64_t number;

    if (value.kind == RMQ_JSON_NULL)
        return true;
    if (!rmq_json_i64(value, &number) || number < INT32_MIN || number > INT32_MAX)
        return false;
    *out = (int32_t)number;
    return true;
}

static dt_status decode_json(struct dt_span header, struct dt_buf *scratch,
                             struct rmq_command *out)
{
    struct rmq_json key, value, remark, language;
    struct rmq_json_iter iter = rmq_json_members(header), fields;
    dt_status status = DT_OK;
    bool ok = true;

    memset(&remark, 0, sizeof(remark));
    memset(&language, 0, sizeof(language));
    while (rmq_json_next_key(&iter, &key)) {
        if (rmq_json_is(key, "extFields") && rmq_json_enter(&iter, &fields)) {
            status = decode_fields(&fields, header.size, scratch, out);
            if (status != DT_OK)
                return status;
            rmq_json_leave(&iter, &fields);
            continue;
        }
        if (!rmq_json_next_value(&iter, &value))
            break;
        if (rmq_json_is(key, "code"))
            ok = take_i32(value, &out->code) && ok;
        else if (rmq_json_is(key, "opaque"))
            ok = take_i32(value, &out->opaque) && ok;
        else if (rmq_json_is(key, "flag"))
            ok = take_i32(value, &out->flag) && ok;
        else if (rmq_json_is(key, "version"))
            ok = take_i32(value, &out->version) && ok;
        else if (rmq_json_is(key, "language"))
            language = value;
        else if (rmq_json_is(key, "remark"))
            remark = value;
        else if (rmq_json_is(key, "extFields"))
            out->field_count = 0; /* null, or something that has no fields */
    }
    if (!rmq_json_ended(&iter))
        return corrupt("not a JSON object");
    if (!ok)
        return corrupt("code, opaque, flag or version is not a 32-bit number");
    out->language = language_of(language);
    if (remark.kind != RMQ_JSON_NONE && remark.kind != RMQ_JSON_NULL &&
        !text_of(remark, header.size, scratch, &out->remark))
        return dt_buf_status(scratch, "remoting header");
    return DT_OK;
}

static dt_status decode_binary(struct dt_span header, struct rmq_command *out)
{
    struct dt_scan scan = dt_scan_of(header);
    struct dt_scan fields;

    out->code = (int16_t)dt_scan_u16(&scan);
    out->language = dt_scan_u8(&scan);
    if (out->language >= LANGUAGE_COUNT)
        out->language = -1;
    out->version = (int16_t)dt_scan_u16(&scan);
    out->opaque = dt_scan_i32(&scan);
    out->flag = dt_scan_i32(&scan);
    out->remark = dt_scan_bytes(&scan, dt_scan_u32(&scan));
    if (out->remark.size == 0)
        out->remark.data = NULL;
    fields = dt_scan_of(dt_scan_bytes(&scan, dt_scan_u32(&scan)));
    if (!dt_scan_ok(&scan))
        return corrupt("a length runs past its end");
    while (fields.left > 0) {
        struct rmq_field field;

        field.name = dt_scan_bytes(&fields, dt_scan_u16(&fields));
        field.value = dt_scan_bytes(&fields, dt_scan_u32(&fields));
        if (!dt_scan_ok(&fields))
            return corrupt("a field runs past its end");
        if (out->field_count == RMQ_FIELDS_MAX)
            return too_many_fields();
        out->fields[out->field_count++] = field;
    }
    return DT_OK;
}

dt_status rmq_command_decode(struct dt_span header, enum rmq_header_type type,
                             struct dt_buf *scratch, struct rmq_command *out)
{
    out->code = out->version = out->opaque = out->flag = 0;
    out->remark = dt_span_of(NULL, 0);
    out->field_count = 0;
    dt_buf_clear(scratch);
    if (type == RMQ_HEADER_BINARY)
        return decode_binary(header, out);
    return decode_json(header, scratch, out);
}

bool rmq_command_str(const struct rmq_command *command, const char *name,
                     struct dt_span *value)
{
    struct dt_span wanted = dt_span_str(name);

    for (size_t i = command->field_count; i > 0; i--) {
        if (dt_span_equal(command->fields[i - 1].name, wanted)) {
            *value = command->fields[i - 1].value;
            return true;
        }
    }
    *value = dt_span_of(NULL, 0);
    return false;
}

bool rmq_command_i64(const struct rmq_command *command, const char *name, int64_t *value)
{
    struct dt_span text;

    return rmq_command_str(command, name, &text) && rmq_parse_i64(text, value);
}

bool rmq_command_i32(const struct rmq_command *command, const char *name, int32_t *value)
{
    int64_t number;

    if (!rmq_command_i64(command, name, &number) || number < INT32_MIN ||
        number > INT32_MAX)
        return false;
    *value = (int32_t)number;
    return true;
}

bool rmq_command_bool(const struct rmq_command *command, const char *name)
{
    struct dt_span text;

    return rmq_command_str(command, name, &text) && text.size == 4 &&
           strncasecmp((const char *)text.data, "true", 4) == 0;
}

bool rmq_command_text(const struct rmq_command *command, const char *name, char *out,
                      size_t size)
{
    struct dt_span text;

    out[0] = 0;
    if (!rmq_command_str(command, name, &text) || text.size >= size)
        return false;
    if (text.size > 0) {
        if (memchr(text.data, 0, text.size) != NULL)
            return false;
        memcpy(out, text.data, text.size);
    }
    out[text.size] = 0;
    return true;
}

/* ---------------------------------------------------------------- writing */

static void put_member(struct dt_buf *out, const char *key, int64_t value)
{
    dt_buf_put_str(out, key);
    rmq_put_decimal(out, value);
}

/* What sorts behind "extFields". */
static void end_json(struct rmq_encoder *encoder)
{
    const struct rmq_head *head = &encoder->head;
    struct dt_buf *out = encoder->out;

    if (encoder->has_fields)
        dt_buf_put_u8(out, '}');
    put_member(out, ",\"flag\":", head->flag);
    if (head->language >= 0 && head->language < LANGUAGE_COUNT) {
        dt_buf_put_str(out, ",\"language\":\"");
        dt_buf_put_str(out, language_names[head->language]);
        dt_buf_put_u8(out, '"');
    }
    put_member(out, ",\"opaque\":", head->opaque);
    if (head->remark.data != NULL) {
        dt_buf_put_str(out, ",\"remark\":");
        rmq_json_put_string(out, head->remark);
    }
    put_member(out, ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":", head->version);
    dt_buf_put_u8(out, '}');
}

static void begin_binary(struct rmq_encoder *encoder, const struct rmq_head *head)
{
    struct dt_buf *out = encoder->out;

    /* POP's codes would come out as others */
    if (head->code < INT16_MIN || head->code > INT16_MAX || head->version < INT16_MIN ||
        head->version > INT16_MAX || head->remark.size > UINT32_MAX)
        out->failed = true;
    dt_buf_put_u16(out, (uint16_t)head->code);
    dt_buf_put_u8(out, (uint8_t)head->language);
    dt_buf_put_u16(out, (uint16_t)head->version);
    dt_buf_put_u32(out, (uint32_t)head->opaque);
    dt_buf_put_u32(out, (uint32_t)head->flag);
    dt_buf_put_u32(out, (uint32_t)head->remark.size);
    dt_buf_put_span(out, head->remark);
    encoder->fields_at = out->size;
    dt_buf_put_u32(out, 0);
}

void rmq_encode_begin(struct rmq_encoder *encoder, struct dt_buf *out,
                      enum rmq_header_type type, struct rmq_head head)
{
    encoder->out = out;
    encoder->type = type;
    encoder->head = head;
    encoder->start = out->size;
    encoder->fields_at = 0;
    encoder->has_fields = false;
    dt_buf_put_u64(out, 0); /* the prefix */
    if (type == RMQ_HEADER_BINARY)
        begin_binary(encoder, &head);
    else
        put_member(out, "{\"code\":", head.code);
}

static void json_name(struct rmq_encoder *encoder, const char *name)
{
    if (encoder->has_fields)
        dt_buf_put_str(encoder->out, ",\"");
    else
        dt_buf_put_str(encoder->out, ",\"extFields\":{\"");
    encoder->has_fields = true;
    dt_buf_put_str(encoder->out, name);
    dt_buf_put_str(encoder->out, "\":");
}

static void binary_field(struct rmq_encoder *encoder, const char *name,
                         struct dt_span value)
{
    struct dt_span key = dt_span_str(name);

    if (value.size == 0)
        return;
    if (key.size > INT16_MAX || value.size > RMQ_FRAME_SIZE_MAX)
        encoder->out->failed = true;
    dt_buf_put_u16(encoder->out, (uint16_t)key.size);
    dt_buf_put_span(encoder->out, key);
    dt_buf_put_u32(encoder->out, (uint32_t)value.size);
    dt_buf_put_span(encoder->out, value);
}

void rmq_encode_span(struct rmq_encoder *encoder, const char *name, struct dt_span value)
{
    if (encoder->type == RMQ_HEADER_BINARY) {
        binary_field(encoder, name, value);
        return;
    }
    json_name(encoder, name);
    rmq_json_put_string(encoder->out, value);
}

void rmq_encode_str(struct rmq_encoder *encoder, const char *name, const char *value)
{
    rmq_encode_span(encoder, name, dt_span_str(value));
}

void rmq_encode_int(struct rmq_encoder *encoder, const char *name, int64_t value)
{
    struct dt_buf *out = encoder->out;

    if (encoder->type == RMQ_HEADER_BINARY) {
        struct dt_span key = dt_span_str(name);
        size_t size_at;

        dt_buf_put_u16(out, (uint16_t)key.size);
        dt_buf_put_span(out, key);
        size_at = out->size;
        dt_buf_put_u32(out, 0);
        rmq_put_decimal(out, value);
        dt_buf_patch_u32(out, size_at, (uint32_t)(out->size - size_at - 4));
        return;
    }
    json_name(encoder, name);
    dt_buf_put_u8(out, '"');
    rmq_put_decimal(out, value);
    dt_buf_put_u8(out, '"');
}

void rmq_encode_bool(struct rmq_encoder *encoder, const char *name, bool value)
{
    rmq_encode_str(encoder, name, value ? "true" : "false");
}

/* Writes the total size over the first four bytes of the frame. */
static void patch_total(struct rmq_encoder *encoder, size_t total)
{
    if (total > RMQ_FRAME_SIZE_MAX - 4)
        encoder->out->failed = true;
    dt_buf_patch_u32(encoder->out, encoder->start, (uint32_t)total);
}

void rmq_encode_end(struct rmq_encoder *encoder, size_t body_size)
{
    struct dt_buf *out = encoder->out;
    size_t header_size;

    if (encoder->type == RMQ_HEADER_BINARY)
        dt_buf_patch_u32(out, encoder->fields_at,
                         (uint32_t)(out->size - encoder->fields_at - 4));
    else
        end_json(encoder);
    if (out->failed || body_size > RMQ_FRAME_SIZE_MAX) {
        out->failed = true;
        return;
    }
    header_size = out->size - encoder->start - RMQ_FRAME_PREFIX_SIZE;
    patch_total(encoder, 4 + header_size + body_size);
    dt_buf_patch_u32(out, encoder->start + 4,
                     (uint32_t)encoder->type << 24 | (uint32_t)(header_size & 0xffffff));
}

void rmq_encode_body_end(struct rmq_encoder *encoder)
{
    if (!encoder->out->failed)
        patch_total(encoder, encoder->out->size - encoder->start - 4);
}
