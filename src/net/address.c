#include "net/address.h"

#include <string.h>

static bool parse_port(const char *text, size_t length, char out[6])
{
    unsigned port = 0;

    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    memcpy(out, text, length);
    out[length] = 0;
    return port >= 1 && port <= 65535;
}

bool dt_address_parse(const char *text, size_t length, struct dt_address *out)
{
    size_t colon = length;

    while (colon > 0 && text[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    if (!parse_port(text + colon, length - colon, out->port))
        return false;
    length = colon - 1;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length == 0 || length >= DT_HOST_SIZE)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] == 127)
            return false;
    memcpy(out->host, text, length);
    out->host[length] = 0;
    return true;
}
