/*
 * text.h - whether bytes can stand in a RocketMQ property as they are.
 *
 * Pure.
 */
#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

#include "base/span.h"

/* UTF-8 without control characters (C0, DEL, C1, line and paragraph separators) and not only
 * spaces; empty is not printable, as RocketMQ drops empty values. */
bool duet_text_printable(struct dt_span text);

/* Printable, and without any space: RocketMQ splits KEYS at spaces. */
bool duet_text_word(struct dt_span text);

#endif
