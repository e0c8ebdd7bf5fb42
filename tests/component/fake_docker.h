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
#define FAKE_MAX_NAMES      16 /* of images, of volumes */
#define FAKE_MAX_HELD       32

#define FAKE_HEX      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define FAKE_DIGEST_1 "sha256:" FAKE_HEX "1" /* of another repository */
#define FAKE_DIGEST_2 "sha256:" FAKE_HEX "2" /* of busybox, here */
#define FAKE_DIGEST_3 "sha256:" FAKE_HEX "3" /* of everything, in the registry */

enum fake_state { FAKE_CREATED, FAKE_RUNNING, FAKE_EXITED };

struct fake_container {
    char id[65];
    char name[256];
    char arn[256];
    char label_name[128]; /* of the container in its task */
    enum fake_state state;
    bool paused;
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
    int creates, starts, lists, stops;
    int pauses, thaws;   /* that were asked for */
    int fail_pauses;     /* so many of them fail, and have happened all the same */
    bool old_stop;       /* refuses to stop what is paused */
    bool stopped_paused; /* ... or was not asked to */
    bool mute_creates;   /* makes the container but never answers */

    /* Images: all there are, unless `strict`; then those that were pulled or imported. */
    bool strict;
    char images[FAKE_MAX_NAMES][256];
    size_t n_images;
    int looks, pulls, tags, imports, asks, image_removals;
    char pulled[512], tagged[512], imported[512]; /* the last request of the kind */
    char auth[512];                               /* the last X-Registry-Auth */
    bool hold;                                    /* looks, pulls and asks wait for a release */
    bool fail_tags;
    int held[FAKE_MAX_HELD]; /* connections, in order */
    size_t n_held;

    char volumes[FAKE_MAX_NAMES][256];
    size_t n_volumes;
    int volume_creates, volume_removals;
    char volume_body[1024]; /* of the last create */
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

        buf_printf(&b, "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"State\":\"%s\",\"Labels\":{",
                   i ? "," : "", c->id, c->name, fake_state_name(c->state));
        if (*c->arn)
            buf_printf(&b,
                       "\"com.amazonaws.ecs.task-arn\":\"%s\","
                       "\"com.amazonaws.ecs.container-name\":\"%s\"",
                       c->arn, c->label_name);
        buf_puts(&b, "}}");
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
             "\"State\":{\"Status\":\"%s\",\"Running\":%s,\"Paused\":%s,\"ExitCode\":%d,"
             "\"Error\":\"\","
             "\"OOMKilled\":false,\"Dead\":false,\"StartedAt\":\"%s\",\"FinishedAt\":\"%s\"},"
             "\"Config\":{\"Tty\":false},\"NetworkSettings\":{\"Ports\":{}}}",
             c->id, c->name, fake_state_name(c->state), c->state == FAKE_RUNNING ? "true" : "false",
             c->paused ? "true" : "false", c->exit_code,
             c->state == FAKE_CREATED ? "0001-01-01T00:00:00Z" : "2026-01-02T03:04:06Z",
             c->state == FAKE_EXITED ? "2026-01-02T03:04:07Z" : "0001-01-01T00:00:00Z");
    fake_answer(fd, 200, body);
}

