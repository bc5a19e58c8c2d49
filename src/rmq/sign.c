#include "rmq/sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/hmac.h"
#include "base/status.h"
#include "rmq/json_text.h"

struct rmq_signer {
    char *access_key;
    char *security_token; /* NULL: none */
    struct dt_hmac *hmac;
    struct rmq_command command; /* of the frame being signed */
    struct dt_buf scratch;
    struct dt_buf added; /* the bytes of the new fields */
};

static dt_status copy_text(const char *text, char **out)
{
    *out = strdup(text);
    return *out != NULL ? DT_OK : dt_error_set(DT_ENOMEM, "no memory for credentials");
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != 0;
}

dt_status rmq_signer_new(const char *access_key, const char *secret_key,
                         const char *security_token, struct rmq_signer **out)
{
    struct rmq_signer *signer;
    dt_status status;

    *out = NULL;
    if (!is_given(access_key) || !is_given(secret_key))
        return dt_error_set(DT_EINVAL, "an access key and a secret key go together");
    signer = calloc(1, sizeof(*signer));
    if (signer == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for credentials");
    dt_buf_init(&signer->scratch, RMQ_FRAME_SIZE_MAX);
    dt_buf_init(&signer->added, RMQ_FRAME_SIZE_MAX);
    status = copy_text(access_key, &signer->access_key);
    if (status == DT_OK && is_given(security_token))
        status = copy_text(security_token, &signer->security_token);
    if (status == DT_OK)
        status = dt_hmac_sha1_new(dt_span_str(secret_key), &signer->hmac);
    if (status != DT_OK) {
        rmq_signer_free(signer);
        return status;
    }
    *out = signer;
    return DT_OK;
}

void rmq_signer_free(struct rmq_signer *signer)
{
    if (signer == NULL)
        return;
    if (signer->security_token != NULL)
        explicit_bzero(signer->security_token, strlen(signer->security_token));
    free(signer->security_token);
    free(signer->access_key);
    dt_hmac_free(signer->hmac);
    if (signer->added.data != NULL)
        explicit_bzero(signer->added.data, signer->added.capacity);
    dt_buf_fini(&signer->added);
    dt_buf_fini(&signer->scratch);
    free(signer);
}

static int compare_names(const void *a, const void *b)
{
    struct dt_span one = ((const struct rmq_field *)a)->name;
    struct dt_span other = ((const struct rmq_field *)b)->name;
    size_t common = one.size < other.size ? one.size : other.size;
    int order = common == 0 ? 0 : memcmp(one.data, other.data, common);

    if (order != 0)
        return order;
    return (one.size > other.size) - (one.size < other.size);
}

static bool add_to_table(struct rmq_command *command, const char *name, const char *value)
{
    struct rmq_field *field = &command->fields[command->field_count];

    if (command->field_count == RMQ_FIELDS_MAX)
        return false;
    field->name = dt_span_str(name);
    field->value = dt_span_str(value);
    command->field_count++;
    return true;
}

/* The signature of the frame, over the values as its reader will see them. */
static bool find_signature(struct rmq_signer *signer, const struct rmq_frame *frame,
                           char signature[DT_HMAC_TEXT_SIZE])
{
    struct rmq_command *command = &signer->command;

    if (rmq_command_decode(frame->header, frame->type, &signer->scratch, command) != DT_OK)
        return false;
    if (!add_to_table(command, "AccessKey", signer->access_key) ||
        (signer->security_token != NULL &&
         !add_to_table(command, "SecurityToken", signer->security_token)))
        return false;
    qsort(command->fields, command->field_count, sizeof(command->fields[0]), compare_names);
    dt_hmac_start(signer->hmac);
    for (size_t i = 0; i < command->field_count; i++)
        dt_hmac_put(signer->hmac, command->fields[i].value);
    dt_hmac_put(signer->hmac, frame->body);
    return dt_hmac_end(signer->hmac, signature);
}

/* ---------------------------------------------------------------- adding fields */

static void put_json(struct dt_buf *out, const char *name, const char *value)
{
    dt_buf_put_str(out, out->size > 0 && out->data[out->size - 1] != '{' ? ",\"" : "\"");
    dt_buf_put_str(out, name);
    dt_buf_put_str(out, "\":");
    rmq_json_put_string(out, dt_span_str(value));
}

static void put_binary(struct dt_buf *out, const char *name, const char *value)
{
    dt_buf_put_u16(out, (uint16_t)strlen(name));
    dt_buf_put_str(out, name);
    dt_buf_put_u32(out, (uint32_t)strlen(value));
    dt_buf_put_str(out, value);
}

static void put_all(struct rmq_signer *signer, const char *signature,
                    void (*put)(struct dt_buf *out, const char *name, const char *value))
{
    put(&signer->added, "AccessKey", signer->access_key);
    if (signer->security_token != NULL)
        put(&signer->added, "SecurityToken", signer->security_token);
    put(&signer->added, "Signature", signature);
}

/* {"code":310,"extFields":{ | "a":... }   or, without fields,   {"code":34 | ,"flag":0 ...
 * Where the new bytes go, from the start of the header. */
static size_t add_json(struct rmq_signer *signer, struct dt_span header, bool has_fields,
                       const char *signature)
{
    static const char fields[] = ",\"extFields\":{";
    const uint8_t *comma = memchr(header.data, ',', header.size);
    size_t at = comma == NULL ? header.size : (size_t)(comma - header.data);

    if (has_fields) {
        put_all(signer, signature, put_json);
        dt_buf_put_u8(&signer->added, ',');
        return at + sizeof(fields) - 1;
    }
    dt_buf_put_str(&signer->added, fields);
    put_all(signer, signature, put_json);
    dt_buf_put_u8(&signer->added, '}');
    return at;
}

static size_t add_binary(struct rmq_signer *signer, struct dt_buf *out, size_t header_at,
                         struct dt_span header, const char *signature)
{
    /* code, language, version, opaque, flag, remark_size; requests have no remark */
    enum { FIELDS_SIZE_AT = 2 + 1 + 2 + 4 + 4 + 4 };
    size_t fields_size = header.size - FIELDS_SIZE_AT - 4;

    put_all(signer, signature, put_binary);
    dt_buf_patch_u32(out, header_at + FIELDS_SIZE_AT,
                     (uint32_t)(fields_size + signer->added.size));
    return header.size;
}

/* Puts signer->added into `out` at `at`; what stands behind moves up. */
static void insert(struct rmq_signer *signer, struct dt_buf *out, size_t at)
{
    size_t size = signer->added.size;

    if (signer->added.failed || dt_buf_reserve(out, size) == NULL) {
        out->failed = true;
        return;
    }
    memmove(out->data + at + size, out->data + at, out->size - at);
    memcpy(out->data + at, signer->added.data, size);
    dt_buf_commit(out, size);
}

void rmq_signer_sign(struct rmq_signer *signer, struct dt_buf *out, size_t start)
{
    char signature[DT_HMAC_TEXT_SIZE];
    struct rmq_frame frame;
    size_t header_at = start + RMQ_FRAME_PREFIX_SIZE, at;
    bool has_fields;

    if (out->failed)
        return;
    dt_buf_clear(&signer->added);
    if (rmq_frame_cut(dt_span_of(out->data + start, out->size - start), RMQ_FRAME_SIZE_MAX,
                      &frame) != RMQ_CUT_FRAME ||
        !find_signature(signer, &frame, signature)) {
        out->failed = true;
        return;
    }
    has_fields = signer->command.field_count > (signer->security_token != NULL ? 2u : 1u);
    if (frame.type == RMQ_HEADER_BINARY)
        at = add_binary(signer, out, header_at, frame.header, signature);
    else
        at = add_json(signer, frame.header, has_fields, signature);
    insert(signer, out, header_at + at);
    if (frame.size + signer->added.size > RMQ_FRAME_SIZE_MAX)
        out->failed = true;
    dt_buf_patch_u32(out, start, (uint32_t)(frame.size + signer->added.size - 4));
    dt_buf_patch_u32(out, start + 4,
                     (uint32_t)frame.type << 24 |
                         (uint32_t)((frame.header.size + signer->added.size) & 0xffffff));
}

/* ---------------------------------------------------------------- the no */

static bool says(struct dt_span remark, const char *word)
{
    return remark.size > 0 && memmem(remark.data, remark.size, word, strlen(word)) != NULL;
}

bool rmq_command_is_denied(const struct rmq_command *command)
{
    if (command->code == RMQ_SYSTEM_ERROR)
        return says(command->remark, "AclException") ||
               says(command->remark, "AuthenticationException") ||
               says(command->remark, "AuthorizationException");
    /* "the broker[x] sending message is forbidden", "the topic[x] pulling message is forbidden",
     * "the broker[x] is not writeable", "the topic[x] is not readable" */
    return command->code == RMQ_NO_PERMISSION && !says(command->remark, "forbidden") &&
           !says(command->remark, "not readable") && !says(command->remark, "not writ");
}
