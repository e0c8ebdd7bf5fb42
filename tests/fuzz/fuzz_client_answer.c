/* links: cli */
/* What an agent, of whatever version, answers to a command, and what the command prints of it for
 * people. The first byte is the command. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/top.h"
#include "fuzz/folder.h"
#include "fuzz/printed.h"

#define SCREEN_MAX ((size_t)16 << 20)

/* ---- the agent: on a thread, for a command waits for its answer ---- */

static struct {
    char path[64];
    int fd, over; /* listening; an eventfd: the input is over */
    sem_t begin, end;
    struct str text;
} agent;

/* Until there is something on `fd`; false: the input is over. */
static bool wait_on(int fd)
{
    struct pollfd both[2] = { { .fd = agent.over, .events = POLLIN },
                              { .fd = fd, .events = POLLIN } };

    LAW(poll(both, 2, 60000) > 0); /* nothing here takes a minute */
    return !both[0].revents;
}

/* The text, when the line with the question has come; then until the client goes, for closing with
 * something unread would cut off what it has not read yet. */
static void answer(int fd)
{
    struct str left = agent.text;
    char asked[4096] = "";
    ssize_t n = 1;

    while (n > 0 && !memchr(asked, '\n', sizeof asked))
        n = recv(fd, asked, sizeof asked, 0);
    while (n > 0 && left.n) {
        n = send(fd, left.p, left.n, MSG_NOSIGNAL); /* the client may have seen enough */
        left.p += n > 0 ? n : 0;
        left.n -= n > 0 ? (size_t)n : 0;
    }
    shutdown(fd, SHUT_WR);
    while (wait_on(fd) && recv(fd, asked, sizeof asked, 0) > 0)
        ;
}

static void *be_agent(void *user)
{
    uint64_t n;

    (void)user;
    for (;;) {
        sem_wait(&agent.begin);
        while (wait_on(agent.fd)) {
            int fd = accept4(agent.fd, NULL, NULL, SOCK_CLOEXEC);

            answer(fd);
            close(fd);
        }
        LAW(read(agent.over, &n, sizeof n) == sizeof n);
        sem_post(&agent.end);
    }
    return NULL;
}

static void start_agent(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    pthread_t thread;

    snprintf(agent.path, sizeof agent.path, "%s/socket", fuzz_folder());
    memcpy(at.sun_path, agent.path, strlen(agent.path) + 1);
    agent.over = eventfd(0, EFD_CLOEXEC);
    agent.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LAW(bind(agent.fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(agent.fd, 8) == 0);
    LAW(sem_init(&agent.begin, 0, 0) == 0 && sem_init(&agent.end, 0, 0) == 0);
    LAW(pthread_create(&thread, NULL, be_agent, NULL) == 0 && pthread_detach(thread) == 0);
}

/* ---- the commands ---- */

static void run(int (*command)(int argc, char **argv), const char *more)
{
    static char name[] = "x", option[] = "--socket";
    AUTO(str) char *last = mem_strdup(more);
    char *argv[5] = { name, option, agent.path, last };
    struct printed printed = { 0 };

    printed_begin(&printed);
    command(last ? 4 : 3, argv);
    printed_end(&printed);
}

/* The readings of `berth top`, one a line, and the screen of each. */
static void show_top(struct str left)
{
    struct top_view view = { 0 };

    for (unsigned i = 0; left.n; i++) {
        struct str line = fuzz_line(&left);
        const struct top_look look = { .sort = (enum top_sort)(i % 5),
                                       .width = (int)(20 + i * 37 % 200),
                                       .height = i % 3 ? 0 : 24,
                                       .keys = i % 2 };
        AUTO(json) struct json_t *doc = NULL;
        AUTO(buf) struct buf screen = BUF_INIT(SCREEN_MAX), text = BUF_INIT(SCREEN_MAX);
        struct printed printed = { 0 };
        struct err e = { 0 };
        struct jcur root;
        struct jw w;

        if (json_parse(line.p, line.n, &doc, &e))
            continue;
        root = jcur_root(doc, &e);
        top_view_read(&view, &root);
        top_view_rated(&view);
        top_screen(&view, &look, &screen);
        printed_begin(&printed);
        fwrite(buf_text(&screen), 1, screen.len, stdout);
        printed_end(&printed);
        jw_init(&w, &text);
        top_view_write(&view, &w);
        json_free(doc);
        doc = NULL;
        LAW(text.overflowed || !json_parse(buf_text(&text), text.len, &doc, NULL));
    }
    top_view_fini(&view);
}

static void ask(unsigned command)
{
    const uint64_t one = 1;

    sem_post(&agent.begin);
    switch (command) {
    case 0:
        run(cli_status, NULL);
        break;
    case 1:
        run(cli_tasks, NULL);
        break;
    case 2:
        run(cli_why, "8f2c");
        break;
    default:
        run(cli_events, NULL);
        break;
    }
    LAW(write(agent.over, &one, sizeof one) == sizeof one);
    sem_wait(&agent.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!*agent.path) {
        start_agent();
        printed_terminal();
    }
    if (!size)
        return 0;
    agent.text = fuzz_str(data + 1, size - 1);
    if (data[0] % 5 == 4)
        show_top(agent.text);
    else
        ask(data[0] % 5);
    return 0;
}
