/* links: cli */
/* What somebody says on the agent's own socket, in any pieces: an agent that waits for its
 * container engine answers, and its answer is JSON. (The first bytes: the lengths of the pieces,
 * fuzz.h.) */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/agent.h"
#include "config/config.h"
#include "fuzz/folder.h"
#include "fuzz/fuzz.h"
#include "io/service_manager.h"

#define ANSWER_MAX ((size_t)1 << 20)

static struct {
    struct agent agent;
    struct admin *admin;
    char path[64];
    struct fuzz_pieces pieces;
    struct buf answer;
} w;

static void ask(void *user)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 5 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct str piece;
    ssize_t got = 1;

    (void)user;
    memcpy(to.sun_path, w.path, strlen(w.path) + 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    LAW(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    while (fuzz_next_piece(&w.pieces, &piece)) {
        if (send(fd, piece.p, piece.n, MSG_NOSIGNAL) < 0)
            w.pieces.left.n = 0; /* it has seen enough */
        free((char *)piece.p);
    }
    shutdown(fd, SHUT_WR);
    while (got > 0) {
        char *at = buf_reserve(&w.answer, 4096);

        LAW(at);
        got = recv(fd, at, 4096, 0);
        buf_grew(&w.answer, got > 0 ? (size_t)got : 0);
    }
    close(fd);
}

static void on_asked(void *user)
{
    (void)user;
    loop_stop(w.agent.loop);
}

static const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static void set_up(void)
{
    const struct config_inputs nothing = { .env = no_env };
    struct config_problems problems = { 0 };
    struct err e = { 0 };

    w.agent.config = config_build(&nothing, &problems);
    config_problems_fini(&problems);
    w.agent.manager = service_manager_create();
    snprintf(w.path, sizeof w.path, "%s/socket", fuzz_folder());
    buf_init(&w.answer, ANSWER_MAX);
    w.agent.loop = loop_create();
    LAW(admin_create(&w.agent, w.path, &w.admin, &e) == ERR_OK);
}

/* Each line of an answer. */
static void check_answer(void)
{
    struct str left = buf_str(&w.answer);

    while (left.n) {
        AUTO(json) struct json_t *doc = NULL;
        struct str line = fuzz_line(&left);

        LAW(json_parse(line.p, line.n, &doc, NULL) == ERR_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!w.admin)
        set_up();
    w.pieces = fuzz_pieces(data, size);
    buf_reset(&w.answer);
    loop_work(w.agent.loop, ask, on_asked, NULL);
    loop_run(w.agent.loop);
    check_answer();
    return 0;
}
