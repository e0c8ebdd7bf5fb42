#pragma once
/* fake_docker: just enough of the Docker Engine API, on a real unix socket, for
 * tests of the engine. One thread a connection; containers do only what a test
 * says. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

#define FAKE_MAX_CONTAINERS 128
#define FAKE_MAX_STREAMS    8

enum fake_state { FAKE_CREATED, FAKE_RUNNING, FAKE_EXITED };

struct fake_container {
    char id[65];
    char name[256];
    char arn[256];
    char label_name[128]; /* of the container in its task */
    enum fake_state state;
    int exit_code;
    char *body; /* of its create */
};

struct fake_docker {
    char path[128];
    int listener;
    pthread_t acceptor;
    pthread_mutex_t lock;
    int fds[64]; /* open connections, -1: free */
    int busy;    /* threads that serve one */
    int streams[FAKE_MAX_STREAMS];
    struct fake_container containers[FAKE_MAX_CONTAINERS];
    size_t n_containers;
    int creates, starts, lists;
    bool mute_creates; /* makes the container but never answers */
};

/* ---- events ---- */

static void fake_send(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

/* Under the lock. */
static void fake_tell(struct fake_docker *f, const struct fake_container *c, const char *action)
{
    char json[1200], chunk[1300];
    int n;

    snprintf(json, sizeof json,
             "{\"Type\":\"container\",\"Action\":\"%s\",\"status\":\"%s\",\"id\":\"%s\","
             "\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"name\":\"%s\",\"exitCode\":\"%d\","
             "\"com.amazonaws.ecs.task-arn\":\"%s\",\"com.amazonaws.ecs.container-name\":\"%s\"}},"
             "\"time\":1767323045,\"timeNano\":1767323045000000000}\n",
             action, action, c->id, c->id, c->name, c->exit_code, c->arn, c->label_name);
    n = snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(json), json);
    for (size_t i = 0; i < FAKE_MAX_STREAMS; i++) {
        if (f->streams[i] >= 0)
            fake_send(f->streams[i], chunk, (size_t)n);
    }
}

/* ---- answers ---- */

static void fake_answer(int fd, int status, const char *body)
{
    char head[200];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d Fake\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     status, strlen(body));

    fake_send(fd, head, (size_t)n);
    fake_send(fd, body, strlen(body));
}

static struct fake_container *fake_find(struct fake_docker *f, const char *ref, size_t n)
{
    for (size_t i = 0; i < f->n_containers; i++) {
        struct fake_container *c = &f->containers[i];

        if ((strlen(c->id) == n && memcmp(c->id, ref, n) == 0) ||
            (strlen(c->name) == n && memcmp(c->name, ref, n) == 0))
            return c;
    }
    return NULL;
}

static bool fake_create(struct fake_docker *f, int fd, const char *name, const char *body)
{
    AUTO(json) struct json_t *doc = NULL;
    struct fake_container *c;
    struct err e = { 0 };
    struct jcur root, labels;
    char answer[200];

    f->creates++;
    if (fake_find(f, name, strlen(name))) {
        fake_answer(fd, 409, "{\"message\":\"Conflict. The container name is already in use\"}");
        return true;
    }
    if (json_parse(body, strlen(body), &doc, &e) || f->n_containers == FAKE_MAX_CONTAINERS) {
        fake_answer(fd, 400, "{\"message\":\"bad body\"}");
        return true;
    }
    root = jcur_root(doc, &e);
    labels = jcur_obj(&root, "Labels");
    c = &f->containers[f->n_containers++];
    snprintf(c->id, sizeof c->id, "%064zx", f->n_containers);
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->arn, sizeof c->arn, "%s", jcur_str(&labels, "com.amazonaws.ecs.task-arn"));
    snprintf(c->label_name, sizeof c->label_name, "%s",
             jcur_str(&labels, "com.amazonaws.ecs.container-name"));
    c->state = FAKE_CREATED;
    c->body = mem_strdup(body);
    fake_tell(f, c, "create");
    if (f->mute_creates)
        return false;
    snprintf(answer, sizeof answer, "{\"Id\":\"%s\",\"Warnings\":[]}", c->id);
    fake_answer(fd, 201, answer);
    return true;
}

static const char *fake_state_name(enum fake_state s)
{
    return s == FAKE_RUNNING ? "running" : s == FAKE_EXITED ? "exited" : "created";
}

