/*
 * mock.h - a RocketMQ in memory, on loopback TCP: to test programs that use librmq, and librmq.
 *
 * Behaves as 5.3.3 does towards a client, for the requests that producers, consumers and
 * administration need; everything else is answered "not supported" (code 3). It begins as one
 * name server and one master, both of number 1; more of each, and slaves, are added. It can be
 * told to misbehave: errors, delays and cut connections for the n-th request of a kind, bytes
 * in small pieces, copies that were acknowledged and are lost, nodes that go down, come back or
 * change their role, queues that are added or disappear.
 *
 * Thread: every function from any, at any time while the mock lives, librmq's callbacks
 * included: none waits, except rmq_mock_wait_requests(). One thread of the mock's own does all
 * the serving. What a function changes holds for each request that arrives after it returned.
 * Texts and structures that are given are borrowed for the call.
 */
#ifndef RMQ_MOCK_H
#define RMQ_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rmq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Name servers and brokers in memory, and the thread that serves them. */
typedef struct mockmq rmq_mock;

/* Zero or NULL means the default given. */
typedef struct rmq_mock_config {
    const char *host; /* "127.0.0.1": an IPv4 address, listened on and put into routes */
    uint16_t namesrv_port;   /* any free one */
    uint16_t broker_port;    /* any free one */
    const char *cluster;     /* "DefaultCluster" */
    const char *broker_name; /* "broker-a" */
    size_t memory_max;       /* 1 GiB of stored messages; when full, sends get code 14 */
    int32_t
        default_queues;  /* 8: queues of TBW102; auto-created topics get min(wish, this) */
    bool no_auto_create; /* sends and pulls of unknown topics get code 17 */
    bool
        mirror_header_type; /* answer in the type of the request, as 4.9 does; else in JSON */
    bool forgets; /* messages get their offsets and are dropped: each queue begins where it
                     ends. For more load than memory would hold */
    bool
        members_expire; /* those without a heartbeat for two minutes leave their groups; else
                            members stay as long as their connection */
    bool virtual_time;  /* the mock's clock stands until rmq_mock_time_advance() */
} rmq_mock_config;

/**
 * Starts it; both ports answer when this returns.
 *
 * @param config borrowed; NULL: all defaults.
 * @param out    the caller's, rmq_mock_free(); NULL unless DT_OK.
 * @returns DT_OK; DT_EINVAL: no such host, a name that is too long; DT_EIO: a port is taken, no
 *          file handles; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status rmq_mock_new(const rmq_mock_config *config, rmq_mock **out);

/* Closes all connections, ends the thread, frees. NULL: no-op. */
DT_API void rmq_mock_free(rmq_mock *mock);

/* "host:port;host:port" of all name servers, to give to clients, and "host:port" of broker 1. The
 * mock's; the same until a name server is added. */
DT_API const char *rmq_mock_namesrv(const rmq_mock *mock);
/** "host:port" of broker 1, as rmq_mock_namesrv(). */
DT_API const char *rmq_mock_broker(const rmq_mock *mock);

/* Creates a topic on every master, as code 17 does; more queues are added to one that is there, never taken.
 * DT_EINVAL: a name or number that a broker refuses; DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_mock_topic_create(rmq_mock *mock, const char *topic,
                                                   int32_t queues);

/* ---------------------------------------------------------------- several nodes */

/**
 * Adds a name server, which knows what all others know.
 * @param number out, may be NULL: its number among name servers.
 * @returns DT_OK; DT_EINVAL: too many; DT_EIO; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status rmq_mock_namesrv_add(rmq_mock *mock, int *number);

/**
 * Adds a broker: a master of another name, with topics of its own, or a slave (id > 0), which
 * shows what the master of its name has, takes pulls and offsets and refuses messages.
 * @param number out, may be NULL: its number among brokers, by which others functions name it.
 * @returns DT_OK; DT_EEXIST: the name has that id; DT_EINVAL: too many; DT_EIO; DT_ENOMEM.
 */
