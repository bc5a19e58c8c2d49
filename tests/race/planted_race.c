/*
 * A race planted in our own code: two threads append to one dt_buf without a lock.
 *
 * Built in ThreadSanitizer builds only. Its test passes when the report names it: a sanitizer
 * that stopped looking at our code would make every other test there worthless.
 */
#include <pthread.h>
#include <stddef.h>

#include "base/buf.h"

static void *append(void *context)
{
    for (int i = 0; i < 1000; i++)
        dt_buf_put_u8(context, 1);
    return NULL;
}

int main(void)
{
    struct dt_buf buf;
    pthread_t threads[2];

    dt_buf_init(&buf, 1 << 20);
    if (dt_buf_reserve(&buf, 4096) == NULL)
        return 2;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, append, &buf) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    dt_buf_fini(&buf);
    return 0;
}