static void fake_list(struct fake_docker *f, int fd)
{
    struct buf b = BUF_INIT(1 << 20);

    f->lists++;
    buf_putc(&b, '[');
    for (size_t i = 0; i < f->n_containers; i++) {
        const struct fake_container *c = &f->containers[i];

        buf_printf(&b,
                   "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"State\":\"%s\",\"Labels\":{"
                   "\"com.amazonaws.ecs.task-arn\":\"%s\","
                   "\"com.amazonaws.ecs.container-name\":\"%s\"}}",
                   i ? "," : "", c->id, c->name, fake_state_name(c->state), c->arn, c->label_name);
    }
    buf_putc(&b, ']');
    fake_answer(fd, 200, buf_text(&b));
    buf_fini(&b);
}

static void fake_inspect(int fd, const struct fake_container *c)
{
    char body[1024];

    snprintf(body, sizeof body,
             "{\"Id\":\"%s\",\"Name\":\"/%s\",\"Created\":\"2026-01-02T03:04:05Z\","
             "\"State\":{\"Status\":\"%s\",\"Running\":%s,\"ExitCode\":%d,\"Error\":\"\","
             "\"OOMKilled\":false,\"Dead\":false,\"StartedAt\":\"%s\",\"FinishedAt\":\"%s\"},"
             "\"Config\":{\"Tty\":false},\"NetworkSettings\":{\"Ports\":{}}}",
             c->id, c->name, fake_state_name(c->state), c->state == FAKE_RUNNING ? "true" : "false",
             c->exit_code,
             c->state == FAKE_CREATED ? "0001-01-01T00:00:00Z" : "2026-01-02T03:04:06Z",
             c->state == FAKE_EXITED ? "2026-01-02T03:04:07Z" : "0001-01-01T00:00:00Z");
    fake_answer(fd, 200, body);
}

static void fake_container_call(struct fake_docker *f, int fd, const char *method, const char *rest)
{
    size_t n = strcspn(rest, "/?");
    struct fake_container *c = fake_find(f, rest, n);
    const char *verb = rest + n;

    if (!c) {
        fake_answer(fd, 404, "{\"message\":\"No such container\"}");
    } else if (str_starts(verb, "/json")) {
        fake_inspect(fd, c);
    } else if (str_starts(verb, "/start")) {
        f->starts++;
        c->state = FAKE_RUNNING;
        fake_tell(f, c, "start");
        fake_answer(fd, 204, "");
    } else if (str_starts(verb, "/stop")) {
        c->state = FAKE_EXITED;
        c->exit_code = 143;
        fake_tell(f, c, "die");
        fake_answer(fd, 204, "");
    } else if (streq(method, "DELETE")) {
        fake_answer(fd, 204, "");
    } else {
        fake_answer(fd, 500, "{\"message\":\"what?\"}");
    }
}

/* False: the connection stays without an answer. */
static bool fake_serve(struct fake_docker *f, int fd, const char *method, const char *path,
                       const char *body)
{
    const char *p = str_starts(path, "/v1.") ? strchr(path + 1, '/') : path;
    char name[256] = "";
    bool answered = true;

    pthread_mutex_lock(&f->lock);
    if (str_starts(p, "/version")) {
        fake_answer(fd, 200,
                    "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\","
                    "\"MinAPIVersion\":\"1.12\"}");
    } else if (str_starts(p, "/events")) {
        fake_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47);
        for (size_t i = 0; i < FAKE_MAX_STREAMS; i++) {
            if (f->streams[i] < 0) {
                f->streams[i] = fd;
                break;
            }
        }
        answered = false;
    } else if (str_starts(p, "/images/create")) {
        fake_answer(fd, 200, "{\"status\":\"Pull complete\"}\n");
    } else if (str_starts(p, "/images/")) {
        fake_answer(fd, 200,
                    "{\"Id\":\"sha256:aa\",\"RepoDigests\":[\"other@sha256:01\","
                    "\"busybox@sha256:02\"],\"Config\":{\"Env\":[\"IMAGE=yes\"]}}");
    } else if (str_starts(p, "/containers/create")) {
        sscanf(p, "/containers/create?name=%255[^&]", name);
        answered = fake_create(f, fd, name, body);
    } else if (str_starts(p, "/containers/json")) {
        fake_list(f, fd);
    } else if (str_starts(p, "/containers/")) {
        fake_container_call(f, fd, method, p + strlen("/containers/"));
    } else {
        fake_answer(fd, 404, "{\"message\":\"page not found\"}");
    }
    pthread_mutex_unlock(&f->lock);
    return answered;
}