DT_API DT_MUST_USE dt_status rmq_mock_broker_add(rmq_mock *mock, const char *broker_name,
                                                 int64_t id, int *number);

/* "host:port", the mock's, good as long as it lives; NULL: no such node. */
DT_API const char *rmq_mock_namesrv_address(rmq_mock *mock, int number);
/** Of a broker; as rmq_mock_namesrv_address(). */
DT_API const char *rmq_mock_broker_address(rmq_mock *mock, int number);

/* Down: closes the node's connections and listens no more. Up: the same port again; DT_EIO if
 * another took it. DT_ENOTFOUND: no such node. A broker that is down is still in routes. */
DT_API DT_MUST_USE dt_status rmq_mock_namesrv_down(rmq_mock *mock, int number,
                                                   bool is_down);
/** A broker, down or up again; as rmq_mock_namesrv_down(). */
DT_API DT_MUST_USE dt_status rmq_mock_broker_down(rmq_mock *mock, int broker, bool is_down);

/* Whether name servers know it: routes and the cluster leave it out if not. DT_ENOTFOUND. */
DT_API DT_MUST_USE dt_status rmq_mock_broker_listed(rmq_mock *mock, int broker,
                                                    bool is_listed);

/* Closes the broker's connections; of a master the last `lose` messages of each queue are gone,
 * and their offsets will be used again. DT_ENOTFOUND; DT_EINVAL: lose < 0. */
DT_API DT_MUST_USE dt_status rmq_mock_broker_restart(rmq_mock *mock, int broker,
                                                     int64_t lose);

/* Its answers to pulls say from now on that the next pull should go to that member of its name
 * (suggestWhichBrokerId); 0, as in the beginning: the master. DT_ENOTFOUND. */
DT_API DT_MUST_USE dt_status rmq_mock_broker_suggest(rmq_mock *mock, int broker,
                                                     int64_t id);

/* A slave that stays as it is, whatever comes. */
#define RMQ_MOCK_FROZEN (-1)

/* How far a slave is behind: by so many messages of each queue, or RMQ_MOCK_FROZEN. DT_ENOTFOUND;
 * DT_EINVAL: a master, or a number below -1. */
DT_API DT_MUST_USE dt_status rmq_mock_slave_lag(rmq_mock *mock, int broker,
                                                int64_t messages);

/* The slave becomes the master of its name, the master takes its id: both close their
 * connections. What the slave did not have is lost. DT_ENOTFOUND; DT_EINVAL: it is the master. */
DT_API DT_MUST_USE dt_status rmq_mock_promote(rmq_mock *mock, int broker);

/* Creates or changes a topic of one broker name: read and write queues (0 to 65535; those that
 * are taken away keep their messages) and perm (4 read, 2 write). Members get no notice, as from
 * a real broker. DT_ENOTFOUND; DT_EINVAL; DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_mock_topic_put(rmq_mock *mock, int broker,
                                                const char *topic, int32_t read_queues,
                                                int32_t write_queues, int32_t perm);

/* Deletes a topic of one broker name, with its messages. DT_ENOTFOUND. */
DT_API DT_MUST_USE dt_status rmq_mock_topic_delete(rmq_mock *mock, int broker,
                                                   const char *topic);

/* ---------------------------------------------------------------- faults by rule */

/** What is done to a request. */
typedef enum rmq_mock_action {
    RMQ_MOCK_ANSWER,      /* answered with response_code and remark; not carried out */
    RMQ_MOCK_ANSWER_DONE, /* carried out, then answered with response_code and remark (10, 11
                             and 12 of a send mean: stored) */
    RMQ_MOCK_CUT_REQUEST, /* the connection is closed when `bytes` bytes of the request's frame
                             have been read; not carried out */
    RMQ_MOCK_CUT_ANSWER, /* carried out; the connection is closed behind the first `bytes`
                             bytes of the answer's frame */
    RMQ_MOCK_SILENT,     /* carried out and never answered; the connection stays */
    RMQ_MOCK_DELAY       /* carried out at once, answered delay_ms later */
} rmq_mock_action;

