/*
 * mock.h - the inside of the in-memory RocketMQ.
 *
 * One lock guards everything. The serving thread holds it while it works and lets it go while
 * it waits for events; functions of rmq/mock.h take it and do their work themselves. So each
 * function below says nothing of threads: Lock: mock->lock held.
 *
 *     node.c     name servers, brokers, slaves       fault.c    faults by rule
 *     serve.c    the thread, listening, timers       topic.c    topics, queues, messages
 *     conn.c     connections and their bytes         send.c     10 310 320
 *     reply.c    answers, at once or delayed         pull.c     11 361, held pulls
 *     dispatch.c scripts, then who handles a code    offset.c   14 15 29 30 31
 *     namesrv.c  105 106 206                         group.c    34 35 38, membership
 *     script.c   misbehaviour, counters              admin.c    17 200 202 351
 *     retry.c    36, delayed messages                lock.c     41 42
 *     admin_topic.c 215 216   admin_group.c 201 203 207 208 222   admin_view.c 12 33
 */
#ifndef MOCKMQ_MOCK_H
#define MOCKMQ_MOCK_H

#include <netinet/in.h>
#include <pthread.h>

#include "base/buf.h"
#include "rmq/command.h"
#include "rmq/message_id.h"
#include "rmq/mock.h"
#include "rmq/route.h"
#include "rmq/stored.h"

#define MOCK_NAME_SIZE    256 /* topics, groups and client ids, NUL included */
#define MOCK_QUEUES_MAX   65535
#define MOCK_TOPICS_MAX   10000
#define MOCK_TABLE_MAX    100000 /* members, subscriptions, committed offsets, held pulls */
#define MOCK_SCRIPTED_MAX 512    /* request codes that scripts and counters know */
#define MOCK_REPLY_FIELDS 12
#define MOCK_NODES_MAX    48
#define MOCK_SLAVES_MAX   8 /* of one broker name */
#define MOCK_FAULTS_MAX   256

/* ---------------------------------------------------------------- nodes (node.c) */

/* What the master and the slaves of one broker name share. */
struct mock_shard {
    struct mock_shard *next;
    char name[RMQ_NAME_SIZE];
    struct mock_topic *topics;
    int slots; /* given to slaves */
};

/* A name server or a broker: what listens on a port. */
struct mock_node {
    int number; /* among its kind, from 1 */
    bool is_namesrv;
    uint16_t port;
    int fd; /* -1 while it is down */
    char address[80];
    struct rmq_host host;
    /* brokers only */
    struct mock_shard *shard;
    int64_t id;        /* 0: the master */
    int slot;          /* of a slave, in mock_queue.frozen */
    bool is_unlisted;  /* name servers do not know it */
    bool is_frozen;    /* a slave that gets nothing new */
    int64_t lag;       /* a slave lacks the newest messages of each queue */
    int64_t suggested; /* where its answers tell consumers to pull next */
};

/* The number-th of its kind, or NULL. */
struct mock_node *mock_namesrv_of(struct mockmq *mock, int number);
struct mock_node *mock_broker_of(struct mockmq *mock, int number);
/* Makes it and lets it listen; a broker joins the others of its name; NULL: a name server. */
DT_MUST_USE dt_status mock_node_add(struct mockmq *mock, const char *broker_name,
                                    int64_t id, uint16_t port, struct mock_node **out);
void mock_nodes_free(struct mockmq *mock);

/* ---------------------------------------------------------------- messages (topic.c) */

struct mock_message {
    uint8_t *bytes; /* as stored: rmq/stored.h */
    size_t size;
    int64_t store_ms;
};

struct mock_queue {
    struct mock_topic *topic;
    int32_t id;
    struct mock_message *messages;
    size_t count; /* the next offset */
    size_t base;  /* the first that is stored: messages[offset - base] */
    size_t capacity;
    size_t frozen[MOCK_SLAVES_MAX]; /* end of the queue at slaves that get nothing new */
    int64_t sending;                /* send requests that are not yet answered */
};

struct mock_topic {
    struct mock_topic *next;
    char name[MOCK_NAME_SIZE];
    int32_t read_queues, write_queues, perm;
    struct mock_queue **queues; /* the larger of both numbers, or more: they never go */
    size_t queue_count;
};

