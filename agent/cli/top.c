/* top: the live table of containers.
 *
 * The screen is drawn with the few sequences that every terminal since the VT100 knows, and
 * read with a terminal in non-canonical mode; that is less than what ncurses would have to be
 * told, and no dependency. What the terminal was is brought back when the command ends, also
 * by a signal, and while it is stopped. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/top.h"

#define SCREEN_MAX     (64 << 20)
#define DELAY_MS       2000
#define DELAY_MIN_MS   1000 /* the agent reads no container more often */
#define DELAY_MAX_MS   (3600 * 1000)
#define ONCE_GAP_MS    1050 /* so that the second reading is another one */
#define ONCE_TRIES     7    /* with many containers some are read every 5 s only */
#define ESCAPE_WAIT_MS 50

static const char help[] =
    "usage: berth top [-d SECONDS] [--once] [--sort KEY] [--json] [--socket PATH]\n\n"
    "Shows what the containers of this instance use, as it changes: CPU in percent of one\n"
    "core, memory in use and its limit, bytes a second of the network (RX, TX) and of block\n"
    "devices (READ, WRITE), processes, restarts (RST), the bytes of the log that are read and\n"
    "not shipped yet (LOG), and the age. On a narrow terminal some of these are left out.\n"
    "When standard output is not a terminal, one table.\n\n"
    "Keys: c CPU, m memory, n network, i block devices, t task: what to sort by; q quits.\n\n"
    "  -d SECONDS     between two readings, 1 to 3600; default 2\n"
    "  --once         print one table, of two readings a second apart\n"
    "  --sort KEY     one of c, m, n, i, t; default c\n"
    "  --json         one JSON object each time instead\n"
    "  --socket PATH  where the agent listens; default BERTH_SOCKET, else\n"
    "                 /run/berth/berth.sock\n";

struct top {
    struct cli_client client;
    struct top_view view;
    struct top_look look;
    int64_t delay_ms;
    bool json;
};

/* ---- asking ---- */

static void on_answer(void *user, const struct jcur *answer)
{
    top_view_read(user, answer);
}

static int ask(struct top *t)
{
    return cli_ask(&t->client, "top", NULL, false, on_answer, &t->view);
}

static void wait_ms(int64_t ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

/* ---- without a screen ---- */

static void print(const struct top *t)
{
    AUTO(buf) struct buf b = BUF_INIT(SCREEN_MAX);
    struct jw w;

    if (t->json) {
        jw_init(&w, &b);
        top_view_write(&t->view, &w);
        buf_putc(&b, '\n');
    } else {
        top_screen(&t->view, &t->look, &b);
    }
    fwrite(b.data, 1, b.len, stdout);
    fflush(stdout);
}

/* Rates need two readings. */
static int first_rates(struct top *t)
{
    int code = ask(t);

    for (int i = 0; code == CLI_OK && i < ONCE_TRIES && (!i || !top_view_rated(&t->view)); i++) {
        wait_ms(ONCE_GAP_MS);
        code = ask(t);
    }
    return code;
}

static int print_for_ever(struct top *t)
{
    int code = first_rates(t);

    while (code == CLI_OK && !ferror(stdout)) {
        print(t);
        wait_ms(t->delay_ms);
        code = ask(t);
    }
    return code;
}

/* ---- the terminal ---- */

#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

/* For the signals: there is one terminal. */
static struct termios original;
static volatile sig_atomic_t entered, resized, stopped;

/* Only what a signal handler may call. */
static void leave(void)
{
    if (!entered)
        return;
    /* In the background the terminal is another's, and setting it would stop the command. */
    if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        (void)!fd_write_all(STDOUT_FILENO, str_of(LEAVE));
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &original);
    }
    entered = 0; /* a signal in between brings it back once more */
}

static void enter(void)
{
    struct termios raw = original;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ^C and ^Z stay what they are */
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    entered = 1; /* a signal in between brings back what is not changed yet */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    (void)!fd_write_all(STDOUT_FILENO, str_of(ENTER));
}

/* Set with SA_RESETHAND, and it is blocked here: it strikes when this returns. */
static void on_fatal(int sig)
{
    leave();
    raise(sig);
}

static void on_resize(int sig)
{
    (void)sig;
    resized = 1;
}

static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

/* What is only to interrupt the wait for a key is blocked but then. */
static sigset_t catch_signals(void)
{
    static const int fatal[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGABRT, SIGSEGV };
    struct sigaction act = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };
    sigset_t ours, before;

    for (size_t i = 0; i < COUNT_OF(fatal); i++)
        sigaction(fatal[i], &act, NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGWINCH);
    sigaddset(&ours, SIGTSTP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    act = (struct sigaction){ .sa_handler = on_resize };
    sigaction(SIGWINCH, &act, NULL);
    act.sa_handler = on_stop;
    sigaction(SIGTSTP, &act, NULL);
    sigdelset(&before, SIGWINCH);
    sigdelset(&before, SIGTSTP);
    return before;
}

static void measure(struct top_look *look)
{
    struct winsize size;

    look->width = 80;
    look->height = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        return;
    look->width = size.ws_col;
    look->height = size.ws_row;
}