/* What happens to some requests of one kind. */
typedef struct rmq_mock_fault {
    rmq_mock_action action; /* what is done */
    int32_t request_code;   /* 0: every kind of send */
    int broker;             /* only at that broker; 0: at every node */
    int64_t skip;           /* so many of them pass before */
    int64_t count;          /* then so many are concerned, >= 1; INT64_MAX: for ever */
    int32_t response_code;  /* of the two ANSWER actions */
    const char *remark;     /* up to 255 bytes. Flow control of a real broker: code 2 with
                           "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while" */
    size_t bytes;           /* of the two CUT actions */
    int64_t delay_ms;       /* of RMQ_MOCK_DELAY */
} rmq_mock_fault;

/* Adds one; of several that fit a request the first added is taken, and only it. DT_EINVAL: a
 * field is out of its range; DT_ENOMEM: more than 256 wait. */
DT_API DT_MUST_USE dt_status rmq_mock_fault_add(rmq_mock *mock,
                                                const rmq_mock_fault *fault);
/* Takes back all that were added. */
DT_API void rmq_mock_faults_clear(rmq_mock *mock);
/* How many requests are still to be concerned; INT64_MAX: without end. */
DT_API int64_t rmq_mock_faults_left(rmq_mock *mock);

/* Everything is read and written in pieces of at most so many bytes; 0: no longer. */
DT_API void rmq_mock_pieces(rmq_mock *mock, size_t bytes);

/* Another client has the lock of a queue from now on, as after a broker has lost its memory.
 * DT_ENOTFOUND: nobody had it. */
DT_API DT_MUST_USE dt_status rmq_mock_lock_take(rmq_mock *mock, const char *group,
                                                const char *topic, int32_t queue_id,
                                                const char *client_id);

/* ---------------------------------------------------------------- time */

/**
 * Moves the clock of a mock with virtual_time: delays end, held pulls time out, delayed messages
 * are delivered, silent members leave, messages get later timestamps. All that became due has happened when this returns.
 * @returns DT_OK; DT_ESTATE: the mock keeps the system's time; DT_EINVAL: backwards.
 */
DT_API DT_MUST_USE dt_status rmq_mock_time_advance(rmq_mock *mock, int64_t ms);

/* What the mock's wall clock says, in ms since 1970: timestamps of messages come from it. */
DT_API int64_t rmq_mock_time_wall_ms(rmq_mock *mock);

/* ---------------------------------------------------------------- misbehaviour */

/**
 * One text command, as the sandbox's socket takes it:
 *
 *     withhold TOPIC N    error CODE N    delay MS    cut    restart [lose]    down    up
 *
 * @param reply gets one line without its end: "ok", or what is wrong with the text.
 * @returns DT_OK; DT_EINVAL; DT_ENOMEM.
 */
DT_API dt_status rmq_mock_control(rmq_mock *mock, const char *text, char *reply,
                                  size_t reply_size);

/* The next `count` messages sent to the topic are acknowledged, then not stored: their offsets
 * go to the messages after them. Adds to a number still outstanding. Which ones they were stays
 * on record. DT_EINVAL: no legal topic name; DT_ENOMEM. */
DT_API DT_MUST_USE dt_status rmq_mock_withhold(rmq_mock *mock, const char *topic,
                                               int64_t count);

/* A message that was withheld. */
typedef struct rmq_mock_withheld {
    char topic[256];   /* NUL-terminated */
    int32_t queue_id;  /* of the broker that acknowledged it */
    int64_t offset;    /* that its sender was told */
    char duet[128];    /* its property DUET, "" if there is none or it is longer */
    char uniq_key[64]; /* its property UNIQ_KEY, in the same way */
} rmq_mock_withheld;

