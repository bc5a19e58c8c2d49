/*
 * codes.h - the numbers of the RocketMQ remoting protocol.
 *
 * Only those that this library sends, answers or judges. Names follow the broker's source, so
 * that one search finds both ends.
 */
#ifndef RMQ_CODES_H
#define RMQ_CODES_H

/* Request codes. They stay below 65536, so that both header types can carry them. */
enum rmq_request_code {
    RMQ_SEND_MESSAGE = 10, /* long field names */
    RMQ_PULL_MESSAGE = 11,
    RMQ_QUERY_MESSAGE = 12,
    RMQ_QUERY_CONSUMER_OFFSET = 14,
    RMQ_UPDATE_CONSUMER_OFFSET = 15,
    RMQ_UPDATE_AND_CREATE_TOPIC = 17,
    RMQ_GET_ALL_TOPIC_CONFIG = 21,
    RMQ_GET_BROKER_CONFIG = 26,
    RMQ_GET_BROKER_RUNTIME_INFO = 28,
    RMQ_SEARCH_OFFSET_BY_TIMESTAMP = 29,
    RMQ_GET_MAX_OFFSET = 30,
    RMQ_GET_MIN_OFFSET = 31,
    RMQ_VIEW_MESSAGE_BY_ID = 33,
    RMQ_HEART_BEAT = 34,
    RMQ_UNREGISTER_CLIENT = 35,
    RMQ_CONSUMER_SEND_MSG_BACK = 36,
    RMQ_GET_CONSUMER_LIST_BY_GROUP = 38,
    RMQ_NOTIFY_CONSUMER_IDS_CHANGED = 40, /* broker to client, oneway */
    RMQ_LOCK_BATCH_MQ = 41,
    RMQ_UNLOCK_BATCH_MQ = 42,
    RMQ_GET_ROUTEINFO_BY_TOPIC = 105,  /* name server */
    RMQ_GET_BROKER_CLUSTER_INFO = 106, /* name server */
    RMQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP = 200,
    RMQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG = 201,
    RMQ_GET_TOPIC_STATS_INFO = 202,
    RMQ_GET_CONSUMER_CONNECTION_LIST = 203,
    RMQ_GET_ALL_TOPIC_LIST = 206, /* name server */
    RMQ_DELETE_SUBSCRIPTIONGROUP = 207,
    RMQ_GET_CONSUME_STATS = 208,
    RMQ_DELETE_TOPIC_IN_BROKER = 215,
    RMQ_DELETE_TOPIC_IN_NAMESRV = 216,      /* name server */
    RMQ_RESET_CONSUMER_CLIENT_OFFSET = 220, /* broker to client, oneway */
    RMQ_INVOKE_BROKER_TO_RESET_OFFSET = 222,
    RMQ_GET_CONSUMER_RUNNING_INFO = 307, /* also broker to client */
    RMQ_SEND_MESSAGE_V2 = 310,           /* one-letter field names */
    RMQ_SEND_BATCH_MESSAGE = 320,        /* body as in batch.h, field m must be "true" */
    RMQ_GET_TOPIC_CONFIG = 351,
    RMQ_LITE_PULL_MESSAGE = 361
};

