#pragma once
/* acs_conn: one ACS connection, shared by acs.c (what is sent) and acs_read.c
 * (what agents answer). */
#include "acs.h"
#include "base/clock.h"
#include "ecs.h"

#define ACS_SENT_MAX 256

struct acs_conn {
    struct list node;
    struct acs *acs;
    struct instance *instance; /* NULL: replaced or dropped, only waits for its end */
    struct cp_ws *ws;
    bool wake;
    bool checks_heartbeats;                  /* protocolVersion 2 */
    int64_t heartbeat_at_ms, manifest_at_ms; /* monotonic; manifest 0: none is due */
    char heartbeat_id[RNG_UUID_SIZE];        /* "": acknowledged */
    int heartbeats_missed;
    char manifest_id[RNG_UUID_SIZE];
    char sent[ACS_SENT_MAX][RNG_UUID_SIZE]; /* ids of the last messages */
    size_t sent_count;
};

struct acs {
    struct ecs *x;
    struct list conns;
    struct cp_timer *tick, *flush;
    struct local *local;
};

/* A message in the making: {"type":TYPE,"message":{ is written, the rest is the
 * caller's. */
struct acs_message {
    struct buf buf;
    struct jw w;
    char id[RNG_UUID_SIZE];
};
void acs_message_begin(struct acs_conn *k, struct acs_message *m, const char *type);
void acs_message_send(struct acs_conn *k, struct acs_message *m);

/* When a role's credentials end, as it is sent: whole seconds. */
void acs_expiration(const struct role *r, char out[CLOCK_ISO_SIZE]);

/* ---- acs_read.c ---- */
void acs_read(struct acs_conn *k, struct str text);