/* Of the broker that is at work (mock->at); likewise all that follows. */
struct mock_topic *mock_topic_find(struct mockmq *mock, struct dt_span name);
struct mock_topic *mock_shard_topic(const struct mock_shard *shard, struct dt_span name);
bool mock_topic_is_legal(struct dt_span name);
/* Makes the topic or changes it; NULL: no memory, or too many. */
struct mock_topic *mock_topic_put(struct mockmq *mock, struct dt_span name,
                                  int32_t read_queues, int32_t write_queues, int32_t perm);
/* The queue, or NULL if there is none with that number. */
struct mock_queue *mock_queue_of(const struct mock_topic *topic, int64_t id);
/* Where the queue ends for those who ask the broker that is at work. */
size_t mock_queue_end(const struct mockmq *mock, const struct mock_queue *queue);
/* The message with that offset, base <= offset < count. */
const struct mock_message *mock_queue_at(const struct mock_queue *queue, size_t offset);
/* Drops what is before `offset`. */
void mock_queue_expire(struct mockmq *mock, struct mock_queue *queue, size_t offset);
/* Stores one message, or seems to, if it is to be withheld. `offset` is what its sender is told;
 * the offsets in `stored` are set. False: full. */
bool mock_queue_store(struct mockmq *mock, struct mock_queue *queue,
                      struct rmq_stored *stored, int64_t offset, int64_t *physical_offset);
/* Drops the last messages of a queue, of each queue. */
void mock_queue_lose(struct mockmq *mock, struct mock_queue *queue, size_t count);
void mock_topics_lose(struct mockmq *mock, const struct mock_shard *shard, int64_t count);
/* True if there was one. Its held pulls are answered. */
bool mock_topic_remove(struct mockmq *mock, struct mock_shard *shard, struct dt_span name);
/* Nothing that waits knows the topic's queues any more: pull.c's and reply.c's parts of it. */
void mock_topic_forget_users(struct mockmq *mock, const struct mock_topic *topic);
void mock_delayed_forget(struct mockmq *mock, const struct mock_topic *topic);
void mock_topics_free(struct mockmq *mock, struct mock_shard *shard);

/* ---------------------------------------------------------------- connections (conn.c) */

struct mock_conn {
    uint64_t id; /* never used twice */
    int fd;
    struct mock_node *node; /* at whose port it came in */
    bool is_namesrv;
    bool closing;        /* closed at the end of this turn */
    bool writes_waiting; /* EPOLLOUT is on */
    bool reads_paused;   /* EPOLLIN is off: the peer does not take its answers */
    bool frames_wait;    /* in `in`, for the same reason */
    bool is_cut;         /* what comes in is dropped; closed after cut_left bytes more */
    size_t cut_left;
    struct rmq_host peer;
    struct dt_buf in, out;
};

/* NULL, too, for one that is to be closed: nothing is written to it any more. */
struct mock_conn *mock_conn_find(struct mockmq *mock, uint64_t id);
void mock_conn_accept(struct mockmq *mock, struct mock_node *node);
void mock_conn_event(struct mockmq *mock, struct mock_conn *conn, uint32_t events);
/* Writes what is to be written, closes what is to be closed. Once per turn. */
void mock_conns_settle(struct mockmq *mock);
/* Closes all of a node (NULL: of all), those included that wait to be accepted. */
void mock_conns_close(struct mockmq *mock, struct mock_node *node);

/* ---------------------------------------------------------------- requests and answers */

/* To whom an answer goes, and what happens to it on its way. */
struct mock_address {
    uint64_t conn_id;
    int32_t opaque;
    enum rmq_header_type type;
    int64_t delay_ms;
    bool is_cut; /* after cut_at bytes of it the connection is closed */
    size_t cut_at;
};

/* A request while it is being handled. */
struct mock_call {
    struct mock_conn *conn;
    const struct rmq_command *command;
    enum rmq_header_type type;
    struct dt_span body;
    struct mock_address from;
    struct mock_queue *sending; /* the queue that a send goes to, if it exists */
};

/* What will be answered; begun with success and nothing else. */
struct mock_reply {
    int32_t code;
    char remark[512];
    struct dt_buf text; /* values of the fields */
    struct {
        const char *name;
        size_t at, size; /* in `text` */
    } fields[MOCK_REPLY_FIELDS];
    size_t field_count;
    struct dt_buf body;
    bool held; /* no answer now: the request is kept, and answered later */
};