/* How many were, since the start, in the order of their arrival; and one of them. */
DT_API size_t rmq_mock_withheld_count(rmq_mock *mock);
/* DT_ENOTFOUND: index >= count. */
DT_API DT_MUST_USE dt_status rmq_mock_withheld_get(rmq_mock *mock, size_t index,
                                                   rmq_mock_withheld *out);

/* The next `count` requests with this request code (0: every kind of send) are answered with
 * `response_code` and not carried out. Replaces what is outstanding for that request code. */
DT_API void rmq_mock_error(rmq_mock *mock, int32_t request_code, int32_t response_code,
                           int64_t count);

/* The next `count` requests with this request code (0: every kind of send) are carried out, but
 * their connection is closed instead of answered: in doubt. Replaces what is outstanding. */
DT_API void rmq_mock_lose_answers(rmq_mock *mock, int32_t request_code, int64_t count);

/* Every answer from now on leaves so much later; 0: at once. */
DT_API void rmq_mock_delay(rmq_mock *mock, int64_t delay_ms);

/* Pulls are answered with at most so many messages and bytes from now on, as brokers do for what
 * is no longer in their memory (8 and 65536); 0: 32 messages, 256 KiB. One message always goes. */
DT_API void rmq_mock_pull_limit(rmq_mock *mock, int32_t count, size_t bytes);

/* Closes all connections. */
DT_API void rmq_mock_cut(rmq_mock *mock);

/* Closes all connections and comes back at once, on the same ports. The last `lose` messages of
 * each queue are gone: their offsets will be used again. 0: no message is. Members are forgotten,
 * committed offsets are not. While it is down it stays down. */
DT_API void rmq_mock_restart(rmq_mock *mock, int64_t lose);

/* Closes all connections and listens no more: connecting is refused until rmq_mock_up(). Data
 * stays. rmq_mock_up() gives DT_EIO if a port was taken by another in between. */
DT_API void rmq_mock_down(rmq_mock *mock);
/** Comes back on the same ports. DT_OK, or DT_EIO: a port is another's now. */
DT_API DT_MUST_USE dt_status rmq_mock_up(rmq_mock *mock);

/* ---------------------------------------------------------------- looking inside, for tests */

/* Requests with this code (0: every kind of send) that have arrived. */
DT_API int64_t rmq_mock_requests(rmq_mock *mock, int32_t request_code);

/* Waits until that many have arrived. False: not in time. */
DT_API bool rmq_mock_wait_requests(rmq_mock *mock, int32_t request_code, int64_t count,
                                   int64_t timeout_ms);

/* The body of a stored message, as it was sent. @param size of `out`; *body_size is set to what
 * it needs. DT_ENOTFOUND: no such message; DT_ETOOBIG: it does not fit. */
DT_API DT_MUST_USE dt_status rmq_mock_body(rmq_mock *mock, int broker, const char *topic,
                                           int32_t queue_id, int64_t offset, void *out,
                                           size_t size, size_t *body_size);

/* Messages before `offset` are gone, as by age: the queue begins there. DT_ENOTFOUND. */
DT_API DT_MUST_USE dt_status rmq_mock_expire(rmq_mock *mock, int broker, const char *topic,
                                             int32_t queue_id, int64_t offset);

/* The next offset of a queue, of broker 1 or of another; -1 if there is no such queue. */
DT_API int64_t rmq_mock_broker_max_offset(rmq_mock *mock, int broker, const char *topic,
                                          int32_t queue_id);
/** The same of broker 1. */
DT_API int64_t rmq_mock_max_offset(rmq_mock *mock, const char *topic, int32_t queue_id);

/* The most requests that were sending to one and the same queue at a time: arrived, not yet
 * answered. Only delayed answers make it more than 1. */
DT_API int64_t rmq_mock_sends_at_once(rmq_mock *mock);

/* Connections that are open now, to name server and broker. */
DT_API int64_t rmq_mock_connections(rmq_mock *mock);

#ifdef __cplusplus
}
#endif
#endif
