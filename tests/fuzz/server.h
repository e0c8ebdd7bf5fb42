#pragma once
/* server: the other end of a client under test, on a real socket.
 *
 * One for all inputs. Between fuzz_server_begin and fuzz_server_end a thread answers every
 * connection, one after the other, with the next part of the input: parts end at a byte 0xff (which
 * no text has), and the last one is used over and over. A '#' in a part that is a body becomes the
 * number of the connection: another answer each time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "fuzz/fuzz.h"

struct fuzz_server;
/* Answers one connection: reads what it needs, writes what it wants; does not close. */
typedef void fuzz_answer_fn(struct fuzz_server *s, int fd, struct str part);

struct fuzz_server {
    int fd, over; /* listening; an eventfd: the input is over */
    uint16_t port;
    char path[64]; /* of a unix socket; "" */
    fuzz_answer_fn *answer;
    pthread_t thread;
    struct str left, part;  /* of this input */
    bool wrapped;           /* fuzz_server_http: parts are bodies */
    bool whole;             /* the input is one part, whatever is in it */
    atomic_size_t answered; /* connections */
};

#define FUZZ_PARTS_END 0xff

/* Listens on 127.0.0.1, or on a unix socket in a folder of its own. */
void fuzz_server_init(struct fuzz_server *s, bool is_unix, fuzz_answer_fn *answer);
void fuzz_server_begin(struct fuzz_server *s, struct str input);
/* Ends what is being answered and waits for that. */
void fuzz_server_end(struct fuzz_server *s);

/* The head of a request, without more than came with it; false: the client went. */
bool fuzz_server_head(int fd, struct buf *head);
void fuzz_server_say(int fd, const void *data, size_t n);
/* Reads a request; says the part as it is, or, `wrapped`, as the body of an HTTP answer of success
 * ("!" in front: one of failure, whose number is 400 and the next byte). */
void fuzz_server_http(struct fuzz_server *s, int fd, struct str part);