static void fake_pause(struct fake_docker *f, int fd, struct fake_container *c, bool pause)
{
    bool already = c->paused == pause;

    if (pause)
        f->pauses++;
    else
        f->thaws++;
    if (pause && c->state != FAKE_RUNNING) {
        fake_answer(fd, 409, "{\"message\":\"Container x is not running\"}");
        return;
    }
    c->paused = pause;
    if (f->fail_pauses > 0 && f->fail_pauses--)
        fake_answer(fd, 500, "{\"message\":\"freezer: something is wrong\"}");
    else if (already)
        fake_answer(fd, pause ? 409 : 500,
                    pause ? "{\"message\":\"Container x is already paused\"}"
                          : "{\"message\":\"Container x is not paused\"}");
    else
        fake_answer(fd, 204, "");
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
    } else if (str_starts(verb, "/pause") || str_starts(verb, "/unpause")) {
        fake_pause(f, fd, c, verb[1] == 'p');
    } else if (str_starts(verb, "/stop") && c->paused && f->old_stop) {
        f->stopped_paused = true;
        fake_answer(fd, 500,
                    "{\"message\":\"Cannot stop container x: Container x is paused. "
                    "Unpause the container before stopping\"}");
    } else if (str_starts(verb, "/stop")) {
        f->stops++;
        f->stopped_paused = f->stopped_paused || c->paused;
        c->paused = false;
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

/* ---- images and volumes ---- */

/* "%2F" and its like; `end` characters end it. */
static void fake_decode(const char *from, const char *end, char to[256])
{
    size_t n = 0;

    while (*from && !strchr(end, *from) && n < 255) {
        unsigned int ch = (unsigned char)*from;

        if (ch == '%' && sscanf(from + 1, "%2x", &ch) == 1)
            from += 2;
        to[n++] = (char)ch;
        from++;
    }
    to[n] = '\0';
}

static int fake_name(char names[][256], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (streq(names[i], name))
            return (int)i;
    return -1;
}

static void fake_add_name(char names[][256], size_t *n, const char *name)
{
    if (fake_name(names, *n, name) < 0 && *n < FAKE_MAX_NAMES)
        snprintf(names[(*n)++], 256, "%s", name);
}

static UNUSED void fake_drop_name(char names[][256], size_t *n, const char *name)
{
    int at = fake_name(names, *n, name);

    if (at >= 0)
        memmove(names[at], names[--*n], 256);
}

/* True: the answer waits for fake_docker_release. */
static bool fake_hold(struct fake_docker *f, int fd)
{
    if (f->hold && f->n_held < FAKE_MAX_HELD)
        f->held[f->n_held++] = fd;
    return f->hold;
}

static bool fake_make_image(struct fake_docker *f, int fd, const char *query)
{
    const char *name = strstr(query, "fromImage=");
    const char *repo = strstr(query, "repo="), *tag = strstr(query, "tag=");
    char text[2][256] = { "", "" };

    if (!name) {
        char both[512];

        f->imports++;
        snprintf(f->imported, sizeof f->imported, "%s", query);
        fake_decode(repo ? repo + 5 : "", "&", text[0]);
        fake_decode(tag ? tag + 4 : "", "&", text[1]);
        snprintf(both, sizeof both, "%s%s%s", text[0], *text[1] ? ":" : "", text[1]);
        fake_add_name(f->images, &f->n_images, both);
        fake_answer(fd, 200, "{\"status\":\"sha256:bb\"}\n");
        return true;
    }
    f->pulls++;
    snprintf(f->pulled, sizeof f->pulled, "%s", query);
    if (fake_hold(f, fd))
        return false;
    fake_answer(fd, 200, "{\"status\":\"Pull complete\"}\n");
    return true;
}

static bool fake_image_call(struct fake_docker *f, int fd, const char *method, const char *rest)
{
    char name[256];

    fake_decode(rest, "?", name);
    if (streq(method, "POST")) {
        f->tags++;
        snprintf(f->tagged, sizeof f->tagged, "%s", rest);
        fake_answer(fd, f->fail_tags ? 500 : 201, f->fail_tags ? "{\"message\":\"no tag\"}" : "");
    } else if (streq(method, "DELETE")) {
        f->image_removals++;
        fake_drop_name(f->images, &f->n_images, name);
        fake_answer(fd, 200, "[]");
    } else {
        f->looks++;
        if (str_ends(name, "/json"))
            name[strlen(name) - 5] = '\0';
        if (fake_hold(f, fd))
            return false;
        if (f->strict && fake_name(f->images, f->n_images, name) < 0)
            fake_answer(fd, 404, "{\"message\":\"No such image\"}");
        else
            fake_answer(fd, 200,
                        "{\"Id\":\"sha256:aa\",\"Size\":123,\"RepoTags\":[\"busybox:latest\"],"
                        "\"Created\":\"2026-01-02T03:04:05Z\",\"RepoDigests\":["
                        "\"other@" FAKE_DIGEST_1 "\",\"busybox@" FAKE_DIGEST_2 "\"],"
                        "\"Config\":{\"Env\":[\"IMAGE=yes\"]}}");
    }
    return true;
}

static void fake_volume_call(struct fake_docker *f, int fd, const char *method, const char *rest,
                             const char *body)
{
    char name[256];

    if (streq(method, "POST")) {
        AUTO(json) struct json_t *doc = NULL;
        struct err e = { 0 };
        struct jcur root;

        f->volume_creates++;
        snprintf(f->volume_body, sizeof f->volume_body, "%s", body);
        if (json_parse(body, strlen(body), &doc, &e) == ERR_OK) {
            root = jcur_root(doc, &e);
            fake_add_name(f->volumes, &f->n_volumes, jcur_str(&root, "Name"));
        }
        fake_answer(fd, 201, "{\"Name\":\"v\",\"Driver\":\"local\"}");
        return;
    }
    fake_decode(rest, "?", name);
    if (fake_name(f->volumes, f->n_volumes, name) < 0) {
        fake_answer(fd, 404, "{\"message\":\"get v: no such volume\"}");
    } else if (streq(method, "DELETE")) {
        f->volume_removals++;
        fake_drop_name(f->volumes, &f->n_volumes, name);
        fake_answer(fd, 204, "");
    } else {
        fake_answer(fd, 200,
                    "{\"Name\":\"v\",\"Driver\":\"local\",\"Options\":{\"type\":\"tmpfs\"},"
                    "\"Labels\":null,\"Mountpoint\":\"/x\",\"Scope\":\"local\"}");
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
        answered = fake_make_image(f, fd, p + strlen("/images/create"));
    } else if (str_starts(p, "/images/json")) {
        fake_answer(fd, 200,
                    "[{\"Id\":\"sha256:aa\",\"Size\":123,\"Created\":1767323045,"
                    "\"RepoTags\":[\"busybox:latest\",\"busybox:1\"]},"
                    "{\"Id\":\"sha256:cc\",\"Size\":5,\"Created\":1767323046,"
                    "\"RepoTags\":null}]");
    } else if (str_starts(p, "/images/")) {
        answered = fake_image_call(f, fd, method, p + strlen("/images/"));
    } else if (str_starts(p, "/distribution/")) {
        f->asks++;
        answered = !fake_hold(f, fd);
        if (answered)
            fake_answer(fd, 200,
                        "{\"Descriptor\":{\"mediaType\":"
                        "\"application/vnd.docker.distribution.manifest.v2+json\","
                        "\"digest\":\"" FAKE_DIGEST_3 "\","
                        "\"size\":1}}");
    } else if (str_starts(p, "/volumes/")) {
        fake_volume_call(f, fd, method, p + strlen("/volumes/"), body);
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
static bool fake_read(int fd, struct buf *in, char method[16], char path[4096], char auth[512],
                      char **body)
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
    at = strcasestr(in->data, "x-registry-auth:");
    *auth = '\0';
    if (at && at < end)
        sscanf(at + 16, " %511[^\r]", auth);
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
    char method[16], path[4096], auth[512];
    char *body = NULL;

    while (fake_read(fd, &in, method, path, auth, &body)) {
        if (*auth) {
            pthread_mutex_lock(&f->lock);
            memcpy(f->auth, auth, sizeof f->auth);
            pthread_mutex_unlock(&f->lock);
        }
        fake_serve(f, fd, method, path, body);
        free(body);
        body = NULL;
    }
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < FAKE_MAX_STREAMS; i++) {
        if (f->streams[i] == fd)
            f->streams[i] = -1;
    }
    for (size_t i = 0; i < f->n_held; i++) {
        if (f->held[i] == fd)
            f->held[i] = -1; /* who asked is gone */
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
static UNUSED void fake_docker_exit(struct fake_docker *f, size_t container, int exit_code)
{
    struct fake_container *c = &f->containers[container];

    pthread_mutex_lock(&f->lock);
    c->state = FAKE_EXITED;
    c->exit_code = exit_code;
    fake_tell(f, c, "die");
    pthread_mutex_unlock(&f->lock);
}

/* A number read under the lock. */
static UNUSED int fake_docker_count(struct fake_docker *f, const int *number)
{
    int n;

    pthread_mutex_lock(&f->lock);
    n = *number;
    pthread_mutex_unlock(&f->lock);
    return n;
}

/* Answers what was held, and holds no more. */
static UNUSED void fake_docker_release(struct fake_docker *f, int status, const char *body)
{
    pthread_mutex_lock(&f->lock);
    f->hold = false;
    for (size_t i = 0; i < f->n_held; i++) {
        if (f->held[i] >= 0)
            fake_answer(f->held[i], status, body);
    }
    f->n_held = 0;
    pthread_mutex_unlock(&f->lock);
}

/* A container of somebody else, which has ended. */
static UNUSED void fake_docker_stranger(struct fake_docker *f, const char *name)
{
    struct fake_container *c = &f->containers[f->n_containers++];

    snprintf(c->id, sizeof c->id, "%064zx", f->n_containers);
    snprintf(c->name, sizeof c->name, "%s", name);
    c->state = FAKE_EXITED;
}
