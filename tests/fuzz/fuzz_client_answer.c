/* links: cli */
/* What an agent, of whatever version, answers to a command, and what the command prints of it for
 * people. The first byte is the command. */
#include <sys/socket.h>

#include "cli/cli.h"
#include "cli/top.h"
#include "fuzz/printed.h"
#include "fuzz/server.h"

#define SCREEN_MAX ((size_t)16 << 20)

static struct fuzz_server server;

/* The answer, when the line with the question has come. */
static void answer(struct fuzz_server *s, int fd, struct str part)
{
    char c = 0;

    (void)s;
    while (c != '\n' && recv(fd, &c, 1, 0) == 1)
        ;
    fuzz_server_say(fd, part.p, part.n);
}

static void run(int (*command)(int argc, char **argv), const char *more)
{
    static char name[] = "x", option[] = "--socket";
    AUTO(str) char *last = mem_strdup(more);
    char *argv[5] = { name, option, server.path, last };
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;

    if (!server.answer) {
        fuzz_server_init(&server, true, answer);
        server.whole = true;
        printed_terminal();
    }
    if (!size)
        return 0;
    text = fuzz_str(data + 1, size - 1);
    if (data[0] % 5 == 4) {
        show_top(text);
        return 0;
    }
    fuzz_server_begin(&server, text);
    switch (data[0] % 5) {
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
    fuzz_server_end(&server);
    return 0;
}
