#pragma once
/* server: the other end of a client under test, on a real socket.
 *
 * One for all inputs, on the client's own loop: it looks at its sockets in each turn, so that an
 * input waits for no other thread, and has the same turns each time. Between fuzz_server_begin and
 * fuzz_server_end it answers every request with the next part of the input: parts end at a byte
 * 0xff (which no text has), and the last one is used over and over. A '#' in a part that is a body
 * becomes the number of the answer: another one each time. */
#include <stdint.h>

#include "fuzz/fuzz.h"
#include "io/loop.h"

#define FUZZ_PARTS_END 0xff
#define FUZZ_TALKS     8

/* One connection. */
struct fuzz_talk {
    int fd; /* -1: none */
    enum { FUZZ_TALK_HEAR, FUZZ_TALK_SAY, FUZZ_TALK_LINGER } step;
    struct buf asked; /* the request */
    struct buf out;
    struct fuzz_pieces pieces; /* said after `out`, one in a turn */
    size_t said;               /* of `out` */
    bool keep;                 /* for another request */
};

struct fuzz_server;
/* Fills t->out, and what else there is to say of the talk. */
typedef void fuzz_answer_fn(struct fuzz_server *s, struct fuzz_talk *t, struct str part);

struct fuzz_server {
    int fd; /* listening */
    uint16_t port;
    char path[64]; /* of a unix socket; "" */
    fuzz_answer_fn *answer;
    struct loop_timer *turn;
    struct fuzz_talk talks[FUZZ_TALKS];
    struct str left, part; /* of this input */
    bool wrapped;          /* fuzz_server_http: parts are bodies */
    bool whole;            /* the input is one part, whatever is in it */
    size_t answered;       /* requests */
};

/* Listens on 127.0.0.1, or on a unix socket in a folder of its own. */
void fuzz_server_init(struct fuzz_server *s, struct loop *loop, bool is_unix,
                      fuzz_answer_fn *answer);
void fuzz_server_begin(struct fuzz_server *s, struct str input);
/* Ends what is being answered, and all connections. */
void fuzz_server_end(struct fuzz_server *s);

/* Says the part as it is and closes; or, `wrapped`, as the body of an HTTP answer of success ("!"
 * in front: one of failure, whose number is 400 and the next byte). */
void fuzz_server_http(struct fuzz_server *s, struct fuzz_talk *t, struct str part);
/* Says that; the connection is kept for another request. */
void fuzz_server_body(struct fuzz_talk *t, int status, const char *headers, struct str body);
