/*
 * A header, JSON and binary, with all its fields.
 *
 * Holds: what was read and is written, in either form, reads the same; a field is found by its
 * name; scratch is never asked for more than the header's size.
 */
#include "fuzz/fuzz.h"
#include "rmq/command.h"
#include "rmq/send.h"

static bool is_text(struct dt_span span)
{
    for (size_t i = 0; i < span.size; i++)
        if (span.data[i] >= 0x80)
            return false;
    return true;
}

static bool is_plain(struct dt_span span)
{
    for (size_t i = 0; i < span.size; i++)
        if (span.data[i] < 0x20 || span.data[i] >= 0x7f || span.data[i] == '"' ||
            span.data[i] == '\\')
            return false;
    return true;
}

static bool fits_binary(const struct rmq_command *command)
{
    return command->code >= INT16_MIN && command->code <= INT16_MAX &&
           command->version >= INT16_MIN && command->version <= INT16_MAX;
}

static void write_again(const struct rmq_command *command, enum rmq_header_type type)
{
    static struct rmq_command again;
    struct rmq_head head = {command->code,     command->opaque,  command->flag,
                            command->language, command->version, command->remark};
    struct dt_buf out, scratch;
    struct rmq_encoder encoder;
    struct rmq_frame frame;

    if (type == RMQ_HEADER_BINARY && !fits_binary(command))
        return;
    dt_buf_init(&out, 1 << 22);
    dt_buf_init(&scratch, 1 << 22);
    rmq_encode_begin(&encoder, &out, type, head);
    for (size_t i = 0; i < command->field_count; i++) {
        const struct rmq_field *field = &command->fields[i];
        char name[256];

        if (!is_plain(field->name) || field->name.size == 0 ||
            field->name.size >= sizeof(name))
            continue;
        memcpy(name, field->name.data, field->name.size);
        name[field->name.size] = '\0';
        rmq_encode_span(&encoder, name, field->value);
    }
    rmq_encode_end(&encoder, 0);
    if (!out.failed) {
        FUZZ_NEED(rmq_frame_cut(dt_buf_span(&out), RMQ_FRAME_SIZE_MAX, &frame) ==
                  RMQ_CUT_FRAME);
        FUZZ_NEED(frame.type == type && frame.body.size == 0);
        FUZZ_NEED(rmq_command_decode(frame.header, type, &scratch, &again) == DT_OK);
        FUZZ_NEED(again.code == command->code && again.opaque == command->opaque &&
                  again.flag == command->flag && again.version == command->version);
        if (is_text(command->remark))
            FUZZ_NEED(dt_span_equal(again.remark, command->remark));
        for (size_t i = 0; i < again.field_count; i++) {
            struct dt_span value;
            char name[256];

            memcpy(name, again.fields[i].name.data, again.fields[i].name.size);
            name[again.fields[i].name.size] = '\0';
            FUZZ_NEED(rmq_command_str(command, name, &value));
        }
    }
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

/* What callers ask of an answer. */
static void ask(const struct rmq_command *command)
{
    static const char *const names[] = {"queueOffset", "nextBeginOffset", "minOffset",
                                        "maxOffset",   "offset",          "msgId"};
    char text[64];
    int64_t wide;
    int32_t narrow;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool is_wide = rmq_command_i64(command, names[i], &wide);
        bool is_narrow = rmq_command_i32(command, names[i], &narrow);

        FUZZ_NEED(!is_narrow || (is_wide && wide == narrow));
        (void)rmq_command_bool(command, names[i]);
        if (rmq_command_text(command, names[i], text, sizeof(text)))
            FUZZ_NEED(strlen(text) < sizeof(text));
    }
    (void)rmq_send_judge(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rmq_command command;
    struct dt_span header;
    struct dt_buf scratch;
    enum rmq_header_type type;

    if (size == 0)
        return 0;
    type = data[0] == 1 ? RMQ_HEADER_BINARY : RMQ_HEADER_JSON;
    header = dt_span_of(data + 1, size - 1);
    dt_buf_init(&scratch, header.size);
    if (rmq_command_decode(header, type, &scratch, &command) == DT_OK) {
        struct dt_span texts = dt_buf_span(&scratch);

        FUZZ_NEED(command.field_count <= RMQ_FIELDS_MAX);
        for (size_t i = 0; i < command.field_count; i++) {
            FUZZ_NEED(fuzz_is_within(command.fields[i].name, header) ||
                      fuzz_is_within(command.fields[i].name, texts));
            FUZZ_NEED(fuzz_is_within(command.fields[i].value, header) ||
                      fuzz_is_within(command.fields[i].value, texts));
        }
        ask(&command);
        write_again(&command, RMQ_HEADER_JSON);
        write_again(&command, RMQ_HEADER_BINARY);
    }
    dt_buf_fini(&scratch);
    return 0;
}