void mock_reply_begin(struct mock_reply *reply);
void mock_reply_fail(struct mock_reply *reply, int32_t code, const char *format, ...)
    DT_PRINTF(3, 4);
void mock_reply_str(struct mock_reply *reply, const char *name, const char *value);
void mock_reply_int(struct mock_reply *reply, const char *name, int64_t value);
void mock_reply_span(struct mock_reply *reply, const char *name, struct dt_span value);

/* Sends the answer, or keeps it as long as the delay says. `sending` may be NULL. */
void mock_answer(struct mockmq *mock, struct mock_address to,
                 const struct mock_reply *reply, struct mock_queue *sending);
/* Sends what is due. When the next is due, or INT64_MAX. Drops those of a connection. */
void mock_delayed_run(struct mockmq *mock, int64_t now_ms);
int64_t mock_delayed_due_ms(const struct mockmq *mock);
void mock_delayed_drop(struct mockmq *mock, uint64_t conn_id);

/* Handles one frame; false: the connection is to be closed. */
bool mock_dispatch(struct mockmq *mock, struct mock_conn *conn,
                   const struct rmq_frame *frame);

typedef void mock_handler(struct mockmq *mock, const struct mock_call *call,
                          struct mock_reply *reply);
mock_handler mock_handle_route, mock_handle_cluster, mock_handle_topic_list; /* namesrv.c */
mock_handler mock_handle_send;                                               /* send.c */
mock_handler mock_handle_pull;                                               /* pull.c */
mock_handler mock_handle_heartbeat, mock_handle_unregister,
    mock_handle_members;                           /* group.c */
mock_handler mock_handle_send_back;                /* retry.c */
mock_handler mock_handle_lock, mock_handle_unlock; /* lock.c */
mock_handler mock_handle_offset_query, mock_handle_offset_update, mock_handle_offset_search,
    mock_handle_offset_max, mock_handle_offset_min; /* offset.c */
mock_handler mock_handle_topic_create, mock_handle_topic_stats, mock_handle_topic_config,
    mock_handle_group_create;                                    /* admin.c */
mock_handler mock_handle_topic_delete, mock_handle_topic_forget; /* admin_topic.c */
mock_handler mock_handle_group_list, mock_handle_group_delete, mock_handle_progress,
    mock_handle_connections, mock_handle_reset;   /* admin_group.c */
mock_handler mock_handle_view, mock_handle_query; /* admin_view.c */

/* The text of a mandatory field; false: the reply is the refusal for its absence. */
bool mock_call_str(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   struct dt_span *value);
bool mock_call_i64(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   int64_t *value);
bool mock_call_i32(const struct mock_call *call, struct mock_reply *reply, const char *name,
                   int32_t *value);

bool mock_is_send(int32_t request_code);
/* The queue that a send names, or NULL. */
struct mock_queue *mock_send_queue(struct mockmq *mock, const struct rmq_command *command);

/* ---------------------------------------------------------------- tables */

struct mock_member {
    const struct mock_node *node; /* that heard of it */
    char group[MOCK_NAME_SIZE];
    char client_id[MOCK_NAME_SIZE];
    uint64_t conn_id;
    int64_t seen_ms;           /* its last heartbeat */
    int32_t language, version; /* of its last heartbeat */
};

struct mock_subscription {
    char group[MOCK_NAME_SIZE];
    char topic[MOCK_NAME_SIZE];
    char *expression; /* "*" or "TagA || TagB" */
};

/* A consumer group that the broker knows, which it does from its first pull or heartbeat on. */
struct mock_group {
    char name[MOCK_NAME_SIZE];
    char *config; /* JSON, as it was put; NULL: it was not */
};

struct mock_committed {
    const struct mock_shard *shard;
    char group[MOCK_NAME_SIZE];
    char topic[MOCK_NAME_SIZE];
    int32_t queue_id;
    int64_t offset;
    bool is_reset; /* whoever pulls next is told to go on at `offset` */
};

