/*
 * load.h - what the programs that send a load have in common: a window of outstanding messages,
 * the messages, and the CPU that all of it took.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { LOAD_SIZE_MAX = 1 << 20, LOAD_KEYS = 10000 };

/* Outcomes give room, the sender takes it. It sleeps until half is free, as waking for each single
 * message would be measured instead of what sends. `outstanding` counts down on other threads. */
struct load_window {
    pthread_mutex_t lock;
    pthread_cond_t room;
    long limit;
    _Atomic long outstanding, failed;
};

#define LOAD_WINDOW                                                                        \
    {                                                                                      \
        .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER                \
    }

/* One message has its outcome. True for the first that failed: the caller says why. */
static inline bool load_answered(struct load_window *window, bool done)
{
    const bool first_failure = !done && window->failed++ == 0;
    const long left = --window->outstanding;

    if (left == window->limit / 2 || left == 0) {
        pthread_mutex_lock(&window->lock);
        pthread_cond_signal(&window->room);
        pthread_mutex_unlock(&window->lock);
    }
    return first_failure;
}

static inline void load_wait(struct load_window *window, long most)
{
    pthread_mutex_lock(&window->lock);
    while (window->outstanding > most)
        pthread_cond_wait(&window->room, &window->lock);
    pthread_mutex_unlock(&window->lock);
}

static inline void load_take_room(struct load_window *window)
{
    if (window->outstanding >= window->limit)
        load_wait(window, window->limit / 2);
    window->outstanding++;
}

/* Message n: a key among LOAD_KEYS, a body that differs from its neighbours. */
struct load_message {
    char key[32];
    size_t key_size;
    char body[LOAD_SIZE_MAX];
};

static inline void load_make(struct load_message *message, long n)
{
    char digits[20];
    int count = 0;
    long number = n % LOAD_KEYS;

    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    message->key[0] = 'k';
    message->key_size = 1;
    while (count > 0)
        message->key[message->key_size++] = digits[--count];
    message->key[message->key_size] = '\0';
    for (int i = 0; i < 8; i++)
        message->body[i] = (char)('a' + (n >> (4 * i) & 15));
}

static inline double load_cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static inline int64_t load_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
