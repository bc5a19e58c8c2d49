/* The values that a handler binds to $1, $2, ... */
#include <string.h>

#include "duet/duet.h"

duet_value duet_null(void)
{
    duet_value value = {.type = DUET_NULL};

    return value;
}

duet_value duet_integer(int64_t integer)
{
    duet_value value = {.type = DUET_INTEGER, .integer = integer};

    return value;
}

duet_value duet_real(double real)
{
    duet_value value = {.type = DUET_REAL, .real = real};

    return value;
}

duet_value duet_text(const char *text)
{
    return text == NULL ? duet_null() : duet_text_n(text, strlen(text));
}

duet_value duet_text_n(const void *text, size_t size)
{
    duet_value value = {.type = DUET_TEXT, .data = text, .size = size};

    return text == NULL ? duet_null() : value;
}
