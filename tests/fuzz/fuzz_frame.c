/*
 * A connection's bytes: frames one behind the other, each with its header.
 *
 * Holds: the same bytes cut short ask for more or say the same; spans lie in the frame; a frame
 * that was read and is written again reads the same.
 */
#include "fuzz/fuzz.h"
#include "rmq/command.h"

enum { SIZE_MAX_BYTES = 1 << 16 };

static void write_again(const struct rmq_frame *frame, const struct rmq_command *command)
{
    struct rmq_encoder encoder;
    struct rmq_frame again_frame;
    static struct rmq_command again;
    struct rmq_head head = {command->code,     command->opaque,  command->flag,
                            command->language, command->version, command->remark};
    struct dt_buf out, scratch;

    dt_buf_init(&out, 1 << 22);
    dt_buf_init(&scratch, 1 << 22);
    rmq_encode_begin(&encoder, &out, RMQ_HEADER_JSON, head);
    rmq_encode_end(&encoder, frame->body.size);
    dt_buf_put_span(&out, frame->body);
    FUZZ_NEED(!out.failed);
    FUZZ_NEED(rmq_frame_cut(dt_buf_span(&out), RMQ_FRAME_SIZE_MAX, &again_frame) ==
              RMQ_CUT_FRAME);
    FUZZ_NEED(again_frame.size == out.size);
    FUZZ_NEED(dt_span_equal(again_frame.body, frame->body));
    FUZZ_NEED(rmq_command_decode(again_frame.header, again_frame.type, &scratch, &again) ==
              DT_OK);
    FUZZ_NEED(again.code == command->code && again.opaque == command->opaque &&
              again.flag == command->flag && again.version == command->version);
    dt_buf_fini(&out);
    dt_buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dt_span in = dt_span_of(data, size);
    static struct rmq_command command;
    struct rmq_frame frame, part;
    struct dt_buf scratch;
    enum rmq_cut cut;

    dt_buf_init(&scratch, SIZE_MAX_BYTES);
    while ((cut = rmq_frame_cut(in, SIZE_MAX_BYTES, &frame)) == RMQ_CUT_FRAME) {
        FUZZ_NEED(frame.size >= RMQ_FRAME_PREFIX_SIZE && frame.size <= in.size &&
                  frame.size <= SIZE_MAX_BYTES);
        FUZZ_NEED(RMQ_FRAME_PREFIX_SIZE + frame.header.size + frame.body.size ==
                  frame.size);
        FUZZ_NEED(fuzz_is_within(frame.header, in) && fuzz_is_within(frame.body, in));
        FUZZ_NEED(rmq_frame_cut(dt_span_of(in.data, frame.size - 1), SIZE_MAX_BYTES,
                                &part) == RMQ_CUT_MORE);
        if (rmq_command_decode(frame.header, frame.type, &scratch, &command) == DT_OK)
            write_again(&frame, &command);
        in = dt_span_of(in.data + frame.size, in.size - frame.size);
    }
    if (cut == RMQ_CUT_MORE)
        FUZZ_NEED(in.size < SIZE_MAX_BYTES);
    dt_buf_fini(&scratch);
    return 0;
}