/* A queue that a member of a group has locked. */
struct mock_lock {
    const struct mock_shard *shard;
    char group[MOCK_NAME_SIZE];
    char topic[MOCK_NAME_SIZE];
    char client_id[MOCK_NAME_SIZE]; /* "": nobody has */
    int32_t queue_id;
    int64_t last_ms;
};

/* A pull that waits for a message. */
struct mock_pull {
    struct mock_pull *next;
    struct mock_address from;
    struct mock_node *node; /* that was asked */
    struct mock_queue *queue;
    int64_t offset;
    int32_t count_max;
    int64_t deadline_ms;
    char *expression;
};

struct mock_delayed {
    struct mock_delayed *next;
    int64_t due_ms;
    bool is_cut;
    size_t cut_at;
    uint64_t conn_id;
    struct dt_buf bytes;
    struct mock_queue *sending;
};

/* Room for one more in a growing array of at most MOCK_TABLE_MAX; NULL: none. Returned zeroed,
 * and counted. */
void *mock_table_add(void **table, size_t *count, size_t *capacity, size_t item_size);

struct mock_member *mock_member_find(struct mockmq *mock, struct dt_span group,
                                     struct dt_span client_id);
void mock_group_add(struct mockmq *mock, struct dt_span name);
/* The same with settings: a JSON object. */
void mock_group_configure(struct mockmq *mock, struct dt_span name, struct dt_span config);
void mock_group_remove(struct mockmq *mock, struct dt_span name);
bool mock_group_is_known(const struct mockmq *mock, struct dt_span name);
void mock_members_leave(struct mockmq *mock, uint64_t conn_id);
/* Those that have sent no heartbeat for two minutes leave. When the next may have to. */
void mock_members_run(struct mockmq *mock, int64_t now_ms);
int64_t mock_members_due_ms(const struct mockmq *mock);
const char *mock_subscription_of(struct mockmq *mock, struct dt_span group,
                                 struct dt_span topic);
void mock_offset_commit(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                        int32_t queue_id, int64_t offset);

/* Sets the offset, to be given to who pulls next; true if there is one, then there is none. */
void mock_offset_reset(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                       int32_t queue_id, int64_t offset);
bool mock_offset_take_reset(struct mockmq *mock, struct dt_span group, struct dt_span topic,
                            int32_t queue_id, int64_t *offset);
/* The first message stored at that time or later; below 0: the end. */
int64_t mock_offset_at_time(const struct mock_queue *queue, int64_t wall_ms);
void mock_offsets_forget(struct mockmq *mock, struct dt_span group);

/* retry.c: messages that are stored later. How long a message is to wait; stores it then; does
 * what is due; when the next is, or INT64_MAX. */
int64_t mock_delay_wanted_ms(const struct mockmq *mock, struct dt_span properties);
bool mock_schedule(struct mockmq *mock, struct mock_shard *shard, struct dt_span topic,
                   int32_t queue_id, const struct rmq_stored *stored, int64_t delay_ms);
void mock_scheduled_run(struct mockmq *mock, int64_t now_ms);
int64_t mock_scheduled_due_ms(const struct mockmq *mock);
void mock_scheduled_free(struct mockmq *mock);

/* Answers the pulls that wait for this queue, as far as there is something now. */
void mock_pulls_wake(struct mockmq *mock, struct mock_queue *queue);
/* Answers those that have waited long enough. When the next will have, or INT64_MAX. */
void mock_pulls_run(struct mockmq *mock, int64_t now_ms);
int64_t mock_pulls_due_ms(const struct mockmq *mock);
void mock_pulls_drop(struct mockmq *mock, uint64_t conn_id);

/* ---------------------------------------------------------------- scripts (script.c) */

struct mock_script {
    int64_t requests; /* have arrived */
    int64_t errors;   /* so many more are answered with error_code */
    int32_t error_code;
    int64_t lost_answers; /* so many more are not answered */
};

struct mock_fault {
    rmq_mock_fault is;
    char remark[256];
};

/* Takes one of what is outstanding for a request with that code to the node at work; false:
 * nothing is. Only those that cut requests, or only the others. */
bool mock_fault_take(struct mockmq *mock, const struct mock_node *node,
                     int32_t request_code, bool cuts_request, struct mock_fault *out);

struct mock_withhold {
    char topic[MOCK_NAME_SIZE];
    int64_t count;
};