/* ---- connections ---- */

/* Reads one request; false at the end of the connection. */
static bool fake_read(int fd, struct buf *in, char method[16], char path[4096], char **body)
{
    size_t head, length = 0;
    const char *end, *at;

    for (;;) {
        end = in->len ? strstr(in->data, "\r\n\r\n") : NULL;
        if (end) {
            head = (size_t)(end - in->data) + 4;
            at = strcasestr(in->data, "content-length:");
            length = at && at < end ? strtoul(at + 15, NULL, 10) : 0;
            if (in->len >= head + length)
                break;
        }
        char *room = buf_reserve(in, 4096);
        ssize_t n = room ? recv(fd, room, 4096, 0) : -1;

        if (n <= 0)
            return false;
        buf_grew(in, (size_t)n);
    }
    sscanf(in->data, "%15s %4095s", method, path);
    *body = mem_strndup(in->data + head, length);
    buf_consume(in, head + length);
    return true;
}

struct fake_connection {
    struct fake_docker *docker;
    size_t slot;
};

static void *fake_connection_run(void *arg)
{
    struct fake_connection *k = arg;
    struct fake_docker *f = k->docker;
    int fd = f->fds[k->slot];
    struct buf in = BUF_INIT(8 << 20);
    char method[16], path[4096];
    char *body = NULL;

    while (fake_read(fd, &in, method, path, &body)) {
        fake_serve(f, fd, method, path, body);
        free(body);
        body = NULL;
    }
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < FAKE_MAX_STREAMS; i++) {
        if (f->streams[i] == fd)
            f->streams[i] = -1;
    }
    f->fds[k->slot] = -1;
    f->busy--;
    close(fd);
    pthread_mutex_unlock(&f->lock);
    buf_fini(&in);
    free(k);
    return NULL;
}

static void *fake_accept_run(void *arg)
{
    struct fake_docker *f = arg;
    int fd;

    while ((fd = accept(f->listener, NULL, NULL)) >= 0) {
        struct fake_connection *k = NEW(struct fake_connection);
        pthread_t thread;

        pthread_mutex_lock(&f->lock);
        k->docker = f;
        while (k->slot < COUNT_OF(f->fds) - 1 && f->fds[k->slot] >= 0)
            k->slot++;
        f->fds[k->slot] = fd;
        f->busy++;
        pthread_mutex_unlock(&f->lock);
        if (pthread_create(&thread, NULL, fake_connection_run, k) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static void fake_docker_start(struct fake_docker *f, const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    memset(f, 0, sizeof *f);
    memset(f->fds, -1, sizeof f->fds);
    memset(f->streams, -1, sizeof f->streams);
    pthread_mutex_init(&f->lock, NULL);
    if ((size_t)snprintf(f->path, sizeof f->path, "%s", path) >= sizeof addr.sun_path)
        abort();
    memcpy(addr.sun_path, f->path, sizeof addr.sun_path);
    unlink(path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (const struct sockaddr *)&addr, sizeof addr) ||
        listen(f->listener, 64) || pthread_create(&f->acceptor, NULL, fake_accept_run, f))
        abort();
}

static void fake_docker_stop(struct fake_docker *f)
{
    bool idle = false;

    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->acceptor, NULL);
    close(f->listener);
    while (!idle) {
        pthread_mutex_lock(&f->lock);
        for (size_t i = 0; i < COUNT_OF(f->fds); i++) {
            if (f->fds[i] >= 0)
                shutdown(f->fds[i], SHUT_RDWR);
        }
        idle = f->busy == 0;
        pthread_mutex_unlock(&f->lock);
        sched_yield();
    }
    for (size_t i = 0; i < f->n_containers; i++)
        free(f->containers[i].body);
    pthread_mutex_destroy(&f->lock);
    unlink(f->path);
}

/* The container's process ends; whoever listens to events hears of it. */
static void fake_docker_exit(struct fake_docker *f, size_t container, int exit_code)
{
    struct fake_container *c = &f->containers[container];

    pthread_mutex_lock(&f->lock);
    c->state = FAKE_EXITED;
    c->exit_code = exit_code;
    fake_tell(f, c, "die");
    pthread_mutex_unlock(&f->lock);
}

/* A number read under the lock. */
static int fake_docker_count(struct fake_docker *f, const int *number)
{
    int n;

    pthread_mutex_lock(&f->lock);
    n = *number;
    pthread_mutex_unlock(&f->lock);
    return n;
}