/* Lines over what is there, so that nothing flickers; the heads in reverse. */
static void draw(const struct top *t)
{
    AUTO(buf) struct buf text = BUF_INIT(SCREEN_MAX), out = BUF_INIT(SCREEN_MAX);
    const char *from, *end;

    top_screen(&t->view, &t->look, &text);
    buf_puts(&out, "\033[H");
    from = buf_text(&text);
    for (int line = 0; (end = strchr(from, '\n')); line++, from = end + 1) {
        if (line > 0)
            buf_putc(&out, '\n'); /* the terminal adds what it needs */
        buf_puts(&out, line == TOP_HEADING ? "\033[7m" : "");
        buf_append(&out, from, (size_t)(end - from));
        buf_puts(&out, "\033[m\033[K");
    }
    buf_puts(&out, "\033[J");
    (void)!fd_write_all(STDOUT_FILENO, buf_str(&out));
}

/* ---- the live screen ---- */

/* What has been typed already; -1: nothing. */
static int next_byte(void)
{
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    unsigned char c;

    return poll(&in, 1, ESCAPE_WAIT_MS) > 0 && read(STDIN_FILENO, &c, 1) == 1 ? c : -1;
}

/* The rest of what an arrow or a function key sends: "[" up to a letter or "~", or "O" and one. */
static void skip_sequence(void)
{
    int c = next_byte();

    if (c == 'O')
        next_byte();
    while (c == '[' || (c >= 0x20 && c < 0x40))
        c = next_byte();
}

/* A key; 0: none. */
static int read_key(void)
{
    unsigned char c;

    if (read(STDIN_FILENO, &c, 1) != 1)
        return 'q'; /* poll said that there is something: the terminal is gone */
    if (c != '\033')
        return c;
    skip_sequence();
    return 0;
}

static bool choose_sort(struct top_look *look, int key)
{
    static const char keys[] = {
        [TOP_BY_CPU] = 'c', [TOP_BY_MEMORY] = 'm', [TOP_BY_NETWORK] = 'n',
        [TOP_BY_IO] = 'i',  [TOP_BY_TASK] = 't',
    };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (keys[i] == key) {
            look->sort = (enum top_sort)i;
            return true;
        }
    }
    return false;
}

static void go_to_sleep(void)
{
    stopped = 0;
    leave();
    raise(SIGSTOP);
    /* cppcheck-suppress unreachableCode ; SIGCONT goes on here */
    enter();
    resized = 1;
}

/* Until it is time for the next reading; false: it is over. */
static bool live_until(struct top *t, int64_t due_ms, const sigset_t *waiting)
{
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    int64_t left;
    int key;

    while ((left = due_ms - clock_mono_ms()) > 0) {
        struct timespec ts = { left / 1000, left % 1000 * 1000000 };

        key = ppoll(&in, 1, &ts, waiting) > 0 ? read_key() : 0;
        if (key == 'q' || key == 'Q' || key == 4) /* ^D */
            return false;
        if (stopped)
            go_to_sleep();
        if (resized)
            measure(&t->look);
        if (choose_sort(&t->look, key) || resized || key == '\f')
            draw(t);
        resized = 0;
    }
    return true;
}

static int live(struct top *t)
{
    sigset_t waiting;
    int code = ask(t); /* an agent that is not there is told of without a screen */
    int64_t gap_ms = ONCE_GAP_MS;

    if (code != CLI_OK)
        return code;
    if (tcgetattr(STDIN_FILENO, &original)) {
        perror("berth top: the terminal");
        return CLI_ERROR;
    }
    waiting = catch_signals();
    t->client.quiet = true;
    t->look.keys = true;
    measure(&t->look);
    enter();
    for (;;) {
        draw(t);
        if (!live_until(t, clock_mono_ms() + gap_ms, &waiting))
            break;
        t->look.problem =
            ask(t) ? "The agent does not answer; this is the last that was known. Trying again"
                   : NULL;
        gap_ms = t->delay_ms;
    }
    leave();
    return CLI_OK;
}

/* ---- the command ---- */

static bool parse_delay(const char *text, int64_t *ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds * 1000 >= DELAY_MIN_MS) ||
        !(seconds * 1000 <= DELAY_MAX_MS))
        return false;
    *ms = (int64_t)(seconds * 1000);
    return true;
}

/* As wide as somebody who pipes it says; otherwise everything. */
static int width_of_pipe(void)
{
    const char *text = getenv("COLUMNS");
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n < 10000 ? (int)n : 1000;
}

int cli_top(int argc, char **argv)
{
    struct top t = { .delay_ms = DELAY_MS, .look = { .sort = TOP_BY_CPU } };
    const char *socket = NULL, *delay = NULL, *sort = "c";
    bool once = false, terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const struct cli_option options[] = {
        { "json", &t.json, NULL }, { "socket", NULL, &socket }, { "once", &once, NULL },
        { "d", NULL, &delay },     { "delay", NULL, &delay },   { "sort", NULL, &sort },
    };
    int code = cli_options(options, COUNT_OF(options), help, CLI_USAGE, 0, &argc, argv);

    if (code >= 0)
        return code;
    if (delay && !parse_delay(delay, &t.delay_ms)) {
        fprintf(stderr, "berth top: -d %s: expected 1 to 3600 seconds\n", delay);
        return CLI_USAGE;
    }
    if (strlen(sort) != 1 || !choose_sort(&t.look, sort[0])) {
        fprintf(stderr, "berth top: --sort %s: expected one of c, m, n, i, t\n", sort);
        return CLI_USAGE;
    }
    cli_client_init(&t.client, socket, false);
    t.client.json = false; /* what is printed is made here */
    if (t.json && !once) {
        code = print_for_ever(&t);
    } else if (t.json || once || !terminal) {
        t.look.width = width_of_pipe();
        code = first_rates(&t);
        if (code == CLI_OK)
            print(&t);
    } else {
        code = live(&t);
    }
    top_view_fini(&t.view);
    return code;
}
