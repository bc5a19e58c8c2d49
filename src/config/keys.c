#include "config/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"

enum { FILE_SIZE_MAX = 4096, HEX_SIZE = 2 * DUET_MASTER_KEY_SIZE };

static const char head[] = "duet-keys 1\n";
static const char fingerprint_label[] = "duet key fingerprint";

/* SipHash takes 16 of the 32 bytes as its key; the other half goes in as text, so that the
 * fingerprint depends on both. */
static void fingerprint(char out[17], const uint8_t master[DUET_MASTER_KEY_SIZE])
{
    uint8_t text[sizeof(fingerprint_label) + DUET_MASTER_KEY_SIZE / 2];
    struct dt_u128 hash;

    memcpy(text, fingerprint_label, sizeof(fingerprint_label));
    memcpy(text + sizeof(fingerprint_label), master + DUET_MASTER_KEY_SIZE / 2,
           DUET_MASTER_KEY_SIZE / 2);
    hash = dt_siphash128(master, text, sizeof(text));
    snprintf(out, 17, "%016llx", (unsigned long long)hash.hi);
    explicit_bzero(text, sizeof(text));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* "duet-keys 1\nkey <0..255> <64 hex>\n", nothing else */
static bool parse(const char *text, uint8_t *number, uint8_t master[DUET_MASTER_KEY_SIZE])
{
    int digits = 0, value = 0;

    if (strncmp(text, head, strlen(head)) != 0)
        return false;
    text += strlen(head);
    if (strncmp(text, "key ", 4) != 0)
        return false;
    for (text += 4; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
        value = value * 10 + (*text - '0');
    if (digits == 0 || value > 255 || *text++ != ' ')
        return false;
    for (int i = 0; i < HEX_SIZE; i++) {
        int digit = hex_digit(text[i]);

        if (digit < 0)
            return false;
        master[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : master[i / 2] | digit);
    }
    *number = (uint8_t)value;
    return strcmp(text + HEX_SIZE, "\n") == 0;
}

static dt_status check_mode(const char *path)
{
    struct stat file;

    if (stat(path, &file) != 0) {
        if (errno == ENOENT)
            return dt_error_set(DT_ENOTFOUND, "%s: no such file", path);
        return dt_error_errno(errno, "cannot look at %s", path);
    }
    if (!S_ISREG(file.st_mode))
        return dt_error_set(DT_EINVAL, "%s is no file; allowed is the migration's key file",
                            path);
    if ((file.st_mode & 077) != 0)
        return dt_error_set(
            DT_EINVAL,
            "%s: others may read the migration's key (mode %04o); allowed is "
            "0600",
            path, (unsigned)file.st_mode & 07777);
    return DT_OK;
}

dt_status duet_keys_load(const char *path, struct duet_keys *out)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    struct dt_buf text;
    dt_status status = check_mode(path);

    memset(out, 0, sizeof(*out));
    if (status != DT_OK)
        return status;
    dt_buf_init(&text, FILE_SIZE_MAX);
    status = dt_file_read(path, &text);
    if (status == DT_ETOOBIG ||
        (status == DT_OK && (text.size == 0 || memchr(text.data, 0, text.size) != NULL ||
                             !parse(dt_buf_str(&text), &out->number, master))))
        status =
            dt_error_set(DT_EINVAL,
                         "%s: found no key; allowed is a line 'duet-keys 1' and a line "
                         "'key NUMBER 64-HEX-DIGITS'",
                         path);
    if (status == DT_OK) {
        duet_keys_derive(master, out->number, &out->stamp, &out->digest);
        fingerprint(out->fingerprint, master);
    }
    if (text.data != NULL)
        explicit_bzero(text.data, text.capacity);
    explicit_bzero(master, sizeof(master));
    dt_buf_fini(&text);
    return status;
}

/* A link fails where a file is: unlike a rename it never replaces a key in use. */
static dt_status publish(const char *temporary, const char *path)
{
    char copy[PATH_MAX];
    dt_status status = DT_OK;
    int folder;

    if (link(temporary, path) != 0)
        status = errno == EEXIST ? dt_error_set(DT_EEXIST, "%s is there already", path)
                                 : dt_error_errno(errno, "cannot create %s", path);
    unlink(temporary);
    if (status != DT_OK)
        return status;
    snprintf(copy, sizeof(copy), "%s", path);
    folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) != 0)
        status = dt_error_errno(errno, "cannot flush the folder of %s", path);
    if (folder >= 0)
        close(folder);
    return status;
}

dt_status duet_keys_create(const char *path, uint8_t number)
{
    uint8_t master[DUET_MASTER_KEY_SIZE];
    char text[sizeof(head) + 16 + HEX_SIZE], temporary[PATH_MAX];
    int size;
    dt_status status;

    if (snprintf(temporary, sizeof(temporary), "%s.%ld.new", path, (long)getpid()) >=
        (int)sizeof(temporary))
        return dt_error_set(DT_EINVAL, "%s: the path is too long", path);
    if (access(path, F_OK) == 0)
        return dt_error_set(DT_EEXIST, "%s is there already", path);
    dt_random_bytes(master, sizeof(master));
    size = snprintf(text, sizeof(text), "%skey %u ", head, number);
    for (int i = 0; i < DUET_MASTER_KEY_SIZE; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%02x", master[i]);
    text[size++] = '\n';
    status = dt_file_replace(temporary, text, (size_t)size, 0600);
    if (status == DT_OK)
        status = publish(temporary, path);
    explicit_bzero(master, sizeof(master));
    explicit_bzero(text, sizeof(text));
    return status;
}
