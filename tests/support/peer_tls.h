#pragma once
/* peer_tls: TLS for a scripted peer, with a certificate made on the spot for
 * 127.0.0.1. Used by peer.c. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer_tls;

struct peer_tls *peer_tls_accept(int fd);                        /* NULL when the handshake fails */
void peer_tls_free(struct peer_tls *t);                          /* says no goodbye; NULL is fine */
ssize_t peer_tls_read(struct peer_tls *t, void *data, size_t n); /* 0 or less: the end */
ssize_t peer_tls_write(struct peer_tls *t, const void *data, size_t n);
bool peer_tls_pending(const struct peer_tls *t);

/* Writes the certificate as a file of trusted authorities. */
bool peer_tls_write_ca(const char *path);