void mock_count_request(struct mockmq *mock, int32_t request_code);
/* True, and one fewer outstanding, if this request is to be refused with *response_code. */
bool mock_script_error(struct mockmq *mock, int32_t request_code, int32_t *response_code);
bool mock_script_loses_answer(struct mockmq *mock, int32_t request_code);
/* True if this message, which is to be acknowledged with that offset, is not to be stored. */
bool mock_script_withholds(struct mockmq *mock, const struct mock_queue *queue,
                           int64_t offset, struct dt_span properties);

/* ---------------------------------------------------------------- all of it */

struct mockmq {
    pthread_mutex_t lock;
    pthread_cond_t arrived; /* a request was counted */
    pthread_t thread;
    bool thread_runs, stopping;

    char host[64], cluster[RMQ_NAME_SIZE], broker_name[RMQ_NAME_SIZE];
    struct in_addr ip;
    char namesrvs[MOCK_NODES_MAX * 24];
    size_t memory_max, memory_used;
    int32_t default_queues;
    bool auto_create, mirror_header_type;

    int epoll_fd, wake_fd;
    struct mock_node *nodes[MOCK_NODES_MAX];
    size_t node_count;
    struct mock_shard *shards;
    struct mock_node *at; /* the broker at work; the first one while none is */
    bool accepting;       /* false: no handles were left; tried again a little later */
    struct mock_conn **conns;
    size_t conn_slots;
    int64_t conn_count;
    uint32_t conn_generation;

    int64_t topic_count;
    int64_t physical_offset;
    struct rmq_uniq_key uniq_key;
    int32_t opaque; /* of the broker's own requests */

    struct mock_group *groups;
    size_t group_count, group_capacity;
    struct mock_member *members;
    size_t member_count, member_capacity;
    bool members_expire;
    int64_t members_due_ms; /* none has to leave before */
    struct mock_subscription *subscriptions;
    size_t subscription_count, subscription_capacity;
    struct mock_committed *committed;
    size_t committed_count, committed_capacity;
    struct mock_lock *locks;
    size_t lock_count, lock_capacity;
    struct mock_scheduled *scheduled; /* by due_ms */
    struct mock_pull *pulls;
    int64_t pull_count;
    int32_t answer_count_max; /* of one pull; 0: as from memory */
    size_t answer_bytes_max;
    struct mock_delayed *delayed; /* by due_ms */

    bool is_virtual; /* time goes on only when it is told to */
    int64_t now_ms, wall_ms;

    bool forgets;
    int64_t delay_ms;
    size_t piece_max; /* bytes of one read or write; 0: all there is */
    struct mock_fault faults[MOCK_FAULTS_MAX];
    size_t fault_count;
    size_t request_cuts; /* faults that cut requests */
    int64_t sends_at_once;
    struct mock_script scripts[MOCK_SCRIPTED_MAX]; /* by request code; 0: all sends */
    struct mock_withhold *withholds;
    size_t withhold_count, withhold_capacity;
    rmq_mock_withheld *withheld;
    size_t withheld_count, withheld_capacity;

    struct rmq_command command;   /* of the request being handled */
    struct mock_reply reply;      /* to it */
    struct mock_reply late_reply; /* to a pull that waited */
    struct dt_buf scratch, stored;
};

/* serve.c. Listening: DT_EIO. */
dt_status mock_listen(struct mockmq *mock, struct mock_node *node);
void mock_listen_end(struct mock_node *node);
void mock_accept_again(struct mockmq *mock,
                       bool again); /* false: after no handles were left */
void mock_watch(struct mockmq *mock, int fd, uint64_t id, uint32_t events, bool is_new);
void *mock_serve(void *mock);

/* What time it is for the mock: of intervals, and of the wall. */
int64_t mock_now_ms(const struct mockmq *mock);
int64_t mock_wall_ms(const struct mockmq *mock);
/* Does what is due; when the next is. */
void mock_run_due(struct mockmq *mock);
int64_t mock_due_ms(const struct mockmq *mock);

/* Ids that epoll gives back; connections count from MOCK_ID_CONNS. */
enum { MOCK_ID_WAKE, MOCK_ID_NODES, MOCK_ID_CONNS = MOCK_ID_NODES + MOCK_NODES_MAX };

#endif