/* Response codes. A response is judged by its code alone: a remark may stand on success. */
enum rmq_response_code {
    RMQ_SUCCESS = 0,
    RMQ_SYSTEM_ERROR = 1,
    RMQ_SYSTEM_BUSY = 2,
    RMQ_REQUEST_CODE_NOT_SUPPORTED = 3,
    RMQ_FLUSH_DISK_TIMEOUT = 10, /* stored, as 11 and 12 are */
    RMQ_SLAVE_NOT_AVAILABLE = 11,
    RMQ_FLUSH_SLAVE_TIMEOUT = 12,
    RMQ_MESSAGE_ILLEGAL = 13,
    RMQ_SERVICE_NOT_AVAILABLE = 14,
    RMQ_NO_PERMISSION = 16,
    RMQ_TOPIC_NOT_EXIST = 17,
    RMQ_PULL_NOT_FOUND = 19,
    RMQ_PULL_RETRY_IMMEDIATELY = 20,
    RMQ_PULL_OFFSET_MOVED = 21,
    RMQ_QUERY_NOT_FOUND = 22,
    RMQ_SUBSCRIPTION_PARSE_FAILED = 23,
    RMQ_SUBSCRIPTION_NOT_EXIST = 24,
    RMQ_SUBSCRIPTION_NOT_LATEST = 25,
    RMQ_SUBSCRIPTION_GROUP_NOT_EXIST = 26,
    RMQ_INVALID_PARAMETER = 29, /* brokers before 5.3.2 answer 1 in these cases */
    RMQ_NO_BUYER_ID = 204,
    RMQ_NOT_IN_CURRENT_UNIT = 205,
    RMQ_CONSUMER_NOT_ONLINE = 206,
    RMQ_FLOW_CONTROL = 215,
    RMQ_GO_AWAY = 1500
};

/* `language` of a header. Names are in command.c; an unknown one decodes as -1. */
enum rmq_language { RMQ_LANGUAGE_JAVA = 0, RMQ_LANGUAGE_CPP = 1, RMQ_LANGUAGE_OTHER = 7 };

/* `version` of a header is the ordinal of a release. */
enum rmq_version {
    RMQ_VERSION_4_9_4 = 401, /* from here on name servers send standard JSON routes */
    RMQ_VERSION_5_3_3 = 479
};

/* `flag` of a header. */
enum rmq_flag { RMQ_FLAG_RESPONSE = 1, RMQ_FLAG_ONEWAY = 2 };

/* `sysFlag` of a message. The broker sets the two host bits; nobody else does. */
enum rmq_sys_flag {
    RMQ_SYS_COMPRESSED = 0x0001,
    RMQ_SYS_TRANSACTION_MASK = 0x000C, /* 0 none, 4 prepared, 8 commit, 12 rollback */
    RMQ_SYS_BORN_HOST_IPV6 = 0x0010,
    RMQ_SYS_STORE_HOST_IPV6 = 0x0020,
    RMQ_SYS_INNER_BATCH = 0x00C0, /* both bits: the body is a batch (batch.h) */
    RMQ_SYS_COMPRESSION_MASK = 0x0700,
    RMQ_SYS_COMPRESSION_LZ4 = 0x0100,
    RMQ_SYS_COMPRESSION_ZSTD = 0x0200,
    RMQ_SYS_COMPRESSION_ZLIB = 0x0300 /* as 0 is, from older senders */
};

/* `sysFlag` of a pull request. */
enum rmq_pull_flag {
    RMQ_PULL_COMMIT = 1,       /* commit `commitOffset` now */
    RMQ_PULL_SUSPEND = 2,      /* hold the request while there is nothing */
    RMQ_PULL_SUBSCRIPTION = 4, /* `subscription` stands in this request */
    RMQ_PULL_LITE = 16         /* with RMQ_LITE_PULL_MESSAGE */
};

/* `perm` of a topic. */
enum rmq_perm { RMQ_PERM_INHERIT = 1, RMQ_PERM_WRITE = 2, RMQ_PERM_READ = 4 };

/* Limits of brokers, as they are out of the box. */
enum rmq_limit {
    RMQ_FRAME_SIZE_MAX = 16777216, /* with the four bytes of its length */
    RMQ_BODY_SIZE_MAX = 4194304,
    RMQ_PROPERTIES_SIZE_MAX = 32767, /* what the broker adds included */
    RMQ_TOPIC_SIZE_MAX = 127,
    RMQ_GROUP_SIZE_MAX = 255
};

/* The topic whose settings new topics inherit. */
#define RMQ_DEFAULT_TOPIC "TBW102"

#endif
