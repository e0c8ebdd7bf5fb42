#include "support/peer_tls.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct peer_tls {
    SSL *ssl;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_PKEY *key;
static X509 *cert;

static void forget(void)
{
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void add_extension(int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *x;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!x || !X509_add_ext(cert, x, -1))
        abort();
    X509_EXTENSION_free(x);
}

static void make_cert(void)
{
    X509_NAME *name;

    key = EVP_EC_gen("P-256"); /* made in no time, even under valgrind */
    cert = X509_new();
    if (!key || !cert)
        abort();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    add_extension(NID_subject_alt_name, "IP:127.0.0.1");
    add_extension(NID_basic_constraints, "critical,CA:TRUE");
    if (!X509_sign(cert, key, EVP_sha256()))
        abort();
    atexit(forget);
}

struct peer_tls *peer_tls_accept(int fd)
{
    SSL_CTX *ctx;
    struct peer_tls *t;
    SSL *ssl;

    pthread_once(&once, make_cert);
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || !SSL_CTX_use_certificate(ctx, cert) || !SSL_CTX_use_PrivateKey(ctx, key))
        abort();
    ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (!ssl || !SSL_set_fd(ssl, fd) || SSL_accept(ssl) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    t = NEW(struct peer_tls);
    t->ssl = ssl;
    return t;
}

void peer_tls_free(struct peer_tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

ssize_t peer_tls_read(struct peer_tls *t, void *data, size_t n)
{
    return SSL_read(t->ssl, data, (int)n);
}

ssize_t peer_tls_write(struct peer_tls *t, const void *data, size_t n)
{
    return SSL_write(t->ssl, data, (int)n);
}

bool peer_tls_pending(const struct peer_tls *t)
{
    return SSL_pending(t->ssl) > 0;
}

bool peer_tls_write_ca(const char *path)
{
    FILE *f = fopen(path, "w");
    bool ok;

    pthread_once(&once, make_cert);
    ok = f && PEM_write_X509(f, cert);
    if (f)
        fclose(f);
    return ok;
}
